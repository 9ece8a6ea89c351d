//! The queue, the slots, eviction, memory and failures.

use super::*;

fn parallel(n: usize) -> Profile {
    let mut profile = round();
    profile.server.num_parallel = n;
    profile
}

#[test]
fn one_slot_serves_strictly_in_turn() {
    let mut rig = Rig::new(round());
    let ids: Vec<_> = (0..3).map(|_| rig.submit(0.0, 0, generate(90))).collect();
    rig.drain();
    let ends: Vec<f64> = ids.iter().map(|id| rig.ended_at(*id)).collect();
    // Loaded at 2; then a second each, first come (by tag), first served.
    assert_eq!(ends, [3.0, 4.0, 5.0]);
    for pair in ids.windows(2) {
        assert!(rig.first_token_at(pair[1]) > rig.ended_at(pair[0]));
    }
    // All three wait for the one load, and all three report it.
    for id in ids {
        assert_eq!(rig.timings(id).load, Nanos::from_secs(2));
    }
}

#[test]
fn batched_decoding_has_its_known_gain() {
    let mut rig = Rig::new(parallel(4));
    rig.submit(0.0, 0, preload());
    // One token of prompt each: prefill of all four is one batch of 14 ms.
    let ids: Vec<_> = (0..4)
        .map(|i| rig.submit(10.0, 0, generate(101).prompt(vec![i])))
        .collect();
    rig.advance(20.0);
    // The first submitted starts alone: 11 ms. The rest join: 10 + 3 ms, with its second token.
    // Then steps of four: 10 ms * (1 + 0.25 * 3) = 17.5 ms.
    let first = rig.timings(ids[0]);
    assert_eq!(first.prompt_eval, Nanos::from_millis(11));
    assert_eq!(first.eval, Nanos(13_000_000 + 99 * 17_500_000));
    // The others' last step is without the first: 10 ms * (1 + 0.25 * 2).
    let last = rig.timings(ids[3]);
    assert_eq!(last.eval, Nanos(99 * 17_500_000 + 15_000_000));
    // Four streams in little more than a quarter of the time that four in turn take per token.
    assert_eq!(rig.count(|h| matches!(h, Happened::Served { .. })), 4);
}

#[test]
fn a_newcomers_prefill_stalls_those_who_decode_by_one_batch_at_a_time() {
    let mut rig = Rig::new(parallel(2));
    rig.submit(0.0, 0, preload());
    let running = rig.submit(10.0, 0, generate(300).prompt(vec![1]));
    let long: Vec<u32> = (0..1200).collect();
    rig.submit(11.0, 0, generate(2).prompt(long));
    rig.advance(20.0);
    let stamps: Vec<f64> = rig
        .of(running)
        .iter()
        .filter(|n| matches!(n.what, What::Token { .. }))
        .map(|n| n.at.as_secs_f64())
        .collect();
    // In tenths of a millisecond.
    let mut gaps: Vec<u32> = stamps
        .windows(2)
        .map(|w| ((w[1] - w[0]) * 1e4).round() as u32)
        .collect();
    gaps.dedup();
    // Batches of 512 hold 511 prompt tokens beside the decode: 511, 511 and 178 of them.
    assert_eq!(gaps, [100, 5210, 1880, 125, 100]);
}

#[test]
fn the_prompt_cache_keeps_the_longest_common_prefix() {
    let mut rig = Rig::new(round());
    let prompt: Vec<u32> = (0..100).collect();
    let first = rig.submit(0.0, 0, generate(10).prompt(prompt.clone()));
    let again = rig.submit(10.0, 0, generate(10).prompt(prompt.clone()));
    let half: Vec<u32> = (0..50).chain(900..950).collect();
    let half = rig.submit(20.0, 0, generate(10).prompt(half));
    // A conversation goes on: prompt, answer (but for its end-of-text), next question.
    let next: Vec<u32> = (0..50)
        .chain(900..950)
        .chain((0..9).map(|i| 7_000_000 + i))
        .chain(500..541)
        .collect();
    let next = rig.submit(30.0, 0, generate(10).prompt(next));
    rig.advance(40.0);
    let cached: Vec<_> = [first, again, half, next]
        .iter()
        .map(|id| {
            let t = rig.timings(*id);
            (t.cached, t.prompt_eval_count, t.prompt_eval.as_millis_f64())
        })
        .collect();
    assert_eq!(
        cached,
        [
            (0, 100, 110.0),
            (99, 100, 11.0),
            (50, 100, 60.0),
            (109, 150, 51.0)
        ]
    );
}

#[test]
fn releases_count_prompt_tokens_in_their_own_way() {
    for (version, count) in [
        ("0.3.14", 1),
        ("0.4.0", 100),
        ("0.30.0", 1),
        ("0.30.1", 100),
    ] {
        let mut profile = round();
        version.clone_into(&mut profile.server.version);
        let mut rig = Rig::new(profile);
        let prompt: Vec<u32> = (0..100).collect();
        rig.submit(0.0, 0, generate(2).prompt(prompt.clone()));
        let again = rig.submit(10.0, 0, generate(2).prompt(prompt));
        rig.advance(20.0);
        assert_eq!(rig.timings(again).prompt_eval_count, count, "{version}");
    }
}

#[test]
fn a_full_queue_refuses_and_a_full_slot_does_not() {
    let mut profile = round();
    profile.server.max_queue = 2;
    let mut rig = Rig::new(profile);
    let running = rig.submit(0.0, 0, generate(490));
    rig.advance(3.0);
    // Any number of matching requests waits for the slot.
    let waiting: Vec<_> = (0..5).map(|_| rig.submit(3.0, 0, generate(10))).collect();
    // A reload goes to the head, two more fill the queue, the fourth is refused.
    let reloads: Vec<_> = (0..4)
        .map(|i| rig.submit(4.0 + f64::from(i) * 0.1, 0, generate(10).ctx(8192)))
        .collect();
    rig.drain();
    assert!(matches!(rig.end(running).what, What::Done { .. }));
    for id in waiting {
        assert!(matches!(rig.end(id).what, What::Done { .. }));
    }
    assert_eq!(rig.end(reloads[3]).what, What::Busy);
    assert_eq!(rig.ended_at(reloads[3]), 4.3);
    for id in &reloads[..3] {
        assert!(matches!(rig.end(*id).what, What::Done { .. }));
    }
}

#[test]
fn the_shortest_keep_alive_goes_first_and_an_idle_one_before_a_busy_one() {
    let minutes = |m: u64| KeepAlive::For(Nanos::from_secs(60 * m));
    let victim = |busy: &'static str, keep: [KeepAlive; 2]| {
        let mut rig = Rig::new(round());
        rig.submit(0.0, 0, generate(1).keep(keep[0]));
        rig.submit(5.0, 0, generate(1).model("second:latest").keep(keep[1]));
        rig.submit(10.0, 0, generate(490).model(busy).keep(minutes(1)));
        rig.submit(11.0, 0, generate(10).model("third:latest"));
        rig.advance(12.0);
        rig.log
            .iter()
            .find_map(|e| match &e.happened {
                Happened::Evicting { victim, reason, .. } => {
                    assert_eq!(*reason, EvictReason::MaxLoaded);
                    Some(victim.clone())
                }
                _ => None,
            })
            .expect("two models are the most")
    };
    // Not the least recently used: `round` is older, but stays longer.
    assert_eq!(
        victim("third:latest", [minutes(10), minutes(5)]),
        "second:latest"
    );
    assert_eq!(
        victim("third:latest", [KeepAlive::Forever, minutes(50)]),
        "second:latest"
    );
    // The busy one has the shorter keep-alive, but the other one is idle.
    assert_eq!(
        victim("round:latest", [minutes(1), minutes(5)]),
        "second:latest"
    );
    assert_eq!(
        victim("second:latest", [minutes(9), minutes(5)]),
        "round:latest"
    );
}

#[test]
fn a_model_that_does_not_fit_beside_the_others_evicts() {
    let mut profile = round();
    profile.devices.truncate(1);
    // Weights of 1 GB and 1.3 GB of cache at 8192 + 4096 tokens: 80 % of what is left is too little.
    profile.devices[0].memory_bytes = 3_500_000_000;
    let mut rig = Rig::new(profile);
    rig.submit(0.0, 0, generate(90));
    let second = rig.submit(1.0, 0, generate(90).model("second:latest").ctx(8192));
    rig.drain();
    assert!(
        rig.story()
            .contains(&"2.000 #2 wants round:latest gone: Memory, 1 in flight".to_owned()),
        "{:#?}",
        rig.story()
    );
    // The first one's second, unload, load, its own second.
    assert_eq!(rig.ended_at(second), 3.0 + 0.5 + 2.0 + 1.0);
}

#[test]
fn layers_that_do_not_fit_are_out_of_memory_when_asked_for_and_left_out_when_not() {
    let mut profile = round();
    profile.devices.truncate(1);
    profile.devices[0].memory_bytes = 800_000_000;
    let mut rig = Rig::new(profile);
    let asked = rig.submit(0.0, 0, generate(10).gpu(10));
    let auto = rig.submit(1.0, 0, generate(10));
    rig.advance(1.0);
    match &rig.end(asked).what {
        What::LoadFailed { message } => assert!(message.contains("out of memory"), "{message}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(rig.ended_at(asked), 0.25, "seen at the first poll");
    rig.advance(20.0);
    assert!(matches!(rig.end(auto).what, What::Done { .. }));
    // 10 layers share 1.4096 GB: five fit.
    let view = &rig.core.loaded(ServerId(0), s(20.0))[0];
    assert_eq!((view.size, view.size_vram), (1_409_600_000, 704_800_000));
    // Half the layers on a CPU ten times slower: 0.5 * 0.11 + 0.5 * 1.1 for the prompt.
    assert_eq!(rig.timings(auto).prompt_eval, Nanos::from_millis(605));
    assert_eq!(rig.timings(auto).eval, Nanos::from_millis(9 * 55));
}

#[test]
fn an_injected_load_failure_fails_one_load() {
    let mut rig = Rig::new(round());
    rig.core
        .fail_next_load(ServerId(0), "cudaMalloc failed: out of memory");
    let first = rig.submit(0.0, 0, generate(90));
    let second = rig.submit(0.5, 0, generate(90));
    rig.drain();
    assert_eq!(
        rig.end(first).what,
        What::LoadFailed {
            message: "cudaMalloc failed: out of memory".to_owned()
        }
    );
    assert_eq!(rig.ended_at(first), 2.0);
    assert_eq!(rig.ended_at(second), 5.0);
}

#[test]
fn a_crash_fails_what_is_in_flight_and_is_noticed_by_the_next_request() {
    let mut rig = Rig::new(round());
    let running = rig.submit(0.0, 0, generate(490));
    let waiting = rig.submit(3.0, 0, generate(90));
    rig.advance(4.0);
    assert_eq!(rig.core.crash_runner(s(4.0), ServerId(0), None), 1);
    rig.collect();
    for id in [running, waiting] {
        assert!(matches!(rig.end(id).what, What::Failed { .. }));
        assert_eq!(rig.ended_at(id), 4.0);
    }
    let next = rig.submit(5.0, 0, generate(90));
    rig.advance(20.0);
    // The dead runner holds nothing: removed at once, loaded anew.
    assert_eq!(rig.ended_at(next), 8.0);
    assert!(
        rig.story()
            .iter()
            .any(|line| line.contains("Reload(Unhealthy)"))
    );
}

#[test]
fn a_crash_during_a_load_fails_the_load() {
    let mut rig = Rig::new(round());
    let first = rig.submit(0.0, 0, generate(90));
    let second = rig.submit(0.0, 0, generate(90));
    rig.advance(1.0);
    assert_eq!(rig.core.crash_runner(s(1.0), ServerId(0), None), 1);
    rig.drain();
    assert!(matches!(rig.end(first).what, What::LoadFailed { .. }));
    assert_eq!(rig.ended_at(second), 4.0);
}

#[test]
fn limits_stop_a_generation() {
    let mut rig = Rig::new(round());
    let predict = rig.submit(0.0, 0, generate(90).predict(5));
    let exact = rig.submit(10.0, 0, generate(5).predict(5));
    let no_shift = rig.submit(20.0, 0, generate(900).ctx(500).shift(false));
    let capped = rig.submit(60.0, 0, generate(900).ctx(4));
    rig.advance(200.0);
    let end = |id| match rig.end(id).what {
        What::Done { timings, reason } => (timings.eval_count, reason),
        ref other => panic!("{other:?}"),
    };
    assert_eq!(end(predict), (5, StopReason::Length));
    assert_eq!(end(exact), (5, StopReason::Stop));
    assert_eq!(end(no_shift), (400, StopReason::Length));
    assert_eq!(end(capped), (40, StopReason::Length), "ten contexts");
}

#[test]
fn an_embedding_is_a_prefill() {
    let mut rig = Rig::new(round());
    let id = rig.submit(0.0, 0, embed(200));
    rig.advance(10.0);
    let t = rig.timings(id);
    assert_eq!((t.prompt_eval_count, t.eval_count), (200, 0));
    assert_eq!(t.prompt_eval, Nanos::from_millis(210));
    assert_eq!(t.eval, Nanos::ZERO);
}

#[test]
fn readiness_and_recovery_are_seen_at_polls() {
    let mut profile = round();
    for model in &mut profile.models {
        model.load.load_s = 2.01;
        model.load.recovery_s = 0.26;
    }
    let mut rig = Rig::new(profile);
    rig.submit(0.0, 0, preload());
    let other = rig.submit(10.0, 0, preload().ctx(8192));
    rig.advance(20.0);
    // 0.25 to die, two polls for the memory, nine polls for readiness.
    assert_eq!(rig.ended_at(other), 10.0 + 0.25 + 0.5 + 2.25);
}

#[test]
fn an_unknown_model_is_refused_not_a_panic() {
    let mut rig = Rig::new(round());
    let id = rig.submit(0.0, 0, generate(1).model("nobody:latest"));
    assert!(matches!(rig.end(id).what, What::LoadFailed { .. }));
    assert!(
        rig.core
            .resolve(ServerId(0), "nobody:latest", &RunnerOptions::default())
            .is_none()
    );
}

#[test]
fn impossible_servers_are_refused() {
    let refusal = |edit: &dyn Fn(&mut ServerSpec)| {
        let profile = round();
        let mut spec = profile.server();
        edit(&mut spec);
        Core::new(profile, vec![spec]).unwrap_err().to_string()
    };
    assert_eq!(
        refusal(&|spec| spec.devices = vec![0, 2]),
        "server 0 is placed on device 2, but the profile has 2; give indices below that, or none \
         for the CPU"
    );
    assert_eq!(
        refusal(&|spec| spec.settings.num_parallel = 0),
        "round: server.num_parallel: 0 is out of range; give 1 or more"
    );
    assert_eq!(
        refusal(&|spec| "0.1.17".clone_into(&mut spec.settings.version)),
        "round: server.version: 0.1.17 had no scheduler yet and is not simulated; give 0.1.33 or \
         later"
    );
}

#[test]
fn the_log_is_one_flat_object_a_line() {
    let mut rig = Rig::new(round());
    rig.submit(0.0, 0, generate(490));
    rig.submit(3.0, 0, generate(10).ctx(8192));
    rig.advance(3.0);
    let lines: Vec<String> = rig
        .log
        .iter()
        .map(|event| serde_json::to_string(event).unwrap())
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
}
