//! A calibration for people.

use document::budget::{ended_in_words, percentile_word};
use document::table::Origin;
use document::words::plural;
use document::{Cell, Field, Table};
use domain::record::{Bias, BudgetStep, Calibration};
use metrics::budget::calibrated_to;

use crate::flavour;
use crate::terminal;

/// The whole block, ending with a line break.
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
        "which client and server share"
    } else {
        "client and server on cores of their own"
    };
    let load = budget.load_average;
    let average = load.map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
    let calibrated = match calibrated_to(budget) {
        Some(step) => format!(
            "Calibrated to {:.0} tok/s: the highest rate measured with a mean token bias under 1 ms, at \
             {} streams.",
            step.tokens_per_s, step.streams
        ),
        None => "Calibrated to nothing: the mean token bias was 1 ms or more at the lowest load."
            .to_owned(),
    };
    let ended = ended_in_words(budget.ended);
    let left_out = match budget.steps.iter().map(|step| step.left_out).sum::<u64>() {
        0 => String::new(),
        n => format!(
            "warning: {n} streams did not complete or did not match the server's log, and are left out\n"
        ),
    };
    let steps = steps(&budget.steps);
    format!(
        "Client     {api}, {runtime}\n\
         Machine    {cpu}; {cores}, {shared}; load average before: {average}\n\n\
         {steps}\n\
         {calibrated}\n\
         No higher load was tried because {ended}.\n\
         Bias is the client's figure less the truth, so above zero is late; jitter is the size of the error\n\
         of a gap between tokens. The server's own lateness is in none of them.\n\
         {left_out}"
    )
}

fn steps(steps: &[BudgetStep]) -> String {
    let text = table(steps).to_text(terminal::width());
    let lacking = |bias: Option<Bias>| bias.is_some_and(|bias| bias.p99_ns.is_none());
    let few = |step: &BudgetStep| lacking(step.ttft_bias) || lacking(step.token_bias);
    if steps.iter().any(few) {
        return text + "- too few for a 99th percentile, which takes 662.\n";
    }
    text
}

/// The steps, in the order of what matters: where the terminal is narrow, the last columns are left
/// out.
fn table(steps: &[BudgetStep]) -> Table {
    let number = |key, heading, cell: fn(&BudgetStep) -> Cell| {
        Field::number(key, heading, Origin::Measured, cell)
    };
    let fields = vec![
        number("streams", "streams", |s| {
            Cell::number(f64::from(s.streams), 0)
        }),
        number("tokens_per_s", "tok/s", |s| Cell::number(s.tokens_per_s, 0)),
        number("token", "token bias, ms", |s| {
            bias(s.token_bias, |b| Some(b.mean_ns))
        }),
        number("token_p99", "p99", |s| bias(s.token_bias, |b| b.p99_ns)),
        number("ttft", "TTFT bias, ms", |s| {
            bias(s.ttft_bias, |b| Some(b.mean_ns))
        }),
        number("ttft_p99", "p99", |s| bias(s.ttft_bias, |b| b.p99_ns)),
        number("jitter_p99", "jitter p99", |s| {
            Cell::text(percentile_word(
                s.jitter_p99_ns.map(|ns| ns.0.cast_signed()),
            ))
        }),
        number("cpu_per_token", "CPU/token", |s| {
            known(s.cpu_per_token_ns, |cpu| {
                format!("{:.1} us", cpu.0 as f64 / 1e3)
            })
        }),
        number("cpu_used", "CPU used", |s| {
            known(s.cpu_used, |used| format!("{:.0} %", 100.0 * used))
        }),
        number("memory", "memory/agent", |s| {
            known(s.memory_per_agent_bytes, |bytes| {
                format!("{:.0} KiB", bytes as f64 / 1024.0)
            })
        }),
        number("token_p50", "token bias p50", |s| {
            bias(s.token_bias, |b| Some(b.p50_ns))
        }),
        number("ttft_p50", "TTFT bias p50", |s| {
            bias(s.ttft_bias, |b| Some(b.p50_ns))
        }),
        number("gap", "ITL bias", |s| {
            bias(s.gap_error, |b| Some(b.mean_ns))
        }),
    ];
    Table::of("steps", "", fields, steps)
}

fn bias(bias: Option<Bias>, of: fn(Bias) -> Option<i64>) -> Cell {
    Cell::text(percentile_word(bias.and_then(of)))
}

fn known<T>(value: Option<T>, in_words: fn(T) -> String) -> Cell {
    Cell::text(value.map_or_else(|| "-".to_owned(), in_words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed() -> Calibration {
        let text = include_str!("../../../../../fixtures/calibration/calibration.json");
        serde_json::from_str(text).expect("the fixture is a calibration")
    }

    #[test]
    fn a_calibration_reads_well() {
        insta::assert_snapshot!(block(&fixed()));
    }

    #[test]
    fn what_is_not_known_is_said() {
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

    #[test]
    fn the_json_is_the_record() {
        let text = include_str!("../../../../../fixtures/calibration/calibration.json");
        let mut written = serde_json::to_string_pretty(&fixed()).unwrap();
        written.push('\n');
        assert_eq!(written.lines().count(), text.lines().count());
        // A float may come back with another last digit.
        let float = |line: &str| {
            let value = line.rsplit(": ").next()?.trim_end_matches(',');
            value.contains('.').then(|| value.parse::<f64>().ok())?
        };
        for (written, read) in written.lines().zip(text.lines()) {
            let close = float(written)
                .zip(float(read))
                .is_some_and(|(a, b)| (a - b).abs() <= 1e-12 * b.abs());
            assert!(written == read || close, "{written} {read}");
        }
    }
}
