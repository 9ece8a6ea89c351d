//! Compares `load.json` with the rows.

use std::collections::{BTreeMap, BTreeSet};

use domain::record::load::{Figures, LOAD_FILE, LoadFile, REQUESTS_FILE};
use domain::units::plain;
use results::listed;
use serde_json::Value;

/// Relative difference that rounding and the order of additions can cause.
const TOLERANCE: f64 = 1e-9;

/// Most differences that are listed one by one.
const MAX_LISTED: usize = 6;

/// Warnings about rows that `load.json` does not agree with.
pub(super) fn against_the_file(file: &LoadFile, rows: u32, figures: &Figures) -> Vec<String> {
    let mut warnings = Vec::new();
    let count = |n: u32| plain(f64::from(n), 0);
    let (asked, has) = (count(file.asked.requests), count(rows));
    if let Some(result) = &file.result {
        if result.interrupted {
            let not_begun = count(result.not_begun);
            warnings.push(format!(
                "the load was interrupted: {not_begun} of {asked} requests were never begun"
            ));
        }
        let stated = result.figures.outcomes.total();
        if stated != rows {
            let stated = count(stated);
            warnings.push(format!(
                "{LOAD_FILE} counts {stated} requests where {REQUESTS_FILE} has {has} rows; the rows stand"
            ));
        }
        let different = differences(&result.figures, figures);
        if !different.is_empty() {
            let different = listed(&different, MAX_LISTED);
            warnings.push(format!(
                "figures of {LOAD_FILE} differ from those made again from the rows, which stand: {different}"
            ));
        }
    } else {
        warnings.push(format!(
            "{LOAD_FILE} has no result: the load was killed, or still runs. {has} of {asked} requests have a row; those \
             in flight have none"
        ));
    }
    warnings.extend(file.header.machine_warnings().cloned());
    warnings
}

/// The figures that differ, each with its key, stated and recomputed value.
fn differences(stated: &Figures, recomputed: &Figures) -> Vec<String> {
    // Earlier versions of loads have no cache figures.
    let recomputed = Figures {
        cache: stated.cache.and(recomputed.cache),
        ..recomputed.clone()
    };
    let [stated, recomputed] = [stated, &recomputed].map(|figures| {
        let mut leaves = BTreeMap::new();
        let value = serde_json::to_value(figures).unwrap_or_default();
        add_leaves("", value, &mut leaves);
        leaves
    });
    let keys: BTreeSet<&String> = stated.keys().chain(recomputed.keys()).collect();
    let differing = keys.into_iter().filter_map(|key| {
        let [a, b] = [&stated, &recomputed].map(|all| all.get(key).unwrap_or(&Value::Null));
        let same = match a.as_f64().zip(b.as_f64()) {
            Some((a, b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()),
            None => a == b,
        };
        (!same).then(|| format!("{key} {a}, again {b}"))
    });
    differing.collect()
}

/// Adds the leaves of a JSON object by their dotted keys.
fn add_leaves(key: &str, value: Value, leaves: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let separator = if key.is_empty() { "" } else { "." };
                add_leaves(&format!("{key}{separator}{name}"), value, leaves);
            }
        }
        value => _ = leaves.insert(key.to_owned(), value),
    }
}
