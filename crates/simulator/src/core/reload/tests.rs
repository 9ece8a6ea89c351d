use super::*;
use crate::profile::Profile;

/// A release with every rule of the table.
const HEAD: &str = "0.33.0";

fn verdict(
    loaded: RunnerOptions,
    request: RunnerOptions,
    edit: impl Fn(&mut ServerSettings),
) -> Option<ReloadReason> {
    let profile = Profile::builtin("instant").unwrap();
    let mut settings = profile.server.clone();
    settings.version = HEAD.to_owned();
    settings.context_length = 0;
    settings.num_parallel = 1;
    edit(&mut settings);
    // A text model: vision models have a least context of their own.
    let model = profile.find_model("qwen3:8b").unwrap();
    let vram = 12 << 30;
    let launch = Launch::wanted(&settings, model, vram, &loaded);
    let wanted = Launch::wanted(&settings, model, vram, &request);
    launch.differs(&wanted, settings.release())
}

fn at_head(loaded: RunnerOptions, request: RunnerOptions) -> Option<ReloadReason> {
    verdict(loaded, request, |_| {})
}

const UNSET: RunnerOptions = RunnerOptions {
    num_ctx: None,
    num_gpu: None,
    num_batch: None,
    num_thread: None,
    main_gpu: None,
    use_mmap: None,
    draft_num_predict: None,
    shift: None,
};

fn gpu(n: i64) -> RunnerOptions {
    RunnerOptions {
        num_gpu: Some(n),
        ..UNSET
    }
}
fn ctx(n: u32) -> RunnerOptions {
    RunnerOptions {
        num_ctx: Some(n),
        ..UNSET
    }
}
fn threads(n: i64) -> RunnerOptions {
    RunnerOptions {
        num_thread: Some(n),
        ..UNSET
    }
}
fn batch(n: u32) -> RunnerOptions {
    RunnerOptions {
        num_batch: Some(n),
        ..UNSET
    }
}

#[test]
fn every_row_of_the_table() {
    use ReloadReason as R;
    let rows: [(&str, RunnerOptions, RunnerOptions, Option<ReloadReason>); 29] = [
        ("nothing on both sides", UNSET, UNSET, None),
        ("gpu auto, then explicit", UNSET, gpu(99), Some(R::NumGpu)),
        (
            "gpu explicit, then unset: what is loaded stays",
            gpu(99),
            UNSET,
            None,
        ),
        ("gpu explicit, then -1", gpu(99), gpu(-1), None),
        ("gpu 20, then 40", gpu(20), gpu(40), Some(R::NumGpu)),
        ("gpu 40, then 20", gpu(40), gpu(20), Some(R::NumGpu)),
        ("gpu equal", gpu(20), gpu(20), None),
        (
            "gpu auto, then the very number of layers it chose",
            UNSET,
            gpu(37),
            Some(R::NumGpu),
        ),
        ("gpu 0 is explicit", UNSET, gpu(0), Some(R::NumGpu)),
        ("ctx larger", ctx(4096), ctx(8192), Some(R::NumCtx)),
        ("ctx smaller", ctx(8192), ctx(4096), Some(R::NumCtx)),
        (
            "ctx explicit, then unset with another default",
            ctx(8192),
            UNSET,
            Some(R::NumCtx),
        ),
        (
            "ctx unset, then explicit other",
            UNSET,
            ctx(8192),
            Some(R::NumCtx),
        ),
        ("ctx unset, then explicit equal", UNSET, ctx(4096), None),
        (
            "ctx explicit equal to the default, then unset",
            ctx(4096),
            UNSET,
            None,
        ),
        (
            "ctx beyond the train length is clamped",
            ctx(40_960),
            ctx(100_000),
            None,
        ),
        (
            "threads set, then unset",
            threads(8),
            UNSET,
            Some(R::NumThread),
        ),
        (
            "threads unset, then set",
            UNSET,
            threads(8),
            Some(R::NumThread),
        ),
        ("threads equal", threads(8), threads(8), None),
        ("threads unset counts as 0", UNSET, threads(0), None),
        (
            "main gpu unset, then set",
            UNSET,
            RunnerOptions {
                main_gpu: Some(0),
                ..UNSET
            },
            Some(R::MainGpu),
        ),
        (
            "main gpu set, then unset",
            RunnerOptions {
                main_gpu: Some(1),
                ..UNSET
            },
            UNSET,
            Some(R::MainGpu),
        ),
        (
            "batch auto, then explicit other",
            UNSET,
            batch(256),
            Some(R::NumBatch),
        ),
        (
            "batch explicit, then auto",
            batch(256),
            UNSET,
            Some(R::NumBatch),
        ),
        (
            "mmap auto, then as derived",
            UNSET,
            RunnerOptions {
                use_mmap: Some(true),
                ..UNSET
            },
            None,
        ),
        (
            "mmap auto, then other",
            UNSET,
            RunnerOptions {
                use_mmap: Some(false),
                ..UNSET
            },
            Some(R::UseMmap),
        ),
        (
            "draft set, then unset",
            RunnerOptions {
                draft_num_predict: Some(4),
                ..UNSET
            },
            UNSET,
            Some(R::DraftNumPredict),
        ),
        (
            "shift off",
            UNSET,
            RunnerOptions {
                shift: Some(false),
                ..UNSET
            },
            Some(R::Shift),
        ),
        (
            "shift on is the default",
            UNSET,
            RunnerOptions {
                shift: Some(true),
                ..UNSET
            },
            None,
        ),
    ];
    for (what, loaded, request, expected) in rows {
        assert_eq!(at_head(loaded, request), expected, "{what}");
    }
}

#[test]
fn automatic_contexts_are_equal_even_when_one_was_reduced() {
    let profile = Profile::builtin("instant").unwrap();
    let mut settings = profile.server.clone();
    settings.context_length = 0;
    let model = profile.find_model("gemma3").unwrap();
    let wanted = Launch::wanted(&settings, model, 24 << 30, &UNSET);
    assert_eq!(wanted.num_ctx, 32_768);
    let mut reduced = wanted;
    reduced.num_ctx = wanted.smaller_tier().unwrap();
    assert_eq!(reduced.num_ctx, 4096);
    assert_eq!(reduced.differs(&wanted, settings.release()), None);
    assert_eq!(reduced.smaller_tier(), None);
}

#[test]
fn shift_matters_from_0_30_9() {
    let off = RunnerOptions {
        shift: Some(false),
        ..UNSET
    };
    let before = |s: &mut ServerSettings| s.version = "0.30.8".to_owned();
    assert_eq!(verdict(UNSET, off, before), None);
    let from = |s: &mut ServerSettings| s.version = "0.30.9".to_owned();
    assert_eq!(verdict(UNSET, off, from), Some(ReloadReason::Shift));
}

#[test]
fn default_context_by_release_and_memory() {
    let profile = Profile::builtin("instant").unwrap();
    let model = profile.find_model("qwen3:8b").unwrap();
    let ctx = |version: &str, gib: u64, env: u32| {
        let mut settings = profile.server.clone();
        settings.version = version.to_owned();
        settings.context_length = env;
        Launch::wanted(&settings, model, gib << 30, &UNSET).num_ctx
    };
    assert_eq!(ctx("0.5.13", 80, 0), 2048);
    assert_eq!(ctx("0.6.6", 80, 0), 2048);
    assert_eq!(ctx("0.6.7", 80, 0), 4096);
    assert_eq!(ctx("0.15.4", 80, 0), 4096);
    assert_eq!(ctx("0.15.5", 12, 0), 4096);
    assert_eq!(ctx("0.15.5", 24, 0), 32_768);
    // 262144, clamped to the train length.
    assert_eq!(ctx("0.15.5", 48, 0), 40_960);
    assert_eq!(ctx("0.33.0-rc2", 48, 16_384), 16_384);
}

#[test]
fn vision_models_get_at_least_2048_tokens() {
    let profile = Profile::builtin("rtx4080-laptop").unwrap();
    let model = profile.find_model("gemma3").unwrap();
    let small = Launch::wanted(&profile.server, model, 12 << 30, &ctx(512));
    let other = Launch::wanted(&profile.server, model, 12 << 30, &ctx(1024));
    assert_eq!((small.num_ctx, other.num_ctx), (2048, 2048));
    assert_eq!(small.differs(&other, profile.server.release()), None);
}

#[test]
fn embedding_models_have_one_slot() {
    let profile = Profile::builtin("instant").unwrap();
    let slots = |name| {
        let model = profile.find_model(name).unwrap();
        Launch::wanted(&profile.server, model, 24 << 30, &UNSET).parallel
    };
    assert_eq!(slots("gemma3"), 4);
    assert_eq!(slots("nomic-embed-text"), 1);
}
