//! What a chunk adds to an answer. A member of a delta is a text or a list of parts.

use std::borrow::Cow;

use serde_bytes::ByteBuf;
use serde_json::value::RawValue;
use transport::Output;

/// Output by kind, borrowed from the event unless it holds escapes.
#[derive(Debug, Default)]
pub(crate) struct Texts<'a> {
    pub(crate) content: Cow<'a, str>,
    pub(crate) thinking: Cow<'a, str>,
    pub(crate) refusal: Cow<'a, str>,
    /// The JSON of tool calls.
    pub(crate) tool_calls: Cow<'a, str>,
}

/// A part. Servers use its kind as the name of its text.
#[derive(serde::Deserialize)]
#[serde(bound(deserialize = "'de: 'a"))]
struct Part<'a> {
    #[serde(rename = "type")]
    kind: Option<String>,
    text: Option<&'a RawValue>,
    summary: Option<&'a RawValue>,
    /// Encrypted or redacted thinking.
    data: Option<&'a RawValue>,
    thinking: Option<&'a RawValue>,
    refusal: Option<&'a RawValue>,
}

/// Appends a text, without a copy where it is the first.
pub(crate) fn append<'a>(all: &mut Cow<'a, str>, text: Cow<'a, str>) {
    if all.is_empty() {
        *all = text;
    } else {
        all.to_mut().push_str(&text);
    }
}

impl<'a> Texts<'a> {
    pub(crate) fn as_output(&self) -> Output<'_> {
        Output {
            content: &self.content,
            thinking: &self.thinking,
            refusal: &self.refusal,
            tool_calls: &self.tool_calls,
        }
    }

    /// The texts of a member; `None` when it is neither text nor a list of parts.
    pub(crate) fn of(member: Option<&'a RawValue>) -> Option<Self> {
        let mut texts = Self::default();
        if let Some(text) = plain(member) {
            texts.content = text;
        } else if let Some(member) = member {
            let parts: Vec<&RawValue> = serde_json::from_str(member.get()).ok()?;
            for part in parts {
                texts.take(part);
            }
        }
        Some(texts)
    }

    /// All of its text, for a member that has one kind only.
    pub(crate) fn any(self) -> Cow<'a, str> {
        let mut all = [self.content, self.thinking, self.refusal].into_iter();
        all.find(|text| !text.is_empty()).unwrap_or_default()
    }

    /// Adds a part; an unknown one is skipped.
    fn take(&mut self, part: &'a RawValue) {
        if let Some(text) = plain(Some(part)) {
            return append(&mut self.content, text);
        }
        let Ok(part) = serde_json::from_str::<Part<'_>>(part.get()) else {
            return;
        };
        let kind = part.kind.unwrap_or_default();
        let mut hidden = None;
        let mut text = plain(part.text);
        if kind.starts_with("reasoning") || kind.starts_with("thinking") {
            hidden = text.take();
            hidden = hidden.or_else(|| plain(part.summary));
            hidden = hidden.or_else(|| plain(part.data));
        }
        append(&mut self.content, text.unwrap_or_default());
        let thinking = hidden.or_else(|| joined(part.thinking));
        append(&mut self.thinking, thinking.unwrap_or_default());
        append(&mut self.refusal, plain(part.refusal).unwrap_or_default());
    }
}

/// A member that is text. Half of a surrogate pair is a garbled character.
fn plain(member: Option<&RawValue>) -> Option<Cow<'_, str>> {
    let json = member?.get();
    let text = json.strip_prefix('"')?.strip_suffix('"')?;
    if !text.contains('\\') {
        return Some(text.into());
    }
    // As text it would be refused.
    let text: ByteBuf = serde_json::from_str(json).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned().into())
}

/// A member that is text or a list of parts with text (Mistral's thinking); no deeper, since the server
/// chooses the depth.
fn joined(member: Option<&RawValue>) -> Option<Cow<'_, str>> {
    plain(member).or_else(|| {
        let parts: Vec<&RawValue> = serde_json::from_str(member?.get()).ok()?;
        let part = |part: &RawValue| {
            let part = serde_json::from_str::<Part<'_>>(part.get()).ok()?;
            plain(part.text).map(Cow::into_owned)
        };
        Some(parts.into_iter().filter_map(part).collect())
    })
}
