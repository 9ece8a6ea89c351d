//! Waiting that the stamps and counters show by themselves, without solo times.

use domain::Nanos;
use serde::Serialize;

use super::Reloads;
use super::flights::{Flight, Flights, in_flight};
use crate::arms::{Arms, WarmLoads, residue, signed};
use crate::observation::{AgentObservation, ArmObservation, StampSource};
use crate::spans::Spans;

/// With an overlap below this the agents ran one after another.
pub(crate) const SERIAL_BELOW: f64 = 0.05;

/// What one agent is known to have waited for in the together arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AgentWaits {
    pub agent: u32,
    /// The part of its `load` in which a request of an agent with other runner options was ahead
    /// of it on the same server; none without a `load` counter.
    pub wait_other_config: Option<Nanos>,
    /// The rest of its `load`: reloading and the cost of a ready model together.
    pub load_after_wait: Option<Nanos>,
    /// Its time in the queue for a slot while others held all that the server shows to have; none
    /// without the server's total and without its phases.
    pub slot_queue: Option<Nanos>,
    /// Its waits for a permit under the client's own limit of requests in flight; none without a limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admission: Option<Nanos>,
}

/// Why agents ran one after another: the longest wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WhySerial {
    #[serde(rename = "why")]
    pub waited_for: WaitedFor,
    /// The agent that waited longest.
    pub waiting: u32,
    /// The agent that was in its way longest.
    pub behind: u32,
    pub waited: Nanos,
    /// What was left of its `load` after waiting for other options: the reload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_after_wait: Option<Nanos>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitedFor {
    /// Its `load` covers another agent's stay on the server, which had to reload the model with other options.
    OtherConfig,
    /// It stood in the queue for a slot while another agent was served.
    SlotQueue,
    /// It waited for a permit under the client's own limit while another agent held it.
    Admission,
}

pub(super) fn of(flights: &Flights<'_>, arm: &ArmObservation) -> Vec<AgentWaits> {
    let agents = arm.agents.iter().enumerate().map(|(place, agent)| {
        let own = || flights.0.iter().filter(move |f| f.agent == place);
        let any = own().next().is_some();
        let loads_known = any && own().all(|f| f.request.counters.load.is_some());
        let residue_known = any
            && own().all(|f| {
                let is_rebuilt = f.request.stamps == StampSource::Rebuilt;
                residue(f.request).is_some() || (is_rebuilt && f.request.counters.eval.is_some())
            });
        let other = sum(own().map(|f| waited_for_config(flights, f)));
        let load = sum(own().map(|f| f.ready.since(f.sent).0));
        let slot = sum(own().map(|f| waited_for_slot(flights, f)));
        let permits = own().map(|f| f.request.admission_wait);
        AgentWaits {
            agent: agent.agent,
            wait_other_config: loads_known.then_some(Nanos(other)),
            load_after_wait: loads_known.then_some(Nanos(load.saturating_sub(other))),
            slot_queue: residue_known.then_some(Nanos(slot)),
            admission: permits.reduce(|a, b| Some(a? + b?)).flatten(),
        }
    });
    agents.collect()
}

/// What an agent's first request waited for its permit. It lies before the agent's time begins.
pub(super) fn first_permit(agent: &AgentObservation) -> i64 {
    let first = agent.requests.first();
    first.and_then(|r| r.admission_wait).map_or(0, signed)
}

/// What an agent's further requests waited for their permits. It lies between its requests.
pub(super) fn later_permits(agent: &AgentObservation) -> i64 {
    let waits = agent.requests.iter().skip(1);
    let waits = waits.filter_map(|r| r.admission_wait).map(signed);
    waits.fold(0, i64::saturating_add)
}

fn sum(times: impl Iterator<Item = u64>) -> u64 {
    times.fold(0, u64::saturating_add)
}

/// The part of a request's `load` in which a request with other options was ahead of it.
pub(super) fn waited_for_config(flights: &Flights<'_>, f: &Flight<'_>) -> u64 {
    in_flight(flights.blockers(f)).within(f.sent, f.ready)
}

/// The part of a request's residue in which others held every slot of its server.
pub(super) fn waited_for_slot(flights: &Flights<'_>, f: &Flight<'_>) -> u64 {
    let (from, to) = f.waiting();
    flights.slots_taken(f).within(from, to)
}

/// The part of a request's residue in which it had a slot, and its server worked on others: its prefill
/// waits until their batch has been processed.
pub(super) fn waited_for_batch(flights: &Flights<'_>, f: &Flight<'_>) -> u64 {
    let served = Spans::union(flights.neighbours(f).map(|n| n.served));
    let (from, to) = f.waiting();
    served.without(&flights.slots_taken(f)).within(from, to)
}

/// A `load` longer than this, above what a ready model costs, is a reload: Ollama asks a loading
/// model every 250 ms whether it is ready.
const RELOAD_ABOVE: Nanos = Nanos::from_millis(250);

/// Reloads that happened because an agent with other runner options had been served before.
pub(super) fn avoidable_reloads(
    flights: &Flights<'_>,
    arm: &ArmObservation,
    warm: &WarmLoads,
) -> Reloads {
    let mut reloads = Reloads::default();
    for f in &flights.0 {
        if flights.blockers(f).next().is_none() {
            continue;
        }
        let waited = Nanos(waited_for_config(flights, f));
        let ready = warm.get(&arm.agents[f.agent].agent).copied();
        let rest = f.ready.since(f.sent).saturating_sub(waited);
        let reload = rest.saturating_sub(ready.unwrap_or_default());
        if reload > RELOAD_ABOVE {
            reloads.count += 1;
            reloads.time += reload;
        }
    }
    reloads
}

/// The longest wait of an arm whose agents did not overlap, and the agent it was for.
pub(super) fn why_serial(
    flights: &Flights<'_>,
    arms: &Arms<'_>,
    waits: &[AgentWaits],
    decode_overlap: Option<f64>,
) -> Option<WhySerial> {
    if waits.len() < 2 || decode_overlap? >= SERIAL_BELOW {
        return None;
    }
    let least = arms.times.wall.0 / 20;
    let longest = |wait: fn(&AgentWaits) -> Option<Nanos>| {
        (0..waits.len())
            .filter_map(|i| Some((wait(&waits[i])?, i)))
            .filter(|(waited, _)| waited.0 > least)
            .max_by_key(|(waited, i)| (*waited, std::cmp::Reverse(*i)))
    };
    // How long another agent stayed on the server, or in flight, while the waiting one waited for it.
    let stayed = |waiting: usize, other: usize, what: WaitedFor| {
        let own = flights.0.iter().filter(|f| f.agent == waiting);
        sum(own.map(|f| {
            let (on_server, (from, to)) = match what {
                WaitedFor::OtherConfig => (flights.blockers(f).collect(), (f.sent, f.ready)),
                WaitedFor::SlotQueue => (flights.neighbours(f).collect(), f.waiting()),
                // The limit is the client's, so an agent in flight on any server counts.
                WaitedFor::Admission => {
                    let permit = f.request.admission_wait.unwrap_or_default();
                    let all: Vec<&Flight<'_>> = flights.0.iter().collect();
                    (all, (f.sent - permit, f.sent))
                }
            };
            let stay = on_server.into_iter().filter(|n| n.agent == other);
            in_flight(stay).within(from, to)
        }))
    };
    let found = [
        (WaitedFor::Admission, longest(|w| w.admission)),
        (WaitedFor::SlotQueue, longest(|w| w.slot_queue)),
        (WaitedFor::OtherConfig, longest(|w| w.wait_other_config)),
    ];
    let (waited_for, (waited, i)) = found
        .into_iter()
        .filter_map(|(what, found)| Some((what, found?)))
        .max_by_key(|(_, (waited, _))| *waited)?;
    let behind = (0..waits.len())
        .filter(|other| *other != i)
        .max_by_key(|other| (stayed(i, *other, waited_for), std::cmp::Reverse(*other)))?;
    let reloaded = waited_for == WaitedFor::OtherConfig;
    Some(WhySerial {
        waited_for,
        waiting: waits[i].agent,
        behind: waits[behind].agent,
        waited,
        load_after_wait: waits[i].load_after_wait.filter(|_| reloaded),
    })
}
