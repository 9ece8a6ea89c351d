//! A server's own counts and times of one request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::units::Nanos;

/// Counters of the final object. Ollama omits zero values, so each is optional.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerCounters {
    /// From the request's arrival at the server to its end.
    #[serde(rename = "total_ns")]
    pub total: Option<Nanos>,
    /// Until the model was ready for this request. Holds queueing for a reload, unloading and
    /// loading; it is not disk time.
    #[serde(rename = "load_ns")]
    pub load: Option<Nanos>,
    /// Prompt tokens, cached ones included.
    pub prompt_eval_count: Option<u64>,
    /// Prefill of the tokens that were not cached.
    #[serde(rename = "prompt_eval_ns")]
    pub prompt_eval: Option<Nanos>,
    /// Prompt tokens served from the cache, on servers that report it.
    pub prompt_eval_cached_count: Option<u64>,
    /// Generated tokens.
    pub eval_count: Option<u64>,
    /// Decoding.
    #[serde(rename = "eval_ns")]
    pub eval: Option<Nanos>,
}
