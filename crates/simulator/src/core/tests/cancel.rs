//! Cancellation in each state.

use super::*;

fn rig_at(version: &str) -> Rig {
    let mut profile = round();
    version.clone_into(&mut profile.server.version);
    Rig::new(profile)
}

fn rig() -> Rig {
    rig_at("0.12.10")
}

#[test]
fn on_its_way() {
    let mut profile = round();
    profile.network.latency_min_ms = 5.0;
    profile.network.latency_max_ms = 5.0;
    let mut rig = Rig::new(profile);
    let id = rig.submit(0.0, 0, generate(90));
    rig.cancel(0.001, id);
    rig.drain();
    assert_eq!(rig.end(id).what, What::Dropped);
    assert_eq!(rig.loads(), 0);
}

#[test]
fn waiting_for_a_slot_it_is_removed_at_once() {
    let mut rig = rig();
    rig.submit(0.0, 0, generate(490));
    let waiting = rig.submit(3.0, 0, generate(490));
    let behind = rig.submit(3.5, 0, generate(90));
    rig.cancel(4.0, waiting);
    rig.advance(60.0);
    assert_eq!(
        (rig.end(waiting).what.clone(), rig.ended_at(waiting)),
        (What::Dropped, 4.0)
    );
    assert_eq!(rig.ended_at(behind), 8.0);
}

#[test]
fn decoding_frees_the_slot_at_once() {
    let mut rig = rig();
    let running = rig.submit(0.0, 0, generate(490));
    let behind = rig.submit(3.0, 0, generate(90));
    rig.cancel(4.005, running);
    rig.advance(60.0);
    assert_eq!(rig.ended_at(running), 4.005);
    // The batch under way ends at 4.01.
    assert_eq!(rig.ended_at(behind), 5.01);
}

#[test]
fn queued_it_keeps_its_place_and_counts() {
    let mut profile = round();
    profile.server.max_queue = 2;
    let mut rig = Rig::new(profile);
    rig.submit(0.0, 0, generate(490));
    rig.submit(3.0, 0, generate(90).ctx(8192));
    let queued = rig.submit(3.1, 0, generate(90).ctx(2048));
    let other = rig.submit(3.2, 0, generate(90).ctx(8192));
    rig.cancel(4.0, queued);
    assert_eq!(rig.ended_at(queued), 4.0);
    let refused = rig.submit(5.0, 0, generate(90).ctx(2048));
    rig.advance(60.0);
    assert_eq!(
        rig.end(refused).what,
        What::Busy,
        "a dead entry takes a place"
    );
    assert_eq!(rig.count(|h| matches!(h, Happened::Skipped { .. })), 1);
    // Skipped without a load of its own: 7 + 0.5 + 2 and then two of a second each.
    assert_eq!(rig.ended_at(other), 11.5);
    assert_eq!(rig.loads(), 2);
}

#[test]
fn at_the_head_it_still_evicts_the_live_configuration() {
    let mut rig = rig();
    rig.submit(0.0, 0, generate(490));
    let head = rig.submit(3.0, 0, generate(90).ctx(8192));
    rig.cancel(4.0, head);
    rig.advance(60.0);
    assert_eq!(rig.ended_at(head), 4.0);
    let unloads = rig.count(|h| matches!(h, Happened::Unloaded { .. }));
    assert_eq!((unloads, rig.loads()), (1, 1), "gone for nobody");
    assert_eq!(rig.count(|h| matches!(h, Happened::Skipped { .. })), 1);
    assert!(rig.core.loaded(ServerId(0), s(60.0)).is_empty());
}

#[test]
fn loading_aborts_the_load() {
    let mut rig = rig();
    let loading = rig.submit(0.0, 0, generate(90));
    let behind = rig.submit(0.5, 0, generate(90));
    rig.cancel(1.0, loading);
    rig.advance(60.0);
    assert_eq!(rig.count(|h| matches!(h, Happened::LoadAborted { .. })), 1);
    assert_eq!(rig.loads(), 2, "the next one begins anew");
    assert_eq!(rig.ended_at(behind), 1.0 + 2.0 + 1.0);
}

#[test]
fn a_client_less_patient_than_a_load_loops_for_ever() {
    let mut rig = rig();
    for i in 0..5 {
        let at = f64::from(i) * 3.0;
        let id = rig.submit(at, 0, generate(90));
        rig.cancel(at + 1.5, id);
    }
    rig.drain();
    assert_eq!(rig.count(|h| matches!(h, Happened::LoadAborted { .. })), 5);
    assert_eq!(rig.count(|h| matches!(h, Happened::LoadFinished { .. })), 0);
}

#[test]
fn older_runners_finish_the_prefill_of_a_dead_request() {
    for (version, behind_ends) in [("0.12.10", 4.02), ("0.32.0", 3.522)] {
        let mut rig = rig_at(version);
        let id = rig.submit(0.0, 0, generate(90).prompt((0..1000).collect()));
        let behind = rig.submit(2.1, 0, generate(90));
        // The first of its two batches (522 ms and 498 ms) is under way.
        rig.cancel(2.2, id);
        rig.advance(60.0);
        assert_eq!(rig.ended_at(id), 2.2);
        assert_eq!(rig.ended_at(behind), behind_ends, "{version}");
    }
}

#[test]
fn cancelling_what_has_ended_does_nothing() {
    let mut rig = rig();
    let id = rig.submit(0.0, 0, generate(90));
    rig.advance(10.0);
    let before = rig.notices.len();
    rig.cancel(11.0, id);
    rig.cancel(11.0, RequestId(999));
    assert_eq!(rig.notices.len(), before);
}

#[test]
fn blocked_on_an_unloading_runner_it_is_forgotten_afterwards() {
    let mut rig = rig();
    rig.submit(0.0, 0, generate(90).keep(KeepAlive::Unload));
    // Ends at 3; unloads until 3.5.
    let blocked = rig.submit(3.2, 0, generate(90));
    rig.cancel(3.3, blocked);
    rig.advance(60.0);
    assert_eq!(rig.ended_at(blocked), 3.3);
    assert_eq!(rig.loads(), 1);
}
