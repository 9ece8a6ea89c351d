//! Sessions of several turns, and prompts of a stated length.

use std::num::NonZeroU32;

use domain::Nanos;
use domain::backend::{Message, Role};
use domain::hash::derive;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Sessions in which each prompt carries the conversation so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turns {
    pub count: NonZeroU32,
    /// Pause between an answer and the planned start of the session's next turn.
    pub think: Nanos,
    /// The user's prompt from the second turn on.
    pub follow_up: String,
}

#[derive(Debug, Default)]
pub(super) struct Conversation(Vec<Message>);

impl Conversation {
    pub(super) fn so_far(&self) -> Vec<Message> {
        self.0.clone()
    }

    /// Adds a turn that was answered. A turn without an answer is left out of the conversation.
    pub(super) fn answered(&mut self, prompt: String, answer: String) {
        let turn = [(Role::User, prompt), (Role::Assistant, answer)];
        let messages = turn.map(|(role, text)| Message { role, text });
        self.0.extend(messages);
    }
}

/// Common words that are one token in most vocabularies.
const WORDS: &[&str] = &[
    "the", "of", "and", "to", "in", "is", "that", "for", "it", "with", "as", "was", "on", "are",
    "by", "this", "be", "from", "or", "at", "an", "not", "have", "one", "time", "work", "part",
    "way", "day", "name", "line", "place", "point", "water", "house", "world", "hand", "book",
    "light", "road", "city", "state", "number", "table", "plan", "room", "field", "stone", "tree",
    "river", "paper", "glass", "north", "south", "early", "late", "long", "short", "high", "low",
    "open", "clear", "small", "large",
];

/// A text of `count` words, which is about as many tokens. A longer text of the same seed and name continues a
/// shorter one.
pub(super) fn words(seed: u64, name: &str, count: u32) -> String {
    let mut random = ChaCha8Rng::seed_from_u64(derive(&["words", &seed.to_string(), name]));
    let words = (0..count).map(|_| WORDS[random.random_range(0..WORDS.len())]);
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_length_and_grow_by_their_end() {
        let short = words(1, "a", 20);
        assert_eq!(short.split(' ').count(), 20);
        assert!(words(1, "a", 30).starts_with(&short));
        assert_ne!(words(1, "b", 20), short);
        assert_ne!(words(2, "a", 20), short);
        assert_eq!(words(1, "a", 0), "");
    }
}
