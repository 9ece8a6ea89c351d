//! What a report keeps of a load's rows: a hundred bytes of each, and what figures are made from.

use domain::cache::CacheCheck;
use domain::record::{EndpointFacts, RequestRecord, RequestRole, RequestTimes};
use domain::{Nanos, Outcome, Stamp};

use super::{Arrivals, ByAgent, Collected};
use crate::RequestMetrics;
use crate::limit::Objective;

/// What is kept of a request: the stamps of [`RequestTimes`], the times of [`RequestMetrics`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    pub agent: u32,
    /// Its place among the agent's requests, from 0.
    pub call: u32,
    /// Which turn of its session, from 1; 0 when it stands alone.
    pub turn: u32,
    /// Index into the file's endpoints.
    pub endpoint: u32,
    pub tokens: u32,
    /// Its output was [gathered](RequestTimes::is_gathered) on its way.
    pub is_gathered: bool,
    pub end: End,
    pub scheduled: Stamp,
    pub ended: Stamp,
    pub sent: Option<Stamp>,
    pub first_token: Option<Stamp>,
    pub last_token: Option<Stamp>,
    pub done: Option<Stamp>,
    /// How long its connection took, if it made one.
    pub connect: Option<Nanos>,
}

/// The phases of completed requests, summed, from the servers' counters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Phases {
    /// Requests whose server reported any phase.
    pub n: u32,
    /// The part of them whose waits for a slot and for a load are known.
    pub waits_known: u32,
    /// The part of these without a total: their wait for a slot is the client's own time less the other phases, so it
    /// includes transport.
    pub waits_inferred: u32,
    /// From the planned start to the send.
    pub client_queue: Nanos,
    /// In the server, in none of the phases below: waiting for a slot.
    pub slot_wait: Nanos,
    /// `load_duration`: waiting for a reload, unloading, loading.
    pub load: Nanos,
    /// `prompt_eval_duration`.
    pub prefill: Nanos,
    /// `eval_duration`.
    pub decode: Nanos,
    /// From the planned start to the final object.
    pub whole: Nanos,
}

impl Phases {
    fn add(&mut self, seen: &RequestTimes, of: &RequestMetrics) {
        let counters = &seen.counters;
        let is_known = of.slot_wait.is_some();
        let has_phases = is_known || counters.prompt_eval.or(counters.eval).is_some();
        let is_counted = has_phases && seen.outcome.is_completed();
        let Some(done) = seen.done.filter(|_| is_counted) else {
            return;
        };
        self.merge(Self {
            n: 1,
            waits_known: u32::from(is_known),
            waits_inferred: u32::from(is_known && counters.total.is_none()),
            client_queue: of.client_queue.unwrap_or_default(),
            slot_wait: of.slot_wait.unwrap_or_default(),
            load: counters.load.unwrap_or_default(),
            prefill: counters.prompt_eval.unwrap_or_default(),
            decode: counters.eval.unwrap_or_default(),
            whole: done.since(seen.scheduled),
        });
    }

    fn merge(&mut self, other: Self) {
        self.n += other.n;
        self.waits_known += other.waits_known;
        self.waits_inferred += other.waits_inferred;
        self.client_queue += other.client_queue;
        self.slot_wait += other.slot_wait;
        self.load += other.load;
        self.prefill += other.prefill;
        self.decode += other.decode;
        self.whole += other.whole;
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The final object arrived, and every limit was kept where there are any.
    Good,
    /// The final object arrived, but a limit was broken.
    OverLimit,
    Incomplete,
    Failed,
    Cancelled,
    TimedOut,
}

impl End {
    pub const fn is_completed(self) -> bool {
        matches!(self, Self::Good | Self::OverLimit)
    }
}

impl Request {
    pub fn ttft(&self) -> Option<Nanos> {
        after(self.first_token?, self.sent?)
    }

    pub fn ttft_scheduled(&self) -> Option<Nanos> {
        after(self.first_token?, self.scheduled)
    }

    pub fn client_queue(&self) -> Option<Nanos> {
        after(self.sent?, self.scheduled)
    }

    pub fn e2e(&self) -> Option<Nanos> {
        after(self.done?, self.sent?)
    }

    /// `(last_token - first_token) / (tokens - 1)` in milliseconds; none where they were gathered on their way.
    pub fn tpot_ms(&self) -> Option<f64> {
        let steps = self.tokens.checked_sub(1);
        let steps = steps.filter(|steps| *steps > 0 && !self.is_gathered)?;
        let text = after(self.last_token?, self.first_token?)?;
        Some(text.as_millis_f64() / f64::from(steps))
    }
}

fn after(later: Stamp, earlier: Stamp) -> Option<Nanos> {
    later.0.checked_sub(earlier.0).map(Nanos)
}

/// What is kept of all rows, or of some of them.
#[derive(Debug)]
pub struct Kept<'f> {
    endpoints: &'f [EndpointFacts],
    slo: Option<Objective>,
    /// In the order of the rows.
    pub requests: Vec<Request>,
    pub collected: Collected,
    pub agents: ByAgent,
    /// When chunks with output arrived, of all requests.
    pub arrivals: Arrivals,
    /// The phases of the completed requests, if the server reports them.
    pub phases: Phases,
    /// The server's counts of cached tokens, over all requests.
    pub cache: CacheCheck,
    /// Rows of probes, which enter no figure.
    pub probes: u32,
}

impl<'f> Kept<'f> {
    pub fn new(endpoints: &'f [EndpointFacts], slo: Option<Objective>) -> Self {
        Self {
            endpoints,
            requests: Vec::new(),
            collected: Collected::new(slo.clone()),
            slo,
            agents: ByAgent::default(),
            arrivals: Arrivals::default(),
            phases: Phases::default(),
            cache: CacheCheck::default(),
            probes: 0,
        }
    }

    /// Rows come in the order of the file.
    #[must_use]
    pub fn with(mut self, rows: Vec<RequestRecord>) -> Self {
        for row in rows {
            self.add(row);
        }
        self
    }

    fn add(&mut self, mut row: RequestRecord) {
        if row.role == RequestRole::Probe {
            self.probes += 1;
            return;
        }
        row.settle_load(self.endpoints);
        let seen = &row.times;
        let of = RequestMetrics::of(seen);
        for at in &seen.chunks {
            self.arrivals.add(*at, 1);
        }
        self.agents.add(&row, &of);
        self.phases.add(seen, &of);
        self.cache.count(&seen.counters);
        self.collected.add_known(&row, &of);
        let slo = self.slo.as_ref();
        let kept = || slo.is_none_or(|slo| slo.is_met(&of, seen.tokens));
        let end = match &seen.outcome {
            Outcome::Completed if kept() => End::Good,
            Outcome::Completed => End::OverLimit,
            Outcome::Incomplete => End::Incomplete,
            Outcome::Failed { .. } => End::Failed,
            Outcome::Cancelled => End::Cancelled,
            Outcome::TimedOut { .. } => End::TimedOut,
        };
        self.requests.push(Request {
            agent: row.agent,
            call: row.call,
            endpoint: row.endpoint,
            tokens: u32::try_from(seen.tokens).unwrap_or(u32::MAX),
            is_gathered: seen.is_gathered(),
            end,
            scheduled: seen.scheduled,
            ended: seen.ended,
            sent: seen.sent,
            first_token: seen.first_token,
            last_token: seen.last_token,
            done: seen.done,
            connect: seen.connect,
            turn: row.turn.map_or(0, |turn| turn.turn),
        });
    }

    /// Takes in what is kept of the rows that follow.
    pub fn merge(&mut self, other: Self) {
        self.requests.extend_from_slice(&other.requests);
        self.collected.merge(other.collected);
        self.agents.merge(other.agents);
        self.arrivals.merge(&other.arrivals);
        self.phases.merge(other.phases);
        self.cache.merge(other.cache);
        self.probes += other.probes;
    }
}
