use super::*;
use crate::timeline::{Calls, dataset, request, unloaded};

fn alternating(repetition: u32) -> crate::RunObservation {
    let call = |sent, load| [request(sent).load(load).prefill(100).decode(10, 100)];
    let agents = [
        Calls::new(&call(0, 3000), &call(0, 3000)).context(512),
        Calls::new(&call(0, 7100), &call(4100, 3000)).context(1024),
    ];
    unloaded("differs", repetition, &agents)
}

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
