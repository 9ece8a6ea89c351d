//! HTTP for measuring: what the clients of the protocols have in common.
//!
//! - [`Endpoint`] reads where a server is and refuses what may be a credential.
//! - [`Builder`] makes a [`Transport`]: one server, its connections, its limits, its key.
//! - [`Transport::generation`] hands a stream's bytes to a [`Recorder`] as they arrive,
//!   [`Transport::value`] reads a reply that is one JSON value.
//! - [`Promise`] is what a protocol expects of a response, [`Trouble`] what can go wrong, [`Refusal`] a
//!   status that is no success.
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
//! A request writes what it sees into the caller's [`domain::backend::Exchange`] as it happens: a dropped
//! future loses nothing that was seen, and closes its connection. Arrivals are stamped before they are
//! decoded.
//!
//! A key ([`ApiKey`]) goes into one header. It is in no `Debug` output, and it is struck out of all words
//! that a server sends back ([`Words`]). How much is taken of what a server sends is in `bounds`.
//!
//! What it does not know: what the bytes mean. Error objects, content types and streams belong to
//! the protocols, `ollama` and `openai`.

mod answer;
mod bounds;
mod broken;
mod buffer;
mod builder;
mod connect;
mod connection;
mod endpoint;
mod error;
mod http1;
mod key;
mod lenient;
mod lent;
mod limits;
mod pool;
mod reading;
mod recording;
mod response;
mod transport;
mod wire;
mod words;

pub use bounds::{ANSWER_BYTES, ANSWER_CHUNKS};
pub use builder::Builder;
pub use endpoint::{Endpoint, EndpointError, Rules};
pub use error::{BuildError, Refusal, Trouble, error_words, failed_reason};
pub use key::{ApiKey, KeyError};
pub use lenient::{count, lenient, list, missed_count};
pub use limits::Limits;
pub use reading::{Sink, Stage};
pub use recording::{Output, Recorder, TooLong, decode, malformed, of_whole, record};
pub use response::Promise;
pub use transport::{Transport, json_body};
pub use words::Words;
