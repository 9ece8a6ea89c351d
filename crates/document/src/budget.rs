//! The budget in sentences, the same wherever it is shown.

use domain::record::{BudgetDepth, BudgetEnd, ClientBudget};

use super::{Beyond, calibrated_to};
use crate::words::plain;

/// Milliseconds with as many decimals as say something.
fn ms(ns: i64) -> String {
    let ms = ns as f64 / 1e6;
    match ms.abs() {
        size if size >= 100.0 => format!("{ms:.0} ms"),
        size if size >= 10.0 => format!("{ms:.1} ms"),
        size if size >= 1.0 => format!("{ms:.2} ms"),
        _ => format!("{ms:.3} ms"),
    }
}

/// A rate in whole tokens per second, thousands set apart.
fn rate(tokens_per_s: f64) -> String {
    plain(tokens_per_s, 0)
}

/// A budget in one sentence, without its full stop.
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
         stamps were late by {token}, TTFT by {ttft} mean{cpu}",
        rate(step.tokens_per_s),
        step.streams
    )
}

/// The sentence that flags what was measured beyond the budget.
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

/// A nanosecond figure for tables, in milliseconds; a dash where there is none.
pub fn percentile_word(ns: Option<i64>) -> String {
    ns.map_or_else(|| "-".to_owned(), |ns| format!("{:.3}", ns as f64 / 1e6))
}
