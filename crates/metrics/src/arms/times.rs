//! Times of one arm, when every agent of it ran to a good end.

use domain::{Nanos, Outcome, Stamp};

use crate::notes::{RequestFault, Unusable};
use crate::observation::{AgentObservation, ArmObservation, RequestTimes, StampSource};
use crate::spans::Spans;

/// When an arm and its agents began and ended.
#[derive(Debug, Clone)]
pub(crate) struct ArmTimes {
    /// First `sent` of all.
    pub(crate) begin: Stamp,
    /// Last `done` less first `sent`.
    pub(crate) wall: Nanos,
    /// Each agent's first `sent` and last `done`, in order.
    pub(crate) agents: Vec<(Stamp, Stamp)>,
}

impl ArmTimes {
    pub(crate) fn of(arm: &ArmObservation) -> Result<Self, Unusable> {
        let agents = arm
            .agents
            .iter()
            .map(agent_span)
            .collect::<Result<Vec<_>, _>>()?;
        let (Some(begin), Some(end)) = (
            agents.iter().map(|a| a.0).min(),
            agents.iter().map(|a| a.1).max(),
        ) else {
            return Err(Unusable::NoAgents);
        };
        if !arm.complete {
            return Err(Unusable::Unfinished);
        }
        let wall = end.since(begin);
        if wall == Nanos::ZERO {
            return Err(Unusable::NoTime);
        }
        Ok(Self {
            begin,
            wall,
            agents,
        })
    }

    /// The times on the clock that telemetry is on; rebuilt stamps are on none.
    pub(crate) fn clocked(arm: &ArmObservation) -> Option<Self> {
        if rebuilt(arm) {
            return None;
        }
        Self::of(arm).ok()
    }

    pub(crate) fn time(&self, agent: usize) -> Nanos {
        let (begin, end) = self.agents[agent];
        end.since(begin)
    }

    /// First `sent` of an agent after the arm's.
    pub(crate) fn start_offset(&self, agent: usize) -> i64 {
        self.agents[agent].0.signed_since(self.begin)
    }
}

fn agent_span(agent: &AgentObservation) -> Result<(Stamp, Stamp), Unusable> {
    let (place, name) = (agent.agent, || agent.name.clone());
    let (mut begin, mut end) = (Stamp(u64::MAX), Stamp::ZERO);
    for (request, number) in agent.requests.iter().zip(1..) {
        let at_fault = |fault| Unusable::Request(place, name(), number, fault);
        let missing = request.notes.iter().find(|note| note.is_missing());
        if let (Outcome::Incomplete, Some(missing)) = (&request.outcome, missing) {
            return Err(at_fault(RequestFault::Lacks(*missing)));
        }
        if !request.outcome.is_completed() {
            let outcome = request.outcome.clone();
            return Err(at_fault(RequestFault::NotCompleted(outcome)));
        }
        let (Some(sent), Some(done)) = (request.sent, request.done) else {
            return Err(at_fault(RequestFault::NoStamp));
        };
        if done < sent {
            let by = sent.since(done);
            return Err(at_fault(RequestFault::EndsBeforeItBegins(by)));
        }
        begin = begin.min(sent);
        end = end.max(done);
    }
    if agent.requests.is_empty() {
        return Err(Unusable::NoRequest(place, name()));
    }
    Ok((begin, end))
}

pub(crate) fn decoding(agent: &AgentObservation) -> Spans {
    Spans::union(
        agent
            .requests
            .iter()
            .filter_map(|r| Some((r.first_token?, r.last_token?))),
    )
}

/// Time with two or more agents decoding over time with one or more; none when no agent did.
pub(crate) fn decode_overlap(arm: &ArmObservation) -> Option<f64> {
    let sets: Vec<_> = arm.agents.iter().map(decoding).collect();
    let [one, two] = [1, 2].map(|agents| Spans::at_least(agents, &sets).total());
    (one > 0).then(|| two as f64 / one as f64)
}

/// True when a request's stamps were rebuilt from durations.
pub(crate) fn rebuilt(arm: &ArmObservation) -> bool {
    requests(arm).any(|r| r.stamps == StampSource::Rebuilt)
}

pub(crate) fn requests(arm: &ArmObservation) -> impl Iterator<Item = &RequestTimes> {
    arm.agents.iter().flat_map(|a| &a.requests)
}

pub(crate) fn tokens(agent: &AgentObservation) -> u64 {
    agent
        .requests
        .iter()
        .fold(0, |sum, r| sum.saturating_add(r.tokens))
}

/// An agent's decode rate: as recorded, or the server's tokens over the server's time.
pub(crate) fn rate(agent: &AgentObservation) -> Option<f64> {
    if agent.rate_recorded.is_some() {
        return agent.rate_recorded;
    }
    let (mut count, mut time) = (0_u64, Nanos::ZERO);
    for counters in agent.requests.iter().map(|r| &r.counters) {
        if let (Some(n), Some(t)) = (counters.eval_count, counters.eval) {
            count = n.saturating_add(count);
            time = Nanos(time.0.saturating_add(t.0));
        }
    }
    (count > 0 && time > Nanos::ZERO).then(|| count as f64 / time.as_secs_f64())
}
