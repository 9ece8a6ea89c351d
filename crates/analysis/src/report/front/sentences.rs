//! Sentences on the front page: what was lost, why agents took turns, what would change it, and one
//! server against several.

use metrics::cause::WaitedFor;
use metrics::summary::{Group, TopologyComparison};

use crate::tables::{View, paired, plain, signed};
use document::words::{joined, plural};

pub(super) fn lost_sentence(overall: &Group) -> Option<String> {
    let lost = overall.stats.lost_s?;
    let total = lost.total();
    let mut parts = Vec::from(lost.named());
    parts.retain(|(name, s)| *name != "cold_load" && *s >= 0.05);
    parts.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named: Vec<String> = parts
        .iter()
        .take(3)
        .map(|(name, s)| format!("{} {} s", name.replace('_', " "), plain(*s, 2)))
        .collect();
    let cold = if lost.cold_load >= 0.05 {
        format!(
            "; {} s of it are the first load of the model, which running in turn pays too",
            plain(lost.cold_load, 2)
        )
    } else {
        String::new()
    };
    (!named.is_empty()).then(|| {
        format!(
            "Against perfect concurrency a run loses {} s on average; what costs most: {}{cold}.",
            plain(total, 2),
            named.join(", ")
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

/// Whether nothing but the client's own limit made agents take turns.
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
            "a permit of the client, which was told to keep so few requests in flight",
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

/// What one server against one per agent shows, without crowning a winner the data do not support.
pub(super) fn servers_sentences(comparison: &TopologyComparison, tr113: bool) -> (String, String) {
    let mut parts = Vec::new();
    let mut for_one = Vec::new();
    let mut for_each = Vec::new();
    for (name, paired, factor, decimals) in paired(comparison) {
        let quantity = name.split(['(', ',']).next().unwrap_or(name).trim();
        let difference = &paired.difference;
        let told_apart = difference
            .lo
            .zip(difference.hi)
            .is_some_and(|(lo, hi)| lo > 0.0 || hi < 0.0);
        // The rest stands in the comparison's table.
        let in_table = ["decode rate", "true speedup"]
            .iter()
            .any(|q| quantity.starts_with(q));
        if in_table || !tr113 && quantity.starts_with("speedup est") {
            continue;
        }
        parts.push(format!(
            "{name} {} on one server, {} on a server each, difference {}{}",
            plain(paired.shared.mean * factor, decimals),
            plain(paired.per_agent.mean * factor, decimals),
            signed(difference.mean * factor, decimals),
            match difference.lo.zip(difference.hi) {
                Some((lo, hi)) => format!(
                    " [{}, {}]{}",
                    signed(lo * factor, decimals),
                    signed(hi * factor, decimals),
                    if told_apart {
                        ""
                    } else {
                        ", which cannot be told from none"
                    }
                ),
                None => " (too few pairs for an interval)".to_owned(),
            }
        ));
        // What a user feels decides. The estimate is no measure of gain, a rate per agent and a speedup
        // against its own baseline do not compare two ways of serving, and memory is a price.
        let decides = ["wall time", "aggregate throughput", "TTFT"].contains(&quantity);
        if told_apart && decides {
            let lower_is_better = quantity.starts_with("wall") || quantity.starts_with("TTFT");
            if (difference.mean < 0.0) == lower_is_better {
                for_each.push(quantity);
            } else {
                for_one.push(quantity);
            }
        }
    }
    let conclusion = match (for_one.is_empty(), for_each.is_empty()) {
        (true, true) => "nothing can be told apart, the data crown no winner".to_owned(),
        (false, true) => format!(
            "one server is better by {}; nothing shown speaks for a server each",
            joined(&for_one)
        ),
        (true, false) => format!(
            "a server each is better by {}; nothing shown speaks for one server",
            joined(&for_each)
        ),
        (false, false) => format!(
            "no single winner: one server is better by {}, a server each by {}",
            joined(&for_one),
            joined(&for_each)
        ),
    };
    let details = format!(
        "{}, {} paired repetitions: {}.",
        comparison.id,
        comparison.pairs,
        parts.join("; ")
    );
    (conclusion, details)
}

pub(super) fn counted(configs: usize) -> String {
    plural(configs as u64, "configuration")
}
