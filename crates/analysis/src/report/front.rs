//! Page one of a sweep's report: what to do, by how much, how sure, why, what to try next, and the three
//! figures that matter. Every sentence is made from numbers; where a number is missing, so is the sentence.

mod figures;
mod sentences;

use document::number::{bounds, estimate as said, plain};
use document::words::all;
use document::{Front, choice, findings, verdict};
use metrics::advice::{Finding, FindingKind};
use metrics::summary::{Group, Statistics, Verdicts};
use metrics::{ConfigSummary, Decoding, Estimate, Gain};

use self::figures::{confidence, figures};
use self::sentences::{by_permits, lost_sentence, why_sentence};
use crate::kind::{stated, statements};
use crate::tables::{View, topology_word};

pub(super) fn write(view: &View<'_>, found: &[Finding], spoilt: Vec<String>) -> Front {
    let (answer, why) = answer(view);
    Front {
        question: question(view),
        answer,
        sure: confidence(view),
        why,
        next: next(view, found),
        spoilt,
        figures: figures(view),
        ..Front::default()
    }
}

fn question(view: &View<'_>) -> String {
    let agents = view.summary.configs.iter().map(|c| c.agents);
    let agents = match (agents.clone().min(), agents.max()) {
        (Some(least), Some(most)) if least == most => most.to_string(),
        (Some(least), Some(most)) => format!("{least} to {most}"),
        _ => "two".to_owned(),
    };
    if view.summary.choice.is_some() {
        return format!(
            "Should {agents} LLM agents share one server or have a server each with these options, does running \
             them at the same time pay, and where does the time go?"
        );
    }
    format!(
        "Does running {agents} LLM agents at the same time pay on this server with these options, and \
         if not, where does the time go?"
    )
}

/// What the evidence says would change the answer.
fn next(view: &View<'_>, found: &[Finding]) -> Vec<String> {
    let queued = found.iter().filter(|f| f.kind == FindingKind::SlotQueue);
    let queued: Vec<_> = queued.map(|f| (f.config.as_ref(), f.topology)).collect();
    let of = |c: &&ConfigSummary| queued.contains(&(Some(&c.id), c.topology));
    let configs = view.summary.configs.iter();
    let slots = configs.filter(of).map(|c| c.agents).max();
    let manifest = view.dataset.manifest.as_ref();
    let server = manifest.and_then(|m| m.header.endpoints.first());
    let server = server.map(|endpoint| &endpoint.server);
    let mut next = findings::what_to_try(found, u64::from(slots.unwrap_or(2)), server);
    if let Some(would) = verdict::would_decide(view.summary.configs.iter()) {
        let undecided = Verdicts::of(&view.summary.configs).with(Gain::Undecided);
        next.push(format!(
            "Repeat more often (`--repeats`): {} undecided. {would}",
            match undecided {
                1 => "1 configuration is".to_owned(),
                n => format!("{n} configurations are"),
            }
        ));
    }
    let in_turn = |r: &metrics::RunMetrics| r.outcomes_sequential.is_some();
    if !view.dataset.runs.is_empty() && !view.summary.runs.iter().any(in_turn) {
        next.extend(statements("sweep:next:in-turn"));
    }
    next
}

/// Which option is best where there is a choice, then the answer for each; with the reasons.
fn answer(view: &View<'_>) -> (String, Vec<String>) {
    let overall = &view.summary.overall;
    if overall.is_empty() {
        let answer = stated("sweep:answer:published").to_owned();
        return (answer, statements("sweep:why:published"));
    }
    let mut answers = Vec::new();
    let mut why = Vec::new();
    if let Some(choice) = &view.summary.choice {
        let said = choice::in_words(choice, &view.summary.topologies, "**");
        answers.push(said.answer.join(" "));
        why = said.qualifications;
    }
    for part in overall {
        let place = match part.topology {
            Some(t) if overall.len() > 1 => format!("On {}: ", topology_word(t)),
            _ => String::new(),
        };
        let (answer, reasons) = answer_of(view, part);
        answers.push(format!("{place}{answer}"));
        why.extend(reasons.into_iter().map(|reason| format!("{place}{reason}")));
    }
    (answers.join("\n\n"), why)
}

/// The statistics of a part, and what their `n` counts: runs where there is one configuration only,
/// for a mean over one configuration hides that it was repeated; configurations otherwise.
fn statistics<'v>(view: &'v View<'_>, overall: &'v Group) -> (&'v Statistics, &'static str) {
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

fn overlap_reason(stats: &Statistics, took_turns: bool) -> Option<String> {
    let overlap = stats.overlap;
    if overlap.known == 0 {
        return None;
    }
    Some(if took_turns {
        format!(
            "In {} of {} runs the agents never decoded at the same time: an agent's first token came after the last \
             one of the agent before it.",
            overlap.zero, overlap.known
        )
    } else {
        let share = stats.decode_overlap.map_or(String::new(), |o| {
            format!(
                "; on average {} % of the decoding time was shared",
                plain(100.0 * o.mean, 0)
            )
        });
        format!(
            "In {} of {} runs the agents decoded at the same time, for 5 % of the decoding time at least{share}.",
            overlap.known - overlap.below_5_percent,
            overlap.known
        )
    })
}

/// TR113's estimate, for data that are TR113's.
fn estimate_reason(view: &View<'_>, overall: &Group, took_turns: bool) -> Option<String> {
    let est = statistics(view, overall).0.speedup_est?;
    let configs = view.summary.configs.iter();
    let all: Vec<f64> = configs
        .filter(|c| overall.holds(c))
        .filter_map(|c| c.stats.speedup_est.map(|e| e.mean))
        .collect();
    let (low, high) = bounds(&all)?;
    let remark = if took_turns {
        "Agents that merely take turns always score between 1 and their number, so this is no gain."
    } else {
        "It cannot tell a serial server from a parallel one."
    };
    let reads = match overall.configs {
        1 => format!("{}×", plain(est.mean, 2)),
        configs => format!(
            "{}× to {}× (mean {}×, {configs} configurations)",
            plain(low, 2),
            plain(high, 2),
            plain(est.mean, 2)
        ),
    };
    Some(format!("TR113's speedup estimate reads {reads}. {remark}"))
}

fn answer_of(view: &View<'_>, overall: &Group) -> (String, Vec<String>) {
    let (stats, counting) = statistics(view, overall);
    let overlap = stats.overlap;
    let took_turns = overlap.known > 0 && overlap.zero == overlap.known;
    let mut why = Vec::new();
    if let Some((together, in_turn)) = stats.wall_s.as_ref().zip(stats.wall_sequential_s.as_ref()) {
        why.push(format!(
            "Wall time together {} s, one after another {} s at equal work (means over {} {counting}).",
            plain(together.mean, 2),
            plain(in_turn.mean, 2),
            together.n
        ));
    }
    why.extend(lost_sentence(overall));
    why.extend(why_sentence(view, overall));
    why.extend(overlap_reason(stats, took_turns));
    if view.tr113 {
        why.extend(estimate_reason(view, overall, took_turns));
    }
    if let Some(speedup) = &stats.speedup {
        return (measured(view, overall, speedup), why);
    }
    if !took_turns {
        return (unknown(view, overall), why);
    }
    why.extend(statements("sweep:why:took-turns"));
    why.extend(stats.speedup_upper_bound.as_ref().map(|bound| {
        format!(
            "A bound, not a measurement: the waits alone allow a true speedup of at most {}× on average (n = {}).",
            plain(bound.mean, 2),
            bound.n
        )
    }));
    let one_by_one = if by_permits(view, overall) {
        "the client let their requests through"
    } else {
        "the server served them"
    };
    let answer = format!(
        "**No gain is shown.** The agents were started together, but {one_by_one} one after the other."
    );
    (answer, why)
}

/// The answer from measured speedups.
fn measured(view: &View<'_>, overall: &Group, speedup: &Estimate) -> String {
    let verdicts = &overall.verdicts;
    let measured = format!("true speedup {}", said(speedup, 2, "×"));
    let all = all(overall.configs, "configuration");
    let served = served(view, overall);
    let Some(gain) = verdicts.shared_gain() else {
        let open = verdicts.with(Gain::Undecided) + verdicts.with(Gain::Unknown);
        let pays = verdicts.with(Gain::Pays);
        let lead = match pays {
            0 if open == 0 => "No",
            0 => "No gain is shown",
            _ if pays + open == verdicts.len() => "Yes, where it is decided",
            _ => "It depends on the configuration",
        };
        return format!(
            "**{lead}.** Whether running the agents together pays: {}; {measured} over all.{served}",
            verdict::tally(verdicts)
        );
    };
    let says = match gain {
        Gain::Pays => format!("Run them together: it is faster in {all}: {measured}."),
        Gain::None => {
            format!("Running them together makes no difference worth having in {all}: {measured}.")
        }
        Gain::NoGain => format!(
            "Running them together gains nothing worth having in {all}, and whether it costs is open: \
             {measured}."
        ),
        Gain::Costs => {
            format!("Run them one after another: together is slower in {all}: {measured}.")
        }
        Gain::Undecided => format!(
            "The repetitions are too few or too unlike to say whether running them together pays: \
             {measured} over {all}."
        ),
        Gain::Unknown => format!("{measured} over {all}, which no verdict can rest on."),
    };
    format!("**{}.** {says}{served}", verdict::lead(gain))
}

/// How the agents were served where all were served alike, as a sentence after the answer.
fn served(view: &View<'_>, overall: &Group) -> String {
    let verdicts = &overall.verdicts;
    let all = |decoding| verdicts.served(decoding) == verdicts.len();
    let how = match verdicts.shared_gain() {
        Some(Gain::Pays) if all(Decoding::InTurn) => "sweep:served:pays-in-turn",
        Some(Gain::None | Gain::NoGain | Gain::Costs) if all(Decoding::Overlapping) => {
            "sweep:served:overlapping"
        }
        _ if !all(Decoding::InTurn) => return String::new(),
        _ if by_permits(view, overall) => "sweep:served:permits",
        _ => "sweep:served:in-turn",
    };
    format!(" {}", stated(how))
}

/// Why there is no answer.
fn unknown(view: &View<'_>, overall: &Group) -> String {
    let runs = || {
        let of = |r: &&metrics::RunMetrics| r.topology == overall.topology;
        view.summary.runs.iter().filter(of)
    };
    let n = runs().count();
    let why = if n > 0 && runs().all(|r| r.excluded.is_some()) {
        "sweep:unknown:failed"
    } else if runs().any(|r| r.outcomes_sequential.is_some()) {
        "sweep:unknown:no-pair"
    } else {
        "sweep:unknown:not-in-turn"
    };
    let why = stated(why).replace("{n}", &n.to_string());
    format!("**{}.** {why}", verdict::lead(Gain::Unknown))
}
