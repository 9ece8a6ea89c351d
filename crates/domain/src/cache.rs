//! Checks whether a prompt cache helped requests with nonces.
//!
//! The check uses the server's counts of cached tokens. The chat template comes before the nonce, and its few tokens
//! are always the same; so a cache counts as having helped a request if it held at least half of the prompt. For
//! servers without counts, the prefill times of a sweep are compared with the first repetition's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::plan::{Arm, CachePolicy, ConfigId, Topology};
use crate::record::{NonceRoot, RequestRecord, RequestRole, ServerCounters};
use crate::units::Nanos;

/// A prefill is far below the first repetition's if it took less than 1/`FAR` of it.
const FAR: u64 = 4;

/// Prefills shorter than this are not compared: scheduling steps of the server dominate them.
const LEAST_PREFILL: Nanos = Nanos::from_millis(20);

/// The help of a prompt cache over the completed requests that start a conversation. Later turns find earlier ones in a
/// cache, as intended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheCheck {
    /// Requests that were checked.
    pub requests: u32,
    /// Requests for which the server counted cached tokens.
    pub counted: u32,
    /// Prompt tokens of the counted requests.
    pub prompt_tokens: u64,
    /// The part of them that came from a cache.
    pub cached_tokens: u64,
    /// Counted requests with at least half of the prompt from a cache.
    pub helped: u32,
    /// Requests whose prefill time was compared with the first repetition's.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub compared: u32,
    /// Compared requests whose prefill took less than a quarter of it.
    #[serde(default, skip_serializing_if = "crate::is_default")]
    pub faster: u32,
}

impl CacheCheck {
    pub fn add(&mut self, record: &RequestRecord) {
        let begins = record.turn.is_none_or(|turn| turn.turn == 1);
        if !begins || !is_main(record) {
            return;
        }
        self.requests += 1;
        self.count(&record.times.counters);
    }

    /// Adds the server's counts for any request; without both of them it changes nothing. A check that was made with this
    /// alone counts all requests, not only first turns, and its `requests` stays 0.
    pub fn count(&mut self, counters: &ServerCounters) {
        let cached = counters.prompt_eval_cached_count;
        let Some((cached, prompt)) = cached.zip(counters.prompt_eval_count) else {
            return;
        };
        self.counted += 1;
        // Some releases leave the cached tokens out of the prompt's count.
        let prompt = prompt.max(cached);
        self.prompt_tokens = self.prompt_tokens.saturating_add(prompt);
        self.cached_tokens = self.cached_tokens.saturating_add(cached);
        self.helped += u32::from(cached > 0 && cached.saturating_mul(2) >= prompt);
    }

    /// Adds a request of a sweep, and compares its prefill time if the server counts no cached tokens.
    pub fn add_of_sweep(&mut self, record: &RequestRecord, first: &mut FirstPrefills) {
        self.add(record);
        if record.times.counters.prompt_eval_cached_count.is_none()
            && let Some(is_faster) = first.compare(record)
        {
            self.compared += 1;
            self.faster += u32::from(is_faster);
        }
    }

    pub fn merge(&mut self, other: Self) {
        self.requests += other.requests;
        self.counted += other.counted;
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.helped += other.helped;
        self.compared += other.compared;
        self.faster += other.faster;
    }

    /// The share of the prompt tokens that came from a cache; `None` where no server says.
    pub fn cached_share(&self) -> Option<f64> {
        (self.prompt_tokens > 0).then(|| self.cached_tokens as f64 / self.prompt_tokens as f64)
    }

    /// A warning, without a full stop, if a cache helped or may have helped despite the nonces.
    pub fn warning(&self) -> Option<String> {
        let helped = (self.helped > 0).then(|| {
            format!(
                "a prompt cache helped although every prompt begins with a nonce of its own: by the server's count \
                 it held at least half of the prompt in {} of {} requests ({} of {} prompt tokens in all), so that \
                 times to first token are too short",
                self.helped, self.counted, self.cached_tokens, self.prompt_tokens
            )
        });
        helped.or_else(|| {
            (self.faster > 0).then(|| {
                format!(
                    "a prompt cache may have helped although every prompt begins with a nonce of its own: in {} of \
                     {} requests the prefill took less than a quarter of the first repetition's, and the server \
                     counts no cached tokens",
                    self.faster, self.compared
                )
            })
        })
    }

    /// The method and the result of the check, as a sentence.
    pub fn in_words(&self) -> String {
        if let Some(warning) = self.warning() {
            return format!("But {warning}.");
        }
        match (self.counted, self.compared) {
            (0, 0) => {
                "Whether a cache held any of them is not known: the server counts no cached tokens."
                    .to_owned()
            }
            (0, compared) => format!(
                "The server counts no cached tokens; of {compared} prefill times none is below a quarter of the first \
                 repetition's."
            ),
            (counted, _) => format!(
                "By the server's count {} of {} prompt tokens of {counted} requests came from a cache, in none of \
                 them half of the prompt or more.",
                self.cached_tokens, self.prompt_tokens
            ),
        }
    }

    /// The server's counts for prompts that a cache may help, as a sentence; `None` without counts.
    pub fn counts_in_words(&self) -> Option<String> {
        (self.counted > 0).then(|| {
            format!(
                "By the server's count {} of {} prompt tokens came from a cache.",
                self.cached_tokens, self.prompt_tokens
            )
        })
    }
}

fn is_main(record: &RequestRecord) -> bool {
    record.role == RequestRole::Main && record.times.outcome.is_completed()
}

/// The prefill of each agent's first call in the first repetition of the sequential arm. The prompts of first calls
/// differ only in their nonces, and in this arm the server is in the same state every time; in the other arm the
/// first agent to arrive waits for the load.
#[derive(Debug, Clone, Default)]
pub struct FirstPrefills(BTreeMap<(ConfigId, Topology, u32), (u32, Nanos)>);

impl FirstPrefills {
    /// Whether a request's prefill is far below the first one; `None` if they cannot be compared. Requests must be
    /// given in the order of their repetitions.
    fn compare(&mut self, record: &RequestRecord) -> Option<bool> {
        let prefill = record.times.counters.prompt_eval?;
        if record.arm != Arm::Sequential || record.call > 0 || !is_main(record) {
            return None;
        }
        let run = &record.run;
        let key = (run.config.clone(), run.topology, record.agent);
        let (repetition, first) = *self.0.entry(key).or_insert((run.repetition, prefill));
        (repetition != run.repetition && first >= LEAST_PREFILL)
            .then(|| prefill.0.saturating_mul(FAR) < first.0)
    }
}

/// A report's sentences on prompts and caches. `root` is the recorded root of the nonces.
pub fn prompts_in_words(
    policy: CachePolicy,
    root: Option<NonceRoot>,
    check: &CacheCheck,
) -> String {
    let (prompts, checked) = match (policy, root) {
        (CachePolicy::Warm, _) => (
            "are equal every time, so that a prompt cache may help",
            check.counts_in_words(),
        ),
        (CachePolicy::Nonce, Some(_)) => (
            "start with a nonce that is new for every run, attempt, repetition and arm, so that no prompt cache \
             should help",
            Some(check.in_words()),
        ),
        (CachePolicy::Nonce, None) => (
            "start with a nonce that follows from the seed, so that the same command run again repeats its prompts",
            Some(check.in_words()),
        ),
    };
    let checked = checked.map_or_else(String::new, |words| format!(" {words}"));
    format!("Prompts {prompts}.{checked}")
}

#[cfg(test)]
mod tests;
