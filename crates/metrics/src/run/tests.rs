use domain::plan::Arm::Together;
use domain::record::ResponseNote;
use domain::{FailureKind, ModelOptions, Nanos, Outcome, Stamp};

use super::*;
use crate::arms::warm_loads;
use crate::notes::RequestFault;
use crate::observation::RunObservation;
use crate::timeline::{Calls, agent, arm, request, run, two_arms};

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

/// One slot, one configuration, warm: A is served from 0.1 to 1.2 s, B waits and ends at 3.3 s.
fn one_slot() -> RunObservation {
    let call = |sent, tokens| request(sent).load(100).prefill(100).decode(tokens, 100);
    let agents = [
        Calls::new(&[call(0, 10)], &[call(0, 10)]),
        Calls::new(&[call(0, 20).slot(1100)], &[call(1200, 20)]),
    ];
    two_arms("one_slot", 1, "warm for agent 0", &agents)
}

/// The same, but alone B generated 10 tokens instead of 20.
fn shorter_alone() -> RunObservation {
    let mut observed = one_slot();
    let alone = request(1200).load(100).prefill(100).decode(10, 100).build();
    observed.sequential.as_mut().unwrap().agents[1].requests = vec![alone];
    observed
}

#[test]
fn a_serial_server_by_both_metrics() {
    let m = RunMetrics::of(&one_slot());
    assert_eq!(m.excluded, None);
    let tr113 = m.tr113.unwrap();
    close(tr113.concurrent_wall_time, 3.3);
    close(tr113.sequential_estimated_time, 4.5);
    close(tr113.speedup_est, 4.5 / 3.3);
    close(tr113.efficiency_est, 50.0 * 4.5 / 3.3);
    // First tokens at 0.3 s and 1.4 s: A is sooner, so the delta is negative.
    close(tr113.ttft_delta_ms.unwrap(), -1100.0);
    close(tr113.tp_delta.unwrap(), 0.0);
    assert_eq!(m.decode_overlap, Some(0.0));
    let base = m.baseline.unwrap();
    close(base.wall_sequential, 3.4);
    close(base.speedup, 3.4 / 3.3);
    close(base.efficiency, 50.0 * 3.4 / 3.3);
    close(base.stp.unwrap(), 1.0 + 2.2 / 3.3);
    close(base.antt.unwrap(), f64::midpoint(1.0, 1.5));
    close(base.fairness.unwrap(), 2.2 / 3.3);
    close(base.throughput_sequential.unwrap(), 30.0 / 3.4);
    close(m.throughput_together.unwrap(), 30.0 / 3.3);
    assert_eq!(m.speedup_upper_bound, None);
    assert_eq!(m.contention.ttft_rule, Some(false));
    assert_eq!(m.contention.speedup_rule, Some(true));
    assert_eq!(m.contention.cause, Some(true));
    close(m.per_agent[1].warm_load.unwrap(), 0.1);
    close(m.per_agent[1].ttft_solo.unwrap(), 0.3);
}

#[test]
fn work_is_normalised_to_the_together_arm() {
    // B's time alone grows by 10 * 0.1 s.
    let base = RunMetrics::of(&shorter_alone()).baseline.unwrap();
    close(base.wall_sequential_raw, 2.4);
    close(base.speedup_raw, 2.4 / 3.3);
    close(base.wall_sequential, 3.4);
    close(base.speedup, 3.4 / 3.3);
}

#[test]
fn work_is_normalised_without_counters_too() {
    let mut observed = shorter_alone();
    for arm in [&mut observed.together, &mut observed.sequential] {
        for agent in &mut arm.as_mut().unwrap().agents {
            agent.requests[0].counters = domain::record::ServerCounters::default();
        }
    }
    let m = RunMetrics::of(&observed);
    close(m.baseline.unwrap().speedup, 3.4 / 3.3);
    // Without a warm load there is no solo time, so nothing that needs one.
    assert_eq!(m.baseline.unwrap().stp, None);
    assert_eq!(m.cause.lost, None);
    assert_eq!(m.contention.ttft_rule, None);
}

#[test]
fn three_agents_are_measured_as_two_are() {
    let solo = |sent| request(sent).load(100).prefill(100).decode(10, 100);
    let agents = [0, 1, 2].map(|i| Calls::new(&[solo(0)], &[solo(1200 * u64::from(i))]).on(i));
    let m = RunMetrics::of(&two_arms("three", 1, "warm", &agents));
    let base = m.baseline.unwrap();
    close(base.speedup, 3.0);
    close(base.efficiency, 100.0);
    close(m.decode_overlap.unwrap(), 1.0);
    // The two-agent deltas are not defined for three.
    assert_eq!(m.tr113.unwrap().ttft_delta_ms, None);
    // Each server saw its model only once: nothing says what a warm load costs.
    assert_eq!(base.stp, None);
}

#[test]
fn warm_loads_follow_what_is_loaded() {
    let observed = one_slot();
    let warm = warm_loads([&observed]);
    assert_eq!(warm.get(&0), Some(&Nanos::from_millis(100)));
    // From an unloaded server the first agent's load is cold, and only a probe knows better.
    let mut cold = one_slot();
    cold.sequential.as_mut().unwrap().state_rule = Some("unloaded".to_owned());
    let warm = warm_loads([&cold]);
    assert_eq!((warm.get(&0), warm.len()), (None, 1));
    let load = Nanos::from_millis(70);
    cold.probes = [0, 1].map(|agent| crate::WarmLoad { agent, load }).to_vec();
    let warm = warm_loads([&cold]);
    assert_eq!(warm.get(&0), Some(&Nanos::from_millis(70)));
    // A main request that found its model ready goes before a probe.
    assert_eq!(warm.get(&1), Some(&Nanos::from_millis(100)));
}

#[test]
fn a_failed_agent_is_counted_and_left_out() {
    let mut observed = one_slot();
    let failed = &mut observed.together.as_mut().unwrap().agents[1].requests[0];
    failed.outcome = Outcome::Failed {
        failure: FailureKind::MidStream,
        message: "out of memory".to_owned(),
    };
    let m = RunMetrics::of(&observed);
    let failed = &observed.together.unwrap().agents[1].requests[0];
    let fault = RequestFault::NotCompleted(failed.outcome.clone());
    let why = Unusable::Request(1, "agent-1".to_owned(), 1, fault);
    assert_eq!(m.excluded, Some(why));
    assert_eq!((m.outcomes.completed, m.outcomes.failed), (1, 1));
    assert_eq!(m.outcomes_sequential.unwrap().completed, 2);
    assert_eq!((m.tr113, m.baseline), (None, None));
}

#[test]
fn a_failed_sequential_arm_leaves_the_together_arm_standing() {
    let mut observed = one_slot();
    observed.sequential.as_mut().unwrap().agents[0].requests[0].outcome = Outcome::Cancelled;
    let m = RunMetrics::of(&observed);
    assert_eq!(m.excluded, None);
    assert!(m.tr113.is_some() && m.baseline.is_none());
    let [RunWarning::SequentialLeftOut(Unusable::Request(.., fault))] = &m.warnings[..] else {
        panic!("{:?}", m.warnings);
    };
    assert_eq!(*fault, RequestFault::NotCompleted(Outcome::Cancelled));
    let cut = &mut observed.sequential.as_mut().unwrap().agents[0].requests[0];
    (cut.outcome, cut.notes) = (Outcome::Incomplete, vec![ResponseNote::CutInValue]);
    let lacks = RequestFault::Lacks(ResponseNote::CutInValue);
    let left_out = Unusable::Request(0, "agent-0".to_owned(), 1, lacks);
    let warnings = RunMetrics::of(&observed).warnings;
    assert_eq!(warnings, [RunWarning::SequentialLeftOut(left_out)]);
    // The waits are known without it: B cannot have gained more than what it did not wait.
    close(m.speedup_upper_bound.unwrap(), (1.2 + 2.2) / 3.3);
}

#[test]
fn a_run_without_tokens_has_no_rates() {
    let mut observed = one_slot();
    for arm in [&mut observed.together, &mut observed.sequential] {
        for (i, agent) in arm.as_mut().unwrap().agents.iter_mut().enumerate() {
            agent.requests = vec![request(1200 * i as u64).load(100).prefill(100).build()];
        }
    }
    let m = RunMetrics::of(&observed);
    let tr113 = m.tr113.unwrap();
    assert_eq!((tr113.ttft_delta_ms, tr113.tp_delta), (None, None));
    assert_eq!((m.decode_overlap, m.throughput_together), (None, None));
    assert_eq!(m.baseline.unwrap().throughput_sequential, None);
    close(m.baseline.unwrap().speedup, 1.0);
}

#[test]
fn stepping_clocks_are_said_and_never_panic() {
    let mut observed = one_slot();
    let r = &mut observed.together.as_mut().unwrap().agents[0].requests[0];
    r.sent = Some(Stamp(5_000_000_000));
    let m = RunMetrics::of(&observed);
    let Some(Unusable::Request(.., RequestFault::EndsBeforeItBegins(_))) = m.excluded else {
        panic!("{:?}", m.excluded)
    };
    let contradicts = |w: &RunWarning| matches!(w, RunWarning::Clocks(..));
    assert!(m.warnings.iter().any(contradicts), "{:?}", m.warnings);

    let mut observed = one_slot();
    let r = &mut observed.together.as_mut().unwrap().agents[0].requests[0];
    (r.first_token, r.last_token) = (r.last_token, Some(Stamp::ZERO));
    r.chunks.reverse();
    let m = RunMetrics::of(&observed);
    assert_eq!(m.excluded, None);
    assert_eq!(m.warnings.len(), 1, "{:?}", m.warnings);
}

#[test]
fn no_agents_no_arm_no_requests() {
    let idle = vec![agent(0, 0, ModelOptions::default(), vec![])];
    let mut unfinished = one_slot().together;
    unfinished.as_mut().unwrap().complete = false;
    for (together, why) in [
        (None, Unusable::NoTogetherArm),
        (Some(arm(Together, "warm", vec![])), Unusable::NoAgents),
        (
            Some(arm(Together, "warm", idle)),
            Unusable::NoRequest(0, "agent-0".to_owned()),
        ),
        (unfinished, Unusable::Unfinished),
    ] {
        let excluded = RunMetrics::of(&run("none", 1, together, None)).excluded;
        assert_eq!(excluded, Some(why));
    }
}

#[test]
fn one_agent_is_its_own_baseline() {
    let mut observed = one_slot();
    observed.together.as_mut().unwrap().agents.truncate(1);
    observed.sequential.as_mut().unwrap().agents.truncate(1);
    let m = RunMetrics::of(&observed);
    close(m.tr113.unwrap().speedup_est, 1.0);
    close(m.baseline.unwrap().speedup, 1.0);
    close(m.baseline.unwrap().antt.unwrap(), 1.0);
    assert_eq!(m.decode_overlap, Some(0.0));
    assert_eq!(m.cause.lost.unwrap().total(), 0);
}
