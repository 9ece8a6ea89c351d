//! The verdict vocabulary: every word that terminal, front page, evidence, tables and JSON use for a
//! verdict. The rules stand in `metrics`; a change of what a verdict is called or says is made here.

use domain::plan::Topology;
use domain::record::capacity::Verdict as LevelVerdict;
use metrics::Verdict;
use metrics::compare::{Change, GateOutcome, GateReason, Limit, Told};
use metrics::summary::VerdictCounts;

/// Every verdict, the best first.
pub const ALL: [Verdict; 6] = [
    Verdict::Parallel,
    Verdict::Shared,
    Verdict::Serial,
    Verdict::Degraded,
    Verdict::Undecided,
    Verdict::Unknown,
];

/// The word of a table's cell, as in `report.json`.
pub const fn word(verdict: Verdict) -> &'static str {
    verdict.as_str()
}

/// What a front page begins with where this is the verdict of every configuration.
pub const fn lead(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Parallel => "Yes",
        Verdict::Shared | Verdict::Serial => "No",
        Verdict::Degraded => "No, it costs",
        Verdict::Undecided => "Undecided",
        Verdict::Unknown => "Unknown",
    }
}

/// What a verdict says of a configuration, as the middle of a sentence; none where there is nothing to
/// say.
pub const fn finding(verdict: Verdict) -> Option<&'static str> {
    Some(match verdict {
        Verdict::Parallel => "running together was faster than running in turn",
        Verdict::Degraded => "running together was slower than running in turn",
        Verdict::Shared => "the agents overlapped, but no gain over running in turn can be shown",
        Verdict::Serial => "the agents decoded one after another",
        Verdict::Undecided => "these runs do not decide whether running together pays",
        Verdict::Unknown => return None,
    })
}

/// How many configurations have this verdict.
pub const fn count(counts: &VerdictCounts, verdict: Verdict) -> u32 {
    match verdict {
        Verdict::Parallel => counts.parallel,
        Verdict::Shared => counts.shared,
        Verdict::Serial => counts.serial,
        Verdict::Degraded => counts.degraded,
        Verdict::Undecided => counts.undecided,
        Verdict::Unknown => counts.unknown,
    }
}

/// The reading of a change in a comparison.
pub const fn told(told: Told) -> &'static str {
    match told {
        Told::Better => "better",
        Told::Worse => "worse",
        Told::Different => "different",
        Told::NotToldApart => "cannot be told apart",
        Told::TooFew => "too few runs",
    }
}

/// The outcome of a gate.
pub const fn gate(outcome: GateOutcome) -> &'static str {
    match outcome {
        GateOutcome::Pass => "pass",
        GateOutcome::Undecided => "undecided",
        GateOutcome::Fail => "FAIL",
    }
}

/// Why a gate has its outcome on a configuration, with the numbers in the terms of its limit.
pub fn gate_reason(limit: Limit, reason: GateReason) -> String {
    let shown = |value: f64| match limit {
        Limit::Relative(_) => format!("{:+.1} %", 100.0 * value),
        Limit::Change(_) => format!("{value:+.3}"),
        Limit::Value(_) => format!("{value:.3}"),
    };
    let interval = |change: Change| {
        let ends = change.lo.zip(change.hi);
        let ends = ends.map(|(lo, hi)| format!(" [{}, {}]", shown(lo), shown(hi)));
        shown(change.value) + &ends.unwrap_or_default()
    };
    match reason {
        GateReason::NotPositive => {
            "a value is not positive, so there is no relative change".to_owned()
        }
        GateReason::FewRuns(change, (base, new)) => format!(
            "{} without interval: {base} and {new} runs, three of each are needed",
            shown(change.value)
        ),
        GateReason::Decided(change) => interval(change),
        GateReason::NotAfterCorrection(change) => format!(
            "{} is beyond the limit, but not after correction for many tests",
            interval(change)
        ),
        GateReason::BothSides(change) => {
            format!("{} lies on both sides of the limit", interval(change))
        }
        GateReason::Percentile(value) => shown(value),
        GateReason::FewRequests(needed, (base, new)) => format!(
            "the percentile wants {needed} requests at 99 % confidence; there are {base} and {new}"
        ),
    }
}

/// The verdict on a level of a capacity run.
pub const fn level(verdict: LevelVerdict) -> &'static str {
    match verdict {
        LevelVerdict::Pass => "pass",
        LevelVerdict::Fail => "fail",
        LevelVerdict::Unresolved => "unresolved",
    }
}

/// A topology.
pub const fn topology(topology: Topology) -> &'static str {
    match topology {
        Topology::Shared => "one server",
        Topology::PerAgent => "a server per agent",
    }
}
