//! Runner options: defaults, and which differences force a reload.

use domain::backend::has_one_slot;

use super::log::ReloadReason;
use super::types::RunnerOptions;
use crate::profile::{ModelSpec, ServerSettings};

/// Contexts by total device memory, largest first: minimum bytes, tokens.
const TIERS: [(u64, u32); 3] = [(47 << 30, 262_144), (23 << 30, 32_768), (0, 4096)];
const LEAST_VISION_CTX: u32 = 2048;

/// The options a runner was started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is an option of its own, named as Ollama names it"
)]
pub(super) struct Launch {
    pub(super) num_ctx: u32,
    /// The context was not requested.
    pub(super) ctx_auto: bool,
    pub(super) num_batch: u32,
    pub(super) batch_auto: bool,
    /// Requested layers; `None` when the server chose.
    pub(super) num_gpu: Option<u32>,
    pub(super) num_thread: i64,
    pub(super) main_gpu: Option<i64>,
    pub(super) use_mmap: bool,
    pub(super) draft_num_predict: i64,
    pub(super) shift: bool,
    pub(super) parallel: usize,
}

impl Launch {
    /// A request's options, with the Modelfile's and the server's defaults filled in.
    pub(super) fn wanted(
        settings: &ServerSettings,
        model: &ModelSpec,
        vram: u64,
        request: &RunnerOptions,
    ) -> Self {
        let base = &model.parameters;
        let release = settings.release();
        let asked_ctx = request.num_ctx.or(base.num_ctx);
        let num_ctx = asked_ctx.unwrap_or_else(|| default_ctx(settings, vram));
        let parallel = parallel(settings, model);
        let num_ctx = clamp_ctx(model, num_ctx);
        let asked_batch = request.num_batch.or(base.num_batch);
        Self {
            num_ctx,
            ctx_auto: asked_ctx.is_none(),
            num_batch: asked_batch
                .unwrap_or_else(|| default_batch(release, model, num_ctx, parallel))
                .max(1),
            batch_auto: asked_batch.is_none(),
            num_gpu: request
                .num_gpu
                .or(base.num_gpu)
                .and_then(|n| u32::try_from(n).ok()),
            num_thread: request.num_thread.or(base.num_thread).unwrap_or(0),
            main_gpu: request.main_gpu.or(base.main_gpu),
            use_mmap: request.use_mmap.or(base.use_mmap).unwrap_or(true),
            draft_num_predict: request
                .draft_num_predict
                .or(base.draft_num_predict)
                .unwrap_or(0),
            shift: request
                .shift
                .or(base.shift)
                .unwrap_or_else(|| !model.family.starts_with("deepseek2")),
            parallel,
        }
    }

    /// The first difference that makes a runner with these options unfit for a request with `wanted`.
    pub(super) fn differs(&self, wanted: &Self, release: (u32, u32, u32)) -> Option<ReloadReason> {
        use ReloadReason::{
            DraftNumPredict, MainGpu, NumBatch, NumCtx, NumGpu, NumThread, Shift, UseMmap,
        };
        let auto_ctx = self.ctx_auto && wanted.ctx_auto;
        let auto_batch = self.batch_auto && wanted.batch_auto;
        // A request without the option accepts any runner; one with it needs the same number.
        let asks_gpu = wanted.num_gpu.is_some();
        // Context shift became a launch attribute in 0.30.9.
        let shift_counts = release >= (0, 30, 9);
        let differences = [
            (shift_counts && self.shift != wanted.shift, Shift),
            (!auto_ctx && self.num_ctx != wanted.num_ctx, NumCtx),
            (asks_gpu && self.num_gpu != wanted.num_gpu, NumGpu),
            (!auto_batch && self.num_batch != wanted.num_batch, NumBatch),
            (self.num_thread != wanted.num_thread, NumThread),
            (self.main_gpu != wanted.main_gpu, MainGpu),
            (self.use_mmap != wanted.use_mmap, UseMmap),
            (
                self.draft_num_predict != wanted.draft_num_predict,
                DraftNumPredict,
            ),
        ];
        let mut found = differences.into_iter().filter(|(differs, _)| *differs);
        found.next().map(|(_, reason)| reason)
    }

    /// The next smaller context, for an automatic context that ran out of memory.
    pub(super) fn smaller_tier(&self) -> Option<u32> {
        if !self.ctx_auto {
            return None;
        }
        let mut contexts = TIERS.into_iter().map(|(_, context)| context);
        contexts.find(|context| *context < self.num_ctx)
    }
}

fn default_ctx(settings: &ServerSettings, vram: u64) -> u32 {
    if settings.context_length > 0 {
        return settings.context_length;
    }
    match settings.release() {
        release if release >= (0, 15, 5) => {
            let tier = TIERS.iter().find(|(least, _)| vram >= *least);
            tier.expect("the last one needs no memory").1
        }
        release if release >= (0, 6, 7) => 4096,
        _ => 2048,
    }
}

pub(super) fn clamp_ctx(model: &ModelSpec, num_ctx: u32) -> u32 {
    let least = if model.can("vision") {
        LEAST_VISION_CTX
    } else {
        4
    };
    num_ctx.max(least).min(model.train_ctx)
}

/// The number of slots; some models cannot share a runner.
fn parallel(settings: &ServerSettings, model: &ModelSpec) -> usize {
    if model.can("embedding") || has_one_slot(&model.family) {
        1
    } else {
        settings.num_parallel
    }
}

fn default_batch(
    release: (u32, u32, u32),
    model: &ModelSpec,
    num_ctx: u32,
    parallel: usize,
) -> u32 {
    if model.can("embedding") {
        return num_ctx.min(2048);
    }
    let total = u64::from(num_ctx) * parallel as u64;
    match total {
        // Batches grow with the context since models run in llama-server.
        _ if release < (0, 30, 0) => 512,
        0..=4096 => 512,
        4097..=32_768 => 1024,
        _ => 2048,
    }
}

#[cfg(test)]
mod tests;
