use super::*;
use crate::profile::Profile;

/// A release with every rule of the table.
const HEAD: &str = "0.33.0";

fn verdict(version: &str, loaded: &str, request: &str) -> Option<ReloadReason> {
    let profile = Profile::builtin("instant").unwrap();
    let mut settings = profile.server.clone();
    version.clone_into(&mut settings.version);
    settings.context_length = 0;
    settings.num_parallel = 1;
    // A text model: vision models have a least context of their own.
    let model = profile.find_model("qwen3:8b").unwrap();
    let vram = 12 << 30;
    let launch = Launch::wanted(&settings, model, vram, &options(loaded));
    let wanted = Launch::wanted(&settings, model, vram, &options(request));
    launch.differs(&wanted, settings.release())
}

/// `num_gpu = 99`, for example, or nothing.
fn options(text: &str) -> RunnerOptions {
    toml::from_str(text).unwrap()
}

#[test]
fn every_row_of_the_table() {
    let rows: Vec<&str> = include_str!("table.txt").lines().skip(1).collect();
    assert_eq!(rows.len(), 29);
    for row in rows {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let &[what, loaded, request, expected] = cells.as_slice() else {
            panic!("four cells a row: {row}");
        };
        let found = verdict(HEAD, loaded, request);
        let found = found.map_or(String::new(), |reason| format!("{reason:?}"));
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn automatic_contexts_are_equal_even_when_one_was_reduced() {
    let profile = Profile::builtin("instant").unwrap();
    let mut settings = profile.server.clone();
    settings.context_length = 0;
    let model = profile.find_model("gemma3").unwrap();
    let wanted = Launch::wanted(&settings, model, 24 << 30, &options(""));
    assert_eq!(wanted.num_ctx, 32_768);
    let mut reduced = wanted;
    reduced.num_ctx = wanted.smaller_tier().unwrap();
    assert_eq!(reduced.num_ctx, 4096);
    assert_eq!(reduced.differs(&wanted, settings.release()), None);
    assert_eq!(reduced.smaller_tier(), None);
}

#[test]
fn shift_matters_from_0_30_9() {
    assert_eq!(verdict("0.30.8", "", "shift = false"), None);
    let from = verdict("0.30.9", "", "shift = false");
    assert_eq!(from, Some(ReloadReason::Shift));
}

#[test]
fn default_context_by_release_and_memory() {
    let profile = Profile::builtin("instant").unwrap();
    let model = profile.find_model("qwen3:8b").unwrap();
    let ctx = |version: &str, gib: u64, env: u32| {
        let mut settings = profile.server.clone();
        settings.version = version.to_owned();
        settings.context_length = env;
        Launch::wanted(&settings, model, gib << 30, &options("")).num_ctx
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
    let small = Launch::wanted(&profile.server, model, 12 << 30, &options("num_ctx = 512"));
    let other = Launch::wanted(&profile.server, model, 12 << 30, &options("num_ctx = 1024"));
    assert_eq!((small.num_ctx, other.num_ctx), (2048, 2048));
    assert_eq!(small.differs(&other, profile.server.release()), None);
}

#[test]
fn embedding_models_have_one_slot() {
    let profile = Profile::builtin("instant").unwrap();
    let slots = |name| {
        let model = profile.find_model(name).unwrap();
        Launch::wanted(&profile.server, model, 24 << 30, &options("")).parallel
    };
    assert_eq!(slots("gemma3"), 4);
    assert_eq!(slots("nomic-embed-text"), 1);
}
