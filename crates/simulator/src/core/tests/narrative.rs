//! Two agents, one server, the same model, different options: the case that made this project.

use super::*;

/// A's configuration and B's.
fn a(tokens: u32) -> Job {
    generate(tokens).ctx(8192)
}
fn b(tokens: u32) -> Job {
    generate(tokens).ctx(4096)
}

fn rig(version: &str) -> Rig {
    let mut profile = round();
    version.clone_into(&mut profile.server.version);
    let mut rig = Rig::new(profile);
    rig.submit(0.0, 0, preload().ctx(8192));
    rig.advance(9.0);
    rig.log.clear();
    rig
}

fn story(rig: &Rig, named: &[(RequestId, &'static str)]) -> Vec<String> {
    let names = named.iter().copied().collect();
    rig.log.iter().map(|event| tell(event, &names)).collect()
}

#[test]
fn every_alternation_waits_for_the_other_and_reloads() {
    for version in ["0.11.4", "0.12.10"] {
        let mut rig = rig(version);
        let shared_prompt: Vec<u32> = (0..100).collect();
        let a1 = rig.submit(10.0, 0, a(490).prompt(shared_prompt.clone()));
        let b1 = rig.submit(11.0, 0, b(90));
        // After A1's end, before B1's: A's own prefix is gone with the runner.
        let a2 = rig.submit(16.0, 0, a(90).prompt(shared_prompt));
        rig.advance(30.0);
        let past = if version == "0.12.10" {
            ", past the queue"
        } else {
            ""
        };
        let mut expected = vec![
            "10.000 A1 arrives".to_owned(),
            "10.000 A1 queued (1)".to_owned(),
            format!("10.000 A1 attached, load 0.000{past}"),
            "10.000 A1 in slot 0, waited 0.000, 0 cached".to_owned(),
            "11.000 B1 arrives".to_owned(),
            "11.000 B1 queued (1)".to_owned(),
            "11.000 B1 wants round:latest gone: Reload(NumCtx), 1 in flight".to_owned(),
            "15.000 A1 done, 490 tokens".to_owned(),
            "15.000 unloading round:latest".to_owned(),
            "15.500 unloaded in 0.500".to_owned(),
            "15.500 load for B1 with ctx 4096".to_owned(),
            "16.000 A2 arrives".to_owned(),
            "16.000 A2 queued (1)".to_owned(),
            "17.500 loaded in 2.000".to_owned(),
            "17.500 B1 attached, load 6.500".to_owned(),
            "17.500 A2 wants round:latest gone: Reload(NumCtx), 1 in flight".to_owned(),
            "17.500 B1 in slot 0, waited 0.000, 0 cached".to_owned(),
            "18.500 B1 done, 90 tokens".to_owned(),
            "18.500 unloading round:latest".to_owned(),
            "19.000 unloaded in 0.500".to_owned(),
            "19.000 load for A2 with ctx 8192".to_owned(),
            "21.000 loaded in 2.000".to_owned(),
            "21.000 A2 attached, load 5.000".to_owned(),
            "21.000 A2 in slot 0, waited 0.000, 0 cached".to_owned(),
            "22.000 A2 done, 90 tokens".to_owned(),
        ];
        if version == "0.12.10" {
            expected.remove(1);
        }
        assert_eq!(
            story(&rig, &[(a1, "A1"), (b1, "B1"), (a2, "A2")]),
            expected,
            "{version}"
        );
        let t = rig.timings(b1);
        assert_eq!(t.load, Nanos::from_millis(6500), "4 s of A1, unload, load");
        assert_eq!(t.prompt_eval, Nanos::from_millis(110), "the whole prompt");
        assert_eq!(t.eval, Nanos::from_millis(890));
        assert_eq!(t.total, Nanos::from_millis(7500));
        let t = rig.timings(a2);
        assert_eq!(
            t.load,
            Nanos::from_secs(5),
            "B1's second and a half among it"
        );
        assert_eq!((t.cached, t.prompt_eval), (0, Nanos::from_millis(110)));
    }
}

#[test]
fn equal_options_load_once_and_queue_for_the_slot() {
    let mut rig = rig("0.12.10");
    let a1 = rig.submit(10.0, 0, a(90));
    let b1 = rig.submit(10.0, 0, a(190));
    rig.advance(20.0);
    assert_eq!(rig.loads(), 0);
    let (first, second) = (rig.timings(a1), rig.timings(b1));
    assert_eq!((first.load, second.load), (Nanos::ZERO, Nanos::ZERO));
    // The second one's wait is in no counter but the total.
    let wait = second.total.0 - second.load.0 - second.prompt_eval.0 - second.eval.0;
    assert_eq!(Nanos(wait), first.total);
    assert_eq!(first.total, Nanos::from_secs(1));
    assert_eq!(second.total, Nanos::from_secs(3));
}

#[test]
fn a_matching_request_passes_a_draining_runner_by_only_on_the_fast_path() {
    let run = |version: &str| {
        let mut rig = rig(version);
        rig.submit(10.0, 0, a(490));
        let b1 = rig.submit(11.0, 0, b(90));
        let a2 = rig.submit(13.0, 0, a(90));
        rig.advance(60.0);
        (rig.ended_at(b1), rig.ended_at(a2))
    };
    // Strict order: A1, B1 (reload), A2 (reload).
    assert_eq!(run("0.11.4"), (18.5, 22.0));
    // A2 goes on with A1's runner at 15; B1 after it.
    assert_eq!(run("0.12.10"), (19.5, 16.0));
}

#[test]
fn overlapping_matches_starve_the_queue_on_the_fast_path() {
    let run = |version: &str| {
        let mut rig = rig(version);
        rig.submit(10.0, 0, a(490));
        let b1 = rig.submit(11.0, 0, b(90));
        let other = rig.submit(11.5, 0, generate(90).model("second:latest"));
        // A new A every 4 s, each of 5 s: the runner is never idle until the last one ends.
        for i in 0..20 {
            rig.submit(13.0 + 4.0 * f64::from(i), 0, a(490));
        }
        rig.advance(1000.0);
        (rig.ended_at(b1), rig.ended_at(other))
    };
    let (b1, other) = run("0.12.10");
    // 21 requests of 5 s from 10 s on, then unload, load and a second of B1.
    assert_eq!(b1, 10.0 + 105.0 + 0.5 + 2.0 + 1.0);
    // Another model has to wait just as long, though it could be loaded beside.
    assert_eq!(other, b1 + 2.0);
    let (b1, other) = run("0.11.4");
    assert_eq!(b1, 18.5);
    assert!(other < 21.0, "{other}");
}

#[test]
fn an_explicit_keep_alive_revives_a_draining_runner() {
    let mut rig = rig("0.12.10");
    rig.submit(10.0, 0, a(490));
    let b1 = rig.submit(11.0, 0, b(90));
    rig.submit(13.0, 0, a(90).keep(KeepAlive::For(Nanos::from_secs(60))));
    rig.advance(1000.0);
    // The runner idles from 16 on, for the new keep-alive, while B1 waits for it.
    assert_eq!(rig.ended_at(b1), 16.0 + 60.0 + 0.5 + 2.0 + 1.0);
}

#[test]
fn a_keep_alive_for_ever_blocks_the_queue_for_ever() {
    let mut rig = rig("0.12.10");
    rig.submit(10.0, 0, a(490));
    let b1 = rig.submit(11.0, 0, b(90));
    rig.submit(13.0, 0, a(90).keep(KeepAlive::Forever));
    rig.drain();
    assert!(rig.of(b1).is_empty(), "B1 is still waiting");
    assert_eq!(rig.core.next_event(), None);
}
