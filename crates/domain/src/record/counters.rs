//! A server's own counts and times of one request.

use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// Counters of the final object. Ollama omits zero values, so each is optional.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(default)]
pub struct ServerCounters {
    /// From the request's arrival at the server to its end.
    #[serde(rename = "total_ns", skip_serializing_if = "Option::is_none")]
    pub total: Option<Nanos>,
    /// Until the model was ready for this request. Holds queueing for a reload, unloading and
    /// loading; it is not disk time.
    #[serde(rename = "load_ns", skip_serializing_if = "Option::is_none")]
    pub load: Option<Nanos>,
    /// Prompt tokens, cached ones included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_eval_count: Option<u64>,
    /// Prefill of the tokens that were not cached.
    #[serde(rename = "prompt_eval_ns", skip_serializing_if = "Option::is_none")]
    pub prompt_eval: Option<Nanos>,
    /// Prompt tokens served from the cache, on servers that tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_eval_cached_count: Option<u64>,
    /// Generated tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eval_count: Option<u64>,
    /// Decoding.
    #[serde(rename = "eval_ns", skip_serializing_if = "Option::is_none")]
    pub eval: Option<Nanos>,
}
