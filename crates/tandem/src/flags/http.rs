//! How servers are reached.

use clap::Args;
use domain::record::{HttpClient, RuntimeFacts};
use openai::Endpoint;

use super::word_of;

pub(super) const HTTP_CLIENTS: [(&str, &str); 2] = [
    ("direct", "Tandem's own sockets"),
    ("reqwest", "The library reqwest"),
];

/// Flags of every command that sends requests to real servers.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HttpFlags {
    /// The HTTP client that reads measured streams over plain HTTP: Tandem's own sockets (`direct`, the
    /// default), or the library `reqwest`, which reads everything else always. Recorded with the run.
    #[arg(long, value_parser = word_of::<HttpClient, 2>(HTTP_CLIENTS), conflicts_with = "simulate")]
    pub(crate) http: Option<HttpClient>,
    /// Send every request through this HTTP proxy; measured streams are then read by reqwest. Recorded with
    /// the run. No proxy is taken from the environment.
    #[arg(long, value_name = "URL", conflicts_with = "simulate", value_parser = Endpoint::proxy)]
    pub(crate) proxy: Option<Endpoint>,
}

impl HttpFlags {
    /// The flags that select the client of a recorded run.
    pub(crate) fn of(facts: &RuntimeFacts) -> Self {
        let proxy = facts.proxy.as_deref();
        Self {
            http: Some(facts.http),
            proxy: proxy.and_then(|url| Endpoint::proxy(url).ok()),
        }
    }
}
