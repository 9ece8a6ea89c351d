//! Times of one arm, when every agent of it ran to a good end.

use domain::{Nanos, Outcome, Stamp};

use crate::notes::{RequestFault, Unusable};
use crate::observation::{AgentObservation, ArmObservation};
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
        let agents = arm.agents.iter().map(agent_span);
        let agents = agents.collect::<Result<Vec<_>, _>>()?;
        let begin = agents.iter().map(|(begin, _)| *begin).min();
        let end = agents.iter().map(|(_, end)| *end).max();
        let (begin, end) = begin.zip(end).ok_or(Unusable::NoAgents)?;
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
        Self::of(arm).ok().filter(|_| !arm.is_rebuilt())
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

/// Time with two or more agents decoding over time with one or more; none when no agent did.
pub(crate) fn decode_overlap(arm: &ArmObservation) -> Option<f64> {
    let decoding = |agent: &AgentObservation| {
        let requests = agent.requests.iter();
        Spans::union(requests.filter_map(|r| Some((r.first_token?, r.last_token?))))
    };
    let sets: Vec<_> = arm.agents.iter().map(decoding).collect();
    let [one, two] = [1, 2].map(|agents| Spans::at_least(agents, &sets).total());
    (one > 0).then(|| two as f64 / one as f64)
}
