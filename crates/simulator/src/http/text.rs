//! The simulated model's output: deterministic text, decided when a request arrives: which of it is
//! visible after each token, and when it stops.

mod generate;
pub(crate) mod likelihood;

use serde_json::Value;

use crate::core::tokens;
use generate::{Mix, json_text, sample_value, words};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ToolCall {
    /// `call_` and eight characters.
    pub(crate) id: String,
    pub(crate) name: String,
    /// An object.
    pub(crate) arguments: Value,
}

/// The output in one object: a chunk, or a whole answer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Message<'a> {
    pub(crate) thinking: &'a str,
    pub(crate) content: &'a str,
    pub(crate) tool: Option<&'a ToolCall>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer<'a> {
    /// Prose of this many tokens.
    Prose(usize),
    /// JSON, to this schema if there is one.
    Json(Option<&'a Value>),
    /// A call of the tool with this name and parameter schema.
    Tool(&'a str, &'a Value),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct ScriptSpec<'a> {
    pub(crate) seed: u64,
    pub(crate) thinking_tokens: usize,
    pub(crate) answer: Answer<'a>,
    pub(crate) stop: &'a [String],
    /// Tokens sent together as one chunk, as real servers sometimes do.
    pub(crate) chunk_tokens: usize,
}

/// The output of one request if nothing ends it early.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Script {
    /// Thinking, then content, as far as either may become visible.
    text: String,
    content_from: u32,
    /// After each token, how many bytes of `text` have been generated.
    generated: Vec<u32>,
    /// After each token, how many bytes of `text` may be shown.
    shown: Vec<u32>,
    /// The ids of the tokens, the end-of-text token included.
    pub(crate) ids: Vec<u32>,
    /// The call that is made with the last token.
    tool: Option<ToolCall>,
    /// With the last token the server ends the body without a final object.
    stuck: bool,
}

/// Equal pieces in a row that a server sends; at one more it ends the body without a final object.
const MOST_EQUAL: usize = 31;
/// The word a stuck model repeats. No other text has it.
const STUCK: &str = " again";

impl Script {
    pub(crate) fn new(spec: &ScriptSpec<'_>) -> Self {
        let mut mix = Mix(spec.seed);
        let thinking = words(mix.next(), spec.thinking_tokens);
        let seed = mix.next();
        let mut tool = None;
        let (mut content, mut spelled) = (String::new(), String::new());
        match spec.answer {
            Answer::Tool(name, parameters) => {
                let arguments = match sample_value(seed, parameters) {
                    object @ Value::Object(_) => object,
                    _ => Value::Object(serde_json::Map::new()),
                };
                // The model writes the call as text; the server parses it and shows none of it.
                spelled = format!("{{\"name\": {name:?}, \"arguments\": {arguments}}}");
                tool = Some(ToolCall {
                    id: call_id(&mut mix),
                    name: name.to_owned(),
                    arguments,
                });
            }
            Answer::Json(schema) => content = json_text(seed, schema),
            Answer::Prose(count) => content = words(seed, count),
        }
        let mut ids = tokens::ids(&thinking);
        ids.extend(tokens::ids(&spelled));
        ids.extend(tokens::ids(&content));
        let thinking_ends = tokens::ends(&thinking);
        let thinking_tokens = thinking_ends.len();
        let mut ends = vec![0; tokens::pieces(&spelled).len()];
        ends.extend(tokens::ends(&content));
        let mut shown = ends.clone();
        let stopped = hold_back_for_stops(&mut content, &mut shown, spec.stop);
        let end = content.len() as u32;
        if stopped {
            ends.truncate(shown.len());
            ids.truncate(thinking_tokens + shown.len());
            for place in &mut ends {
                *place = end.min(*place);
            }
        } else {
            // The end of text: no piece of text has an empty spelling.
            ids.push(tokens::id(""));
            ends.push(end);
            shown.push(end);
        }
        let content_from = thinking.len() as u32;
        let in_text = |ends: &[u32]| -> Vec<u32> {
            let after_thinking = ends.iter().map(|end| content_from + end);
            thinking_ends
                .iter()
                .copied()
                .chain(after_thinking)
                .collect()
        };
        let mut shown = in_text(&shown);
        merge(&mut shown, spec.chunk_tokens, thinking_tokens);
        Self {
            text: thinking + &content,
            content_from,
            generated: in_text(&ends),
            shown,
            ids,
            tool,
            stuck: false,
        }
    }

    /// After this many tokens the model repeats one word.
    pub(crate) fn stick(&mut self, after: u64) {
        // The end of text is never reached.
        let most = self.ids.len().saturating_sub(1);
        let keep = usize::try_from(after).map_or(most, |after| after.min(most));
        self.ids.truncate(keep);
        self.generated.truncate(keep);
        self.tool = None;
        let end = self.generated.last().copied().unwrap_or(0);
        self.text.truncate(end as usize);
        let thinks = self.content_from > end;
        for count in 1..=MOST_EQUAL + 1 {
            if count <= MOST_EQUAL {
                self.text.push_str(STUCK);
            }
            self.ids.push(tokens::id(STUCK));
            self.generated.push(self.text.len() as u32);
        }
        self.shown.clone_from(&self.generated);
        if thinks {
            self.content_from = self.text.len() as u32;
        }
        self.stuck = true;
    }

    /// True when the server ends the body without a final object after this many tokens.
    pub(crate) fn hangs_up_after(&self, tokens: u32) -> bool {
        self.stuck && tokens as usize == self.ids.len()
    }

    /// The call made after this many tokens: with the last one.
    pub(crate) fn tool_after(&self, tokens: u32) -> Option<&ToolCall> {
        self.tool
            .as_ref()
            .filter(|_| tokens as usize == self.ids.len())
    }

    /// Bytes of text that may be shown after this many tokens.
    pub(crate) fn shown_after(&self, tokens: u32) -> u32 {
        end_of(&self.shown, tokens)
    }

    /// Bytes of text generated after this many tokens, all of which are shown when generation ends there.
    pub(crate) fn generated_after(&self, tokens: u32) -> u32 {
        end_of(&self.generated, tokens)
    }

    /// The ids of this many tokens.
    pub(crate) fn ids_of(&self, tokens: u32) -> &[u32] {
        &self.ids[..tokens as usize]
    }

    /// The thinking and the content between two offsets in the text.
    pub(crate) fn between(&self, from: u32, to: u32) -> Message<'_> {
        let (from, to, border) = (from as usize, to as usize, self.content_from as usize);
        Message {
            thinking: &self.text[from.min(border)..to.min(border)],
            content: &self.text[from.max(border)..to.max(border)],
            tool: None,
        }
    }
}

/// The offset at which this many tokens end.
fn end_of(ends: &[u32], tokens: u32) -> u32 {
    let last = tokens
        .checked_sub(1)
        .and_then(|last| ends.get(last as usize));
    last.copied().unwrap_or(0)
}

fn call_id(mix: &mut Mix) -> String {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let mut id = String::from("call_");
    for _ in 0..8 {
        id.push(char::from(ALPHABET[mix.below(ALPHABET.len())]));
    }
    id
}

/// Ends text and tokens at the first stop string and holds back, token by token, text that may be
/// the start of one. True when one was found.
fn hold_back_for_stops(text: &mut String, ends: &mut Vec<u32>, stops: &[String]) -> bool {
    let stops: Vec<&str> = stops
        .iter()
        .map(String::as_str)
        .filter(|s| !s.is_empty())
        .collect();
    if stops.is_empty() {
        return false;
    }
    let first = stops
        .iter()
        .filter_map(|stop| text.find(stop).map(|at| (at + stop.len(), at)))
        .min();
    if let Some((complete, _)) = first {
        // Several may be complete with the same token: the earliest start wins.
        let count = ends.partition_point(|end| (*end as usize) < complete) + 1;
        ends.truncate(count);
        let seen = ends.last().map_or(0, |end| *end as usize);
        let cut = stops
            .iter()
            .filter_map(|stop| text[..seen].find(stop))
            .min();
        text.truncate(cut.unwrap_or(seen));
    }
    for end in ends.iter_mut() {
        let seen = &text[..(*end as usize).min(text.len())];
        let held = stops
            .iter()
            .map(|stop| suffix_that_starts(seen, stop))
            .max();
        *end = (seen.len() - held.unwrap_or(0)) as u32;
    }
    if let Some(last) = ends.last_mut() {
        *last = text.len() as u32;
    }
    first.is_some()
}

/// Length of the longest suffix of `text` that is a proper prefix of `stop`.
fn suffix_that_starts(text: &str, stop: &str) -> usize {
    (1..stop.len())
        .rev()
        .filter(|length| stop.is_char_boundary(*length))
        .find(|length| text.ends_with(&stop[..*length]))
        .unwrap_or(0)
}

/// Lets tokens become visible only in groups, none of which spans thinking and content.
fn merge(ends: &mut [u32], group: usize, thinking: usize) {
    if group < 2 {
        return;
    }
    let count = ends.len();
    let mut shown = 0;
    for (index, end) in ends.iter_mut().enumerate() {
        let in_part = index.checked_sub(thinking).unwrap_or(index);
        let closes = index + 1 == count || index + 1 == thinking;
        if closes || (in_part + 1).is_multiple_of(group) {
            shown = *end;
        } else {
            *end = shown;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PLAIN: ScriptSpec<'static> = ScriptSpec {
        seed: 7,
        thinking_tokens: 0,
        answer: Answer::Prose(60),
        stop: &[],
        chunk_tokens: 1,
    };

    /// The content that a client sees when generation ends after this many tokens.
    fn streamed(script: &Script, tokens: u32) -> String {
        let shown = (1..tokens).map(|token| script.shown_after(token));
        let mut from = 0;
        let parts = shown.chain([script.generated_after(tokens)]).map(|to| {
            let message = script.between(from, to);
            from = to;
            message.content
        });
        parts.collect()
    }

    proptest! {
        #[test]
        fn what_is_shown_only_grows_and_never_shows_a_stop_string(
            seed: u64,
            stop in "[a-z]{1,3}",
            cut in 1_u32..80,
            chunk_tokens in 1_usize..5,
        ) {
            let stops = [stop.clone()];
            let spec = ScriptSpec {
                seed, stop: &stops, chunk_tokens, thinking_tokens: 3, ..PLAIN
            };
            let script = Script::new(&spec);
            let tokens = cut.min(script.ids.len() as u32);
            let text = streamed(&script, tokens);
            prop_assert!(!text.contains(&stop));
            let whole = script.between(0, script.generated_after(script.ids.len() as u32));
            prop_assert!(whole.content.starts_with(&text));
        }
    }
}
