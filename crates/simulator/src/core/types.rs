//! The core's inputs and outputs.

use std::sync::Arc;

use domain::backend::KeepAlive;
use domain::{ModelOptions, Nanos, Stamp};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A request's number, chosen by the caller and unique in one core.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RequestId(pub u64);

/// A request as the scheduler sees it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Work {
    pub(crate) id: RequestId,
    pub(crate) kind: WorkKind,
    /// The model's full name as the profile has it; see [`crate::profile::Profile::find_model`].
    pub(crate) model: String,
    /// Its runner options as sent; an absent one differs from every value.
    pub(crate) runner: RunnerOptions,
    pub(crate) keep_alive: Option<KeepAlive>,
    /// Hash of the content: seeds the latency and orders requests that arrive at the same time.
    pub(crate) tag: u64,
}

#[derive(Debug, Clone, Default)]
pub(crate) enum WorkKind {
    Generate(Generation),
    /// An empty prompt: load the model and confirm.
    #[default]
    Preload,
    /// An empty prompt with `keep_alive` 0: unload when idle.
    Unload,
    /// An embedding: prefill only.
    Embed {
        /// Token ids of the inputs.
        prompt: Arc<[u32]>,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct Generation {
    /// Token ids of the rendered prompt; equal leading ids hit the prompt cache.
    pub(crate) prompt: Arc<[u32]>,
    /// Ids that the model would generate if nothing stopped it, with the end-of-text token last.
    pub(crate) output: Arc<[u32]>,
    /// Most tokens to generate; `None` for the server's own limit.
    pub(crate) num_predict: Option<u32>,
}

/// Options that decide how a runner is started. `None`: not sent.
#[skip_serializing_none]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct RunnerOptions {
    /// Context length per slot, tokens.
    pub num_ctx: Option<u32>,
    /// Layers on the GPU; negative is the same as not sent.
    pub num_gpu: Option<i64>,
    /// Prompt batch, tokens.
    pub num_batch: Option<u32>,
    pub num_thread: Option<i64>,
    pub main_gpu: Option<i64>,
    pub use_mmap: Option<bool>,
    /// Speculative draft length.
    pub draft_num_predict: Option<i64>,
    /// Context shift (the request's `shift`, not one of its options).
    pub shift: Option<bool>,
}

impl From<&ModelOptions> for RunnerOptions {
    fn from(options: &ModelOptions) -> Self {
        let positive = |n: Option<i64>| n.map(|n| u32::try_from(n.max(0)).unwrap_or(u32::MAX));
        Self {
            num_ctx: positive(options.num_ctx),
            num_gpu: options.num_gpu,
            num_batch: positive(options.num_batch),
            num_thread: options.num_thread,
            main_gpu: options.main_gpu,
            use_mmap: options.use_mmap,
            draft_num_predict: options.draft_num_predict,
            shift: None,
        }
    }
}

/// A message to a request's client, at the time it happens.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Notice {
    /// A whole number of microseconds.
    pub(crate) at: Stamp,
    pub(crate) id: RequestId,
    pub(crate) what: NoticeKind,
}

/// Kinds of notices. Every submitted request gets exactly one notice for which
/// [`NoticeKind::is_final`] is true, and nothing after it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum NoticeKind {
    /// Final: the pending queue is full (503).
    Busy,
    /// Final: the model could not be loaded (500).
    LoadFailed { message: String },
    /// The model is ready for this request. Nothing is sent yet.
    Attached,
    /// Final: a preload is done.
    Preloaded,
    /// Final: an unload request was accepted. Sent at once; the unload itself may wait.
    Unloading,
    Token {
        /// Its index in [`Generation::output`], from 0.
        index: u32,
    },
    /// Final: a generation or an embedding is done. Comes with the last token, at the same moment.
    Done {
        timings: Timings,
        reason: StopReason,
    },
    /// Final: its runner died. 500 before the first token, an error line after.
    Failed { message: String },
    /// Final: it was cancelled. Its entry in a queue may outlive this notice.
    Dropped,
}

impl NoticeKind {
    pub(crate) fn is_final(&self) -> bool {
        !matches!(self, Self::Attached | Self::Token { .. })
    }
}

/// Why a generation ended, as its final object says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum StopReason {
    #[default]
    Stop,
    /// `num_predict` or the context limit.
    Length,
}

/// The counters of a final object.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Timings {
    /// From arrival to the end. The only counter that includes the wait for a slot.
    pub(crate) total: Nanos,
    /// From arrival until the model was ready for this request.
    pub(crate) load: Nanos,
    /// Prompt tokens, counted as this version counts them.
    pub(crate) prompt_eval_count: u32,
    /// Prompt tokens taken from the cache.
    pub(crate) cached: u32,
    /// The same number; `None` in versions that do not report it.
    pub(crate) prompt_eval_cached_count: Option<u32>,
    /// Evaluation of the prompt tokens that were not cached, up to the first token.
    pub(crate) prompt_eval: Nanos,
    /// Generated tokens, the end-of-text token included.
    pub(crate) eval_count: u32,
    /// First token to last token.
    pub(crate) eval: Nanos,
}

/// A loaded model as `/api/ps` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadedView {
    /// The model's name, as the request that loaded it gave it.
    pub(crate) model: String,
    /// Memory in all, bytes.
    pub(crate) size: u64,
    /// Device memory, bytes.
    pub(crate) size_vram: u64,
    /// Context length per slot.
    pub(crate) context_length: u32,
    /// When it will be unloaded; `None` for never. In the past while it is being stopped.
    pub(crate) expires_at: Option<Stamp>,
}
