//! The front page: the question, the answer, how sure it is, the three figures that matter. Every
//! sentence is made from numbers; where a number is missing, so is the sentence.

mod figures;
mod sentences;

use metrics::summary::{Overall, Statistics};
use metrics::{Estimate, Verdict};

use self::figures::{confidence, figures};
use self::sentences::{
    bounds, by_permits, change_sentence, lost_sentence, servers_sentences, why_sentence,
};
use super::Finding;
use crate::tables::{Table, View, plain, topology_word, verdict_word};

/// What stands on the front page.
#[derive(Debug, Clone)]
pub(crate) struct Front {
    pub(super) question: String,
    pub(super) answer: String,
    pub(super) because: Vec<String>,
    pub(super) confidence: String,
    pub(super) figures: Table,
}

/// Writes the front page.
pub(super) fn write(view: &View<'_>, findings: &[Finding]) -> Front {
    let (answer, mut because) = answer(view);
    because.extend(change_sentence(findings));
    Front {
        question: question(view),
        answer,
        because,
        confidence: confidence(view),
        figures: figures(view),
    }
}

fn question(view: &View<'_>) -> String {
    let agents: Vec<u32> = view.summary.configs.iter().map(|c| c.agents).collect();
    let agents = match (agents.iter().min(), agents.iter().max()) {
        (Some(least), Some(most)) if least == most => most.to_string(),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "two".to_owned(),
    };
    format!(
        "Does running {agents} LLM agents at the same time pay on this server with these options, and \
         if not, where does the time go?"
    )
}

/// An estimate with its interval and n, in words.
pub(super) fn said(estimate: &Estimate, decimals: usize, unit: &str) -> String {
    let n = estimate.n;
    match estimate.lo.zip(estimate.hi) {
        Some((lo, hi)) => format!(
            "{}{unit} [{}, {}] (n = {n})",
            plain(estimate.mean, decimals),
            plain(lo, decimals),
            plain(hi, decimals)
        ),
        None => format!("{}{unit} (n = {n})", plain(estimate.mean, decimals)),
    }
}

/// The answer for each topology; the first sentence is the answer, the rest the reasons.
fn answer(view: &View<'_>) -> (String, Vec<String>) {
    let overall = &view.summary.overall;
    if overall.is_empty() {
        return (
            "**Unknown.** There is only a published table, and nothing in it can tell agents that \
             worked at the same time from agents that took turns."
                .to_owned(),
            vec![
                "Its speedup is the sum of the agents' times while they ran together over the wall \
                 time. Two agents on a strictly serial server score between 1 and 2 by it."
                    .to_owned(),
            ],
        );
    }
    let mut answers = Vec::new();
    let mut because = Vec::new();
    for part in overall {
        let place = match part.topology {
            Some(t) if overall.len() > 1 => format!(" On {}:", topology_word(t)),
            _ => String::new(),
        };
        let (answer, reasons) = answer_of(view, part);
        answers.push(if place.is_empty() {
            answer
        } else {
            format!("{} {answer}", place.trim_start())
        });
        because.extend(reasons.into_iter().map(|reason| {
            if place.is_empty() {
                reason
            } else {
                format!("{} {reason}", place.trim_start())
            }
        }));
    }
    for comparison in &view.summary.topologies {
        let (conclusion, details) = servers_sentences(comparison);
        // With many configurations the tables say it; a front page has room for a few.
        if view.summary.topologies.len() <= 3 {
            answers.push(format!(
                "One server or a server per agent, {}: **{conclusion}.**",
                comparison.id
            ));
            because.push(details);
        }
    }
    (answers.join("\n\n"), because)
}

/// The statistics of a part, and what their `n` counts: runs where there is one configuration only,
/// for a mean over one configuration hides that it was repeated; configurations otherwise.
fn statistics<'v>(view: &'v View<'_>, overall: &'v Overall) -> (&'v Statistics, &'static str) {
    let mut configs = view.summary.configs.iter();
    let only = configs.find(|c| c.topology == overall.topology);
    match only.filter(|_| one_configuration(view)) {
        Some(config) => (&config.stats, "runs"),
        None => (&overall.stats, "configurations"),
    }
}

fn one_configuration(view: &View<'_>) -> bool {
    let parts = &view.summary.overall;
    !parts.is_empty() && parts.iter().all(|part| part.configs == 1)
}

fn answer_of(view: &View<'_>, overall: &Overall) -> (String, Vec<String>) {
    let configs = overall.configs;
    let (stats, counting) = statistics(view, overall);
    let mut reasons = Vec::new();
    let evidence = stats.overlap;
    let took_turns = evidence.known > 0 && evidence.zero == evidence.known;
    if evidence.known > 0 {
        reasons.push(if took_turns {
            format!(
                "In {} of {} runs the agents never decoded at the same time: the second agent's first \
                 token came after the first agent's last one.",
                evidence.zero, evidence.known
            )
        } else {
            let share = stats.decode_overlap.map_or(String::new(), |o| {
                format!("; on average {} % of the decoding time was shared", plain(100.0 * o.mean, 0))
            });
            format!(
                "In {} of {} runs the agents decoded at the same time for less than 5 % of the \
                 decoding time{share}.",
                evidence.below_5_percent, evidence.known
            )
        });
    }
    if let Some(est) = &stats.speedup_est {
        let ranges: Vec<f64> = view
            .summary
            .configs
            .iter()
            .filter(|c| c.topology == overall.topology)
            .filter_map(|c| c.stats.speedup_est.map(|e| e.mean))
            .collect();
        let (low, high) = bounds(&ranges);
        let remark = if took_turns {
            " Agents that merely take turns always score between 1 and their number, so this is no \
             gain."
        } else {
            " It cannot tell a serial server from a parallel one."
        };
        reasons.push(if configs == 1 {
            format!(
                "TR113's speedup estimate reads {}×.{remark}",
                plain(est.mean, 2)
            )
        } else {
            format!(
                "TR113's speedup estimate reads {}× to {}× (mean {}×, {configs} configurations).\
                 {remark}",
                plain(low, 2),
                plain(high, 2),
                plain(est.mean, 2)
            )
        });
    }
    let Some(speedup) = &stats.speedup else {
        let answer = if took_turns {
            let why = if by_permits(view, overall) {
                "the client let their requests through"
            } else {
                "the server served them"
            };
            format!(
                "**No gain is shown.** The agents were started together, but {why} one after the \
                 other."
            )
        } else {
            unknown(view, overall)
        };
        if took_turns {
            reasons.push(
                "Whether running them in turn on purpose would have been slower, as fast or faster \
                 was not measured: the true speedup is unknown."
                    .to_owned(),
            );
        }
        if let Some(bound) = stats.speedup_upper_bound.as_ref().filter(|_| took_turns) {
            reasons.push(format!(
                "A bound, not a measurement: the waits alone allow a true speedup of at most {}× on \
                 average (n = {}).",
                plain(bound.mean, 2),
                bound.n
            ));
        }
        reasons.extend(why_sentence(view, overall));
        return (answer, reasons);
    };
    let counts = overall.verdicts;
    let groups = [
        (counts.parallel, Verdict::Parallel),
        (counts.shared, Verdict::Shared),
        (counts.serial, Verdict::Serial),
        (counts.degraded, Verdict::Degraded),
        (counts.undecided, Verdict::Undecided),
        (counts.unknown, Verdict::Unknown),
    ];
    let only = groups.iter().find(|(k, _)| *k == configs).map(|(_, v)| *v);
    let measured = format!("true speedup {}", said(speedup, 2, "×"));
    let all = match configs {
        1 => "the one configuration".to_owned(),
        n => format!("all {n} configurations"),
    };
    let answer = match only {
        Some(Verdict::Parallel) => {
            format!("**Yes.** Running together is faster in {all}: {measured}.")
        }
        Some(Verdict::Shared) => format!(
            "**No.** The agents overlap, but the wall time does not fall: {measured} over {all}."
        ),
        Some(Verdict::Serial) if by_permits(view, overall) => format!(
            "**No.** The client lets the agents' requests through one after the other \
             (`--admission`) in {all}: {measured}."
        ),
        Some(Verdict::Serial) => format!(
            "**No.** The server serves the agents one after the other in {all}: {measured}."
        ),
        Some(Verdict::Degraded) => {
            format!("**No, it costs.** Running together is slower in {all}: {measured}.")
        }
        Some(Verdict::Undecided) => format!(
            "**Undecided.** The repetitions are too few or too unlike to say: {measured} over {all}."
        ),
        Some(Verdict::Unknown) => {
            format!("**Unknown.** {measured} over {all}, which no verdict can rest on.")
        }
        None => {
            let parts: Vec<String> = groups
                .iter()
                .filter(|(k, _)| *k > 0)
                .map(|(k, verdict)| format!("{k} {}", verdict_word(*verdict)))
                .collect();
            let lead = if counts.parallel == 0 {
                "**No configuration gains.**"
            } else {
                "**It depends on the configuration.**"
            };
            format!(
                "{lead} Of {configs} configurations: {}; {measured} over all.",
                parts.join(", ")
            )
        }
    };
    if let Some((together, in_turn)) = stats.wall_s.as_ref().zip(stats.wall_sequential_s.as_ref()) {
        reasons.push(format!(
            "Wall time together {} s, one after another {} s at equal work (means over {} \
             {counting}).",
            plain(together.mean, 2),
            plain(in_turn.mean, 2),
            together.n
        ));
    }
    reasons.extend(lost_sentence(overall));
    reasons.extend(why_sentence(view, overall));
    (answer, reasons)
}

/// Why there is no answer.
fn unknown(view: &View<'_>, overall: &Overall) -> String {
    let runs = || {
        let of = |r: &&metrics::RunMetrics| r.topology == overall.topology;
        view.summary.runs.iter().filter(of)
    };
    let n = runs().count();
    if n > 0 && runs().all(|r| r.excluded.is_some()) {
        return format!(
            "**Unknown.** In none of the {n} runs did every request complete, so no run can be used. \
             The failures are counted below."
        );
    }
    if runs().any(|r| r.outcomes_sequential.is_some()) {
        return "**Unknown.** No run has both a usable run of the agents one after another and one \
                of the agents together, so there is nothing to compare."
            .to_owned();
    }
    "**Unknown.** The data hold no run of the agents one after another, so there is nothing to \
     compare running together with."
        .to_owned()
}
