//! The ways to ask for a generation.

/// The API of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    #[default]
    Generate,
    Chat,
    V1Chat,
    V1Completion,
}

impl Dialect {
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        Some(match path {
            "/api/generate" => Self::Generate,
            "/api/chat" => Self::Chat,
            "/v1/chat/completions" => Self::V1Chat,
            "/v1/completions" => Self::V1Completion,
            _ => return None,
        })
    }

    pub(crate) fn is_v1(self) -> bool {
        matches!(self, Self::V1Chat | Self::V1Completion)
    }
}
