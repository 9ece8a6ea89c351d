//! Limits on what a server may send, and on the wait after a protocol's terminator. Each ends in an outcome of
//! its own.

use std::time::Duration;

use domain::Nanos;

/// Most headers of a response: several times as many as gateways add.
pub(crate) const HEADERS: usize = 128;
/// Most bytes of a head; servers and proxies themselves take 8 to 64 KiB.
pub(crate) const HEAD_BYTES: usize = 64 * 1024;
/// Most interim heads (1xx) before a response's own.
pub(crate) const INTERIM_HEADS: u32 = 32;
/// Most bytes of a line between two chunks. No server is known to send extensions.
pub(crate) const CHUNK_LINE_BYTES: usize = 16 * 1024;
/// Most bytes of trailers, which are skipped.
pub(crate) const TRAILER_BYTES: usize = 64 * 1024;
/// Most bytes of an error page that are read.
pub(crate) const ERROR_BYTES: usize = 64 * 1024;

/// Most bytes of one answer's output, its thinking and tool calls included: four million tokens, more than any
/// model's context.
pub const ANSWER_BYTES: u64 = 16 * 1024 * 1024;
/// Most chunks with output of one answer; each keeps a stamp.
pub const ANSWER_CHUNKS: usize = 1 << 20;

/// Longest message of a server that is kept, characters.
pub(crate) const MESSAGE_CHARS: usize = 400;
/// Longest quotation of a text that is not a message, characters.
pub(crate) const QUOTE_CHARS: usize = 80;
/// Longest name, version or reason that is kept, characters.
pub(crate) const NAME_CHARS: usize = 200;

/// How long to wait for the end of a body after the protocol's terminator, where the connection can be used
/// again afterwards: about as long as making a new one takes.
pub(crate) const DRAIN: Nanos = Nanos::from_millis(50);
/// A kept connection that the server closed before it read the request breaks within this time. When it
/// breaks later the server had the request, and sending it again would be a second one.
pub(crate) const CLOSED_BEFORE_REQUEST: Nanos = Nanos::from_millis(100);
/// How long to wait for a terminator after the finish reason: servers that send more, token counts or `[DONE]`,
/// send it at once.
pub(crate) const GRACE: Nanos = Nanos::from_secs(2);
/// Limit on the whole wait for a terminator, for a server that sends heartbeats instead.
pub(crate) const GRACE_IN_ALL: Nanos = Nanos::from_secs(10);

/// How long a socket is silent before the operating system probes it.
pub(crate) const KEEPALIVE: Duration = Duration::from_secs(15);
