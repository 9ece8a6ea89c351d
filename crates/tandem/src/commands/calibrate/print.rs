//! A calibration as text.

use document::Cell;
use document::budget::{ended_in_words, percentile_word};
use document::words::plural;
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
    let steps = table(&budget.steps);
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
fn table(steps: &[BudgetStep]) -> String {
    let headings = "streams | tok/s | token bias, ms | p99 | TTFT bias, ms | p99 | jitter p99 | CPU/token | CPU used \
                    | memory/agent | token bias p50 | TTFT bias p50 | ITL bias";
    let time = |ns| Cell::text(percentile_word(ns));
    let words = |words: Option<String>| Cell::text(words.unwrap_or("-".to_owned()));
    let rows = steps.iter().map(|step| {
        let (token, ttft) = (step.token_bias, step.ttft_bias);
        let cpu_us = step.cpu_per_token_ns.map(|cpu| cpu.0 as f64 / 1e3);
        let memory = step.memory_per_agent_bytes;
        let memory_kib = memory.map(|bytes| bytes as f64 / 1024.0);
        vec![
            Cell::count(step.streams),
            Cell::number(step.tokens_per_s, 0),
            time(token.map(|bias| bias.mean_ns)),
            time(token.and_then(|bias| bias.p99_ns)),
            time(ttft.map(|bias| bias.mean_ns)),
            time(ttft.and_then(|bias| bias.p99_ns)),
            time(step.jitter_p99_ns.map(|jitter| jitter.0.cast_signed())),
            words(cpu_us.map(|us| format!("{us:.1} us"))),
            words((step.cpu_used_share).map(|used| format!("{:.0} %", 100.0 * used))),
            words(memory_kib.map(|kib| format!("{kib:.0} KiB"))),
            time(token.map(|bias| bias.p50_ns)),
            time(ttft.map(|bias| bias.p50_ns)),
            time(step.gap_error.map(|bias| bias.mean_ns)),
        ]
    });
    terminal::table(headings, rows)
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
        step.cpu_used_share = None;
        step.memory_per_agent_bytes = None;
        insta::assert_snapshot!(block(&calibration));
    }
}
