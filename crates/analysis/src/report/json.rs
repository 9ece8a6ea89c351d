//! The figures of a sweep in `report.json`. Unknown is null, never 0; keys may be added, a changed meaning
//! raises the document's schema.

use document::json::lifted;
use metrics::Summary;
use metrics::advice::Finding;
use serde_json::{Map, Value, json};

use super::Material;

/// `summary` includes configurations of which only a published row is known.
pub(super) fn figures(
    material: &Material<'_>,
    summary: &Summary,
    found: &[Finding],
) -> Result<Map<String, Value>, serde_json::Error> {
    let dataset = material.view.dataset;
    let mut scenarios = Map::new();
    let several = summary.overall.len() > 1;
    for scenario in &summary.scenarios {
        let name = scenario.scenario.clone().unwrap_or_default();
        let key = match scenario.topology {
            Some(topology) if several => format!("{name}@{topology}"),
            _ => name,
        };
        scenarios.insert(key, serde_json::to_value(scenario)?);
    }
    let overall = match &summary.overall[..] {
        [one] => serde_json::to_value(one)?,
        all => json!({ "by_topology": all }),
    };
    let differences = material.differences.iter();
    let differing: Vec<_> = differences.filter(|d| d.differs).collect();
    let conditions = document::conditions::json(material.conditions);
    let figures = [
        ("configs", document::notes::configs(summary)),
        ("scenarios", json!(scenarios)),
        ("overall", overall),
        ("topologies", json!(summary.topologies)),
        ("choice", json!(summary.choice)),
        ("best", json!(summary.best)),
        ("findings", document::findings::json(found)),
        ("conditions", conditions),
        ("published", json!(dataset.published)),
        ("compared", json!(material.differences.len())),
        ("differences", json!(differing)),
        ("client", super::client::json(dataset)),
        ("warnings", json!(document::notes::warnings(summary))),
    ];
    figures
        .into_iter()
        .map(|(key, value)| Ok((key.to_owned(), lifted(&value, "stats")?)))
        .collect()
}
