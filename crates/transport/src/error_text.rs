//! The text of a failure, which keeps a server's words apart from ours until they are shown.

use std::fmt;

use crate::api_key::ApiKey;
use crate::bounds::{MESSAGE_CHARS, NAME_CHARS, QUOTE_CHARS};

/// The text of a failure. A server's words in it are shown only after the key has been removed from them and
/// they have been cut short, in this order: a key that was cut would not be found.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorText(Vec<Piece>);

#[derive(Clone, PartialEq, Eq)]
struct Piece {
    text: String,
    /// Most characters that are shown of a server's words; `None` for ours.
    most: Option<usize>,
    is_quoted: bool,
}

impl ErrorText {
    fn servers(text: impl Into<String>, most: usize, is_quoted: bool) -> Self {
        Self(vec![Piece {
            text: text.into(),
            most: Some(most),
            is_quoted,
        }])
    }

    /// A server's message.
    pub fn message(text: impl Into<String>) -> Self {
        Self::servers(text, MESSAGE_CHARS, false)
    }

    /// A server's name for something.
    pub fn name(text: impl Into<String>) -> Self {
        Self::servers(text, NAME_CHARS, false)
    }

    /// The start of a server's text, in quotation marks.
    pub fn quote(text: impl Into<String>) -> Self {
        Self::servers(text, QUOTE_CHARS, true)
    }

    /// Appends other words.
    #[must_use]
    pub fn and(mut self, other: impl Into<Self>) -> Self {
        self.0.extend(other.into().0);
        self
    }

    /// The text to show and to store: without the key, and cut to length.
    pub(crate) fn redacted(&self, key: Option<&ApiKey>) -> String {
        let pieces = self.0.iter().map(|piece| {
            let Some(most) = piece.most else {
                return piece.text.clone();
            };
            let text = match key {
                Some(key) => clip(&key.redact(&piece.text), most),
                None => clip(&piece.text, most),
            };
            if piece.is_quoted {
                format!("{text:?}")
            } else {
                on_one_line(&text)
            }
        });
        pieces.collect()
    }
}

impl From<String> for ErrorText {
    fn from(text: String) -> Self {
        Self(vec![Piece {
            text,
            most: None,
            is_quoted: false,
        }])
    }
}

impl From<&str> for ErrorText {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl fmt::Debug for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.redacted(None))
    }
}

/// A server's words on one line, without escape sequences: white space that ends lines becomes a space,
/// other control characters become their codes.
fn on_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() && !c.is_whitespace() => line.extend(c.escape_unicode()),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => line.push(' '),
            c => line.push(c),
        }
    }
    line
}

/// The first `chars` characters, with an ellipsis where there are more.
fn clip(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No part of the key is left of a message, wherever it is cut.
    #[test]
    fn the_key_is_removed_before_words_are_cut() {
        let key = ApiKey::new("sk-0123456789abcdefghijklmn").unwrap();
        for before in 0..MESSAGE_CHARS + 10 {
            let sent = format!(
                "{}sk-0123456789abcdefghijklmn{}",
                "x".repeat(before),
                "y".repeat(500)
            );
            for words in [
                ErrorText::message(&sent),
                ErrorText::name(&sent),
                ErrorText::quote(&sent),
            ] {
                let shown = words.redacted(Some(&key));
                assert!(!shown.contains("sk-"), "{before}: {shown}");
            }
        }
        let words = ErrorText::from("it said ")
            .and(ErrorText::quote("a \"b\""))
            .and("; mind it");
        assert_eq!(words.redacted(Some(&key)), r#"it said "a \"b\""; mind it"#);
        let lines = ErrorText::message("one\r\ntwo\u{2028}three\u{1b}[8m");
        assert_eq!(lines.redacted(None), r"one  two three\u{1b}[8m");
    }
}
