//! A runner's slots, and which one a request takes: the rules of llama.cpp's server.

use std::cmp::Reverse;

use super::host_cache::{share, shared};
use super::types::RequestId;

/// A request that keeps less than this share of its slot's context displaces it.
const LEAST_KEPT: f64 = 0.5;

#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) request: Option<RequestId>,
    /// The tokens of its context: the last request's prompt and answer, as far as they were evaluated.
    pub(super) cache: Vec<u32>,
    /// Serial number of the start of its last request.
    pub(super) used: u64,
    /// The runner's `releases` at the end of its last request; 0 before the first one ends.
    pub(super) released: u64,
}

/// A free slot for a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SlotChoice {
    pub(super) index: usize,
    /// Most of its context is about to be lost.
    pub(super) displaces: bool,
}

/// The free slot whose context shares the longest beginning with the prompt, where beginnings up to `similarity` of the
/// prompt do not count; among equals the one that has been free for longest. `None` when no slot is free.
///
/// llama.cpp takes the first among equals with a beginning that counts.
pub(super) fn choose(slots: &[Slot], prompt: &[u32], similarity: f64) -> Option<SlotChoice> {
    let counted = |slot: &Slot| {
        let common = shared(&slot.cache, prompt);
        if share(common, prompt) > similarity {
            common
        } else {
            0
        }
    };
    let free = slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.request.is_none());
    let (Reverse(common), _, index) = free
        .map(|(index, slot)| (Reverse(counted(slot)), slot.released, index))
        .min()?;
    Some(SlotChoice {
        index,
        displaces: share(common, &slots[index].cache) < LEAST_KEPT,
    })
}
