use domain::plan::Arm::Together;
use domain::record::ResponseNote;
use domain::{FailureKind, ModelOptions, Nanos, Outcome, Stamp};

use super::*;
use crate::arms::warm_loads;
use crate::by_hand::{assert_figures, cases};
use crate::notes::RequestFault;
use crate::observation::RunObservation;
use crate::timeline::{Calls, agent, arm, run, two_arms};

/// Timelines with their figures by hand.
const CASES: &str = include_str!("cases.txt");

fn observed(agents: &[Calls]) -> RunObservation {
    two_arms("case", 1, "warm for agent 0", agents)
}

/// The first case: A is served from 0.1 to 1.2 s, B waits and ends at 3.3 s.
fn one_slot() -> RunObservation {
    observed(&cases(CASES)[0].agents)
}

#[test]
fn figures_by_hand() {
    for case in cases(CASES) {
        println!("{}", case.name);
        assert_figures(&RunMetrics::of(&observed(&case.agents)), &case.expected);
    }
}

#[test]
fn without_counters_work_is_normalised_and_nothing_needs_a_warm_load() {
    let mut observed = observed(&cases(CASES)[1].agents);
    for request in observed.arms_mut().flat_map(|arm| &mut arm.agents) {
        request.requests[0].counters = domain::record::ServerCounters::default();
    }
    let by_hand =
        "figures.speedup 3.4/3.3, figures.stp null, cause.lost null, contention.ttft_rule null";
    assert_figures(&RunMetrics::of(&observed), by_hand);
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
    assert_eq!(m.figures, RunFigures::default());
}

#[test]
fn a_failed_sequential_arm_leaves_the_together_arm_standing() {
    let mut observed = one_slot();
    observed.sequential.as_mut().unwrap().agents[0].requests[0].outcome = Outcome::Cancelled;
    let m = RunMetrics::of(&observed);
    assert_eq!(m.excluded, None);
    assert!(m.figures.wall_s.is_some() && m.figures.speedup.is_none());
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
    assert_figures(&m, "figures.speedup_upper_bound 3.4/3.3");
    let f = &m.figures;
    let of_both_arms = [
        f.wall_sequential_s,
        f.efficiency_percent,
        f.stp,
        f.antt,
        f.fairness,
        f.jain,
    ];
    assert_eq!(of_both_arms, [None; 6]);
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
