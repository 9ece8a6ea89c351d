use super::*;
use crate::profile::Profile;

/// The rows of a table without its heading, with so many cells each.
fn rows<const N: usize>(table: &str) -> Vec<[&str; N]> {
    let cells = table
        .lines()
        .skip(1)
        .map(|row| row.split('|').map(str::trim));
    cells
        .map(|cells| cells.collect::<Vec<_>>().try_into().expect("a full row"))
        .collect()
}

/// `num_gpu = 99`, for example, or nothing.
fn options(text: &str) -> RunnerOptions {
    toml::from_str(text).unwrap()
}

fn verdict(release: &str, loaded: &str, request: &str) -> String {
    let profile = Profile::builtin("instant").unwrap();
    let mut settings = profile.server.clone();
    release.clone_into(&mut settings.version);
    settings.context_length = 0;
    settings.num_parallel = 1;
    // A text model: vision models have a least context of their own.
    let model = profile.find_model("qwen3:8b").unwrap();
    let [loaded, wanted] =
        [loaded, request].map(|text| Launch::wanted(&settings, model, 12 << 30, &options(text)));
    let reason = loaded.differs(&wanted, settings.release());
    reason.map_or(String::new(), |reason| format!("{reason:?}"))
}

#[test]
fn every_row_of_the_table() {
    let rows = rows::<4>(include_str!("table.txt"));
    assert_eq!(rows.len(), 29);
    for [what, loaded, request, expected] in rows {
        assert_eq!(verdict("0.33.0", loaded, request), expected, "{what}");
    }
    // Context shift matters from 0.30.9.
    assert_eq!(verdict("0.30.8", "", "shift = false"), "");
    assert_eq!(verdict("0.30.9", "", "shift = false"), "Shift");
}

#[test]
fn contexts_and_slots_follow_release_memory_and_model() {
    for row in rows::<9>(include_str!("launches.txt")) {
        let [
            what,
            profile,
            release,
            model,
            gib,
            server_ctx,
            request,
            num_ctx,
            slots,
        ] = row;
        let profile = Profile::builtin(profile).unwrap();
        let mut settings = profile.server.clone();
        release.clone_into(&mut settings.version);
        settings.context_length = server_ctx.parse().unwrap();
        let model = profile.find_model(model).unwrap();
        let vram = gib.parse::<u64>().unwrap() << 30;
        let launch = Launch::wanted(&settings, model, vram, &options(request));
        let expected = (num_ctx.parse().unwrap(), slots.parse().unwrap());
        assert_eq!((launch.num_ctx, launch.parallel), expected, "{what}");
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
