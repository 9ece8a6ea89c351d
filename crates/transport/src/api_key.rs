//! The API key, which is sent in one header and shown nowhere.

use std::fmt;

/// Replaces the key in texts that repeat it.
const REDACTED: &str = "[key]";

/// A bearer key. It is never printed.
#[derive(Clone)]
pub struct ApiKey(String);

/// A key that cannot be used. The message does not repeat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("the API key is empty or has a character that no header can carry (a line break?)")]
    Unsendable,
    /// The text includes the scheme.
    #[error("the API key begins with `Bearer `, which is put before it anyway: leave that out")]
    WithScheme,
}

impl ApiKey {
    /// Makes a key from its text; surrounding white space is dropped. Fails when it is empty, holds what no header
    /// can, or begins with `Bearer`.
    pub fn new(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let can_be_sent = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
        if text.is_empty() || !can_be_sent {
            return Err(KeyError::Unsendable);
        }
        let scheme = text.get(..7).unwrap_or_default();
        if scheme.eq_ignore_ascii_case("bearer ") {
            return Err(KeyError::WithScheme);
        }
        Ok(Self(text.to_owned()))
    }

    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.0)
    }

    /// A server's text with the key replaced: some servers repeat it when they refuse it.
    pub(crate) fn redact(&self, words: &str) -> String {
        words.replace(&self.0, REDACTED)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_it() {
        let key = ApiKey::new(" sk-secret\n").unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
        assert_eq!(key.redact("wrong key sk-secret!"), "wrong key [key]!");
        assert_eq!(key.bearer(), "Bearer sk-secret");
    }

    #[test]
    fn keys_that_cannot_be_sent_are_refused() {
        for text in ["", "  ", "a\nb", "a\0", "a\u{fc}"] {
            assert_eq!(ApiKey::new(text).unwrap_err(), KeyError::Unsendable);
        }
        for text in ["Bearer sk-secret", " bearer  sk-secret"] {
            assert_eq!(ApiKey::new(text).unwrap_err(), KeyError::WithScheme);
        }
    }
}
