//! The rows of a calibration's tables, one for each load; `tables.toml` declares them.

use document::{Origin, Table};
use domain::Nanos;
use domain::record::{Bias, BudgetStep};
use metrics::budget::is_within;
use serde_json::{Value, json};

use crate::tables::table_of;

pub(super) fn all(steps: &[&BudgetStep]) -> Vec<Table> {
    let rows = || steps.iter().map(|step| row(step));
    let tables = ["calibration/bias", "calibration/cost"];
    let tables = tables.map(|name| table_of(name, Origin::Measured, rows()));
    let has_rows = |table: &Table| !table.rows.is_empty();
    tables.into_iter().filter(has_rows).collect()
}

fn row(step: &BudgetStep) -> Value {
    json!({
        "streams": step.streams,
        "gap_ms": step.gap_ns.as_millis_f64(),
        "tokens_per_s": step.tokens_per_s,
        "requests": step.requests,
        "left_out": step.left_out,
        "tokens": step.tokens,
        "ttft_bias": in_ms(step.ttft_bias),
        "token_bias": in_ms(step.token_bias),
        "gap_error": in_ms(step.gap_error),
        "server_late": in_ms(step.server_late),
        "jitter_p99_ms": step.jitter_p99_ns.map(Nanos::as_millis_f64),
        "under_1_ms": if is_within(step) { "yes" } else { "no" },
        "cpu_us_per_token": step.cpu_per_token_ns.map(|cpu| cpu.0 as f64 / 1e3),
        "cpu_used": step.cpu_used_share,
        "memory_per_agent_kib": step.memory_per_agent_bytes.map(|bytes| bytes as f64 / 1024.0),
    })
}

/// An error in milliseconds. A sample may be too small for a 99th percentile.
fn in_ms(bias: Option<Bias>) -> Value {
    let ms = |ns: i64| ns as f64 / 1e6;
    json!({
        "mean": bias.map(|bias| ms(bias.mean_ns)),
        "p50": bias.map(|bias| ms(bias.p50_ns)),
        "p99": bias.and_then(|bias| bias.p99_ns).map(ms),
        "is_unknown": bias.is_none(),
    })
}
