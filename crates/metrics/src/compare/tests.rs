use super::gate::limit_of;
use super::*;
use crate::observation::RunObservation;
use crate::timeline::{beside, dataset, request};

/// A run of one agent for each of these times of a token, ms.
fn observed(config: &str, repetition: u32, per_token_ms: &[u64]) -> RunObservation {
    let calls: Vec<_> = per_token_ms
        .iter()
        .map(|ms| request(0).load(100).decode(10, *ms))
        .collect();
    beside(config, repetition, &calls)
}

fn summary(config: &str, per_token_ms: &[u64]) -> Summary {
    let runs = per_token_ms.iter().zip(1..);
    Summary::of(&dataset(
        runs.map(|(ms, r)| observed(config, r, &[*ms])).collect(),
    ))
}

fn find<'a>(comparison: &'a Comparison, figure: &str) -> &'a ComparisonRow {
    comparison.rows.iter().find(|r| r.figure == figure).unwrap()
}

fn check(gate: &str, comparison: &Comparison) -> GateOutcome {
    gate.parse::<Gate>().unwrap().check(comparison).outcome
}

#[test]
fn equal_sets_have_no_change() {
    let a = summary("a", &[100, 110, 120]);
    let c = compare(&a, &a);
    let wall = find(&c, "wall_s");
    assert_eq!((wall.pairs, wall.told), (Some(3), Told::NotToldApart));
    assert!(wall.relative.unwrap().value.abs() < 1e-12);
    assert_eq!(check("wall_s > +1%", &c), GateOutcome::Pass);
}

#[test]
fn a_paired_change_shows_through_spread() {
    // Ten percent slower in every repetition, though repetitions differ by more than that.
    let c = compare(
        &summary("a", &[90, 190, 290]),
        &summary("a", &[100, 210, 320]),
    );
    let wall = find(&c, "wall_s");
    // Walls 1.0, 2.0, 3.0 against 1.1, 2.2, 3.3.
    assert!((wall.relative.unwrap().value - 0.1).abs() < 1e-9);
    assert_eq!(wall.told, Told::Worse);
    assert_eq!(check("wall_s > +5%", &c), GateOutcome::Fail);
    assert_eq!(check("wall_s > 15%", &c), GateOutcome::Pass);
    assert_eq!(check("wall_s < -5%", &c), GateOutcome::Pass);
    assert_eq!(check("wall_s > 10s", &c), GateOutcome::Pass);
    assert_eq!(check("wall_s > 100ms", &c), GateOutcome::Undecided);
    // 0.2 s on the mean, but the interval reaches below zero.
    assert_eq!(check("wall_s > +0.1s", &c), GateOutcome::Undecided);
}

#[test]
fn no_estimate_of_tr113_is_ever_better() {
    // Two agents, the second waiting ever longer: the estimate falls whatever the wall time does.
    let summary = |gap: u64| {
        let run = |r: u64| observed("a", r as u32, &[100 + r, gap + r]);
        let runs = (1..=4).map(run);
        Summary::of(&dataset(runs.collect()))
    };
    let c = compare(&summary(300), &summary(100));
    for figure in ["speedup_est", "efficiency_est"] {
        let row = find(&c, figure);
        assert!(row.difference.value > 0.3, "{figure} {row:?}");
        assert_eq!(row.told, Told::Different, "{figure}");
    }
    assert_eq!(find(&c, "wall_s").told, Told::Better);
}

#[test]
fn unequal_repetitions_are_compared_unpaired() {
    let c = compare(
        &summary("a", &[100, 101, 102]),
        &summary("a", &[200, 201, 202, 203]),
    );
    let wall = find(&c, "wall_s");
    assert_eq!((wall.pairs, wall.told), (None, Told::Worse));
    let relative = wall.relative.unwrap();
    assert!(relative.lo.unwrap() < relative.value && relative.value < relative.hi.unwrap());
    assert_eq!(check("wall_s > +50%", &c), GateOutcome::Fail);
}

#[test]
fn too_few_runs_decide_nothing() {
    let c = compare(&summary("a", &[100, 100]), &summary("a", &[300, 300]));
    assert_eq!(find(&c, "wall_s").told, Told::TooFew);
    let gate: Gate = "wall_s > +5%".parse().unwrap();
    let report = gate.check(&c);
    assert_eq!(report.outcome, GateOutcome::Undecided);
    assert!(
        matches!(report.cases[0].reason, GateReason::FewRuns(_, (2, 2))),
        "{report:?}"
    );
    let gate: Gate = "ttft_p95 > +5%".parse().unwrap();
    let report = gate.check(&c);
    assert_eq!(report.outcome, GateOutcome::Undecided);
    assert!(
        matches!(report.cases[0].reason, GateReason::FewRequests(130, _)),
        "{report:?}"
    );
    // The median of any sample can be printed.
    assert_eq!(check("ttft_p50 > +5%", &c), GateOutcome::Fail);
    // Nothing to check is not a pass.
    assert_eq!(check("speedup < -3%", &c), GateOutcome::Undecided);
}

#[test]
fn configurations_of_one_side_are_listed() {
    let c = compare(&summary("a", &[100; 3]), &summary("b", &[100; 3]));
    assert!(c.rows.is_empty());
    assert_eq!(c.only_base[0].0.as_str(), "a");
    assert_eq!(c.only_new[0].0.as_str(), "b");
}

#[test]
fn gates_that_cannot_be_read_say_why() {
    let error = |text: &str| text.parse::<Gate>().unwrap_err();
    assert!(error("wall_s + 5%").contains("neither `>` nor `<`"));
    assert!(error("walls > 5%").contains("known are wall_s"));
    assert!(error("wall_s > five").contains("`five` is not a limit"));
    assert!(error("speedup > 2s").contains("is not a limit"));
    assert_eq!(limit_of("1.5x", ""), Some(Limit::Value(1.5)));
    assert_eq!(limit_of("2s", "ms"), Some(Limit::Value(2000.0)));
    assert_eq!(limit_of("+250ms", "s"), Some(Limit::Change(0.25)));
    assert_eq!(limit_of("-3 %", "tok/s"), Some(Limit::Relative(-0.03)));
    assert_eq!(limit_of("-3 tok/s", "tok/s"), Some(Limit::Change(-3.0)));
    assert_eq!(limit_of("inf", "s"), None);
}
