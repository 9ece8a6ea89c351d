//! The answer of a capacity run in a sentence, made from its numbers.

use serde::{Deserialize, Serialize};

use domain::record::capacity::{
    CapacityRecord, Judged, LevelEnd, LevelRecord, RunEnd, SearchEnd, Verdict,
};
use metrics::capacity::{
    Course, Criterion, LevelFigures, Objective, Scaling, ScalingEstimate, search,
};
use metrics::stats::LawKind;

use crate::number::{plain, three_digits};
use crate::words::{known, plural};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    pub kind: AnswerKind,
    /// The most agents that pass below every level that fails.
    pub carries: Option<u32>,
    /// The fewest agents that fail.
    pub breaks: Option<u32>,
    /// Levels between the two that the data leave open.
    pub open: u32,
    pub sentence: String,
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// `carries` and `breaks` are both known.
    Bracketed,
    /// No level that breaks the limits was found.
    AtLeast,
    /// Not even the lowest level keeps the limits.
    None,
    Unresolved,
}

/// `levels` are the figures of the probes that have a window.
pub fn answer(
    record: &CapacityRecord,
    objective: &Objective,
    levels: &[LevelFigures],
    scaling: Option<&Scaling>,
) -> Answer {
    let seen = record.observed();
    let carries = search::most_passing(&seen);
    let breaks = search::fewest_failing(&seen);
    let is_open = |p: &&LevelRecord| {
        let is_between =
            carries.is_none_or(|c| p.agents > c) && breaks.is_none_or(|b| p.agents < b);
        let is_unresolved = p.observed().verdict == Verdict::Unresolved;
        is_between && is_unresolved && p.end != LevelEnd::Interrupted
    };
    let between: Vec<&LevelRecord> = record.probes.iter().filter(is_open).collect();
    let interrupted = record.end.is_none_or(|end| end == RunEnd::Interrupted);
    let least = seen.iter().map(|o| o.agents).min().unwrap_or(1);
    let kind = match (carries, breaks) {
        (Some(_), Some(_)) => AnswerKind::Bracketed,
        (Some(_), None) => AnswerKind::AtLeast,
        (None, Some(b)) if b == 1 || (!interrupted && b == least) => AnswerKind::None,
        _ => AnswerKind::Unresolved,
    };
    let why = breaks.and_then(|b| {
        let probe = record.probes.iter().find(|p| p.agents == b)?;
        why_broken(probe, levels)
    });
    let [after_colon, in_brackets] = match &why {
        Some(why) => [format!(": {why}"), format!(" ({why})")],
        None => Default::default(),
    };
    let reason = match record.end {
        Some(RunEnd::Finished(_)) if !between.is_empty() => "",
        Some(RunEnd::Finished(SearchEnd::MostAgents)) => ", the most that were asked for",
        Some(RunEnd::Finished(SearchEnd::Saturated)) => ", and more were not tried",
        _ => "",
    };
    let [carried, failing] = [carries, breaks].map(Option::unwrap_or_default);
    let verb = if failing == 1 { "breaks" } else { "break" };
    let broken = format!("{failing} {verb} it{after_colon}");
    let [carried, least] = [carried, failing].map(agents);
    let answer = match kind {
        AnswerKind::Bracketed => {
            format!("This server carries {carried} within {objective} ({broken})")
        }
        AnswerKind::AtLeast => {
            format!("This server carries at least {carried} within {objective}{reason}")
        }
        AnswerKind::None => {
            format!("This server does not carry even {least} within {objective}{in_brackets}")
        }
        AnswerKind::Unresolved if breaks.is_some() => {
            format!("Unresolved: no level is shown to keep {objective}; {broken}")
        }
        AnswerKind::Unresolved => {
            format!("Unresolved: no level is shown to keep or to break {objective}")
        }
    };
    let open = between.iter().map(|probe| open_in_words(probe));
    let parts = [answer].into_iter().chain(open).chain(scaling.map(course));
    let mut notes = Vec::new();
    if interrupted {
        notes.push("Interrupted: the search did not come to its end; --resume goes on.".to_owned());
    }
    notes.extend(search::out_of_order(&seen).into_iter().map(|agents| {
        format!(
            "{agents} agents pass although {failing} fail: the levels are not in order, and the lower one is taken."
        )
    }));
    let most = 100.0 * record.asked.max_failed_share;
    notes.extend(record.probes.iter().filter(|p| p.failing).map(|probe| {
        let agents = agents(probe.agents);
        format!("At {agents} more than {most} % of the requests did not complete.")
    }));
    let fit = scaling.and_then(|s| s.fit.as_ref());
    notes.extend(fit.filter(|fit| fit.is_rejected()).map(|fit| {
        let nearest = fit.kind.name();
        format!(
            "No law fits the levels (the nearest, {nearest}, is rejected at 1 %): no knee and no peak is taken from one."
        )
    }));
    Answer {
        kind,
        carries,
        breaks,
        open: u32::try_from(between.len()).unwrap_or(u32::MAX),
        sentence: parts.collect::<Vec<_>>().join("; ") + ".",
        notes,
    }
}

fn agents(n: u32) -> String {
    plural(n, "agent")
}

/// Why a level is open, and what would decide it.
fn open_in_words(probe: &LevelRecord) -> String {
    let who = agents(probe.agents);
    let [be, need, lie] = match probe.agents {
        1 => ["is", "needs", "lies"],
        _ => ["are", "need", "lie"],
    };
    let judged = &probe.decision.judged;
    let open = || judged.iter().filter(|j| j.verdict == Verdict::Unresolved);
    let seen = open().max_by_key(|j| j.needs).and_then(figure_in_words);
    let seen = seen.map_or_else(String::new, |seen| format!(" ({seen})"));
    match probe.decision.needs {
        Some(n) => format!("{who} {be} unresolved{seen} and {need} about {n} more requests"),
        None if judged.is_empty() => format!("{who} never came to a steady state"),
        None if open().any(|j| j.lo.is_none()) => format!("too few requests of {who} to tell"),
        None => format!("{who} {lie} too close to the limit to decide{seen}"),
    }
}

/// `ttft_p95 2.9 s [2.6 .. 3.4]`, of the limit that is broken.
fn why_broken(probe: &LevelRecord, levels: &[LevelFigures]) -> Option<String> {
    let judged = &probe.decision.judged;
    if let Some(broken) = judged.iter().find(|j| j.verdict == Verdict::Fail) {
        return figure_in_words(broken);
    }
    let level = levels
        .iter()
        .find(|l| l.agents == probe.agents && probe.failing)?;
    let outcomes = &level.load.outcomes;
    let (lost, total) = (outcomes.not_completed(), outcomes.total());
    Some(format!("{lost} of {total} requests did not complete"))
}

/// A limited figure as it was seen: `ttft_p95 2.90 s [2.61 .. 3.48]`; none when none was.
pub fn figure_in_words(judged: &Judged) -> Option<String> {
    let criterion: Objective = judged.limit.parse().ok()?;
    let criterion = criterion.criteria().first()?;
    let seen = judged.seen?;
    // One unit for all three, the seen figure's.
    let (factor, unit) = match criterion {
        Criterion::Latency { .. } if seen >= 0.9995 => (1.0, "s"),
        Criterion::Latency { .. } => (1e3, "ms"),
        Criterion::Goodput { .. } | Criterion::Failed { .. } => (100.0, "%"),
    };
    let shown = |value: f64| three_digits(value * factor);
    let ends = [judged.seen_lo, judged.seen_hi];
    let [lo, hi] = ends.map(|end| known(end.map(shown)));
    let interval = match ends {
        [None, None] => String::new(),
        _ => format!(" [{lo} .. {hi}]"),
    };
    let (name, seen) = (criterion.name(), shown(seen));
    Some(format!("{name} {seen} {unit}{interval}"))
}

fn course(scaling: &Scaling) -> String {
    let highest = rate_at(&scaling.x_max);
    match scaling.course {
        Course::Single { agents: n } => {
            let n = agents(n);
            format!("throughput is {highest} with {n}; a single level shows no course")
        }
        Course::Peak { top, above, below } => {
            let top = agents(top);
            let from = above.map_or("below".to_owned(), |n| format!("between {n} and"));
            let law = LawKind::Usl.name();
            let peak = scaling.usl_peak().map(|peak| place(&peak));
            let by_law = peak.map(|peak| format!(", near {peak} by the {law}"));
            let by_law = by_law.unwrap_or_default();
            format!(
                "throughput falls: the highest is {highest} with {top}, and {below} get less; it peaks {from} {below} \
                 agents{by_law}"
            )
        }
        Course::Flat { from } => {
            let from = agents(from);
            let saturates = match (scaling.batch.at, scaling.n_star.at) {
                (Some(_), _) => {
                    let near = place(&scaling.batch);
                    format!("the fitted law, not a measurement, saturates near {near}")
                }
                (None, Some(_)) => format!(
                    "{} reach that at the earliest, if each adds as much as the first",
                    place(&scaling.n_star)
                ),
                (None, None) => "more only wait".to_owned(),
            };
            format!("throughput is flat at {highest} from {from} on, and {saturates}")
        }
        Course::Grows { from, to } => format!(
            "throughput still grows from {from} to {to} agents, the most that were looked at, up to {highest}; \
             where it ends is not known"
        ),
        Course::Open { from, to, ratio } => format!(
            "whether throughput grows from {from} to {to} agents is open ({} times as much): more requests at each \
             level would tell, or more agents",
            in_brackets(&ratio, 2)
        ),
    }
}

/// `261 tok/s [259 .. 263]`.
fn rate_at(located: &ScalingEstimate) -> String {
    let at = located.at.unwrap_or_default();
    let decimals = usize::from(at < 99.95);
    let interval = located.lo.zip(located.hi);
    let interval = interval.map_or_else(String::new, |(lo, hi)| {
        format!(" [{} .. {}]", plain(lo, decimals), plain(hi, decimals))
    });
    format!("{} tok/s{interval}", plain(at, decimals))
}

/// `8.7 [8.5 .. 9.0] agents`.
fn place(located: &ScalingEstimate) -> String {
    format!("{} agents", in_brackets(located, 1))
}

fn in_brackets(located: &ScalingEstimate, decimals: usize) -> String {
    let number = |value: Option<f64>| known(value.map(|value| plain(value, decimals)));
    let [at, lo, hi] = [located.at, located.lo, located.hi].map(number);
    format!("{at} [{lo} .. {hi}]")
}

#[cfg(test)]
mod tests;
