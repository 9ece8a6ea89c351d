//! Contexts in a runner's host memory that have lost their slot, kept and given back by the rules of llama.cpp's server
//! (`--cache-ram`). Moving them takes no time here.

use std::collections::VecDeque;

use super::log::Happened;

/// A context of which a request would keep less than this share stays in host memory.
const LEAST_KEPT: f64 = 0.25;

/// Tokens at the start that both have.
pub(super) fn shared(context: &[u32], prompt: &[u32]) -> usize {
    let pairs = context.iter().zip(prompt);
    pairs.take_while(|(a, b)| a == b).count()
}

/// So many tokens as a share of all of these; 0 of none.
pub(super) fn share(tokens: usize, all: &[u32]) -> f64 {
    tokens as f64 / all.len().max(1) as f64
}

#[derive(Debug, Default)]
pub(super) struct HostCache {
    /// Oldest first.
    contexts: VecDeque<Vec<u32>>,
    /// Most tokens of all contexts together.
    room: usize,
}

impl HostCache {
    pub(super) fn new(mib: u64, bytes_per_token: u64) -> Self {
        let bytes = mib.saturating_mul(1 << 20);
        // A model without a KV cache has nothing to keep.
        let tokens = bytes.checked_div(bytes_per_token).unwrap_or(0);
        Self {
            contexts: VecDeque::new(),
            room: usize::try_from(tokens).unwrap_or(usize::MAX),
        }
    }

    /// Saves the context of a slot that a request takes, and puts a better one for its prompt in its place. Returns
    /// what happened, for the log.
    pub(super) fn exchange(
        &mut self,
        slot: usize,
        context: &mut Vec<u32>,
        prompt: &[u32],
    ) -> Vec<Happened> {
        let mut happened = Vec::new();
        if let Some(dropped) = self.save(context) {
            let tokens = context.len();
            happened.push(Happened::ContextSaved { slot, tokens });
            if dropped > 0 {
                let tokens = dropped;
                happened.push(Happened::ContextsDropped { tokens });
            }
        }
        if let Some(better) = self.take_better(context, prompt) {
            let tokens = better.len();
            happened.push(Happened::ContextRestored { slot, tokens });
            *context = better;
        }
        happened
    }

    /// Keeps a context unless a longer one with this beginning is here already, or it is larger than all the room.
    /// Shorter beginnings of it are forgotten, and the oldest contexts make room. Returns how many tokens were dropped
    /// to make room; `None` when the context is not kept.
    fn save(&mut self, context: &[u32]) -> Option<usize> {
        let is_here = |kept: &Vec<u32>| kept.starts_with(context);
        if context.is_empty() || context.len() > self.room || self.contexts.iter().any(is_here) {
            return None;
        }
        self.contexts.retain(|kept| !context.starts_with(kept));
        let mut dropped = 0;
        while self.tokens() + context.len() > self.room
            && let Some(oldest) = self.contexts.pop_front()
        {
            dropped += oldest.len();
        }
        self.contexts.push_back(context.to_vec());
        Some(dropped)
    }

    /// Takes out the context that is better for the prompt than the slot's own and than the other ones: more of its
    /// tokens are the prompt's, and a larger share of them.
    fn take_better(&mut self, own: &[u32], prompt: &[u32]) -> Option<Vec<u32>> {
        let common = shared(own, prompt);
        let mut best = (common, share(common, own));
        let mut found = None;
        for (index, context) in self.contexts.iter().enumerate() {
            let common = shared(context, prompt);
            let kept = share(common, context);
            if kept >= LEAST_KEPT && common > best.0 && kept > best.1 {
                best = (common, kept);
                found = Some(index);
            }
        }
        self.contexts.remove(found?)
    }

    fn tokens(&self) -> usize {
        self.contexts.iter().map(Vec::len).sum()
    }
}
