//! One request's figures, each absent when its condition says so.

use domain::{Nanos, Stamp};
use serde::Serialize;
use strum::{EnumString, IntoStaticStr, VariantArray};

use crate::observation::RequestTimes;

/// The figures of one request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestMetrics {
    /// `first_token - sent`; none when no token arrived.
    pub ttft: Option<Nanos>,
    /// `first_token - scheduled`, free of coordinated omission; none when no token arrived.
    pub ttft_scheduled: Option<Nanos>,
    /// `sent - scheduled`; none only when nothing could be sent.
    pub client_queue: Option<Nanos>,
    /// Gaps between chunks with output; none below two chunks or where [gathered](RequestTimes::is_gathered).
    pub itl: Option<Vec<Nanos>>,
    /// `(last_token - first_token) / (tokens - 1)`; none below two tokens or where gathered.
    pub tpot_s: Option<f64>,
    /// `done - sent`; none when the request did not complete.
    pub e2e: Option<Nanos>,
    /// `eval_count / eval_duration`; none without the counters.
    pub decode_server_tokens_per_s: Option<f64>,
    /// `(tokens - 1) / (last_token - first_token)`; none where `tpot_s` is.
    pub decode_client_tokens_per_s: Option<f64>,
    /// `total_duration - load - prefill - decode`, at least zero. On a server that reports these three
    /// and no total, `e2e` stands for it and transport is in it. None without either.
    pub slot_wait: Option<Nanos>,
    /// `e2e - total_duration` in nanoseconds; a negative value is kept and is a clock warning.
    pub transport_ns: Option<i64>,
    pub clock_warnings: Vec<ClockWarning>,
}

/// Two stamps in the wrong order, or a server that counted longer than the client waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockWarning {
    /// The figure that is unknown or negative.
    pub figure: &'static str,
    /// How far it lies below zero, nanoseconds; always negative.
    pub by_ns: i64,
}

impl RequestMetrics {
    /// The figures of a request. Stamps in the wrong order give no figure and a clock warning.
    pub fn of(request: &RequestTimes) -> Self {
        let mut clock_warnings = Vec::new();
        let mut between = |figure, later: Option<Stamp>, earlier: Option<Stamp>| {
            let ns = later?.signed_since(earlier?);
            if ns < 0 {
                clock_warnings.push(ClockWarning { figure, by_ns: ns });
            }
            u64::try_from(ns).ok().map(Nanos)
        };
        let done = request.done.filter(|_| request.outcome.is_completed());
        let ttft = between("ttft", request.first_token, request.sent);
        let scheduled = Some(request.scheduled);
        let ttft_scheduled = between("ttft_scheduled", request.first_token, scheduled);
        let client_queue = between("client_queue", request.sent, scheduled);
        let e2e = between("e2e", done, request.sent);
        let text = between("decode", request.last_token, request.first_token);
        let text = text.filter(|_| !request.is_gathered());
        let chunks = text.map_or(&[][..], |_| &request.chunks);
        let gaps = chunks.windows(2);
        let gaps = gaps.map(|w| between("itl", Some(w[1]), Some(w[0])));
        let itl = gaps
            .collect::<Option<Vec<_>>>()
            .filter(|gaps| !gaps.is_empty());

        let counters = &request.counters;
        let steps = request.tokens.checked_sub(1).filter(|s| *s > 0);
        let rate = |count: u64, time: Nanos| {
            (time > Nanos::ZERO && count > 0).then(|| count as f64 / time.as_secs_f64())
        };
        let slot_wait = crate::arms::residue(request);
        let transport_ns = e2e
            .zip(counters.total)
            .map(|(e2e, total)| e2e.0.wrapping_sub(total.0).cast_signed());
        if let Some(by_ns) = transport_ns.filter(|ns| *ns < 0) {
            clock_warnings.push(ClockWarning {
                figure: "transport",
                by_ns,
            });
        }
        Self {
            ttft,
            ttft_scheduled,
            client_queue,
            itl,
            tpot_s: (steps.zip(text)).map(|(steps, text)| text.as_secs_f64() / steps as f64),
            e2e,
            decode_server_tokens_per_s: (counters.eval_count.zip(counters.eval))
                .and_then(|(n, t)| rate(n, t)),
            decode_client_tokens_per_s: steps.zip(text).and_then(|(n, t)| rate(n, t)),
            slot_wait,
            transport_ns,
            clock_warnings,
        }
    }
}

/// A latency of [`RequestMetrics`] that can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum LatencyFigure {
    Ttft,
    TtftScheduled,
    Tpot,
    /// Gaps between consecutive chunks with output, of all requests together.
    Itl,
    E2e,
}

impl LatencyFigure {
    /// As in limits and tables.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

impl RequestMetrics {
    /// The request's latencies of a kind, seconds: one, none, or as many as it has gaps.
    pub(crate) fn latencies(&self, figure: LatencyFigure) -> impl Iterator<Item = f64> + '_ {
        let (one, gaps) = match figure {
            LatencyFigure::Tpot => (self.tpot_s, None),
            LatencyFigure::Itl => (None, self.itl.as_deref()),
            LatencyFigure::Ttft => (self.ttft.map(Nanos::as_secs_f64), None),
            LatencyFigure::TtftScheduled => (self.ttft_scheduled.map(Nanos::as_secs_f64), None),
            LatencyFigure::E2e => (self.e2e.map(Nanos::as_secs_f64), None),
        };
        let gaps = gaps.into_iter().flatten();
        one.into_iter().chain(gaps.map(|gap| gap.as_secs_f64()))
    }

    /// True when the latency of a completed request of `tokens` tokens lies below a limit. One without
    /// the latency does not, except that a request of a single token has no TPOT to break.
    pub(crate) fn keeps(&self, (figure, below): (LatencyFigure, Nanos), tokens: u64) -> bool {
        let mut values = self.latencies(figure);
        let is_single = figure == LatencyFigure::Tpot && tokens == 1;
        is_single || values.any(|value| value < below.as_secs_f64())
    }
}

#[cfg(test)]
mod tests;
