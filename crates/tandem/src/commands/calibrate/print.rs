//! A calibration as text.

use document::budget::{ended_in_words, percentile_word};
use document::table::Origin;
use document::words::plural;
use document::{Cell, Field, Table};
use domain::record::{Bias, BudgetStep, Calibration};
use metrics::budget::calibrated_to;

use crate::flavour;
use crate::terminal;

pub(super) fn block(calibration: &Calibration) -> String {
    let budget = &calibration.budget;
    let api = match budget.api.as_str() {
        "openai" => "/v1 (server-sent events)",
        _ => "Ollama's API (NDJSON)",
    };
    let runtime = flavour::in_words(&budget.runtime);
    let machine = calibration.header.environment.as_ref();
    let cpu = machine.map_or("unknown", |machine| &machine.cpu);
    let cores = plural(budget.cores, "core");
    let shared = if budget.shared_cores {
        "shared by client and server"
    } else {
        "client and server on separate cores"
    };
    let load = budget.load_average;
    let average = load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
    let calibrated = match calibrated_to(budget) {
        Some(step) => format!(
            "Calibrated to {:.0} tok/s, at {} streams: the highest rate with a mean token bias under 1 ms.",
            step.tokens_per_s, step.streams
        ),
        None => {
            "Not calibrated: the mean token bias was 1 ms or more at the lowest load.".to_owned()
        }
    };
    let ended = ended_in_words(budget.ended);
    let left_out = match budget.steps.iter().map(|step| step.left_out).sum::<u64>() {
        0 => String::new(),
        n => format!(
            "warning: {n} streams are left out: they did not complete or did not match the server's log\n"
        ),
    };
    let steps = table(&budget.steps).to_text(terminal::width());
    let biases = budget
        .steps
        .iter()
        .flat_map(|step| [step.ttft_bias, step.token_bias]);
    let few = if biases.flatten().any(|bias: Bias| bias.p99_ns.is_none()) {
        "- a 99th percentile needs 662 values.\n"
    } else {
        ""
    };
    format!(
        "Client     {api}, {runtime}\n\
         Machine    {cpu}; {cores}, {shared}; load average before: {average}\n\n\
         {steps}{few}\n\
         {calibrated}\n\
         No higher load was tried because {ended}.\n\
         Bias is the client's time minus the true time: above zero is late. Jitter is the absolute error of\n\
         a gap between tokens. Neither includes the server's own lateness.\n\
         {left_out}"
    )
}

/// The steps, the most important columns first: a narrow terminal drops the last ones.
fn table(steps: &[BudgetStep]) -> Table {
    type Of<T> = fn(&BudgetStep) -> T;
    let number = |key, heading, cell: Of<Cell>| Field::number(key, heading, Origin::Measured, cell);
    let time = |key, heading, ns: Of<Option<i64>>| {
        let cell = move |step: &BudgetStep| Cell::text(percentile_word(ns(step)));
        Field::number(key, heading, Origin::Measured, cell)
    };
    let words = |key, heading, words: Of<Option<String>>| {
        let cell = move |step: &BudgetStep| Cell::text(words(step).unwrap_or("-".to_owned()));
        Field::number(key, heading, Origin::Measured, cell)
    };
    let fields = vec![
        number("streams", "streams", |s| Cell::count(s.streams)),
        number("tokens_per_s", "tok/s", |s| Cell::number(s.tokens_per_s, 0)),
        time("token", "token bias, ms", |s| Some(s.token_bias?.mean_ns)),
        time("token_p99", "p99", |s| s.token_bias?.p99_ns),
        time("ttft", "TTFT bias, ms", |s| Some(s.ttft_bias?.mean_ns)),
        time("ttft_p99", "p99", |s| s.ttft_bias?.p99_ns),
        time("jitter_p99", "jitter p99", |s| {
            Some(s.jitter_p99_ns?.0.cast_signed())
        }),
        words("cpu_per_token", "CPU/token", |s| {
            Some(format!("{:.1} us", s.cpu_per_token_ns?.0 as f64 / 1e3))
        }),
        words("cpu_used", "CPU used", |s| {
            Some(format!("{:.0} %", 100.0 * s.cpu_used?))
        }),
        words("memory", "memory/agent", |s| {
            Some(format!(
                "{:.0} KiB",
                s.memory_per_agent_bytes? as f64 / 1024.0
            ))
        }),
        time("token_p50", "token bias p50", |s| {
            Some(s.token_bias?.p50_ns)
        }),
        time("ttft_p50", "TTFT bias p50", |s| Some(s.ttft_bias?.p50_ns)),
        time("gap", "ITL bias", |s| Some(s.gap_error?.mean_ns)),
    ];
    Table::of("steps", "", fields, steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed() -> Calibration {
        let text = include_str!("../../../../../fixtures/calibration/calibration.json");
        serde_json::from_str(text).expect("the fixture is a calibration")
    }

    #[test]
    fn a_calibration_as_text() {
        insta::assert_snapshot!(block(&fixed()));
    }

    #[test]
    fn unknown_values_are_marked() {
        let mut calibration = fixed();
        let budget = &mut calibration.budget;
        budget.load_average = None;
        budget.shared_cores = false;
        budget.steps.truncate(1);
        let step = &mut budget.steps[0];
        step.left_out = 2;
        step.cpu_per_token_ns = None;
        step.cpu_used = None;
        step.memory_per_agent_bytes = None;
        insta::assert_snapshot!(block(&calibration));
    }
}
