//! HTTP for measuring: what the clients of the protocols have in common.
//!
//! - [`Endpoint`] reads where a server is and refuses what may be a credential.
//! - [`Builder`] makes a [`Transport`]: one server, its connections, its limits, its key.
//! - [`Transport::send`] runs a request to the response's head, `Response::read` hands the body's
//!   bytes to a [`Sink`] as they arrive.
//! - [`Trouble`] is what can go wrong, [`Refusal`] a status that is no success.
//!
//! Nothing is retried, redirected or sent through a proxy: each would bend a measurement. Every
//! limit ([`domain::plan::Timeouts`]) runs on the [`clock::Clock`], not on the wall. In virtual time
//! ([`clock::Clock::ledger`]) each request carries its ledger id in a header, and every request,
//! response head, body byte and end of body is accounted for. A server that breaks a connection on
//! purpose must post a unit first, or time may run on before the break is seen.
//!
//! Connections are read by a thread of their own, which stamps what arrives and takes it from one buffer
//! straight to the sink: no chunk wakes the task of its request. Under TLS and in virtual time the task
//! reads itself. Connections that are kept wait in a pool; one that the server has closed meanwhile is
//! replaced as long as not a byte of the request has been written.
//!
//! A dropped future closes its connection.
//!
//! What it does not know: what the bytes mean. Error objects, content types and streams belong to
//! the protocols, `ollama` and `openai`.

mod answer;
mod broken;
mod buffer;
mod builder;
mod connect;
mod connection;
mod endpoint;
mod error;
mod http1;
mod key;
mod lent;
mod limits;
mod pool;
mod reading;
mod recording;
mod response;
mod transport;
mod wire;

pub use builder::Builder;
pub use endpoint::{Endpoint, EndpointError, Rules};
pub use error::{BuildError, Refusal, Trouble, clip, error_words};
pub use key::{ApiKey, KeyError};
pub use limits::Limits;
pub use reading::Sink;
pub use recording::{Recorder, Recording, decode, malformed, of_whole, record_text};
pub use response::Response;
pub use transport::{Transport, json_body};
