//! How servers are reached.

use clap::{Args, ValueEnum};
use domain::record::{HttpClient, RuntimeFacts};
use openai::Endpoint;

/// Flags of whatever sends requests to real servers.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HttpFlags {
    /// The HTTP client that reads measured streams over plain HTTP: Tandem's own sockets (`direct`, the
    /// default), or the library `reqwest`, which reads everything else always. Recorded with the run.
    #[arg(long, value_enum, conflicts_with = "simulate")]
    pub(crate) http: Option<HttpArg>,
    /// Send every request through this HTTP proxy; measured streams are then read by reqwest. Recorded with
    /// the run. No proxy is taken from the environment.
    #[arg(long, value_name = "URL", conflicts_with = "simulate", value_parser = Endpoint::proxy)]
    pub(crate) proxy: Option<Endpoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HttpArg {
    /// Tandem's own sockets.
    Direct,
    /// The library reqwest.
    Reqwest,
}

impl HttpFlags {
    /// The flags that select the client of a recorded run.
    pub(crate) fn of(facts: &RuntimeFacts) -> Self {
        Self {
            http: Some(match facts.http {
                HttpClient::Direct => HttpArg::Direct,
                HttpClient::Reqwest => HttpArg::Reqwest,
            }),
            proxy: facts
                .proxy
                .as_deref()
                .and_then(|url| Endpoint::proxy(url).ok()),
        }
    }

    pub(crate) fn client(&self) -> HttpClient {
        match self.http {
            Some(HttpArg::Reqwest) => HttpClient::Reqwest,
            None | Some(HttpArg::Direct) => HttpClient::Direct,
        }
    }
}
