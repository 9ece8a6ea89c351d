//! The budget in sentences, the same wherever it is shown.

use domain::record::{BudgetDepth, BudgetEnd, BudgetStep, ClientBudget};

use metrics::budget::{Beyond, calibrated_to};

use crate::number::{ms, plain};
use crate::words::known;

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
    let token = known(step.token_bias.map(|bias| {
        let tail = bias.p99_ns.map(|p99| format!(", p99 {}", ms(p99)));
        format!("{} mean{}", ms(bias.mean_ns), tail.unwrap_or_default())
    }));
    let ttft = known(step.ttft_bias.map(|bias| ms(bias.mean_ns)));
    let cpu = step.cpu_per_token_ns.map_or_else(String::new, |cpu| {
        format!(", {:.0} µs of CPU per token", cpu.0 as f64 / 1e3)
    });
    let (rate, streams, worst) = (rate(step.tokens_per_s), step.streams, worst_ttft(budget));
    format!(
        "calibrated to {rate} tok/s with bias under 1 ms ({measured}); there, with {streams} streams at once, \
         stamps were late by {token}, TTFT by {ttft} mean{cpu}{worst}"
    )
}

/// The largest mean bias of TTFT among the calibrated loads, as the end of a sentence; empty where the highest of them
/// has it.
pub fn worst_ttft(budget: &ClientBudget) -> String {
    let highest = calibrated_to(budget);
    let is_calibrated = |step: &&BudgetStep| {
        highest.is_some_and(|highest| step.tokens_per_s <= highest.tokens_per_s)
    };
    let within = budget.steps.iter().filter(is_calibrated);
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
    let calibrated = match beyond.calibrated_tokens_per_s.map(rate) {
        None => "the client is calibrated to no rate with bias under 1 ms".to_owned(),
        Some(rate) => format!("the client is calibrated to {rate} tok/s with bias under 1 ms"),
    };
    let late = match (beyond.ttft_late_ns, beyond.off_the_scale) {
        (None, _) => "how late figures of TTFT may be was not measured".to_owned(),
        (Some(ns), false) => format!("figures of TTFT may be late by up to {}", ms(ns)),
        (Some(ns), true) => format!(
            "figures of TTFT may be late by {} or more, for no rate so high was calibrated",
            ms(ns)
        ),
    };
    let received = rate(beyond.received_tokens_per_s);
    format!("this run received {received} tok/s; {calibrated}: {late}")
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
            received_tokens_per_s: 25_000.0,
            calibrated_tokens_per_s: Some(1_200.0),
            ttft_late_ns: Some(7_250_000),
            off_the_scale: false,
        };
        let mut faster = beyond;
        faster.off_the_scale = true;
        let mut to_nothing = beyond;
        (to_nothing.calibrated_tokens_per_s, to_nothing.ttft_late_ns) = (None, None);
        let beyond = [beyond, faster, to_nothing].map(|beyond| beyond_in_words(&beyond));
        let lines = [&[in_words(&calibration.budget)], &beyond[..]].concat();
        insta::assert_snapshot!(lines.join("\n"));
    }
}
