//! A typed client for servers that speak OpenAI's chat completions, built for measuring: llama.cpp,
//! vLLM, SGLang, LM Studio, Ollama's own `/v1` and other compatible servers.
//!
//! - [`Client`] speaks `/v1/chat/completions` and `/v1/models` and is a
//!   [`domain::backend::ChatBackend`].
//! - [`sse`] splits a byte stream into server-sent events and does no I/O.
//! - [`wire`] is the protocol's JSON, with what the servers add to it.
//!
//! It is a sibling of `ollama` and records in the same way, events in place of lines. Output is content,
//! thinking under each of its names, tool calls and refusals; a chunk without any (the role, a null content, a
//! finish reason, the usage) is not a first token. Events that are no part of a completion are skipped.
//!
//! How a generation ends:
//! - `completed` when the server gave a finish reason and then `[DONE]`. What follows is not read
//!   for content. A body without `[DONE]` that ends without an error, or does not end soon, is complete too, with a
//!   [note](domain::record::ResponseNote).
//! - `incomplete` when it ends without an error and without a finish reason: Ollama's `/v1` ends so when its
//!   runner dies, and proxies send `[DONE]` for answers that were cut.
//! - `failed` when the connection cannot be made or breaks, on an error status, on an
//!   answer that is not a stream though one was requested, on an error in any form, on a finish reason that
//!   is one, or on an event that is no JSON.
//! - `timed_out` with the limit that ran out. The first-byte limit ends with the first token, not
//!   with the response's head, which some servers send before they begin.
//!
//! The crate reports what such a server cannot do: the protocol has no operation that loads or unloads a
//! model, and it takes only its own options ([`wire::ChatRequest::from_call`] names the
//! others). llama.cpp's `timings` and vLLM's `metrics` become [`domain::record::ServerCounters`];
//! values that a server does not report stay absent.
//!
//! It does not know plans, agents, or what is being compared. It never sleeps or stamps on any
//! clock but the one it was given.
//!
//! ```no_run
//! # fn example() -> Result<(), openai::BuildError> {
//! let settings = openai::Settings::new(clock::Clock::real(), domain::plan::Timeouts::default());
//! let mut client = openai::Client::new(settings, "127.0.0.1:8080/v1")?;
//! client.dialect = openai::Dialect::LlamaCpp;
//! # Ok(())
//! # }
//! ```

mod backend;
mod chunk;
mod client;
mod error;

pub mod sse;
mod stream;
mod texts;
pub mod wire;

pub use client::{Client, DEFAULT_PORT, ServerFacts, endpoint, unknown_server};
pub use transport::{ApiKey, BuildError, Endpoint, EndpointError, KeyError, Settings};
pub use wire::Dialect;

#[cfg(test)]
mod tests;
