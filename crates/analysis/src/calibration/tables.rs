//! The tables of a calibration: one row per load.

use document::{Cell, Columns, Field, Origin, Table};
use domain::record::{Bias, BudgetStep};
use metrics::budget::is_within;

use crate::kind::with_notes;

type Step<'s> = &'s BudgetStep;

/// The tables with their notes.
pub(super) fn all(steps: &[&BudgetStep]) -> Vec<Table> {
    with_notes("calibration", vec![bias(steps), cost(steps)])
}

const fn ms(ns: i64) -> f64 {
    ns as f64 / 1e6
}

/// A column of numbers, with a dash where a step has none.
fn or_dash(
    key: &'static str,
    heading: &'static str,
    decimals: usize,
    get: fn(Step<'_>) -> Option<f64>,
) -> Field<'static, BudgetStep> {
    Field::number(key, heading, Origin::Measured, move |step| {
        get(step).map_or(Cell::Empty, |value| Cell::number(value, decimals))
    })
}

/// A column of the 99th percentile of an error, ms: a dash where the sample is too small for it, unknown where the error
/// was not measured.
fn p99(key: &'static str, get: fn(Step<'_>) -> Option<Bias>) -> Field<'static, BudgetStep> {
    Field::number(key, "p99", Origin::Measured, move |step| match get(step) {
        None => Cell::Unknown,
        Some(bias) => bias
            .p99_ns
            .map_or(Cell::Empty, |ns| Cell::number(ms(ns), 3)),
    })
}

/// Milliseconds.
fn mean(bias: Option<Bias>) -> Option<f64> {
    bias.map(|bias| ms(bias.mean_ns))
}

/// Milliseconds.
fn median(bias: Option<Bias>) -> Option<f64> {
    bias.map(|bias| ms(bias.p50_ns))
}

fn bias(steps: &[&BudgetStep]) -> Table {
    let jitter = |step: Step<'_>| Some(step.jitter_p99_ns?.as_millis_f64());
    Columns::<BudgetStep>::new(Origin::Measured)
        .count("streams", "streams", |step| step.streams)
        .figure("gap_ms", "token every (ms)", 2, |step| {
            step.gap_ns.as_millis_f64()
        })
        .figure("tokens_per_s", "tok/s", 0, |step| step.tokens_per_s)
        .figure("ttft_bias_mean_ms", "TTFT mean", 3, |step| {
            mean(step.ttft_bias)
        })
        .figure("ttft_bias_p50_ms", "p50", 3, |step| median(step.ttft_bias))
        .with([p99("ttft_bias_p99_ms", |step| step.ttft_bias)])
        .figure("token_bias_mean_ms", "token mean", 3, |step| {
            mean(step.token_bias)
        })
        .figure("token_bias_p50_ms", "p50", 3, |step| {
            median(step.token_bias)
        })
        .with([p99("token_bias_p99_ms", |step| step.token_bias)])
        .figure("gap_error_mean_ms", "ITL mean", 3, |step| {
            mean(step.gap_error)
        })
        .figure("gap_error_p50_ms", "p50", 3, |step| median(step.gap_error))
        .with([p99("gap_error_p99_ms", |step| step.gap_error)])
        .with([or_dash("jitter_p99_ms", "jitter p99", 3, jitter)])
        .words("under_1_ms", "mean under 1 ms", |step| {
            if is_within(step) { "yes" } else { "no" }
        })
        .table(
            "bias",
            "How late the client's figures are",
            steps.iter().copied(),
        )
}

fn cost(steps: &[&BudgetStep]) -> Table {
    let cpu_us = |step: Step<'_>| Some(step.cpu_per_token_ns?.0 as f64 / 1e3);
    let memory_kib = |step: Step<'_>| Some(step.memory_per_agent_bytes? as f64 / 1024.0);
    Columns::<BudgetStep>::new(Origin::Measured)
        .count("streams", "streams", |step| step.streams)
        .figure("tokens_per_s", "tok/s", 0, |step| step.tokens_per_s)
        .count("requests", "requests", |step| step.requests)
        .count("left_out", "left out", |step| step.left_out)
        .count("tokens", "tokens", |step| step.tokens)
        .figure("cpu_us_per_token", "CPU per token (µs)", 1, cpu_us)
        .figure("cpu_used_percent", "CPU used (%)", 0, |step| {
            step.cpu_used.map(|used| 100.0 * used)
        })
        .with([or_dash(
            "memory_per_agent_kib",
            "memory an agent (KiB)",
            0,
            memory_kib,
        )])
        .figure("server_late_mean_ms", "server late, mean (ms)", 3, |step| {
            mean(step.server_late)
        })
        .with([p99("server_late_p99_ms", |step| step.server_late)])
        .table("cost", "What the client costs", steps.iter().copied())
}
