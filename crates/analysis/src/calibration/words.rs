//! The front page of a calibration: one sentence, and its evidence.

use document::budget::{ended_in_words, worst_ttft};
use document::number::{ms, plain};
use document::words::{plural, sentence};
use document::{Cell, Front};
use domain::record::{Bias, BudgetDepth, BudgetStep, Calibration, ClientBudget, RuntimeFlavour};
use metrics::budget::{calibrated_to, is_within};

use crate::kind::three_figures;

/// Above this load average per core, the report warns that other programs may have disturbed the calibration.
const BUSY_LOAD_PER_CORE: f64 = 0.5;

pub(super) fn front(calibration: &Calibration, steps: &[&BudgetStep], front: &mut Front) {
    let budget = &calibration.budget;
    let calibrated = calibrated_to(budget);
    "How late are the client's own stamps on this machine, and up to which load?"
        .clone_into(&mut front.question);
    front.answer = answer(budget, steps);
    front.sure = format!(
        "Measured once, with {}, on {}. No higher load was tried because {}.",
        client(budget),
        cores(budget),
        ended_in_words(budget.ended)
    );
    front.spoilt = warnings(calibration).iter().map(|w| sentence(w)).collect();
    let why = [
        first_uncalibrated_step(budget, steps),
        one_stream(steps),
        gap_errors(budget),
        cost(steps),
    ];
    front.why = why.into_iter().flatten().collect();
    front.next = vec![match calibrated {
        Some(step) => format!(
            "Keep a run below {} tok/s on this machine: up to there a stamp is right to 1 ms on average. Reports of \
             faster runs say so.",
            plain(step.tokens_per_s, 0)
        ),
        None => "Calibrate again on a machine with nothing else to do.".to_owned(),
    }];
    let late = |bias: Option<Bias>| Cell::known(bias.map(|b| b.mean_ns as f64 / 1e6), 3);
    let rate = calibrated.map(|step| step.tokens_per_s);
    front.figures = three_figures([
        ("calibrated to", Cell::known(rate, 0), "tok/s"),
        (
            "a token's stamp is late there by (mean)",
            late(calibrated.and_then(|step| step.token_bias)),
            "ms",
        ),
        (
            "TTFT is late there by (mean)",
            late(calibrated.and_then(|step| step.ttft_bias)),
            "ms",
        ),
    ]);
}

/// Warnings about the calibration's validity.
pub fn warnings(calibration: &Calibration) -> Vec<String> {
    let budget = &calibration.budget;
    let mut warnings = Vec::new();
    if let Some(load) = budget
        .load_average
        .filter(|load| *load > BUSY_LOAD_PER_CORE * f64::from(budget.cores))
    {
        warnings.push(format!(
            "the machine was not idle: its load average before was {} on {}; an idle one is likely to do better",
            plain(load, 2),
            plural(budget.cores, "core")
        ));
    }
    let left_out: u64 = budget.steps.iter().map(|step| step.left_out).sum();
    if left_out > 0 {
        warnings.push(format!(
            "{} did not complete or did not match the server's log and are left out; their loads prove nothing",
            plural(left_out, "stream")
        ));
    }
    if budget.depth == BudgetDepth::Quick {
        warnings.push("this is a quick calibration: few tokens, few loads".to_owned());
    }
    warnings
}

fn answer(budget: &ClientBudget, steps: &[&BudgetStep]) -> String {
    let Some(step) = calibrated_to(budget) else {
        let least = steps.first().map_or(0.0, |step| step.tokens_per_s);
        return format!(
            "**The client is calibrated to nothing: at the lowest load, {} tok/s, the mean bias of its stamps was not \
             under 1 ms.**",
            plain(least, 0)
        );
    };
    let late = |bias: Option<Bias>| {
        bias.map_or_else(|| "unknown".to_owned(), |b| spread(b.mean_ns, b.p99_ns))
    };
    format!(
        "**The client is calibrated to {} tok/s, in {}: there a token's stamp was late by {}, a TTFT by {}{}.**",
        plain(step.tokens_per_s, 0),
        plural(step.streams, "stream"),
        late(step.token_bias),
        late(step.ttft_bias),
        worst_ttft(budget)
    )
}

/// The first step above the calibrated range.
fn first_uncalibrated_step(budget: &ClientBudget, steps: &[&BudgetStep]) -> Option<String> {
    let first = steps.iter().find(|step| !is_within(step))?;
    let bias = first.token_bias?;
    let at = match calibrated_to(budget) {
        Some(_) => "The next load was too much: at",
        None => "At",
    };
    let (rate, streams) = (
        plain(first.tokens_per_s, 0),
        plural(first.streams, "stream"),
    );
    let late = spread(bias.mean_ns, bias.p99_ns);
    Some(format!(
        "{at} {rate} tok/s in {streams} a stamp was late by {late}."
    ))
}

fn one_stream(steps: &[&BudgetStep]) -> Option<String> {
    let step = steps.iter().find(|step| step.streams == 1)?;
    let [ttft, token] = [step.ttft_bias?, step.token_bias?].map(|bias| ms(bias.mean_ns));
    Some(format!(
        "A single stream: a stamp is late by {token} mean, a TTFT by {ttft}."
    ))
}

/// Gaps between tokens have two errors that partly cancel each other.
fn gap_errors(budget: &ClientBudget) -> Option<String> {
    let step = calibrated_to(budget)?;
    let mean = ms(step.gap_error?.mean_ns);
    let jitter = step.jitter_p99_ns.map(|ns| ms(ns.0.cast_signed()));
    let jitter = jitter.map(|p99| format!(", and 99 of 100 gaps are measured to within {p99}"));
    Some(format!(
        "Gaps between tokens are measured correctly on average: at the calibrated load their mean error is {mean}{}.",
        jitter.unwrap_or_default()
    ))
}

fn cost(steps: &[&BudgetStep]) -> Option<String> {
    let cpu_us = |step: &&BudgetStep| Some(step.cpu_per_token_ns?.0 as f64 / 1e3);
    let cpu: Vec<f64> = steps.iter().filter_map(cpu_us).collect();
    let [first, last] = [cpu.first()?, cpu.last()?].map(|us| plain(*us, 1));
    let memory = steps.iter().filter_map(|step| step.memory_per_agent_bytes);
    let memory = memory.max().map(|bytes| plain(bytes as f64 / 1024.0, 0));
    let memory = memory.map(|kib| format!("; an agent takes up to {kib} KiB"));
    Some(format!(
        "A token costs {first} µs of CPU at the lowest load and {last} µs at the highest{}.",
        memory.unwrap_or_default()
    ))
}

/// A description of the client.
pub(super) fn client(budget: &ClientBudget) -> String {
    let api = match budget.api.as_str() {
        "openai" => "`/v1`",
        _ => "Ollama's API",
    };
    let runtime = match (budget.runtime.flavour, budget.runtime.workers) {
        (RuntimeFlavour::Current, _) => "one thread for all agents".to_owned(),
        (RuntimeFlavour::Multi, n) => {
            format!("a runtime of {}", plural(n, "thread"))
        }
    };
    let pinned: Vec<String> = budget.runtime.pinned.iter().map(u32::to_string).collect();
    let pinned = if pinned.is_empty() {
        String::new()
    } else {
        format!(", held to CPU {}", pinned.join(", "))
    };
    format!("a client of {api} on {runtime}{pinned}")
}

/// A description of the cores that the client ran on.
pub(super) fn cores(budget: &ClientBudget) -> String {
    format!(
        "{}, {}",
        plural(budget.cores, "core"),
        if budget.shared_cores {
            "which client and server share"
        } else {
            "client and server on cores of their own"
        }
    )
}

fn spread(mean_ns: i64, p99_ns: Option<i64>) -> String {
    let tail = p99_ns.map_or_else(String::new, |p99| format!(" (p99 {})", ms(p99)));
    format!("{} mean{tail}", ms(mean_ns))
}
