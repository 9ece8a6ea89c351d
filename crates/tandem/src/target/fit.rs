//! A plan as these servers can carry it out, and what that leaves out. A server that cannot load or
//! unload on demand has one state only: as it was left. Saying `unloaded` in every arm's record and
//! noting each time that it was not reached would be the same fact, less clearly.

use std::collections::{BTreeMap, BTreeSet};

use domain::ModelOptions;
use domain::plan::{StatePolicy, SweepPlan};

use super::Found;

/// What was made of a plan.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fitted {
    /// What the user should know, in words.
    pub(crate) notes: Vec<String>,
    /// What the record keeps, by name.
    pub(crate) facts: BTreeMap<String, String>,
}

/// Changes the plan's protocol where none of the servers could follow it, and names the options that
/// they cannot take.
///
/// Among several servers of which some can load and unload, the plan stays as it is, and it is said of
/// the others that their state is as left.
pub(crate) fn fit(plan: &mut SweepPlan, found: &[Found]) -> Fitted {
    let options: Vec<_> = plan.agents().map(|agent| &agent.options).collect();
    let mut fitted = carried(&options, found);
    let compatible = |f: &Found| openai::wire::is_kind(&f.facts.server.kind);
    if found.is_empty() || !found.iter().all(compatible) {
        if plan.protocol.state != StatePolicy::AsLeft {
            for (place, server) in found.iter().enumerate().filter(|(_, f)| compatible(f)) {
                fitted.notes.push(format!(
                    "{} ({}) cannot load or unload a model on demand: its state is as left, not {}",
                    server.facts.url, server.facts.server.kind, plan.protocol.state
                ));
                let state = StatePolicy::AsLeft.to_string();
                fitted
                    .facts
                    .insert(format!("endpoint_{place}_state"), state);
            }
        }
        return fitted;
    }
    let protocol = &mut plan.protocol;
    let mut changed = Vec::new();
    if protocol.state != StatePolicy::AsLeft {
        changed.push(format!(
            "the server's state is as left, not {}",
            protocol.state
        ));
        protocol.state = StatePolicy::AsLeft;
    }
    if protocol.warm_up {
        changed.push("there is no first load to warm up with".to_owned());
        protocol.warm_up = false;
    }
    if protocol.probe {
        changed.push("no probe measures a warm load".to_owned());
        protocol.probe = false;
    }
    if !changed.is_empty() {
        let changed = changed.join(", ");
        fitted.notes.push(format!(
            "servers of this protocol cannot load or unload a model on demand: {changed}"
        ));
        fitted.facts.insert("protocol_fitted".to_owned(), changed);
    }
    fitted
}

/// What becomes of a load's options. A load has no protocol that servers could not follow.
pub(crate) fn fit_load(options: &ModelOptions, found: &[Found]) -> Fitted {
    carried(&[options], found)
}

/// What the servers told, and the options that they cannot take.
fn carried(options: &[&ModelOptions], found: &[Found]) -> Fitted {
    let mut fitted = Fitted::default();
    for (place, server) in found.iter().enumerate() {
        for (name, value) in &server.told {
            fitted
                .facts
                .insert(format!("endpoint_{place}_{name}"), value.clone());
        }
        if let Some(why) = server.told.get("unlisted") {
            fitted.notes.push(format!("{}: {why}", server.facts.url));
        }
        let left_out = not_sent(options, &server.facts.server.kind).join(", ");
        if !left_out.is_empty() {
            fitted.notes.push(format!(
                "{} ({}) cannot be sent {left_out}: the server's own settings hold",
                server.facts.url, server.facts.server.kind
            ));
            fitted
                .facts
                .insert(format!("endpoint_{place}_options_not_sent"), left_out);
        }
    }
    fitted
}

/// Names of the options that are set and that a server of this kind cannot take, in order.
pub(crate) fn not_sent(options: &[&ModelOptions], kind: &str) -> Vec<&'static str> {
    if !openai::wire::is_kind(kind) {
        return Vec::new();
    }
    let dialect = openai::Dialect::of_kind(kind);
    let names = options.iter().copied();
    let names = names.flat_map(|options| openai::wire::not_sent(options, dialect));
    names.collect::<BTreeSet<_>>().into_iter().collect()
}

#[cfg(test)]
mod tests;
