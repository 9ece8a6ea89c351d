//! The status and headers of a response.

use http::HeaderMap;

/// The head of a response.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// True when the server accepts another request on the connection after the body's end.
    pub(crate) is_reusable: bool,
}
