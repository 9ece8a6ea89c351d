//! Who was where when: every request of an arm as stretches of time.

use domain::{ModelOptions, Nanos, Stamp};

use crate::arms::{self, load};
use crate::observation::{ArmObservation, RequestTimes, StampSource};
use crate::spans::Spans;

/// How far the client's end of one request and the server's load of the next may be apart.
const STAMPS_DIFFER: Nanos = Nanos::from_millis(250);

/// One request's stay on its server.
pub(crate) struct Flight<'a> {
    pub(crate) agent: usize,
    pub(crate) server: u32,
    pub(crate) options: &'a ModelOptions,
    pub(crate) request: &'a RequestTimes,
    pub(crate) sent: Stamp,
    pub(crate) done: Stamp,
    /// The model was ready for it: `sent + load`.
    pub(crate) ready: Stamp,
    /// Its time in the queue for a slot, from `ready` on.
    pub(crate) slot_wait: Nanos,
    /// From the start of its prefill to its last token.
    pub(crate) served: (Stamp, Stamp),
    /// The end of its prefill, where decoding begins.
    pub(crate) decode_begins: Stamp,
}

/// All requests of an arm, in order of agents and calls.
pub(crate) struct Flights<'a>(pub(crate) Vec<Flight<'a>>);

impl<'a> Flights<'a> {
    pub(crate) fn of(arm: &'a ArmObservation) -> Self {
        let mut flights = Vec::new();
        for (place, agent) in arm.agents.iter().enumerate() {
            for request in &agent.requests {
                let (Some(sent), Some(done)) = (request.sent, request.done) else {
                    continue;
                };
                let ready = later(sent, Nanos(load(request).unsigned_abs()));
                let slot_wait = residue(request, sent, done);
                let first = request.first_token.unwrap_or(done);
                let prefill = request.counters.prompt_eval.unwrap_or_default();
                let decode_begins = first - decode_before_first(request);
                flights.push(Flight {
                    agent: place,
                    server: agent.server,
                    options: &agent.options,
                    request,
                    sent,
                    done,
                    ready,
                    slot_wait,
                    served: (decode_begins - prefill, request.last_token.unwrap_or(done)),
                    decode_begins,
                });
            }
        }
        Self(flights)
    }

    /// Requests of other agents with other runner options that were ahead of `of` on its server.
    /// Ahead is whose model was ready first: of two requests that are both in flight the server
    /// serves that one, and the other waits. A request whose model was ready while the other was
    /// still in flight did not wait for another model: the server takes the two sets of options
    /// for one (Ollama gives models that see images a context of 2,048 at least), or holds both.
    pub(crate) fn blockers<'s>(
        &'s self,
        of: &'s Flight<'a>,
    ) -> impl Iterator<Item = &'s Flight<'a>> {
        self.0.iter().filter(move |other| {
            other.agent != of.agent
                && other.server == of.server
                && other.ready < of.ready
                && other.done <= later(of.ready, STAMPS_DIFFER)
                && other.options.reloads_for(of.options)
        })
    }

    /// Requests of other agents on the same server.
    pub(crate) fn neighbours<'s>(
        &'s self,
        of: &'s Flight<'a>,
    ) -> impl Iterator<Item = &'s Flight<'a>> {
        self.0
            .iter()
            .filter(move |other| other.agent != of.agent && other.server == of.server)
    }

    /// When other agents were being served, on any server: servers may share a device.
    pub(crate) fn others_served(&self, agent: usize) -> Spans {
        Spans::union(self.0.iter().filter(|f| f.agent != agent).map(|f| f.served))
    }
}

/// The residue of the total: the server's, or the client's where the server tells its phases only,
/// and where stamps were rebuilt from durations and the server's total is not there.
fn residue(request: &RequestTimes, sent: Stamp, done: Stamp) -> Nanos {
    let c = &request.counters;
    if c.total.is_some() || request.stamps == StampSource::Taken {
        return arms::residue(request).unwrap_or_default();
    }
    if c.eval.is_none() {
        return Nanos::ZERO;
    }
    [c.load, c.prompt_eval, c.eval]
        .into_iter()
        .flatten()
        .fold(done.since(sent), Nanos::saturating_sub)
}

/// A stamp moved on, at most to the end of time.
pub(crate) const fn later(at: Stamp, by: Nanos) -> Stamp {
    Stamp(at.0.saturating_add(by.0))
}

/// In-flight stretches.
pub(crate) fn in_flight<'s, 'a: 's>(flights: impl Iterator<Item = &'s Flight<'a>>) -> Spans {
    Spans::union(flights.map(|f| (f.sent, f.done)))
}

/// Decoding time that lies before the first token arrived: what the server counted beyond the
/// span of the arrivals.
fn decode_before_first(request: &RequestTimes) -> Nanos {
    match (
        request.counters.eval,
        request.first_token,
        request.last_token,
    ) {
        (Some(eval), Some(first), Some(last)) => eval.saturating_sub(last.since(first)),
        _ => Nanos::ZERO,
    }
}
