//! A response whose head has arrived.

use http::HeaderMap;

use crate::body::BodyState;
use crate::limits::Limiter;

/// A response whose head has arrived, and the source of its body.
pub(crate) struct Received<B> {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// The connection can be used again after the body's end.
    pub(crate) is_reusable: bool,
    pub(crate) body: B,
    pub(crate) state: BodyState,
    pub(crate) limiter: Limiter,
}

impl<B> Received<B> {
    /// The same response with another kind of body.
    pub(crate) fn map<C>(self, map: impl FnOnce(B) -> C) -> Received<C> {
        Received {
            status: self.status,
            headers: self.headers,
            is_reusable: self.is_reusable,
            body: map(self.body),
            state: self.state,
            limiter: self.limiter,
        }
    }
}
