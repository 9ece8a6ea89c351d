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
        ("cross-homo-avg", "reproduced"),
        ("cont-2.2", "reproduced"),
        ("opt-p95", "not testable"),
        ("r-similarity", contradicted),
        ("r-h1", contradicted),
        ("r-h3", "reproduced"),
        ("r-9", "reproduced"),
    ];
    for (id, finding) in expected {
        let entry = ledger.entry(id).unwrap_or_else(|| panic!("no claim {id}"));
        assert_eq!(entry.finding.name(), finding, "{id}");
    }
}

#[test]
fn counts_add_up() {
    let Counts {
        claims,
        reproduced,
        redefined,
        contradicted,
        not_testable,
    } = shipped().counts;
    assert_eq!(claims, reproduced + redefined + contradicted + not_testable);
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
