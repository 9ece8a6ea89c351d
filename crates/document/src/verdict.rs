//! The verdict vocabulary: every word that any output uses for a verdict. The rules are in `metrics`.

use domain::plan::Topology;
use metrics::compare::{
    FEWEST_RUNS, GateOutcome, GateReason, GatedValue, Limit, MOST_REPETITIONS, Reading,
};
use metrics::summary::{ConfigSummary, Verdicts};
use metrics::{Decoding, Gain, Verdict};

use crate::words::{all, joined, plural};

/// What an answer begins with where this is the gain of every configuration.
pub const fn lead(gain: Gain) -> &'static str {
    match gain {
        Gain::Pays => "Yes",
        Gain::None | Gain::NoGain => "No",
        Gain::Costs => "No, it costs",
        Gain::Undecided => "Undecided",
        Gain::Unknown => "Unknown",
    }
}

/// An answer before the number of configurations that have it, and what follows the number.
const fn counted(gain: Gain) -> (&'static str, &'static str) {
    match gain {
        Gain::Pays => ("yes in", ""),
        Gain::None => ("no difference worth having in", ""),
        Gain::NoGain => ("no gain worth having in", " (whether it costs is open)"),
        Gain::Costs => ("a loss in", ""),
        Gain::Undecided => ("undecided in", ""),
        Gain::Unknown => ("unknown in", ""),
    }
}

/// Each answer counted by itself: `yes in 2 of 4 configurations, a loss in 1 and undecided in 1`.
pub fn tally(verdicts: &Verdicts) -> String {
    let count = verdicts.len() as u64;
    let mut parts: Vec<String> = Vec::new();
    for &gain in Gain::ALL {
        let (answer, open) = counted(gain);
        let of = match verdicts.with(gain) {
            0 => continue,
            n if n == verdicts.len() => all(count, "configuration"),
            n if parts.is_empty() => format!("{n} of {}", plural(count, "configuration")),
            n => n.to_string(),
        };
        parts.push(format!("{answer} {of}{open}"));
    }
    joined(&parts)
}

/// What would decide about the configurations that are undecided; none where none is.
pub fn would_decide<'c>(configs: impl Iterator<Item = &'c ConfigSummary>) -> Option<String> {
    let open: Vec<&ConfigSummary> = configs
        .filter(|c| c.verdict.gain == Gain::Undecided)
        .collect();
    let spread_known = |c: &&ConfigSummary| c.stats.speedup.is_some_and(|s| s.n > 1);
    if !open.iter().any(spread_known) {
        return (!open.is_empty()).then(|| "To decide, run 3 repetitions at least.".to_owned());
    }
    let needed = open.iter().filter_map(|c| c.repetitions_to_decide);
    let needed: Vec<u32> = needed.collect();
    let number = match (needed.iter().min(), needed.iter().max()) {
        (Some(least), Some(most)) if least < most => format!("{least} to {most}"),
        (_, Some(most)) => most.to_string(),
        _ => return Some("The speedup lies so near the margin of 5 % that no practical number of repetitions would decide.".to_owned()),
    };
    let near = match open.len() - needed.len() {
        0 => "",
        _ => "; of the others the speedup lies too near the margin of 5 %",
    };
    Some(format!(
        "About {number} repetitions in all would decide, if they lie and scatter as these do{near}."
    ))
}

/// The middle of a sentence; none where it is not known.
pub const fn served(decoding: Decoding) -> Option<&'static str> {
    Some(match decoding {
        Decoding::InTurn => "the agents decoded one after another",
        Decoding::Overlapping => "the agents decoded at the same time",
        Decoding::Unknown => return None,
    })
}

/// The middle of a sentence about a configuration; none where there is nothing to say.
pub fn finding(verdict: Verdict, speedup: &str) -> Option<String> {
    let paid = match verdict.gain {
        Gain::Pays => "running together was faster than running in turn",
        Gain::None => "running together made no difference worth having",
        Gain::NoGain => "running together gained nothing worth having, and whether it cost is open",
        Gain::Costs => "running together was slower than running in turn",
        Gain::Undecided => "these runs do not decide whether running together pays",
        Gain::Unknown => return None,
    };
    let but = match (verdict.gain, verdict.decoding) {
        (Gain::Pays, Decoding::InTurn)
        | (Gain::None | Gain::NoGain | Gain::Costs, Decoding::Overlapping) => ", although ",
        _ => "; ",
    };
    let served = served(verdict.decoding).map(|served| format!("{but}{served}"));
    let served = served.unwrap_or_default();
    Some(format!("{paid} (true speedup {speedup}){served}"))
}

pub const fn reading(reading: Reading) -> &'static str {
    match reading {
        Reading::Better => "better",
        Reading::Worse => "worse",
        Reading::Different => "different",
        Reading::Undistinguished => "cannot be told apart",
        Reading::TooFew => "too few runs",
        Reading::Exploratory => "exploratory",
    }
}

pub const fn gate(outcome: GateOutcome) -> &'static str {
    match outcome {
        GateOutcome::Pass => "pass",
        GateOutcome::Undecided => "undecided",
        GateOutcome::Fail => "FAIL",
    }
}

/// Why a gate has its outcome, with the numbers; where it is undecided also what would decide it.
pub fn gate_reason(reason: GateReason) -> String {
    match reason {
        GateReason::Decided(shown) => numbers(shown),
        GateReason::Across(shown, Some(more)) => format!(
            "{} reaches across the limit; if the change is what it seems, about {more} repetitions of each side would \
             decide it",
            numbers(shown)
        ),
        GateReason::Across(shown, None) => format!(
            "{} reaches across the limit; it lies so close to the limit that {MOST_REPETITIONS} repetitions of each \
             side might not decide it",
            numbers(shown)
        ),
        GateReason::OtherCacheHelp([base, new]) => format!(
            "refused: the servers' caches held {:.0} % and {:.0} % of the prompts, so a change is not \
             the servers' own",
            100.0 * base,
            100.0 * new
        ),
        GateReason::FewRuns(base, new) => format!(
            "refused: a test needs {FEWEST_RUNS} runs of each side, and there are {base} and {new}; \
             load --repetitions {FEWEST_RUNS} or sweep --repeats {FEWEST_RUNS} makes them, and commas join runs to a side"
        ),
        GateReason::FewRequests(figure, needed, (fewest, most)) => format!(
            "refused: {figure} needs {needed} completed requests in each of {FEWEST_RUNS} runs of each \
             side, and the runs have {fewest} to {most}; load --requests {needed} --repetitions \
             {FEWEST_RUNS} makes them"
        ),
        GateReason::NotPositive => {
            "a value is not positive, so there is no relative change".to_owned()
        }
        GateReason::LimitNotPositive => "the figure is positive, and the limit is not".to_owned(),
        GateReason::NoFigure => "no configuration has this figure on both sides".to_owned(),
        GateReason::OneSided => {
            "refused: a configuration has this figure on one side alone".to_owned()
        }
    }
}

fn numbers(shown: GatedValue) -> String {
    let one = |value: f64| match shown.limit {
        Limit::Relative(_) => format!("{:+.1} %", 100.0 * value),
        Limit::Change(_) => format!("{value:+.3}"),
        Limit::Value(_) => format!("{value:.3}"),
    };
    let [value, lo, hi] = [shown.value, shown.lo, shown.hi].map(one);
    format!("{value} [{lo}, {hi}]")
}

pub const fn topology(topology: Topology) -> &'static str {
    match topology {
        Topology::Shared => "one server",
        Topology::PerAgent => "a server per agent",
    }
}

#[cfg(test)]
mod tests {
    use metrics::Summary;
    use metrics::timeline::{Calls, dataset, request, two_arms};

    use super::*;

    /// Configurations with these speedups, a repetition each, of two agents that decode at once.
    fn configs(speedups: &[&[f64]]) -> Vec<ConfigSummary> {
        let call = |sent, ms| [request(sent).decode(10, ms)];
        let runs = speedups.iter().zip(["a", "b"]).flat_map(|(of, config)| {
            of.iter().zip(1..).map(move |(speedup, repetition)| {
                let together = call(0, (10_000.0 / speedup) as u64);
                let agents = [0, 50_000].map(|alone| Calls::new(&together, &call(alone, 5_000)));
                two_arms(config, repetition, "as left", &agents)
            })
        });
        Summary::of(&dataset(runs.collect())).configs
    }

    #[test]
    fn what_is_undecided_is_counted_as_such_and_begins_with_no_no() {
        let front = |speedups| {
            let configs = configs(speedups);
            let verdicts = Verdicts::of(&configs);
            let lead = verdicts.shared_gain().map(lead);
            (lead, tally(&verdicts), would_decide(configs.iter()))
        };
        let (lead, counted, more) = front(&[&[1.73], &[1.73]]);
        assert_eq!(lead, Some("Undecided"));
        assert_eq!(counted, "undecided in both configurations");
        assert_eq!(more.unwrap(), "To decide, run 3 repetitions at least.");
        let (lead, counted, _) = front(&[&[1.73], &[1.30, 1.31, 1.29]]);
        let both = "yes in 1 of 2 configurations and undecided in 1".to_owned();
        assert_eq!((lead, counted), (None, both));
        // About 1.24 [0.99, 1.56].
        let (lead, ..) = front(&[&[1.14, 1.22, 1.37]]);
        assert_eq!(lead, Some("Undecided"));
        let (lead, counted, _) = front(&[&[0.85, 0.86, 0.88]]);
        let loss = "a loss in the one configuration".to_owned();
        assert_eq!((lead, counted), (Some("No, it costs"), loss));
    }

    #[test]
    fn a_gain_of_agents_that_decode_in_turn_is_a_gain() {
        let verdict = Verdict {
            gain: Gain::Pays,
            decoding: Decoding::InTurn,
        };
        assert_eq!(
            finding(verdict, "1.32× [1.30, 1.35]").unwrap(),
            "running together was faster than running in turn (true speedup 1.32× [1.30, 1.35]), although the \
             agents decoded one after another"
        );
    }
}
