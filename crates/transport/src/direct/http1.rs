//! HTTP/1.1 for a client that has one request at a time on a connection: response heads and the framing of
//! bodies, RFC 9112. No I/O.

mod framing;
mod head;

pub(super) use framing::Framing;
pub(super) use head::HeadSearch;
