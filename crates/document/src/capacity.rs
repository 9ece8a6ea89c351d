//! What a capacity run says, in a sentence made from numbers.

use serde::{Deserialize, Serialize};

use domain::record::capacity::{
    CapacityRecord, Judged, LevelEnd, Probe, RunEnd, SearchEnd, Verdict,
};
use metrics::capacity::{Criterion, LevelFigures, Objective, Scaling, search};

use crate::number::{plain, three_digits};
use crate::words::plural;

/// A law that misses a level by more than this share of its throughput is a rough one.
const ROUGH: f64 = 0.1;

/// What can be said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Which kind of answer it is.
    pub kind: AnswerKind,
    /// The most agents that pass below every level that fails.
    pub carries: Option<u32>,
    /// The fewest agents that fail.
    pub breaks: Option<u32>,
    /// Levels between the two that the data cannot tell.
    pub open: u32,
    /// The sentence.
    pub sentence: String,
    /// What a reader must know beside it.
    pub notes: Vec<String>,
}

/// Kinds of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerKind {
    /// So many agents are carried, and more break the limits.
    Bracketed,
    /// So many agents at least are carried; none that break the limits were found.
    AtLeast,
    /// Not even the least level keeps the limits.
    None,
    /// The data cannot say.
    Unresolved,
}

/// The answer that a run's levels give. `levels` are the figures of its probes that have a window.
pub fn answer(
    record: &CapacityRecord,
    objective: &Objective,
    levels: &[LevelFigures],
    scaling: Option<&Scaling>,
) -> Answer {
    let seen = record.observed();
    let carries = search::carried(&seen);
    let breaks = search::breaks(&seen);
    let unresolved: Vec<&Probe> = record
        .probes
        .iter()
        .filter(|p| p.end != LevelEnd::Interrupted && p.observed().verdict == Verdict::Unresolved)
        .collect();
    let open =
        |p: &&&Probe| carries.is_none_or(|c| p.agents > c) && breaks.is_none_or(|b| p.agents < b);
    let between: Vec<&Probe> = unresolved.iter().filter(open).copied().collect();
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
        why_broken(probe, objective, levels)
    });
    let broken = |b: u32| {
        let verb = if b == 1 { "breaks" } else { "break" };
        match &why {
            Some(why) => format!("{b} {verb} it: {why}"),
            None => format!("{b} {verb} it"),
        }
    };
    let mut sentence = match (kind, carries, breaks) {
        (AnswerKind::Bracketed, Some(c), Some(b)) => format!(
            "This server carries {} within {objective} ({})",
            agents(c),
            broken(b)
        ),
        (AnswerKind::AtLeast, Some(c), _) => {
            let reason = match record.end {
                Some(RunEnd::Finished(SearchEnd::MostAgents)) if between.is_empty() => {
                    ", the most that were asked for"
                }
                Some(RunEnd::Finished(SearchEnd::Saturated)) if between.is_empty() => {
                    ", and more were not tried"
                }
                _ => "",
            };
            format!(
                "This server carries at least {} within {objective}{reason}",
                agents(c)
            )
        }
        (AnswerKind::None, _, Some(b)) => {
            let why = why.as_ref().map_or_else(String::new, |w| format!(" ({w})"));
            format!(
                "This server does not carry even {} within {objective}{why}",
                agents(b)
            )
        }
        (_, _, Some(b)) => format!(
            "Unresolved: no level is shown to keep {objective}; {}",
            broken(b)
        ),
        _ => format!("Unresolved: no level is shown to keep or to break {objective}"),
    };
    for probe in &between {
        sentence.push_str("; ");
        sentence.push_str(&open_in_words(probe));
    }
    if let Some(course) = course(record, levels, scaling) {
        sentence.push_str("; ");
        sentence.push_str(&course);
    }
    sentence.push('.');
    let mut notes = Vec::new();
    if interrupted {
        notes.push("Interrupted: the search did not come to its end; --resume goes on.".to_owned());
    }
    for agents in search::out_of_order(&seen) {
        notes.push(format!(
            "{agents} agents pass although {} fail: the levels are not in order, and the lower one is \
             taken.",
            breaks.unwrap_or_default()
        ));
    }
    for probe in record.probes.iter().filter(|p| p.failing) {
        notes.push(format!(
            "At {} more than {} % of the requests did not complete.",
            agents(probe.agents),
            100.0 * record.asked.max_failed
        ));
    }
    if let Some(scaling) = scaling.filter(|s| s.best.is_some() && s.misfit > ROUGH) {
        notes.push(format!(
            "The fitted law misses the throughput of a level by up to {:.0} %: its peak is a rough one.",
            100.0 * scaling.misfit
        ));
    }
    Answer {
        kind,
        carries,
        breaks,
        open: u32::try_from(between.len()).unwrap_or(u32::MAX),
        sentence,
        notes,
    }
}

fn agents(n: u32) -> String {
    plural(n, "agent")
}

/// Why a level is open, and what would decide it.
fn open_in_words(probe: &Probe) -> String {
    let one = probe.agents == 1;
    let who = agents(probe.agents);
    let judged = &probe.decision.judged;
    let unheard = |j: &Judged| j.verdict == Verdict::Unresolved && j.lo.is_none();
    match probe.decision.needs {
        Some(n) => {
            let (be, need) = if one {
                ("is", "needs")
            } else {
                ("are", "need")
            };
            format!("{who} {be} unresolved and {need} about {n} more requests")
        }
        None if judged.is_empty() => format!("{who} never came to a steady state"),
        None if judged.iter().any(unheard) => format!("too few requests of {who} to tell"),
        None => {
            let lie = if one { "lies" } else { "lie" };
            format!("{who} {lie} too close to the limit to be told")
        }
    }
}

/// `ttft_p95 2.9 s [2.6 .. 3.4]`, of the limit that is broken.
fn why_broken(probe: &Probe, objective: &Objective, levels: &[LevelFigures]) -> Option<String> {
    let fails = |j: &&(&Criterion, &Judged)| j.1.verdict == Verdict::Fail;
    let judged: Vec<_> = objective
        .criteria()
        .iter()
        .zip(&probe.decision.judged)
        .collect();
    if let Some((_, judged)) = judged.iter().find(fails) {
        return figure_in_words(judged);
    }
    let level = levels.iter().find(|l| l.agents == probe.agents)?;
    let outcomes = &level.load.outcomes;
    probe.failing.then(|| {
        format!(
            "{} of {} requests did not complete",
            outcomes.not_completed(),
            outcomes.total()
        )
    })
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
    let interval = judged
        .seen_lo
        .zip(judged.seen_hi)
        .map_or_else(String::new, |(lo, hi)| {
            format!(
                " [{} .. {}]",
                three_digits(lo * factor),
                three_digits(hi * factor)
            )
        });
    Some(format!(
        "{} {} {unit}{interval}",
        criterion.name(),
        three_digits(seen * factor)
    ))
}

/// Where throughput goes and where the fitted law has its peak, in half a sentence.
fn course(
    record: &CapacityRecord,
    levels: &[LevelFigures],
    scaling: Option<&Scaling>,
) -> Option<String> {
    let by_rate =
        |a: &&LevelFigures, b: &&LevelFigures| a.tokens_per_s.mean.total_cmp(&b.tokens_per_s.mean);
    let top = levels.iter().max_by(by_rate)?;
    let highest = levels.iter().max_by_key(|l| l.agents)?;
    let saturated = record
        .probes
        .iter()
        .filter(|p| p.end != LevelEnd::Interrupted)
        .filter_map(|p| p.saturation)
        .min_by_key(|s| s.agents);
    let law = scaling.map_or_else(
        || "too few levels to predict where it peaks".to_owned(),
        |scaling| peak_in_words(scaling, highest.agents),
    );
    if let Some(s) = saturated {
        if let Some(peak) = scaling.and_then(|s| peak(s).filter(|p| p.agents <= highest.agents)) {
            return Some(format!(
                "by the fitted law throughput peaks near {peak} at {}; beyond it waiting grows and throughput \
                 does not",
                rate(peak.tokens_per_s)
            ));
        }
        let from = levels.iter().find(|l| l.agents == s.from)?;
        return Some(format!(
            "throughput is {} with {} and does not grow with more; waiting does; {law}",
            rate(from.tokens_per_s.mean),
            agents(s.from)
        ));
    }
    Some(if levels.len() < 2 {
        format!(
            "throughput is {} with {}; {law}",
            rate(top.tokens_per_s.mean),
            agents(top.agents)
        )
    } else if top.agents == highest.agents {
        format!(
            "throughput still grows: {} with {}, the most that were looked at; {law}",
            rate(top.tokens_per_s.mean),
            agents(top.agents)
        )
    } else {
        format!(
            "the highest throughput seen is {} with {}; {law}",
            rate(top.tokens_per_s.mean),
            agents(top.agents)
        )
    })
}

/// A peak that the fitted law has, in whole agents.
struct Peak {
    agents: u32,
    tokens_per_s: f64,
    /// The 95 % interval, rounded outwards.
    within: Option<(f64, f64)>,
}

impl std::fmt::Display for Peak {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&agents(self.agents))?;
        match self.within {
            Some((lo, hi)) => write!(f, " [{lo:.0} .. {hi:.0}]"),
            None => Ok(()),
        }
    }
}

fn peak(scaling: &Scaling) -> Option<Peak> {
    let agents = scaling.best?;
    let ends = scaling.peak.lo.zip(scaling.peak.hi);
    Some(Peak {
        agents,
        tokens_per_s: scaling.fit.law.at(f64::from(agents)),
        within: ends.map(|(lo, hi)| (lo.floor().max(1.0), hi.ceil())),
    })
}

/// Where the law has its peak, or that it cannot give one.
fn peak_in_words(scaling: &Scaling, highest: u32) -> String {
    match peak(scaling) {
        Some(peak) if peak.agents <= highest => format!(
            "the fitted law peaks near {peak} at {}",
            rate(peak.tokens_per_s)
        ),
        Some(peak) => {
            format!("the fitted law peaks near {peak}, beyond the levels looked at")
        }
        None => match scaling.peak.lo.filter(|lo| *lo >= 2.0) {
            Some(lo) => {
                format!("these levels show no peak: if there is one, it lies above {lo:.0} agents")
            }
            None => "these levels show no peak".to_owned(),
        },
    }
}

fn rate(tokens_per_s: f64) -> String {
    let decimals = usize::from(tokens_per_s < 99.95);
    format!("{} tok/s", plain(tokens_per_s, decimals))
}

#[cfg(test)]
mod tests;
