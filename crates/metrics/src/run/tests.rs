use domain::plan::Arm::Together;
use domain::record::ResponseNote;
use domain::{FailureKind, ModelOptions, Nanos, Outcome, Stamp};

use super::*;
use crate::arms::warm_loads;
use crate::by_hand::assert_figures;
use crate::notes::RequestFault;
use crate::observation::RunObservation;
use crate::timeline::{Calls, agent, arm, request, run, two_arms};

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
    let by_hand = "
        excluded null, decode_overlap 0, throughput_together 30/3.3, speedup_upper_bound null
        tr113: concurrent_wall_time 3.3, sequential_estimated_time 4.5, speedup_est 4.5/3.3
        tr113: efficiency_est 225/3.3, tp_delta 0
        # First tokens at 0.3 s and 1.4 s: A is sooner, so the delta is negative.
        tr113: ttft_delta_ms -1100
        baseline: wall_sequential 3.4, speedup 3.4/3.3, efficiency 170/3.3, stp 5.5/3.3, antt 1.25
        baseline: fairness 2.2/3.3, throughput_sequential 30/3.4
        contention: ttft_rule false, speedup_rule true, cause true
        per_agent.1: warm_load 0.1, ttft_solo 0.3";
    assert_figures(&m, by_hand);
}

#[test]
fn work_is_normalised_to_the_together_arm() {
    let mut observed = shorter_alone();
    // B's time alone grows by 10 * 0.1 s.
    let by_hand =
        "wall_sequential_raw 2.4, speedup_raw 2.4/3.3, wall_sequential 3.4, speedup 3.4/3.3";
    assert_figures(&RunMetrics::of(&observed).baseline, by_hand);
    // The same without counters; without a warm load there is no solo time, so nothing that needs one.
    for request in observed.arms_mut().flat_map(|arm| &mut arm.agents) {
        request.requests[0].counters = domain::record::ServerCounters::default();
    }
    let by_hand =
        "baseline.speedup 3.4/3.3, baseline.stp null, cause.lost null, contention.ttft_rule null";
    assert_figures(&RunMetrics::of(&observed), by_hand);
}

#[test]
fn three_agents_are_measured_as_two_are() {
    let solo = |sent| request(sent).load(100).prefill(100).decode(10, 100);
    let agents = [0, 1, 2].map(|i| Calls::new(&[solo(0)], &[solo(1200 * u64::from(i))]).on(i));
    // The two-agent deltas are not defined for three. Each server saw its model only once: nothing says what a warm
    // load costs.
    let by_hand = "
        decode_overlap 1, tr113.ttft_delta_ms null
        baseline: speedup 3, efficiency 100, stp null";
    assert_figures(
        &RunMetrics::of(&two_arms("three", 1, "warm", &agents)),
        by_hand,
    );
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
    assert_figures(&m, "speedup_upper_bound 3.4/3.3");
}

#[test]
fn a_run_without_tokens_has_no_rates() {
    let agents = [0, 1200].map(|sent| {
        let call = [request(sent).load(100).prefill(100)];
        Calls::new(&call, &call)
    });
    let by_hand = "
        tr113: ttft_delta_ms null, tp_delta null
        decode_overlap null, throughput_together null
        baseline: throughput_sequential null, speedup 1";
    assert_figures(
        &RunMetrics::of(&two_arms("none", 1, "warm for agent 0", &agents)),
        by_hand,
    );
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
    observed.arms_mut().for_each(|arm| arm.agents.truncate(1));
    let m = RunMetrics::of(&observed);
    assert_figures(
        &m,
        "tr113.speedup_est 1, baseline.speedup 1, baseline.antt 1, decode_overlap 0",
    );
    assert_eq!(m.cause.lost.unwrap().total(), 0);
}
