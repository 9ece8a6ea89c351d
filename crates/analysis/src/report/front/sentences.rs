//! Sentences on the front page: what was lost, why agents took turns.

use itertools::Itertools as _;
use metrics::cause::WaitedFor;
use metrics::summary::Group;

use crate::tables::{View, plain};
use document::words::plural;

pub(super) fn lost_sentence(overall: &Group) -> Option<String> {
    let lost = overall.stats.lost_s?;
    let total = lost.total();
    let mut parts = Vec::from(lost.named());
    parts.retain(|(name, s)| *name != "cold_load" && *s >= 0.05);
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named = |(name, s): &(&str, f64)| format!("{} {} s", name.replace('_', " "), plain(*s, 2));
    let cold = if lost.cold_load >= 0.05 {
        format!(
            "; {} s of it are model loads that running in turn pays, too",
            plain(lost.cold_load, 2)
        )
    } else {
        String::new()
    };
    (!parts.is_empty()).then(|| {
        format!(
            "Against perfect concurrency a run loses {} s on average; what costs most: {}{cold}.",
            plain(total, 2),
            parts.iter().take(3).map(named).join(", ")
        )
    })
}

/// What agents waited for, of each configuration that shows it.
fn waits(view: &View<'_>, overall: &Group) -> Vec<WaitedFor> {
    let configs = view.summary.configs.iter();
    configs
        .filter(|c| overall.holds(c))
        .filter_map(|c| c.why_serial.map(|why| why.waited_for))
        .collect()
}

/// Whether only the client's own limit made agents take turns.
pub(super) fn by_permits(view: &View<'_>, overall: &Group) -> bool {
    let waits = waits(view, overall);
    !waits.is_empty() && waits.iter().all(|what| *what == WaitedFor::Admission)
}

/// How many configurations were serial for which reason.
pub(super) fn why_sentence(view: &View<'_>, overall: &Group) -> Option<String> {
    let waits = waits(view, overall);
    let count = |what| waits.iter().filter(|w| **w == what).count();
    let other_config = count(WaitedFor::OtherConfig);
    let (slot, permit) = (count(WaitedFor::SlotQueue), count(WaitedFor::Admission));
    let mut parts = Vec::new();
    if other_config > 0 {
        parts.push(format!(
            "in {} the later agent waited because the server had to reload the model with other \
             options",
            counted(other_config)
        ));
    }
    for (count, what) in [
        (slot, "a free slot of the server"),
        (
            permit,
            "a permit of the client, which was set to keep so few requests in flight",
        ),
    ] {
        if count > 0 {
            let place = if parts.is_empty() {
                format!("{} the later agent", counted(count))
            } else {
                format!("{count} it")
            };
            parts.push(format!("in {place} waited for {what}"));
        }
    }
    (!parts.is_empty()).then(|| format!("Why in turn: {}.", parts.join("; ")))
}

pub(super) fn counted(configs: usize) -> String {
    plural(configs as u64, "configuration")
}
