//! Adapts a plan to its servers, with notes on the differences. A server that cannot load or unload a model on
//! demand has one state only: as it was left. Recording `unloaded` in every arm, each time with a note that it was
//! not reached, would state the same fact less clearly.

use std::collections::{BTreeMap, BTreeSet};

use domain::ModelOptions;
use domain::plan::{StatePolicy, SweepPlan};

use super::Found;

/// The differences between a plan and what its servers can do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fitted {
    /// For the user, in words.
    pub(crate) notes: Vec<String>,
    /// For the record, by name.
    pub(crate) facts: BTreeMap<String, String>,
}

/// Changes the plan's protocol where none of the servers can follow it, and names the options that
/// they do not accept.
///
/// When some of several servers can load and unload models, the plan stays as it is, and the notes name the
/// others.
pub(crate) fn fit(plan: &mut SweepPlan, found: &[Found]) -> Fitted {
    let agents = plan.agents();
    let options: Vec<_> = agents.map(|agent| agent.options.clone()).collect();
    let mut fitted = fit_options(&options, found);
    let compatible = |f: &Found| openai::wire::is_kind(&f.facts.server.kind);
    let protocol = &mut plan.protocol;
    let state = protocol.state;
    if found.is_empty() || !found.iter().all(compatible) {
        let left = found.iter().enumerate().filter(|(_, f)| compatible(f));
        for (place, server) in left.filter(|_| state != StatePolicy::AsLeft) {
            let (url, kind) = (&server.facts.url, &server.facts.server.kind);
            let what = format!("{url} ({kind}) cannot load or unload a model on demand");
            let note = format!("{what}: its state is as left, not {state}");
            fitted.notes.push(note);
            let (name, as_left) = (format!("endpoint_{place}_state"), StatePolicy::AsLeft);
            fitted.facts.insert(name, as_left.to_string());
        }
        return fitted;
    }
    let mut changed = Vec::new();
    if state != StatePolicy::AsLeft {
        changed.push(format!("the server's state is as left, not {state}"));
        protocol.state = StatePolicy::AsLeft;
    }
    if std::mem::take(&mut protocol.warm_up) {
        changed.push("there is no first load to warm up with".to_owned());
    }
    if std::mem::take(&mut protocol.probe) {
        changed.push("no probe measures a warm load".to_owned());
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

/// The values that the servers report, and the options that they do not accept.
pub(crate) fn fit_options(options: &[ModelOptions], found: &[Found]) -> Fitted {
    let mut fitted = Fitted::default();
    for (place, server) in found.iter().enumerate() {
        let mut add = |name: &str, value: &str| {
            let name = format!("endpoint_{place}_{name}");
            fitted.facts.insert(name, value.to_owned());
        };
        for (name, value) in &server.reported {
            add(name, value);
        }
        let (url, kind) = (&server.facts.url, &server.facts.server.kind);
        let left_out = not_sent(options, kind).join(", ");
        if !left_out.is_empty() {
            add("options_not_sent", &left_out);
        }
        if let Some(why) = server.reported.get("unlisted") {
            fitted.notes.push(format!("{url}: {why}"));
        }
        if !left_out.is_empty() {
            fitted.notes.push(format!(
                "{url} ({kind}) cannot be sent {left_out}: the server's own settings hold"
            ));
        }
    }
    fitted
}

/// Names of the set options that a server of this kind does not accept, in order.
pub(crate) fn not_sent(options: &[ModelOptions], kind: &str) -> Vec<String> {
    if !openai::wire::is_kind(kind) {
        return Vec::new();
    }
    let dialect = openai::Dialect::of_kind(kind);
    let names = options.iter();
    let names = names.flat_map(|options| openai::wire::not_sent(options, dialect));
    let names: BTreeSet<_> = names.collect();
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests;
