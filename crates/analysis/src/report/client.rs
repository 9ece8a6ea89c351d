//! The client's own measurement error, for reports.

use metrics::Dataset;
use metrics::budget::{self, Beyond};
use serde_json::{Value, json};

/// The client's error in one sentence; none for runs that another program recorded.
pub(super) fn in_words(set: &Dataset) -> Option<String> {
    let manifest = set.manifest.as_ref()?;
    // `--time-scale` only paces virtual time.
    if manifest.header.is_in_simulated_time() {
        return Some("virtual time: the client costs no time".to_owned());
    }
    Some(manifest.header.client_budget.as_ref().map_or_else(
        || "not calibrated: what of it is in the figures is unknown".to_owned(),
        document::budget::in_words,
    ))
}

/// A sentence where data were received faster than the client is calibrated to.
pub(super) fn flag(set: &Dataset) -> Option<String> {
    beyond(set).map(|beyond| {
        format!(
            "Beyond the client's calibration: {}.",
            document::budget::beyond_in_words(&beyond)
        )
    })
}

fn beyond(set: &Dataset) -> Option<Beyond> {
    let budget = set.manifest.as_ref()?.header.client_budget.as_ref()?;
    budget::beyond(budget, budget::busiest(set)?)
}

/// For `report.json`: the budget, the busiest rate, and the flag where there is one.
pub(super) fn json(set: &Dataset) -> Value {
    let manifest = set.manifest.as_ref();
    let budget = manifest.and_then(|m| m.header.client_budget.as_ref());
    let calibrated = budget.and_then(budget::calibrated_to);
    json!({
        "words": in_words(set),
        "budget": budget,
        "calibrated_tokens_per_s": calibrated.map(|step| step.tokens_per_s),
        "busiest_tokens_per_s": budget.and_then(|_| budget::busiest(set)),
        "flag": flag(set),
    })
}

#[cfg(test)]
mod tests;
