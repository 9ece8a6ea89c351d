//! The shipped claims and tables.

use std::path::{Path, PathBuf};

use super::*;

mod errors;
mod methods;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tr113")
}

fn shipped() -> Ledger {
    let sources = Sources::load(&folder()).unwrap();
    let claims = Claims::read(&folder().join("claims.toml")).unwrap();
    claims.audit(&sources).unwrap()
}

#[test]
fn shipped_ledger() {
    let ledger = shipped();
    assert!(ledger.counts.claims >= 60);
    insta::assert_snapshot!("ledger", ledger.to_markdown(2));
}

#[test]
fn shipped_ledger_as_text() {
    insta::assert_snapshot!("ledger_text", shipped().to_text());
}

/// Findings worked out by hand from the documents.
#[test]
fn findings_worked_by_hand() {
    let ledger = shipped();
    let (redefined, contradicted) = ("reproduced only under another definition", "contradicted");
    let expected = [
        // (12 / 13 = 92 %, 12 / 19 = 63 %)
        ("es-contention-63", redefined),
        // 1.98 / 1.64 - 1 = 20.7 %
        ("es-python-232", contradicted),
        // 1 / 0.82 = 1.2195
        ("es-22-arith", "reproduced"),
        // Population, not sample.
        ("bvc-sigma-speedup", redefined),
        // 0.1372 and 0.1188
        ("homo-sigma-speedup", contradicted),
        // (13 · 71.2 + 2 · 73.0 + 4 · 74.125) / 19 = 72.005
        ("dist-mean", contradicted),
        ("temp-consistent", contradicted),
        ("homo-temp-consistent", "reproduced"),
        // 99.25 - 18 - 2.5 - 5
        ("model-sum", "reproduced"),
        ("time-duration", contradicted),
        ("time-2.4", "reproduced"),
        ("env-rust", contradicted),
        ("env-ollama", contradicted),
        ("flags-recorded-rule", redefined),
        ("flags-published-rule", contradicted),
        ("bvc-handoff", "reproduced"),
        ("bvc-sign", redefined),
        ("peak-17.2", "reproduced"),
        // 2048 - 1024 tokens, 1.0 - 0.6.
        ("es-comparable-context", contradicted),
        ("es-comparable-temperature", contradicted),
        // 3 s in 2.1, 10 s in 3.1.3.
        ("method-identical", contradicted),
        // (77.4 + 69.2 + 82.2 + 67.7) / 4 = 74.125
        ("homo-mean-efficiency", "reproduced"),
        // 649 and 611 tokens.
        ("homo-deterministic", contradicted),
        ("cause-zero-contention", contradicted),
        // 0.2 / 10.1962 = 1.96 %, of 82.2 points 1.61.
        ("cause-tokio-pp", redefined),
        ("opt-pin", contradicted),
        ("opt-pin-gain", "not testable"),
        // 4.96 minutes.
        ("time-walls", contradicted),
        ("cross-homo-avg", "reproduced"),
        ("cont-2.2", "reproduced"),
        ("opt-p95", "not testable"),
        ("r-similarity", contradicted),
        ("r-h1", contradicted),
        // No run of any scenario is contended.
        ("r-h2", contradicted),
        ("r-h3", "reproduced"),
        ("r-9", "reproduced"),
    ];
    for (id, finding) in expected {
        let entry = ledger.entry(id).unwrap_or_else(|| panic!("no claim {id}"));
        assert_eq!(entry.finding.name(), finding, "{id}");
    }
}

/// What runs only estimate, with the estimates and intervals that an independent program gives.
#[test]
fn estimates_contradict_no_sooner_than_their_intervals_do() {
    let ledger = shipped();
    let (holds, fails, open) = ("reproduced", "contradicted", "undecided");
    let expected = [
        ("cause-dual-gain", holds, [15.412, 14.019, 16.806]),
        ("cause-dual-wall-bvc", holds, [-20.416, -27.400, -12.761]),
        ("cause-dual-wall-het", open, [-11.204, -21.364, 0.268]),
        ("cause-dual-wall-homo", fails, [19.950, 13.932, 26.285]),
        ("cause-dual-rate-bvc", holds, [23.020, 17.422, 28.885]),
        ("cause-dual-rate-het", holds, [16.809, 9.148, 25.009]),
        ("cause-dual-rate-homo", fails, [-15.384, -17.351, -13.370]),
        ("r-near-ideal", fails, [-0.449, -2.649, 1.801]),
        ("opt-dual-measured", fails, [92.276, 90.309, 94.243]),
        ("peak-ctx-2048", holds, [81.165, 71.380, 90.949]),
        ("peak-tp-degradation", fails, [102.730, 101.986, 103.474]),
        (
            "es-python-total-throughput",
            fails,
            [97.987, 97.159, 98.816],
        ),
        ("temp-gain", open, [4.467, -5.919, 14.852]),
        ("homo-temp-sampling", open, [-0.389, -1.044, 0.267]),
        ("homo-temp-repeated", open, [10.039, -5.892, 25.969]),
        ("opt-temp", open, [2.105, -3.867, 8.076]),
        ("opt-expected-homo", open, [82.274, 66.090, 98.458]),
        ("concl-runtime-overhead", open, [98.990, 97.550, 100.429]),
    ];
    for (id, finding, numbers) in expected {
        let entry = ledger.entry(id).unwrap_or_else(|| panic!("no claim {id}"));
        assert_eq!(entry.finding.name(), finding, "{id}");
        let computed = entry.finding.recomputed().unwrap();
        let interval = computed.interval().unwrap_or_else(|| panic!("{id}"));
        let value = computed.value.number().unwrap();
        for (given, number) in [value, interval.lo, interval.hi].into_iter().zip(numbers) {
            assert!((given - number).abs() < 0.01, "{id}: {given}");
        }
    }
}

/// One pair of runs is no estimate, however far it lies from what is claimed.
#[test]
fn fewer_than_three_pairs_leave_a_claim_undecided() {
    let ledger = shipped();
    let finding = &ledger.entry("temp-same-order").unwrap().finding;
    let times = matches!(finding, Finding::Undecided { times: None, .. });
    assert!(times, "{finding:?}");
}

#[test]
fn counts_add_up() {
    let Counts {
        claims,
        reproduced,
        redefined,
        contradicted,
        undecided,
        not_testable,
    } = shipped().counts;
    let tested = reproduced + redefined + contradicted + undecided;
    assert_eq!(claims, tested + not_testable);
}

#[test]
fn json_names_every_claim_and_finding() {
    let ledger = shipped();
    let json: serde_json::Value = serde_json::from_str(&ledger.to_json().unwrap()).unwrap();
    let entries = json["entries"].as_array().unwrap();
    assert_eq!(entries.len(), ledger.counts.claims);
    let sigma = entries
        .iter()
        .find(|entry| entry["id"] == "homo-sigma-speedup")
        .unwrap();
    assert_eq!(sigma["finding"], "contradicted");
    assert_eq!(sigma["published"], 0.132);
    assert!((sigma["difference"].as_f64().unwrap() - 0.005_182).abs() < 1e-6);
    assert!((sigma["tolerances"].as_f64().unwrap() - 10.364).abs() < 1e-3);
    assert_eq!(sigma["also_tried"].as_array().unwrap().len(), 3);
}

/// Whatever a claim's published number is, another one that is off by more than the tolerance is
/// caught.
#[test]
fn a_wrong_published_value_is_caught() {
    let sources = Sources::load(&folder()).unwrap();
    let mut claims = Claims::read(&folder().join("claims.toml")).unwrap();
    let honest = claims.audit(&sources).unwrap();
    let mut tested = 0;
    for claim in &mut claims.claims {
        if let (Some(Published::One(Value::Number(number))), Relation::Equals, Some(tolerance)) =
            (&mut claim.published, claim.relation, claim.tolerance)
        {
            *number += 1e6 + 10.0 * tolerance;
            tested += 1;
        }
    }
    let wrong = claims.audit(&sources).unwrap();
    let still = wrong
        .entries
        .iter()
        .filter(|entry| entry.claim.relation == Relation::Equals)
        .filter(|entry| entry.claim.tolerance.is_some())
        .filter(|entry| !matches!(entry.finding, Finding::Contradicted { .. }))
        .filter(|entry| !matches!(entry.finding, Finding::Undecided { times: None, .. }))
        .count();
    assert!(tested > 60, "{tested}");
    assert_eq!(still, 0);
    assert!(honest.counts.reproduced > wrong.counts.reproduced);
}

fn differing(rows: &str) -> Vec<String> {
    let sources = Sources::load(&folder()).unwrap();
    let cells = PublishedCells::read(&folder().join("tables.toml")).unwrap();
    cells
        .check(&sources, rows)
        .unwrap()
        .into_iter()
        .filter(|check| check.differs)
        .map(|check| {
            let cell = check.cell;
            let recomputed = match check.recomputed {
                Some(Value::Number(number)) => format!("{number:.4}"),
                other => format!("{other:?}"),
            };
            format!(
                "{} | {} | {} | {} | {recomputed}",
                cell.section, cell.row, cell.column, cell.printed
            )
        })
        .collect()
}

#[test]
fn cells_that_differ_from_the_published_rows() {
    insta::assert_snapshot!("cells_published", differing("published").join("\n"));
}

#[test]
fn cells_that_differ_from_the_recorded_runs() {
    insta::assert_snapshot!("cells_recorded", differing("recorded").join("\n"));
}
