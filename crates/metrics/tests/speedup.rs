//! The stated intervals and verdicts, held against servers whose truth is known.

#[path = "../examples/studies/servers.rs"]
mod servers;
#[path = "../examples/studies/speedup.rs"]
mod speedup;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use servers::Model;
use speedup::{truth, validate};

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    let report = validate(113, 60);
    assert_eq!(report.cases.len(), 10);
    for case in &report.cases {
        println!("{case:?}");
    }
    assert!(report.share() >= 0.93, "{:.3}", report.share());
    for case in &report.cases {
        // 95 % of 60 is 57; fewer than 50 would come once in 3000 by chance.
        assert!(case.covered >= 50, "{case:?}");
        assert!(case.verdict_not_wrong >= 50, "{case:?}");
        let off = (case.mean_estimate / case.truth - 1.0).abs();
        assert!(off < 0.01, "{case:?}");
    }
}

#[test]
fn truths_by_hand() {
    // At the mean lengths of 100 and 160 tokens, without noise.
    let expected = [
        // One slot: only the second load overlaps. 0.24 + 0.1 + 2.6 over 0.12 + 0.1 + 2.6.
        (Model::Serial, 2.94 / 2.82),
        // 100 shared tokens at 20 ms, 60 at 10 ms, after 0.17 s.
        (Model::FairShared, 2.94 / 2.77),
        (Model::TwoDevices, 2.94 / 1.77),
        (Model::Batched, 2.94 / (0.17 + 1.25 + 0.6)),
        // In turn two reloads and two warm loads, together four reloads.
        (
            Model::ReloadEachSwitch,
            (6.0 + 0.24 + 0.2 + 5.2) / (12.0 + 0.2 + 5.2),
        ),
    ];
    for (model, by_hand) in expected {
        let truth = truth(model, &mut ChaCha8Rng::seed_from_u64(1));
        // Lengths vary by 10 %, which moves the longer agent's share a little.
        assert!(
            (truth / by_hand - 1.0).abs() < 0.02,
            "{model:?}: {truth} {by_hand}"
        );
    }
}

#[test]
fn the_same_seed_gives_the_same_report() {
    assert_eq!(validate(7, 2), validate(7, 2));
    assert_ne!(validate(7, 2), validate(8, 2));
}
