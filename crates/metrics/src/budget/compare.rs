//! From what a client saw and what the server did to one step of a budget.

use domain::record::{Bias, BudgetStep, RequestTimes};
use domain::{Nanos, Stamp};
use itertools::Itertools as _;

use crate::stats::{mean, percentile, printable_percentile};

/// What the server knows of one stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// When it had read the request.
    pub asked: Stamp,
    /// When it began to send each token.
    pub sent: Vec<Stamp>,
    /// When it should have begun to send each token.
    pub due: Vec<Stamp>,
}

/// The errors of one step, collected stream by stream.
#[derive(Debug, Default)]
pub struct Compared {
    requests: u64,
    left_out: u64,
    ttft_bias_ns: Vec<f64>,
    token_bias_ns: Vec<f64>,
    gap_error_ns: Vec<f64>,
    late_ns: Vec<f64>,
    first: Option<Stamp>,
    last: Option<Stamp>,
}

impl Compared {
    /// Compares one stream. A request that did not complete, that the server does not know, or that
    /// saw another number of tokens than were sent, is left out and counted.
    pub fn add(&mut self, seen: &RequestTimes, truth: Option<&Truth>) {
        self.requests += 1;
        let is_whole = seen.outcome.is_completed() && !seen.chunks.is_empty();
        let usable = truth.filter(|truth| is_whole && truth.sent.len() == seen.chunks.len());
        let (Some(truth), Some(sent)) = (usable, seen.sent) else {
            self.left_out += 1;
            return;
        };
        let biases = seen.chunks.iter().zip(&truth.sent);
        let biases = biases
            .map(|(seen, sent)| seen.signed_since(*sent))
            .collect_vec();
        // Of the first token: the way of the request is in it too.
        let asked = truth.asked.signed_since(sent);
        self.ttft_bias_ns.push((biases[0] + asked) as f64);
        let gaps = biases.iter().tuple_windows();
        self.gap_error_ns
            .extend(gaps.map(|(before, bias)| (bias - before) as f64));
        self.token_bias_ns
            .extend(biases.iter().map(|bias| *bias as f64));
        for (sent, due) in truth.sent.iter().zip(&truth.due) {
            self.late_ns.push(sent.signed_since(*due) as f64);
        }
        let (first, last) = (truth.sent.first(), truth.sent.last());
        self.first = self.first.into_iter().chain(first.copied()).min();
        self.last = self.last.max(last.copied());
    }

    pub fn tokens(&self) -> u64 {
        self.token_bias_ns.len() as u64
    }

    /// The step. What it cost is the caller's to add.
    pub fn step(self, streams: u32, gap: Nanos) -> BudgetStep {
        let span = self.first.zip(self.last).map(|(a, b)| b.since(a));
        // Between the first token and the last lie all but one.
        let tokens_per_s = span.filter(|span| *span > Nanos::ZERO).map_or(0.0, |span| {
            self.token_bias_ns.len().saturating_sub(1) as f64 / span.as_secs_f64()
        });
        let sizes: Vec<f64> = self.gap_error_ns.iter().map(|error| error.abs()).collect();
        BudgetStep {
            streams,
            gap_ns: gap,
            requests: self.requests,
            left_out: self.left_out,
            tokens: self.token_bias_ns.len() as u64,
            tokens_per_s,
            ttft_bias: bias(&self.ttft_bias_ns),
            token_bias: bias(&self.token_bias_ns),
            gap_error: bias(&self.gap_error_ns),
            jitter_p99_ns: printable_percentile(&sizes, 99.0)
                .map(|jitter| Nanos(jitter.round() as u64)),
            cpu_per_token_ns: None,
            cpu_used_share: None,
            memory_per_agent_bytes: None,
            server_late: bias(&self.late_ns),
        }
    }
}

fn bias(errors: &[f64]) -> Option<Bias> {
    let whole = |ns: f64| ns.round() as i64;
    Some(Bias {
        n: errors.len() as u64,
        mean_ns: whole(mean(errors)?),
        p50_ns: whole(percentile(errors, 50.0)?),
        p99_ns: printable_percentile(errors, 99.0).map(whole),
        max_ns: whole(errors.iter().copied().fold(f64::MIN, f64::max)),
    })
}
