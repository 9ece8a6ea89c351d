//! The common form of a stream's lines (or events), so that a line that differs from an earlier one only in its
//! text and its time need not be decoded.

use std::ops::Range;
use std::sync::Arc;

use memchr::{memchr, memmem};
use parking_lot::Mutex;

use crate::output::Output;

/// A decoded line with two holes: the values of two strings.
///
/// A line that equals it outside of the holes, and whose holes contain no quote, escape or
/// control character, is the same object with other strings, with all its other members.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    line: Box<[u8]>,
    /// When the chunk was made, which is not recorded. Empty, and at the start, when it is absent.
    time: Range<usize>,
    text: Range<usize>,
    /// True when the text is thinking.
    is_thinking: bool,
}

/// The content of a line that has only a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delta<'l> {
    Content(&'l str),
    Thinking(&'l str),
}

/// The bytes before the time. Raw quotes never occur inside a string.
const TIME: &[u8] = b"\"created_at\":\"";

impl Template {
    /// Makes a template of a line that holds no more than a text. `None` when the text does not appear unchanged in
    /// the line.
    fn of(line: &[u8], delta: Delta<'_>) -> Option<Self> {
        let (text, is_thinking) = match delta {
            Delta::Content(text) => (text, false),
            Delta::Thinking(text) => (text, true),
        };
        let start = text.as_ptr().addr().checked_sub(line.as_ptr().addr())?;
        let text = start..start + text.len();
        if line.get(start.checked_sub(1)?) != Some(&b'"') || line.get(text.end) != Some(&b'"') {
            return None;
        }
        let time = match memmem::find(&line[..text.start], TIME) {
            None => 0..0,
            Some(found) => {
                let start = found + TIME.len();
                let length = memchr(b'"', &line[start..text.start])?;
                start..start + length
            }
        };
        if !is_plain(&line[time.clone()]) || !is_plain(&line[text.clone()]) {
            return None;
        }
        Some(Self {
            line: line.into(),
            time,
            text,
            is_thinking,
        })
    }

    /// The text of a line of this form.
    fn read<'l>(&self, line: &'l [u8]) -> Option<Delta<'l>> {
        let mut rest = line.strip_prefix(&self.line[..self.time.start])?;
        if !self.time.is_empty() {
            let (time, after) = rest.split_at(memchr(b'"', rest)?);
            if !time.is_ascii() || !is_plain(time) {
                return None;
            }
            rest = after;
        }
        let rest = rest.strip_prefix(&self.line[self.time.end..self.text.start])?;
        let text = rest.strip_suffix(&self.line[self.text.end..])?;
        if !is_plain(text) {
            return None;
        }
        let text = std::str::from_utf8(text).ok()?;
        Some(if self.is_thinking {
            Delta::Thinking(text)
        } else {
            Delta::Content(text)
        })
    }
}

/// True for bytes that a JSON string may hold unescaped (RFC 8259, section 7), if they are UTF-8.
fn is_plain(text: &[u8]) -> bool {
    // Without an early exit, so that many bytes are compared together.
    let special = |byte: u8| u8::from(byte < b' ' || byte == b'"' || byte == b'\\');
    text.iter().fold(0, |any, &byte| any | special(byte)) == 0
}

/// The last template that a client's streams have learned. New streams start with it: one server's streams
/// are alike, and a template that all of them read stays in the cache.
#[derive(Debug, Clone, Default)]
pub struct SharedTemplate(Arc<Mutex<Option<Arc<Template>>>>);

/// After this many templates that no line matched, a stream learns no more.
const MAX_MISSES: u8 = 4;

/// What a stream has learned of the form of its lines.
#[derive(Debug, Default)]
pub struct StreamTemplate {
    last: SharedTemplate,
    template: Option<Arc<Template>>,
    /// Templates learned since a line last matched one.
    misses: u8,
}

impl StreamTemplate {
    /// Begins with the template that the client's other streams have learned.
    pub fn starting_with(last: &SharedTemplate) -> Self {
        Self {
            template: last.0.lock().clone(),
            last: last.clone(),
            misses: 0,
        }
    }

    /// The text of a line, if the line has the form of the template.
    #[inline]
    pub fn read<'l>(&mut self, line: &'l [u8]) -> Option<Delta<'l>> {
        let delta = self.template.as_ref()?.read(line)?;
        self.misses = 0;
        Some(delta)
    }

    /// Learns from a line that had to be decoded, of which `output` is all that is recorded.
    pub fn learn(&mut self, line: &[u8], output: &Output<'_>) {
        let delta = match *output {
            Output {
                refusal: "",
                tool_calls: "",
                content,
                thinking,
            } => match (content, thinking) {
                ("", "") => return,
                (text, "") => Delta::Content(text),
                ("", text) => Delta::Thinking(text),
                _ => return,
            },
            _ => return,
        };
        if self.misses < MAX_MISSES
            && let Some(template) = Template::of(line, delta)
        {
            self.misses += 1;
            let template = Arc::new(template);
            self.template = Some(Arc::clone(&template));
            *self.last.0.lock() = Some(template);
        }
    }
}
