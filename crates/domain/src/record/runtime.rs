//! The async runtime and the HTTP client of a run.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The async runtime that a client ran on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuntimeFacts {
    pub flavour: RuntimeFlavour,
    /// Threads that run tasks.
    pub workers: u32,
    /// The CPUs that the process was held to, in order; empty when it was free to run on any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<u32>,
    /// What read the measured streams; absent for the direct client.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub http: HttpClient,
    /// The proxy that every request went through, without credentials; absent for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

impl RuntimeFacts {
    /// The HTTP client and the proxy, where they are not the usual ones: `reqwest and the proxy http://h:3128`.
    pub fn http_in_words(&self) -> Option<String> {
        match (self.http, &self.proxy) {
            (HttpClient::Direct, None) => None,
            (HttpClient::Reqwest, None) => Some("reqwest".to_owned()),
            (_, Some(proxy)) => Some(format!("reqwest and the proxy {proxy}")),
        }
    }
}

/// What reads measured streams over plain HTTP. Streams over https and through a proxy are read by reqwest
/// always.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HttpClient {
    /// Tandem's own sockets.
    #[default]
    Direct,
    /// The library reqwest.
    Reqwest,
}

/// Flavours of the async runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuntimeFlavour {
    /// Threads that take tasks from each other.
    Multi,
    /// One thread.
    Current,
}
