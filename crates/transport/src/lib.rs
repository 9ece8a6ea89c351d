//! HTTP for measuring: what the clients of the protocols have in common.
//!
//! - [`Endpoint`] reads where a server is and refuses what may be a credential.
//! - A [`Transport`] is one server with its connections, made with [`Settings`]: limits, key, proxy.
//! - [`Transport::generation`] hands a stream's bytes to a [`Recorder`] as they arrive,
//!   [`Transport::value`] reads a reply that is one JSON value.
//! - [`Expectation`] is what a protocol expects of a response, [`RequestError`] what can go wrong,
//!   [`ErrorResponse`] a response with an error status.
//!
//! Measured streams over plain HTTP are read by a client of our own (`direct`) unless reqwest is asked for;
//! everything else goes through reqwest (`reqwest_client`): calls that are not measured, https, and proxies.
//! Both hold the same limits ([`domain::plan::Timeouts`]), on the [`clock::Clock`], and fail in the same words.
//!
//! Nothing is retried or redirected: each would bend a measurement. The one exception is no second request to
//! the server: a kept connection that breaks at once, before any byte of a response, was closed before the
//! server read the request, and the request is sent again on a fresh one, once.
//!
//! In virtual time ([`clock::LedgerEntry`]) each request carries its ledger id in a header, and every request,
//! response head, body byte and end of body is accounted for. A server that breaks a connection on
//! purpose must post a unit first, or time may run on before the break is seen.
//!
//! A request writes what it sees into the caller's [`domain::backend::Exchange`] as it happens: a dropped
//! future loses nothing that was seen, and closes its connection. Arrivals are stamped before they are
//! decoded.
//!
//! A key ([`ApiKey`]) goes into one header. It is in no `Debug` output, and it is removed from everything
//! that a server sends back ([`ErrorText`]). `bounds` limits what a server may send.
//!
//! What it does not know: what the bytes mean. Error objects, content types and streams belong to
//! the protocols, `ollama` and `openai`.

mod api_key;
mod body;
mod bounds;
mod connection_error;
mod direct;
mod endpoint;
mod error_text;
mod headers;
mod limits;
mod members;
mod output;
mod prefetch;
mod recorder;
mod request_error;
mod reqwest_client;
mod response;
mod response_head;
mod settings;
mod template;
mod transport;

pub use api_key::{ApiKey, KeyError};
pub use body::{Sink, StreamStage};
pub use bounds::{ANSWER_BYTES, ANSWER_CHUNKS};
pub use endpoint::{Endpoint, EndpointError, Rules};
pub use error_text::ErrorText;
pub use limits::Limits;
pub use members::{Members, list};
pub use output::Output;
pub use prefetch::prefetch;
pub use recorder::{Answer, Recorder, decode, element_too_long, malformed, of_whole};
pub use request_error::{
    BuildError, ErrorResponse, RequestError, TakeResult, error_message, failure_of_reason,
};
pub use response::Expectation;
pub use settings::Settings;
pub use template::{Delta, SharedTemplate, StreamTemplate};
pub use transport::{Generation, Transport, json_body};
