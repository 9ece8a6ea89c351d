//! Observations as lanes: what each request was doing, stretch by stretch.

use domain::plan::Arm;
use domain::{Nanos, Stamp};
use metrics::{
    AgentObservation, ArmObservation, ConfigSummary, Dataset, Estimate, RequestTimes,
    RunObservation, Summary,
};

use crate::charts::{Lane, Phase, Segment, percent};

/// The runs behind a configuration, by repetition.
pub(super) fn runs<'d>(dataset: &'d Dataset, config: &ConfigSummary) -> Vec<&'d RunObservation> {
    let of = |r: &&RunObservation| r.config == config.id && r.topology == config.topology;
    dataset.runs.iter().filter(of).collect()
}

/// How much of a run's decoding overlapped, in words; empty where there is one agent.
pub(super) fn overlap(summary: &Summary, run: &RunObservation) -> String {
    let measured = summary.runs.iter().find(|r| {
        r.config == run.config && r.topology == run.topology && r.repetition == run.repetition
    });
    if measured.is_some_and(|m| m.agents < 2) {
        return String::new();
    }
    let share = measured.and_then(|m| m.figures.decode_overlap);
    let share = share.map_or_else(|| "unknown".to_owned(), percent);
    format!("overlap {share}, ")
}

/// The run whose arms did the most alike amount of work, so that a picture of both is fair; the
/// first where there is one arm only.
pub(super) fn most_alike<'r>(runs: &[&'r RunObservation]) -> Option<&'r RunObservation> {
    let unlike = |run: &RunObservation| match (&run.together, &run.sequential) {
        (Some(a), Some(b)) => a.tokens().abs_diff(b.tokens()),
        (Some(_), None) => u64::MAX - 1,
        (None, _) => u64::MAX,
    };
    runs.iter().copied().min_by_key(|run| unlike(run))
}

/// The agents' names; those that share one are numbered.
pub(super) fn names(agents: &[AgentObservation]) -> Vec<String> {
    let name = |(at, agent): (usize, &AgentObservation)| {
        let same = |other: &&AgentObservation| other.name == agent.name;
        let before = agents[..at].iter().filter(same).count();
        match agents.iter().filter(same).count() {
            1 => agent.name.clone(),
            _ => format!("{} {}", agent.name, before + 1),
        }
    };
    agents.iter().enumerate().map(name).collect()
}

/// An arm's agents as lanes, times from the arm's first request.
pub(super) fn of_arm(arm: &ArmObservation) -> Vec<Lane> {
    let starts = arm
        .requests()
        .map(|r| r.sent.unwrap_or(r.scheduled).min(r.scheduled));
    let zero = starts.min().unwrap_or_default();
    let seconds = |at: Stamp| at.since(zero).as_secs_f64();
    let lane = |(agent, label): (&AgentObservation, String)| {
        let requests = agent.requests.iter();
        let stretches = requests.flat_map(|request| stretches(arm, agent, request));
        let segment = |(phase, from, to)| Segment {
            phase,
            start_s: seconds(from),
            end_s: seconds(to),
        };
        let failed = agent.requests.iter().filter(|r| !r.outcome.is_completed());
        let mark = |request: &RequestTimes| {
            let text = request.outcome.class().replace('_', " ");
            (seconds(request.ended), text)
        };
        Lane {
            label,
            segments: stretches.map(segment).collect(),
            marks: failed.map(mark).collect(),
        }
    };
    let named = arm.agents.iter().zip(names(&arm.agents));
    named.map(lane).collect()
}

/// First send to last final object, seconds.
pub(super) fn wall(arm: &ArmObservation) -> Option<f64> {
    let from = arm.requests().filter_map(|r| r.sent).min()?;
    let to = arm.requests().filter_map(|r| r.done).max()?;
    Some(to.since(from).as_secs_f64())
}

/// The phases of one request in time order, each with its start and end.
fn stretches(
    arm: &ArmObservation,
    agent: &AgentObservation,
    request: &RequestTimes,
) -> Vec<(Phase, Stamp, Stamp)> {
    let Some(sent) = request.sent else {
        return vec![(Phase::ClientQueue, request.scheduled, request.ended)];
    };
    let mut parts = Vec::new();
    let mut push = |phase, from: Stamp, to: Stamp| {
        if to > from {
            parts.push((phase, from, to));
        }
    };
    let permit = request.admission_wait.unwrap_or(Nanos::ZERO);
    let asked = (sent - permit).max(request.scheduled);
    push(Phase::ClientQueue, request.scheduled, asked);
    push(Phase::Admission, asked, sent);
    let Some(first) = request.first_token else {
        push(Phase::Other, sent, request.ended);
        return parts;
    };
    let prefill_from = (first - request.counters.prompt_eval.unwrap_or(Nanos::ZERO)).max(sent);
    let load_to = (sent + request.counters.load.unwrap_or(Nanos::ZERO)).min(prefill_from);
    if request.counters.total.is_none() && request.counters.load.is_none() {
        push(Phase::Other, sent, first);
    } else {
        let behind = waited_until(arm, agent, request, sent, load_to);
        push(Phase::WaitOther, sent, behind);
        push(Phase::Load, behind, load_to);
        push(Phase::SlotQueue, load_to, prefill_from);
        push(Phase::Prefill, prefill_from, first);
    }
    if let Some(last) = request.last_token {
        push(Phase::Decode, first, last);
    }
    parts
}

/// The end of the part of `load` in which an agent with other runner options, whose tokens came
/// first, was in flight on the same server.
fn waited_until(
    arm: &ArmObservation,
    agent: &AgentObservation,
    request: &RequestTimes,
    sent: Stamp,
    load_to: Stamp,
) -> Stamp {
    if arm.arm == Arm::Sequential {
        return sent;
    }
    let others = arm.peers(agent).filter(|other| !other.shares_runner(agent));
    let before = others
        .flat_map(|other| &other.requests)
        .filter(|other| other.first_token < request.first_token);
    let ends = before.filter_map(|other| other.done.or(other.last_token));
    let last = ends.filter(|done| *done > sent).max();
    last.map_or(sent, |done| done.min(load_to))
}

/// What an agent's time to first token was spent on.
pub(super) struct TtftParts {
    pub(super) agent: String,
    /// Mean time of each phase before the first token of its first call.
    pub(super) parts_s: Vec<f64>,
    pub(super) ttft_s: Option<Estimate>,
}

/// Leaves out agents that have a first token in no run.
pub(super) fn ttft_parts(runs: &[&RunObservation], phases: &[Phase]) -> Vec<TtftParts> {
    let arms = || runs.iter().filter_map(|run| run.together.as_ref());
    let Some(widest) = arms().max_by_key(|arm| arm.agents.len()) else {
        return Vec::new();
    };
    let parts_of = |(agent, name): (&AgentObservation, String)| {
        let mut sums = vec![0.0; phases.len()];
        let mut totals = Vec::new();
        for arm in arms() {
            let observed = arm.agents.iter().find(|other| other.agent == agent.agent);
            let first = observed.and_then(|observed| Some((observed, observed.requests.first()?)));
            let Some((observed, request)) = first.filter(|(_, r)| r.first_token.is_some()) else {
                continue;
            };
            let mut total = 0.0;
            for (phase, from, to) in stretches(arm, observed, request) {
                if let Some(place) = phases.iter().position(|p| *p == phase) {
                    sums[place] += to.since(from).as_secs_f64();
                    total += to.since(from).as_secs_f64();
                }
            }
            totals.push(total);
        }
        (!totals.is_empty()).then(|| TtftParts {
            agent: name,
            parts_s: sums.iter().map(|sum| sum / totals.len() as f64).collect(),
            ttft_s: Estimate::of(&totals),
        })
    };
    let agents = widest.agents.iter().zip(names(&widest.agents));
    agents.filter_map(parts_of).collect()
}
