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
