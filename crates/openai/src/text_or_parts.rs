//! A member that is a text or a list of parts.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The value of a member. A garbled character does not make it invalid.
#[derive(Debug)]
pub(crate) enum TextOrParts<'a> {
    /// One text, borrowed from the event unless it holds escapes.
    Text(Cow<'a, str>),
    /// Boxed, because nearly no server sends parts and every chunk has room for them.
    Parts(Box<Parts>),
}

/// A list of parts, joined by kind.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    text: String,
    thinking: String,
    refusal: String,
}

/// A part. Servers use its kind as the name of its text.
#[derive(serde::Deserialize)]
struct Part<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    summary: Option<&'a RawValue>,
    /// Encrypted or redacted thinking.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    thinking: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
}

impl TextOrParts<'_> {
    /// The text, or the joined texts of the text parts.
    #[inline]
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => &parts.text,
        }
    }

    /// The joined texts of the thinking parts.
    #[inline]
    pub(crate) fn thinking(&self) -> &str {
        match self {
            Self::Text(_) => "",
            Self::Parts(parts) => &parts.thinking,
        }
    }

    /// The joined texts of the refusal parts.
    #[inline]
    pub(crate) fn refusal(&self) -> &str {
        match self {
            Self::Text(_) => "",
            Self::Parts(parts) => &parts.refusal,
        }
    }

    /// All of its text, for a member that has one kind only.
    #[inline]
    pub(crate) fn any(&self) -> &str {
        let all = [self.text(), self.thinking(), self.refusal()];
        all.into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    }
}

impl Parts {
    /// Adds a part; an unknown one is skipped.
    fn take(&mut self, part: &RawValue) {
        if let Some(text) = plain(Some(part)) {
            self.text += &text;
            return;
        }
        let Ok(part) = serde_json::from_str::<Part<'_>>(part.get()) else {
            return;
        };
        let kind = part.kind.unwrap_or_default();
        let is_thinking = kind.starts_with("reasoning") || kind.starts_with("thinking");
        let text = plain(part.text);
        let hidden = plain(part.summary).or_else(|| plain(part.data));
        let (text, other) = if is_thinking {
            (None, text.or(hidden))
        } else {
            (text, None)
        };
        self.text += &text.unwrap_or_default();
        let thinking = other.or_else(|| texts(part.thinking));
        self.thinking += &thinking.unwrap_or_default();
        self.refusal += &plain(part.refusal).unwrap_or_default();
    }
}

/// A member that is text.
fn plain(member: Option<&RawValue>) -> Option<String> {
    serde_json::from_str(member?.get()).ok()
}

/// A member that is text or a list of parts with text (Mistral's thinking); no deeper, since the server
/// chooses the depth.
fn texts(member: Option<&RawValue>) -> Option<String> {
    let parts = || serde_json::from_str::<Vec<&RawValue>>(member?.get()).ok();
    plain(member).or_else(|| {
        let part = |part: &RawValue| {
            let part = serde_json::from_str::<Part<'_>>(part.get()).ok()?;
            plain(part.text)
        };
        Some(parts()?.into_iter().filter_map(part).collect())
    })
}

impl<'de: 'a, 'a> Deserialize<'de> for TextOrParts<'a> {
    #[inline]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrPartsVisitor;
        impl<'de> Visitor<'de> for TextOrPartsVisitor {
            type Value = TextOrParts<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text or a list of parts")
            }
            fn visit_borrowed_bytes<E: Error>(
                self,
                text: &'de [u8],
            ) -> Result<TextOrParts<'de>, E> {
                Ok(TextOrParts::Text(String::from_utf8_lossy(text)))
            }
            fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<TextOrParts<'de>, E> {
                Ok(TextOrParts::Text(
                    String::from_utf8_lossy(text).into_owned().into(),
                ))
            }
            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut parts: A,
            ) -> Result<TextOrParts<'de>, A::Error> {
                let mut said = Box::<Parts>::default();
                while let Some(part) = parts.next_element::<&RawValue>()? {
                    said.take(part);
                }
                Ok(TextOrParts::Parts(said))
            }
        }
        // Deserialized as bytes, so that half of a surrogate pair is accepted.
        deserializer.deserialize_bytes(TextOrPartsVisitor)
    }
}
