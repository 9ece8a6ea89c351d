//! Keep-alive: its forms, its timers, and unloading on request.

use super::*;

fn gone_at(rig: &Rig) -> Option<f64> {
    rig.log
        .iter()
        .find(|e| matches!(e.happened, Happened::UnloadStarted { .. }))
        .map(|e| e.at.as_secs_f64())
}

#[test]
fn absent_uses_the_servers_default_from_the_last_end() {
    let mut rig = Rig::new(round());
    rig.submit(0.0, 0, generate(90));
    rig.submit(100.0, 0, generate(90));
    rig.drain();
    assert_eq!(gone_at(&rig), Some(101.0 + 300.0));
}

#[test]
fn zero_unloads_when_the_last_request_ends() {
    let mut rig = Rig::new(round());
    rig.submit(0.0, 0, generate(90).keep(KeepAlive::Unload));
    rig.submit(2.5, 0, generate(90));
    rig.drain();
    // The second one matched the runner and was in flight when the first one ended.
    assert_eq!(gone_at(&rig), Some(4.0));
}

#[test]
fn a_length_and_the_last_one_wins() {
    let mut rig = Rig::new(round());
    let keep = |seconds| KeepAlive::For(Nanos::from_secs(seconds));
    rig.submit(0.0, 0, generate(490).keep(keep(60)));
    rig.submit(3.0, 0, generate(10).keep(keep(5)));
    rig.drain();
    assert_eq!(gone_at(&rig), Some(7.0 + 0.2 + 5.0));
}

#[test]
fn for_ever_is_never_unloaded_and_absent_leaves_it_so() {
    let mut rig = Rig::new(round());
    rig.submit(0.0, 0, generate(10).keep(KeepAlive::Forever));
    rig.submit(10.0, 0, generate(10));
    rig.drain();
    assert_eq!(gone_at(&rig), None);
    assert_eq!(rig.core.loaded(ServerId(0), s(1e6))[0].expires_at, None);
}

#[test]
fn unloading_on_request_answers_at_once_and_waits_for_what_is_in_flight() {
    let mut rig = Rig::new(round());
    let running = rig.submit(0.0, 0, generate(490));
    let asked = rig.submit(4.0, 0, unload());
    rig.advance(4.5);
    assert_eq!(
        (rig.end(asked).what.clone(), rig.ended_at(asked)),
        (What::Unloading, 4.0)
    );
    let view = rig.core.loaded(ServerId(0), s(4.5));
    assert_eq!(view[0].expires_at, Some(s(4.0)), "shown as stopping");
    rig.advance(20.0);
    assert_eq!(rig.ended_at(running), 7.0);
    assert_eq!(gone_at(&rig), Some(7.0));
    assert!(rig.core.loaded(ServerId(0), s(20.0)).is_empty());
}

#[test]
fn unloading_what_is_not_loaded_loads_nothing() {
    let mut rig = Rig::new(round());
    let asked = rig.submit(0.0, 0, unload());
    rig.drain();
    assert_eq!(rig.end(asked).what, What::Unloading);
    assert_eq!(rig.loads(), 0);
}

#[test]
fn a_preload_answers_when_ready_and_must_have_the_same_options() {
    let mut rig = Rig::new(round());
    let preloaded = rig.submit(0.0, 0, preload().ctx(8192));
    let same = rig.submit(10.0, 0, generate(90).ctx(8192));
    let other = rig.submit(20.0, 0, generate(90));
    rig.advance(30.0);
    assert_eq!(
        (rig.end(preloaded).what.clone(), rig.ended_at(preloaded)),
        (What::Preloaded, 2.0)
    );
    assert_eq!(rig.timings(same).load, Nanos::ZERO);
    assert_eq!(rig.timings(other).load, Nanos::from_millis(2500));
}

#[test]
fn the_view_shows_expiry_context_and_memory() {
    let mut rig = Rig::new(round());
    rig.submit(0.0, 0, generate(90));
    rig.advance(1.0);
    assert!(
        rig.core.loaded(ServerId(0), s(1.0)).is_empty(),
        "a loading model is not shown"
    );
    rig.submit(
        10.0,
        0,
        preload().model("second:latest").keep(KeepAlive::Forever),
    );
    rig.advance(20.0);
    let views = rig.core.loaded(ServerId(0), s(20.0));
    let names: Vec<_> = views.iter().map(|v| v.model.as_str()).collect();
    assert_eq!(
        names,
        ["second:latest", "round:latest"],
        "never comes first"
    );
    assert_eq!(views[1].expires_at, Some(s(303.0)));
    assert_eq!(views[1].context_length, 4096);
    assert_eq!(views[1].size, 1_000_000_000 + 409_600_000);
    assert_eq!(views[1].size_vram, views[1].size);
}
