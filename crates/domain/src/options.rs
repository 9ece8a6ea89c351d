//! Ollama's model options, typed. Absent means "the server's default", which is not the same as
//! any value: an explicit `num_ctx` equal to the default can still force a reload.

use serde::{Deserialize, Serialize};

/// The `options` object of a native request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelOptions {
    /// Layers offloaded to the GPU. Runner option: a difference reloads the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_gpu: Option<i64>,
    /// Context length per slot, in tokens. Runner option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_ctx: Option<i64>,
    /// Prompt batch size. Runner option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_batch: Option<i64>,
    /// CPU threads. Runner option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_thread: Option<i64>,
    /// Main GPU index. Runner option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub main_gpu: Option<i64>,
    /// Memory-map the weights. Runner option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub use_mmap: Option<bool>,
    /// Speculative draft length. Runner option.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft_num_predict: Option<i64>,
    /// Sampling temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Nucleus sampling threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    /// Candidates kept before sampling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<i64>,
    /// Minimum probability relative to the best candidate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f64>,
    /// Locally typical sampling threshold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f64>,
    /// Penalty for repeated tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_penalty: Option<f64>,
    /// Window of the repeat penalty, in tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat_last_n: Option<i64>,
    /// Presence penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f64>,
    /// Frequency penalty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f64>,
    /// Tokens kept when the context shifts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_keep: Option<i64>,
    /// Most tokens to generate; -1 is the server's own limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_predict: Option<i64>,
    /// Sampling seed; -1 is random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Stop strings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<Vec<String>>,
}

impl ModelOptions {
    /// True when nothing is set, so that no `options` object is sent at all.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `self` where it says something, else `base`.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        macro_rules! pick {
            ($($field:ident),* $(,)?) => {
                Self { $($field: self.$field.clone().or_else(|| base.$field.clone())),* }
            };
        }
        pick!(
            num_gpu,
            num_ctx,
            num_batch,
            num_thread,
            main_gpu,
            use_mmap,
            draft_num_predict,
            temperature,
            top_p,
            top_k,
            min_p,
            typical_p,
            repeat_penalty,
            repeat_last_n,
            presence_penalty,
            frequency_penalty,
            num_keep,
            num_predict,
            seed,
            stop,
        )
    }

    /// True when a server must reload the model to go from `self` to `other`: any difference in a
    /// runner option, except that an absent or negative `num_gpu` in `other` accepts what is loaded.
    pub fn reloads_for(&self, other: &Self) -> bool {
        let gpu_differs = match other.num_gpu {
            Some(n) if n >= 0 => self.num_gpu != Some(n),
            _ => false,
        };
        gpu_differs
            || self.num_ctx != other.num_ctx
            || self.num_batch != other.num_batch
            || self.num_thread != other.num_thread
            || self.main_gpu != other.main_gpu
            || self.use_mmap != other.use_mmap
            || self.draft_num_predict != other.draft_num_predict
    }
}
