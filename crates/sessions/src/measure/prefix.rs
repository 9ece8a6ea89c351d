//! How much of a prompt is the beginning of the prompt before it.

use std::num::NonZeroU32;

use serde::Serialize;

use crate::file::Call;

/// Calls of one session, each compared with the one before it. Only calls that have blocks, after a call that has some,
/// are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct PrefixUse {
    pub compared_calls: usize,
    /// Prompt tokens of the compared calls.
    pub compared_tokens: u64,
    /// Those of them that are in whole blocks which the prompt before begins with, too.
    pub shared_tokens: u64,
    /// Compared calls whose prompts do not begin with every whole block of the prompt before.
    pub cut_calls: usize,
}

impl PrefixUse {
    /// The mean share, weighted by tokens; `None` when no call is compared.
    pub fn share(&self) -> Option<f64> {
        let compared = self.compared_tokens as f64;
        (self.compared_tokens > 0).then(|| self.shared_tokens as f64 / compared)
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.compared_calls += other.compared_calls;
        self.compared_tokens += other.compared_tokens;
        self.shared_tokens += other.shared_tokens;
        self.cut_calls += other.cut_calls;
    }
}

/// Compares the calls of a session, in their order.
pub fn prefix_use(calls: &[Call], block: NonZeroU32) -> PrefixUse {
    let mut found = PrefixUse::default();
    let mut before: Vec<u64> = Vec::new();
    let mut before_tokens = 0;
    for call in calls {
        let (Some(blocks), Some(tokens)) = (&call.blocks, call.prompt_tokens) else {
            before.clear();
            continue;
        };
        let kept = blocks.kept as usize;
        let behind = before[kept..].iter().zip(&blocks.new);
        let shared = kept + behind.take_while(|(a, b)| a == b).count();
        if !before.is_empty() {
            // A last block that is not full does not count.
            let whole = before.len().min((before_tokens / block) as usize);
            let shared = shared.min(whole).min((tokens / block) as usize);
            found.compared_calls += 1;
            found.compared_tokens += u64::from(tokens);
            found.shared_tokens += shared as u64 * u64::from(block.get());
            found.cut_calls += usize::from(shared < whole);
        }
        before.truncate(kept);
        before.extend(&blocks.new);
        before_tokens = tokens;
    }
    found
}
