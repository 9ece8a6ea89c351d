//! One request's figures, each absent when its condition says so.

use domain::Nanos;
use serde::Serialize;

/// The figures of one request. Lengths of time are whole nanoseconds, rates are tokens per second.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RequestMetrics {
    /// `first_token - sent`; none when no token arrived.
    pub ttft: Option<Nanos>,
    /// `first_token - scheduled`, free of coordinated omission; none when no token arrived.
    pub ttft_scheduled: Option<Nanos>,
    /// `sent - scheduled`; none only when nothing could be sent.
    pub client_queue: Option<Nanos>,
    /// Gaps between consecutive chunks with text; none with fewer than two chunks.
    pub itl: Option<Vec<Nanos>>,
    /// `(last_token - first_token) / (tokens - 1)`, seconds per token; none below two tokens.
    pub tpot: Option<f64>,
    /// `done - sent`; none when the request did not complete.
    pub e2e: Option<Nanos>,
    /// `eval_count / eval_duration`; none without the counters.
    pub decode_rate_server: Option<f64>,
    /// `(tokens - 1) / (last_token - first_token)`; none below two tokens.
    pub decode_rate_client: Option<f64>,
    /// `load_duration` as reported.
    pub load: Option<Nanos>,
    /// `prompt_eval_duration` as reported.
    pub prefill: Option<Nanos>,
    /// `eval_duration` as reported.
    pub decode: Option<Nanos>,
    /// `total_duration - load - prefill - decode`, at least zero; none without the total.
    pub slot_wait: Option<Nanos>,
    /// `e2e - total_duration` in nanoseconds; a negative value is kept and is a clock warning.
    pub transport_ns: Option<i64>,
    /// Stamps that contradict each other.
    pub clock_warnings: Vec<ClockWarning>,
}

/// Two stamps in the wrong order, or a server that counted longer than the client waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockWarning {
    /// The figure that cannot be had, or that is negative.
    pub figure: &'static str,
    /// How far it lies below zero, nanoseconds; always negative.
    pub by_ns: i64,
}
