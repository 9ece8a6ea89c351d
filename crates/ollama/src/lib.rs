//! A typed client for Ollama's native HTTP API, built for measuring.
//!
//! - [`Client`] speaks `/api/generate`, `/api/chat`, `/api/tags`, `/api/show`, `/api/ps` and
//!   `/api/version`, and is a [`domain::backend::ChatBackend`].
//! - [`ndjson`] splits a byte stream into lines and does no I/O.
//! - [`wire`] is the protocol's JSON.
//!
//! [`transport`] defines what is recorded, which limits apply and what fails. Lines that came in one network
//! read carry one stamp, and a line that came in several reads carries the stamp of the read that
//! completed it. A chunk is not a token.
//!
//! How a generation ends:
//! - `completed` at the first final object (`done: true`). What follows it is not read for content:
//!   a second final object, an error line or a broken connection no longer changes anything.
//! - `incomplete` when the body ends without an error and without a final object, possibly in the middle of a line.
//! - `failed` when the connection cannot be made or breaks (a chunked body cut short is a break),
//!   on an error status, a wrong content type, an error line, or a line that is not the
//!   protocol. A 404 is a missing model only when the server says so in JSON.
//! - `timed_out` with the limit that ran out. The first-byte limit ends with the response's head.
//!
//! It does not know plans, agents, what is being compared, or whether the server is a real
//! Ollama or a simulator. It never sleeps or stamps on any clock but the one it was given.
//!
//! ```no_run
//! use clock::Clock;
//! use domain::backend::{ChatBackend, Exchange, GenerateCall};
//! use domain::plan::Timeouts;
//! use ollama::Settings;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::new(Clock::real(), Timeouts::default());
//! let client = ollama::Client::new(settings, "127.0.0.1:11434")?;
//! let call = GenerateCall {
//!     model: "gemma3:latest".to_owned(),
//!     prompt: "Why is the sky blue?".to_owned(),
//!     options: domain::ModelOptions { num_predict: Some(64), ..Default::default() },
//!     ..GenerateCall::default()
//! };
//! let mut exchange = Exchange::default();
//! let outcome = client.generate(&call, &mut exchange).await;
//! if let (Some(sent), Some(first)) = (exchange.times.sent, exchange.times.first_token) {
//!     println!("{}: TTFT {}", outcome.class(), first.since(sent));
//! }
//! # Ok(())
//! # }
//! ```

mod backend;
mod chunk;
mod client;
mod error;
pub mod ndjson;
mod stream;
pub mod wire;

pub use client::{Client, DEFAULT_PORT, endpoint};
pub use transport::{ApiKey, BuildError, Endpoint, EndpointError, KeyError, Settings};

/// Public only for the repository's benchmark of decoding.
#[doc(hidden)]
pub mod hot_path {
    /// Decodes one stream object and returns the number of bytes of its text.
    pub fn decode(line: &[u8]) -> Option<usize> {
        let chunk = crate::chunk::Chunk::decode(line).ok()?;
        Some(chunk.content().len() + chunk.thinking().len())
    }
}

#[cfg(test)]
mod tests;
