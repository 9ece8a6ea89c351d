//! A calibration for people.

use std::fmt::Write as _;

use document::budget::{ended_in_words, percentile_word};
use domain::record::{Bias, BudgetStep, Calibration};
use metrics::budget::calibrated_to;

use crate::flavour;

/// The whole block, ending with a line break.
pub(super) fn block(calibration: &Calibration) -> String {
    let mut text = String::new();
    put(&mut text, calibration).expect("writing to a string does not fail");
    text
}

fn put(text: &mut String, calibration: &Calibration) -> std::fmt::Result {
    let budget = &calibration.budget;
    writeln!(
        text,
        "Client     {}, {}",
        match budget.api.as_str() {
            "openai" => "/v1 (server-sent events)",
            _ => "Ollama's API (NDJSON)",
        },
        flavour::in_words(&budget.runtime)
    )?;
    let cores = format!(
        "{} core{}, {}",
        budget.cores,
        if budget.cores == 1 { "" } else { "s" },
        if budget.shared_cores {
            "which client and server share"
        } else {
            "client and server on cores of their own"
        }
    );
    let average = budget
        .load_average
        .map_or_else(|| "unknown".to_owned(), |load| format!("{load:.2}"));
    writeln!(
        text,
        "Machine    {}; {cores}; load average before: {average}",
        calibration.environment.cpu
    )?;
    writeln!(text)?;
    put_steps(text, &budget.steps)?;
    writeln!(text)?;
    match calibrated_to(budget) {
        Some(step) => writeln!(
            text,
            "Calibrated to {:.0} tok/s: the highest rate measured with a mean token bias under 1 \
             ms, at {} streams.",
            step.tokens_per_s, step.streams
        )?,
        None => writeln!(
            text,
            "Calibrated to nothing: the mean token bias was 1 ms or more at the lowest load."
        )?,
    }
    writeln!(
        text,
        "No higher load was tried because {}.",
        ended_in_words(budget.ended)
    )?;
    writeln!(
        text,
        "Bias is the client's figure less the truth, so above zero is late; jitter is the size of \
         the error\nof a gap between tokens. The server's own lateness is in none of them."
    )?;
    let left_out: u64 = budget.steps.iter().map(|step| step.left_out).sum();
    if left_out > 0 {
        writeln!(
            text,
            "warning: {left_out} streams did not complete or did not match the server's log, and \
             are left out"
        )?;
    }
    Ok(())
}

fn put_steps(text: &mut String, steps: &[BudgetStep]) -> std::fmt::Result {
    writeln!(
        text,
        "{:>7}{:>9}  {:^27} {:^27} {:>9}{:>9}{:>9}{:>6}{:>9}",
        "", "", "TTFT bias, ms", "token bias, ms", "ITL bias", "jitter", "CPU per", "CPU", "memory"
    )?;
    writeln!(
        text,
        "{:>7}{:>9}  {:>9}{:>9}{:>9} {:>9}{:>9}{:>9} {:>9}{:>9}{:>9}{:>6}{:>9}",
        "streams",
        "tok/s",
        "mean",
        "p50",
        "p99",
        "mean",
        "p50",
        "p99",
        "mean, ms",
        "p99, ms",
        "token",
        "used",
        "an agent"
    )?;
    for step in steps {
        let unknown = || "-".to_owned();
        writeln!(
            text,
            "{:>7}{:>9.0}  {} {} {:>9}{:>9}{:>9}{:>6}{:>9}",
            step.streams,
            step.tokens_per_s,
            spread(step.ttft_bias),
            spread(step.token_bias),
            percentile_word(step.gap_error.map(|bias| bias.mean_ns)),
            percentile_word(step.jitter_p99_ns.map(|ns| ns.0.cast_signed())),
            step.cpu_per_token_ns
                .map_or_else(unknown, |cpu| format!("{:.1} us", cpu.0 as f64 / 1e3)),
            step.cpu_used
                .map_or_else(unknown, |used| format!("{:.0} %", 100.0 * used)),
            step.memory_per_agent_bytes
                .map_or_else(unknown, |bytes| format!("{:.0} KiB", bytes as f64 / 1024.0)),
        )?;
    }
    let lacking = |bias: Option<Bias>| bias.is_some_and(|bias| bias.p99_ns.is_none());
    if steps
        .iter()
        .any(|step| lacking(step.ttft_bias) || lacking(step.token_bias))
    {
        writeln!(text, "- too few for a 99th percentile, which takes 662.")?;
    }
    Ok(())
}

fn spread(bias: Option<Bias>) -> String {
    format!(
        "{:>9}{:>9}{:>9}",
        percentile_word(bias.map(|b| b.mean_ns)),
        percentile_word(bias.map(|b| b.p50_ns)),
        percentile_word(bias.and_then(|b| b.p99_ns))
    )
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
