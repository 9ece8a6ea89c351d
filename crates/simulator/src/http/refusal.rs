//! A request that is refused.

/// A request that cannot be served: status and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) words: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, words: impl Into<String>) -> Self {
        Self {
            status,
            words: words.into(),
        }
    }

    pub(crate) fn bad(words: impl Into<String>) -> Self {
        Self::new(400, words)
    }

    /// The pending queue is full; with Ollama's two spaces.
    pub(crate) fn busy() -> Self {
        let words = "server busy, please try again.  maximum pending requests exceeded";
        Self::new(503, words)
    }
}

/// An error in a request's body is a bad request.
impl From<String> for Refusal {
    fn from(words: String) -> Self {
        Self::bad(words)
    }
}
