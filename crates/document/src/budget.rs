//! The budget in sentences, the same wherever it is shown.

use domain::record::{BudgetDepth, BudgetEnd, BudgetStep, ClientBudget};

use metrics::budget::{Beyond, calibrated_to};

use crate::number::{ms, plain};

fn rate(tokens_per_s: f64) -> String {
    plain(tokens_per_s, 0)
}

/// A sentence without its full stop.
pub fn in_words(budget: &ClientBudget) -> String {
    let measured = match budget.depth {
        BudgetDepth::Quick => "in a quick calibration before the run",
        BudgetDepth::Full => "by `calibrate`",
    };
    let most = budget.steps.iter().map(|step| step.tokens_per_s);
    let most = most.fold(0.0, f64::max);
    let Some(step) = calibrated_to(budget) else {
        return format!(
            "the mean bias of its stamps was 1 ms or more at every load tried {measured}, up to {} \
             tok/s",
            rate(most)
        );
    };
    let token = step.token_bias.map_or_else(
        || "unknown".to_owned(),
        |bias| {
            let tail = bias
                .p99_ns
                .map_or_else(String::new, |p99| format!(", p99 {}", ms(p99)));
            format!("{} mean{tail}", ms(bias.mean_ns))
        },
    );
    let ttft = step
        .ttft_bias
        .map_or_else(|| "unknown".to_owned(), |bias| ms(bias.mean_ns));
    let cpu = step.cpu_per_token_ns.map_or_else(String::new, |cpu| {
        format!(", {:.0} µs of CPU per token", cpu.0 as f64 / 1e3)
    });
    format!(
        "calibrated to {} tok/s with bias under 1 ms ({measured}); there, with {} streams at once, \
         stamps were late by {token}, TTFT by {ttft} mean{cpu}{}",
        rate(step.tokens_per_s),
        step.streams,
        worst_ttft(budget)
    )
}

/// The largest mean bias of TTFT among the calibrated loads, as the end of a sentence; empty where the highest of them
/// has it.
pub fn worst_ttft(budget: &ClientBudget) -> String {
    let highest = calibrated_to(budget);
    let within = budget
        .steps
        .iter()
        .filter(|step| highest.is_some_and(|highest| step.tokens_per_s <= highest.tokens_per_s));
    let late = |step: &BudgetStep| step.ttft_bias.map(|bias| bias.mean_ns);
    let worst = within.max_by_key(|step| late(step));
    match worst.filter(|step| late(step) > highest.and_then(late)) {
        Some(step) => format!(
            "; at a lower rate, with {} streams, TTFT was late by {} mean",
            step.streams,
            ms(late(step).unwrap_or_default())
        ),
        None => String::new(),
    }
}

pub fn beyond_in_words(beyond: &Beyond) -> String {
    let calibrated = beyond.calibrated.map_or_else(
        || "the client is calibrated to no rate with bias under 1 ms".to_owned(),
        |rate_to| {
            format!(
                "the client is calibrated to {} tok/s with bias under 1 ms",
                rate(rate_to)
            )
        },
    );
    let late = match (beyond.ttft_late_ns, beyond.off_the_scale) {
        (None, _) => "how late figures of TTFT may be was not measured".to_owned(),
        (Some(ns), false) => format!("figures of TTFT may be late by up to {}", ms(ns)),
        (Some(ns), true) => format!(
            "figures of TTFT may be late by {} or more, for no rate so high was calibrated",
            ms(ns)
        ),
    };
    format!(
        "this run received {} tok/s; {calibrated}: {late}",
        rate(beyond.received)
    )
}

/// Why no higher load was tried.
pub const fn ended_in_words(ended: BudgetEnd) -> &'static str {
    match ended {
        BudgetEnd::Bias => "the mean bias reached 1 ms",
        BudgetEnd::Cpu => "the machine had no CPU time left",
        BudgetEnd::Time => "the time for calibrating was over",
        BudgetEnd::Done => "every load to be tried was tried",
        BudgetEnd::Interrupted => "interrupted",
    }
}

/// In milliseconds, for tables; a dash where there is none.
pub fn percentile_word(ns: Option<i64>) -> String {
    ns.map_or_else(|| "-".to_owned(), |ns| format!("{:.3}", ns as f64 / 1e6))
}

#[cfg(test)]
mod tests {
    use domain::record::Calibration;

    use super::*;

    #[test]
    fn a_budget_and_what_lies_beyond_it() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../fixtures/calibration/calibration.json"
        );
        let calibration: Calibration =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let beyond = Beyond {
            received: 25_000.0,
            calibrated: Some(1_200.0),
            ttft_late_ns: Some(7_250_000),
            off_the_scale: false,
        };
        let cases = [
            beyond,
            Beyond {
                off_the_scale: true,
                ..beyond
            },
            Beyond {
                calibrated: None,
                ttft_late_ns: None,
                ..beyond
            },
        ];
        let lines: Vec<String> = std::iter::once(in_words(&calibration.budget))
            .chain(cases.iter().map(beyond_in_words))
            .collect();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
