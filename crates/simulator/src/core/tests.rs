//! Known results of the core, each computed by hand, and properties that always hold.

mod conversations;
mod laws;
mod rig;
mod story;

use super::*;
use crate::profile::{Profile, ServerSpec};
use rig::Rig;

/// A machine in round numbers: 100 tok/s, prefill 1000 tok/s, a load of 2 s, an unload of 0.5 s
/// (0.25 s to die, one poll for the memory), no latency and no overhead.
const ROUND: &str = include_str!("tests/round.toml");

fn round() -> Profile {
    Profile::parse("round.toml", ROUND).unwrap()
}

macro_rules! stories {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let story = include_str!(concat!("tests/stories/", stringify!($name), ".txt"));
                insta::assert_snapshot!(stringify!($name), story::play(story));
            }
        )*
    };
}

stories! {
    batches
    cancelling
    devices
    failures
    keeping_alive
    prompt_cache
    queueing
    two_configurations
}

#[test]
fn an_unknown_model_has_no_options() {
    let profile = round();
    let servers = vec![profile.server()];
    let core = Core::new(profile, servers).unwrap();
    let options = RunnerOptions::default();
    assert_eq!(core.context(0, "unknown:latest", &options), None);
}

#[test]
fn impossible_servers_are_refused() {
    let refusal = |edit: &dyn Fn(&mut ServerSpec)| {
        let profile = round();
        let mut spec = profile.server();
        edit(&mut spec);
        Core::new(profile, vec![spec]).unwrap_err().to_string()
    };
    for (found, expected) in [
        (
            refusal(&|spec| spec.settings.num_parallel = 0),
            "round: server.num_parallel: 0 is out of range; give 1 or more",
        ),
        (
            refusal(&|spec| "0.1.17".clone_into(&mut spec.settings.version)),
            "round: server.version: 0.1.17 had no scheduler yet and is not simulated; give 0.1.33 \
             or later",
        ),
    ] {
        assert_eq!(found, expected);
    }
}

#[test]
fn the_log_is_one_flat_object_a_line() {
    let profile = round();
    let servers = vec![profile.server()];
    let mut rig = Rig::new(profile, servers);
    rig.submit(0.0, &rig::Job::parse("generate 490"));
    rig.submit(3.0, &rig::Job::parse("generate 10 ctx 8192"));
    rig.advance(3.0);
    let lines = rig
        .log
        .iter()
        .map(|event| serde_json::to_string(event).unwrap());
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}
