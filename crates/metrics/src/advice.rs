//! Sentences made from evidence. Where the evidence is absent, so is the sentence.

use domain::plan::{ConfigId, Topology};
use serde::Serialize;

/// A sentence and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    /// A stable id: `serial-other-options:bvc_g60_c512_t0.6`.
    pub id: String,
    /// The sentence, for a reader.
    pub sentence: String,
    /// What it rests on; never empty.
    pub evidence: Vec<EvidenceRef>,
}

/// A number that a sentence rests on, and where to find it again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvidenceRef {
    /// Configuration; none for a figure over several.
    pub config: Option<ConfigId>,
    /// Its topology, when it is known.
    pub topology: Option<Topology>,
    /// The figure's name in `report.json` and in the contract.
    pub figure: &'static str,
    /// Its value, in the unit of `report.json`.
    pub value: f64,
    /// Observations behind it.
    pub n: u32,
}

mod sentences;

use crate::observation::Dataset;
use crate::summary::Summary;

/// What the data say, in sentences: first over all, then by configuration, then one server against
/// one per agent.
pub fn findings(data: &Dataset, summary: &Summary) -> Vec<Finding> {
    let mut found = sentences::overall(summary);
    for config in &summary.configs {
        found.extend(sentences::config(data, summary, config));
    }
    for comparison in &summary.topologies {
        found.extend(sentences::topology(summary, comparison));
    }
    found
}

#[cfg(test)]
mod tests;
