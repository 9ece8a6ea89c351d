use domain::plan::Arm::{Sequential, Together};

use super::*;
use crate::summary::tests::{dataset, recorded};
use crate::timeline::{agent, arm, context, request, run};

fn alternating(repetition: u32) -> crate::RunObservation {
    let a = request(0).load(3000).prefill(100).decode(10, 100).build();
    let b = request(0).load(7100).prefill(100).decode(10, 100).build();
    let alone = request(4100)
        .load(3000)
        .prefill(100)
        .decode(10, 100)
        .build();
    let mut observed = run(
        "differs",
        repetition,
        Some(arm(
            Together,
            "unloaded",
            vec![
                agent(0, 0, context(512), vec![a.clone()]),
                agent(1, 0, context(1024), vec![b]),
            ],
        )),
        Some(arm(
            Sequential,
            "unloaded",
            vec![
                agent(0, 0, context(512), vec![a]),
                agent(1, 0, context(1024), vec![alone]),
            ],
        )),
    );
    observed.probes = [0, 1]
        .map(|agent| crate::WarmLoad {
            agent,
            load: domain::Nanos::from_millis(100),
        })
        .to_vec();
    observed
}

/// Each finding with its evidence on a line each.
fn found(data: &Dataset) -> Vec<String> {
    let found = findings(data, &Summary::of(data));
    assert!(found.iter().all(|f| !f.evidence.is_empty()));
    let evidence = |e: &EvidenceRef| format!("\n  {} {:.3} (n = {})", e.figure, e.value, e.n);
    found
        .into_iter()
        .map(|f| {
            let evidence: String = f.evidence.iter().map(evidence).collect();
            format!(
                "{:?} {:?} {:?} of {} runs{evidence}",
                f.kind, f.config, f.topology, f.runs
            )
        })
        .collect()
}

#[test]
fn differing_options_are_named_with_their_cost() {
    let data = dataset((1..=3).map(alternating).collect());
    insta::assert_snapshot!(found(&data).join("\n"));
}

#[test]
fn nothing_is_said_without_evidence() {
    assert!(found(&dataset(Vec::new())).is_empty());
    let mut failed = alternating(1);
    failed.together.as_mut().unwrap().agents[0].requests[0].outcome = domain::Outcome::Cancelled;
    let found = findings(
        &dataset(vec![failed.clone()]),
        &Summary::of(&dataset(vec![failed])),
    );
    let kinds: Vec<_> = found.iter().map(|f| &f.kind).collect();
    assert_eq!(kinds, [&FindingKind::LeftOut]);
}

#[test]
fn one_server_against_two() {
    let (Some(one), Some(two)) = (
        recorded("one-server-figures.csv"),
        recorded("two-servers-figures.csv"),
    ) else {
        return;
    };
    let mut runs = one;
    for r in &mut runs {
        r.topology = Some(Topology::Shared);
    }
    runs.extend(two.into_iter().map(|mut r| {
        r.topology = Some(Topology::PerAgent);
        r
    }));
    insta::assert_snapshot!(found(&dataset(runs)).join("\n"));
}
