//! The sequential arm at the together arm's work, and each agent's warm solo time.

use domain::record::ServerCounters;
use domain::{Nanos, Stamp};

use crate::observation::{AgentObservation, RequestTimes, StampSource};

/// One agent's times in the sequential arm; signed, because a correction may exceed what it corrects. Nanoseconds.
#[derive(Debug, Clone)]
pub(crate) struct AgentBaseline {
    /// What normalising to the together arm's work adds to the agent's time.
    pub(crate) work_delta: i64,
    /// `solo_i` at the together arm's work; none without a warm `load`.
    pub(crate) solo: Option<i64>,
    /// Its calls, when both arms have as many and the warm `load` is known.
    pub(crate) calls: Option<Vec<CallBaseline>>,
}

/// One call's times in the sequential arm on a ready model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CallBaseline {
    pub(crate) load: i64,
    /// Its load above that of a ready model.
    pub(crate) cold: i64,
    pub(crate) slot_wait: i64,
    pub(crate) prefill: i64,
    /// Decoding at the together arm's tokens.
    pub(crate) decode: i64,
    pub(crate) transport: i64,
    pub(crate) solo: i64,
}

/// The longest time that counts, about a year: corrupt records must not overflow what is added up.
const LONGEST: i64 = 1 << 55;

pub(crate) fn signed(ns: Nanos) -> i64 {
    i64::try_from(ns.0).map_or(LONGEST, |ns| ns.min(LONGEST))
}

/// Decoding time of a request and the tokens it is shared by: the server's counters, else the
/// client's stamps from the first token on. `(0, 0)` when there is neither.
pub(crate) fn decode_work(request: &RequestTimes) -> (i64, u64) {
    let counters = &request.counters;
    match (counters.eval, counters.eval_count) {
        (Some(time), Some(tokens)) if tokens > 0 => (signed(time), tokens),
        _ => match (request.first_token, request.last_token) {
            (Some(first), Some(last)) if request.tokens >= 2 => {
                (signed(last.since(first)), request.tokens - 1)
            }
            _ => (0, 0),
        },
    }
}

/// Zero unless both stamps are there.
pub(crate) fn e2e(request: &RequestTimes) -> i64 {
    match (request.sent, request.done) {
        (Some(sent), Some(done)) => done.signed_since(sent).clamp(-LONGEST, LONGEST),
        _ => 0,
    }
}

/// Reported `load`, zero when it was omitted.
pub(crate) fn load(request: &RequestTimes) -> i64 {
    request.counters.load.map_or(0, signed)
}

/// Residue of the server's total, zero where it is not known.
pub(crate) fn slot_wait(request: &RequestTimes) -> i64 {
    residue(request).map_or(0, signed)
}

/// What is left of the server's total after load, prefill and decoding. If the server reports its
/// phases and no total (llama.cpp), what is left of the client's own `e2e`: transport is then in it.
/// None without either, and none without the decoding, which would be taken for a wait.
pub(crate) fn residue(request: &RequestTimes) -> Option<Nanos> {
    let c = &request.counters;
    c.eval?;
    let has_phases = c.load.is_some() && c.prompt_eval.is_some();
    let own = request.outcome.is_completed() && request.stamps == StampSource::Taken && has_phases;
    let whole = c.total.or_else(|| {
        let (sent, done) = request.sent.zip(request.done).filter(|_| own)?;
        Some(done.since(sent))
    })?;
    Some(less_phases(whole, c))
}

/// What load, prefill and decoding leave of a time.
pub(crate) fn less_phases(whole: Nanos, counters: &ServerCounters) -> Nanos {
    let phases = [counters.load, counters.prompt_eval, counters.eval];
    let known = phases.into_iter().flatten();
    known.fold(whole, Nanos::saturating_sub)
}

/// What lies between the client's and the server's view, zero without the server's total.
pub(crate) fn transport(request: &RequestTimes) -> i64 {
    let total = request.counters.total;
    total.map_or(0, |total| e2e(request) - signed(total))
}

impl AgentBaseline {
    /// None when the sequential arm has no tokens to take a time per token from, though the together arm has some.
    pub(crate) fn of(
        sequential: &AgentObservation,
        span: (Stamp, Stamp),
        together: &AgentObservation,
        warm: Option<Nanos>,
    ) -> Option<Self> {
        let work = |agent: &AgentObservation| {
            let each = agent.requests.iter().map(decode_work);
            each.fold((0, 0_u64), |sum, one| {
                (sum.0 + one.0, sum.1.saturating_add(one.1))
            })
        };
        let (decode, tokens) = work(sequential);
        let (_, tokens_together) = work(together);
        let per_token = (tokens > 0).then(|| decode as f64 / tokens as f64);
        let at_work = |tokens: u64| {
            let time = per_token.unwrap_or(0.0) * tokens as f64;
            time.round().min(LONGEST as f64) as i64
        };
        if per_token.is_none() && tokens_together > 0 {
            return None;
        }
        let work_delta = if tokens == tokens_together {
            0
        } else {
            at_work(tokens_together) - decode
        };
        let time = span.1.signed_since(span.0).clamp(-LONGEST, LONGEST);
        let cold = |r: &RequestTimes, warm: Nanos| (load(r) - signed(warm)).max(0);
        let all_cold = |warm| -> i64 { sequential.requests.iter().map(|r| cold(r, warm)).sum() };
        let both = || sequential.requests.iter().zip(&together.requests);
        let call = |alone, beside, warm| {
            let (own, own_tokens) = decode_work(alone);
            let (_, wanted) = decode_work(beside);
            let decode = if wanted == own_tokens {
                own
            } else {
                at_work(wanted)
            };
            CallBaseline {
                load: load(alone).min(signed(warm)),
                cold: cold(alone, warm),
                slot_wait: slot_wait(alone),
                prefill: alone.counters.prompt_eval.map_or(0, signed),
                decode,
                transport: transport(alone),
                solo: e2e(alone) - cold(alone, warm) - own + decode,
            }
        };
        let calls = warm.filter(|_| sequential.requests.len() == together.requests.len());
        let calls = calls.map(|warm| both().map(|(a, b)| call(a, b, warm)).collect());
        Some(Self {
            work_delta,
            solo: warm.map(|warm| time - all_cold(warm) + work_delta),
            calls,
        })
    }
}
