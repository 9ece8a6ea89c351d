//! The tables of a calibration: one row per load.

use document::{Cell, Kind, Origin, Table};
use domain::record::{Bias, BudgetStep};
use metrics::budget::is_within;

pub(super) fn all(steps: &[&BudgetStep]) -> Vec<Table> {
    vec![bias(steps), cost(steps)]
}

fn columns(table: &mut Table, columns: &[(&str, &str)]) {
    for (key, heading) in columns {
        table.column(*key, *heading, Kind::Number, Origin::Measured);
    }
}

fn ms(ns: Option<i64>) -> Cell {
    Cell::known(ns.map(|ns| ns as f64 / 1e6), 3)
}

/// The 99th percentile, or a dash where the sample is too small for it.
fn tail(bias: Option<Bias>) -> Cell {
    match bias {
        None => Cell::Unknown,
        Some(bias) => bias
            .p99_ns
            .map_or(Cell::Empty, |ns| Cell::number(ns as f64 / 1e6, 3)),
    }
}

fn three(bias: Option<Bias>) -> [Cell; 3] {
    [
        ms(bias.map(|b| b.mean_ns)),
        ms(bias.map(|b| b.p50_ns)),
        tail(bias),
    ]
}

fn bias(steps: &[&BudgetStep]) -> Table {
    let mut table = Table::new("bias", "How late the client's figures are").note(
        "ms; above zero is late. A dash: too few observations for a 99th percentile. ITL is the error of a gap \
         between tokens; its jitter is the 99th percentile of the error's size, whatever its sign.",
    );
    columns(
        &mut table,
        &[
            ("streams", "streams"),
            ("gap_ms", "token every (ms)"),
            ("tokens_per_s", "tok/s"),
            ("ttft_bias_mean_ms", "TTFT mean"),
            ("ttft_bias_p50_ms", "p50"),
            ("ttft_bias_p99_ms", "p99"),
            ("token_bias_mean_ms", "token mean"),
            ("token_bias_p50_ms", "p50"),
            ("token_bias_p99_ms", "p99"),
            ("gap_error_mean_ms", "ITL mean"),
            ("gap_error_p50_ms", "p50"),
            ("gap_error_p99_ms", "p99"),
            ("jitter_p99_ms", "jitter p99"),
        ],
    );
    table.label("under_1_ms", "mean under 1 ms");
    for step in steps {
        let mut row = vec![
            Cell::count(step.streams),
            Cell::number(step.gap_ns.as_millis_f64(), 2),
            Cell::number(step.tokens_per_s, 0),
        ];
        for bias in [step.ttft_bias, step.token_bias, step.gap_error] {
            row.extend(three(bias));
        }
        row.push(
            step.jitter_p99_ns
                .map_or(Cell::Empty, |ns| Cell::number(ns.as_millis_f64(), 3)),
        );
        row.push(Cell::text(if is_within(step) { "yes" } else { "no" }));
        table.row(row);
    }
    table
}

fn cost(steps: &[&BudgetStep]) -> Table {
    let mut table = Table::new("cost", "What the client costs").note(
        "CPU per token is the client's alone; CPU used is that of client and server of all there was. The server's \
         own lateness is in no figure of the client.",
    );
    columns(
        &mut table,
        &[
            ("streams", "streams"),
            ("tokens_per_s", "tok/s"),
            ("requests", "requests"),
            ("left_out", "left out"),
            ("tokens", "tokens"),
            ("cpu_us_per_token", "CPU per token (µs)"),
            ("cpu_used_percent", "CPU used (%)"),
            ("memory_per_agent_kib", "memory an agent (KiB)"),
            ("server_late_mean_ms", "server late, mean (ms)"),
            ("server_late_p99_ms", "p99"),
        ],
    );
    for step in steps {
        table.row(vec![
            Cell::count(step.streams),
            Cell::number(step.tokens_per_s, 0),
            Cell::number(step.requests as f64, 0),
            Cell::number(step.left_out as f64, 0),
            Cell::number(step.tokens as f64, 0),
            Cell::known(step.cpu_per_token_ns.map(|ns| ns.0 as f64 / 1e3), 1),
            Cell::known(step.cpu_used.map(|used| 100.0 * used), 0),
            step.memory_per_agent_bytes
                .map_or(Cell::Empty, |b| Cell::number(b as f64 / 1024.0, 0)),
            ms(step.server_late.map(|late| late.mean_ns)),
            tail(step.server_late),
        ]);
    }
    table
}
