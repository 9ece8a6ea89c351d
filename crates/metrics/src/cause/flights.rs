//! Who was where when: every request of an arm as stretches of time.

use domain::{ModelOptions, Nanos, Stamp};

use crate::arms::{self, load};
use crate::observation::{ArmObservation, RequestTimes, StampSource};
use crate::spans::Spans;

/// How far the client's end of one request and the server's load of the next may be apart.
const STAMPS_DIFFER: Nanos = Nanos::from_millis(250);

/// Two requests that decode at the same time for longer than this hold two slots: stamps of one moment
/// may come in either order.
const SIDE_BY_SIDE: u64 = 1_000_000;

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
    /// Its first token, or its end without one.
    pub(crate) first: Stamp,
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
                let Some((sent, done)) = request.sent.zip(request.done) else {
                    continue;
                };
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
                    ready: later(sent, Nanos(load(request).unsigned_abs())),
                    slot_wait: residue(request, sent, done),
                    first,
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
        self.neighbours(of).filter(move |other| other.blocks(of))
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

    /// The slots that the requests of a server show: as many as decoded at the same time, and at least one.
    fn slots_shown(&self, server: u32) -> usize {
        let on_server = self.0.iter().filter(|f| f.server == server);
        let decoding: Vec<Spans> = on_server
            .map(|f| Spans::union([(f.first, f.served.1)]))
            .collect();
        (2..=decoding.len())
            .take_while(|slots| Spans::at_least(*slots, &decoding).total() > SIDE_BY_SIDE)
            .last()
            .unwrap_or(1)
    }

    /// When other requests held every slot that its server shows to have, and one of them had to end before
    /// `of` began to decode. One that still ran when `of` had its first token was in no slot of `of`'s.
    pub(crate) fn slots_taken(&self, of: &Flight<'a>) -> Spans {
        let in_flight = |f: &Flight<'_>| Spans::union([(f.sent, f.done)]);
        let neighbours: Vec<Spans> = self.neighbours(of).map(in_flight).collect();
        let ended = self.neighbours(of).filter(|n| n.served.1 <= of.first);
        let ended = Spans::union(ended.map(|n| (n.sent, n.done)));
        Spans::at_least(self.slots_shown(of.server), &neighbours).and(&ended)
    }

    /// When other agents were being served, on any server: servers may share a device.
    pub(crate) fn others_served(&self, agent: usize) -> Spans {
        Spans::union(self.0.iter().filter(|f| f.agent != agent).map(|f| f.served))
    }
}

impl Flight<'_> {
    /// Its time in the queue for a slot, from when its model was ready.
    pub(crate) fn waiting(&self) -> (Stamp, Stamp) {
        (self.ready, later(self.ready, self.slot_wait))
    }

    /// See [`Flights::blockers`].
    pub(crate) fn blocks(&self, of: &Self) -> bool {
        self.ready < of.ready
            && self.done <= later(of.ready, STAMPS_DIFFER)
            && self.options.reloads_for(of.options)
    }
}

/// The residue of the total: the server's, or the client's if the server reports its phases only,
/// and where stamps were rebuilt from durations and the server's total is not there.
fn residue(request: &RequestTimes, sent: Stamp, done: Stamp) -> Nanos {
    let c = &request.counters;
    if c.total.is_some() || request.stamps == StampSource::Taken {
        return arms::residue(request).unwrap_or_default();
    }
    let whole = c.eval.map(|_| done.since(sent));
    whole.map_or(Nanos::ZERO, |whole| arms::less_phases(whole, c))
}

/// A stamp moved on, at most to the end of time.
pub(crate) const fn later(at: Stamp, by: Nanos) -> Stamp {
    Stamp(at.0.saturating_add(by.0))
}

pub(crate) fn in_flight<'s, 'a: 's>(flights: impl Iterator<Item = &'s Flight<'a>>) -> Spans {
    Spans::union(flights.map(|f| (f.sent, f.done)))
}

/// Decoding time before the first token arrived: what the server counted beyond the span of the arrivals.
fn decode_before_first(request: &RequestTimes) -> Nanos {
    let text = request.first_token.zip(request.last_token);
    let both = request.counters.eval.zip(text);
    both.map_or(Nanos::ZERO, |(eval, (first, last))| {
        eval.saturating_sub(last.since(first))
    })
}
