//! `report.json`, schema 1. Unknown is null, never 0; keys may be added, a changed meaning raises
//! the number.

use metrics::conditions::Condition;
use metrics::{Dataset, Summary};

use super::Finding;
use serde_json::{Map, Value, json};

use crate::load::provenance_word;
use crate::tables::Difference;

/// Version of `report.json`.
pub const REPORT_SCHEMA: u32 = 1;

pub(super) struct Parts<'a> {
    pub(super) name: &'a str,
    pub(super) dataset: &'a Dataset,
    /// With the configurations of which only a published row is known.
    pub(super) summary: &'a Summary,
    pub(super) differences: &'a [Difference],
    pub(super) findings: &'a [Finding],
    pub(super) conditions: &'a [Condition],
    pub(super) answer: &'a str,
    pub(super) inputs: &'a [String],
    pub(super) files: &'a [String],
}

/// The document, pretty-printed, with a final line feed.
pub(super) fn write(parts: &Parts<'_>) -> Result<String, serde_json::Error> {
    let summary = parts.summary;
    let mut scenarios = Map::new();
    let several = summary.overall.len() > 1;
    for scenario in &summary.scenarios {
        let key = match scenario.topology {
            Some(topology) if several => format!("{}@{topology}", scenario.scenario),
            _ => scenario.scenario.clone(),
        };
        scenarios.insert(key, serde_json::to_value(scenario)?);
    }
    let overall = match &summary.overall[..] {
        [one] => serde_json::to_value(one)?,
        all => json!({ "by_topology": all }),
    };
    let differences: Vec<Value> = parts
        .differences
        .iter()
        .filter(|d| d.differs)
        .map(|d| {
            json!({
                "where": d.place,
                "from": d.from,
                "published": d.published.json(),
                "recomputed": d.recomputed.as_ref().map(crate::tables::Shown::json),
            })
        })
        .collect();
    let published: Vec<Value> = parts
        .dataset
        .published
        .iter()
        .map(|row| {
            json!({
                "id": row.config,
                "scenario": row.scenario,
                "speedup": row.speedup,
                "efficiency_percent": row.efficiency_percent,
                "ttft_delta_ms": row.ttft_delta_ms,
                "tp_delta": row.tp_delta,
                "contention": row.contention,
            })
        })
        .collect();
    let mut document = json!({
        "schema": REPORT_SCHEMA,
        "name": parts.name,
        "provenance": provenance_word(parts.dataset.provenance),
        "source": parts.dataset.source,
        "inputs": parts.inputs,
        "answer": parts.answer,
        "configs": summary.configs,
        "scenarios": scenarios,
        "overall": overall,
        "topologies": summary.topologies,
        "best": summary.best,
        "findings": parts.findings,
        "conditions": parts.conditions,
        "published": published,
        "compared": parts.differences.len(),
        "differences": differences,
        "client": super::client::json(parts.dataset),
        "warnings": summary.warnings,
        "files": parts.files,
    });
    lift_statistics(&mut document);
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}

/// Puts the `stats` of configurations, scenarios and the whole beside their other keys.
fn lift_statistics(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(lift_statistics),
        Value::Object(keys) => {
            if let Some(Value::Object(stats)) = keys.remove("stats") {
                keys.extend(stats);
            }
            keys.values_mut().for_each(lift_statistics);
        }
        _ => {}
    }
}
