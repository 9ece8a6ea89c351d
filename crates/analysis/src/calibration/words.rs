//! The front page of a calibration: one sentence, and its evidence.

use document::budget::{ended_in_words, worst_ttft};
use document::number::{ms, plain};
use document::words::{known, plural, sentence};
use document::{Cell, Front};
use domain::record::{Bias, BudgetDepth, BudgetStep, Calibration, ClientBudget, RuntimeFlavour};
use itertools::Itertools as _;
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
    let (client, cores, ended) = (client(budget), cores(budget), ended_in_words(budget.ended));
    front.sure = format!(
        "Measured once, with {client}, on {cores}. No higher load was tried because {ended}."
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
    let token = late(calibrated.and_then(|step| step.token_bias));
    let ttft = late(calibrated.and_then(|step| step.ttft_bias));
    front.figures = three_figures([
        ("calibrated to", Cell::known(rate, 0), "tok/s"),
        ("a token's stamp is late there by (mean)", token, "ms"),
        ("TTFT is late there by (mean)", ttft, "ms"),
    ]);
}

/// Warnings about the calibration's validity.
pub fn warnings(calibration: &Calibration) -> Vec<String> {
    let budget = &calibration.budget;
    let mut warnings = Vec::new();
    let load = budget.load_average.unwrap_or_default();
    if load > BUSY_LOAD_PER_CORE * f64::from(budget.cores) {
        let (load, cores) = (plain(load, 2), plural(budget.cores, "core"));
        warnings.push(format!(
            "the machine was not idle: its load average before was {load} on {cores}; an idle one is likely to do better"
        ));
    }
    let left_out: u64 = budget.steps.iter().map(|step| step.left_out).sum();
    if left_out > 0 {
        let streams = plural(left_out, "stream");
        warnings.push(format!(
            "{streams} did not complete or did not match the server's log and are left out; their loads prove nothing"
        ));
    }
    if budget.depth == BudgetDepth::Quick {
        warnings.push("this is a quick calibration: few tokens, few loads".to_owned());
    }
    warnings
}

fn answer(budget: &ClientBudget, steps: &[&BudgetStep]) -> String {
    let Some(step) = calibrated_to(budget) else {
        let least = plain(steps.first().map_or(0.0, |step| step.tokens_per_s), 0);
        return format!(
            "**The client is calibrated to nothing: at the lowest load, {least} tok/s, the mean bias of its stamps was \
             not under 1 ms.**"
        );
    };
    let (rate, streams) = rate_and_streams(step);
    let [token, ttft] = [step.token_bias, step.ttft_bias].map(|bias| known(bias.map(spread)));
    let worst = worst_ttft(budget);
    format!(
        "**The client is calibrated to {rate} tok/s, in {streams}: there a token's stamp was late by {token}, a TTFT by \
         {ttft}{worst}.**"
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
    let (rate, streams) = rate_and_streams(first);
    let late = spread(bias);
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
    let memory = memory.unwrap_or_default();
    Some(format!(
        "A token costs {first} µs of CPU at the lowest load and {last} µs at the highest{memory}."
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
        (RuntimeFlavour::Multi, n) => format!("a runtime of {}", plural(n, "thread")),
    };
    let pinned = budget.runtime.pinned.iter().join(", ");
    let held = if pinned.is_empty() {
        ""
    } else {
        ", held to CPU "
    };
    format!("a client of {api} on {runtime}{held}{pinned}")
}

/// A description of the cores that the client ran on.
pub(super) fn cores(budget: &ClientBudget) -> String {
    let cores = plural(budget.cores, "core");
    let shared = if budget.shared_cores {
        "which client and server share"
    } else {
        "client and server on cores of their own"
    };
    format!("{cores}, {shared}")
}

fn rate_and_streams(step: &BudgetStep) -> (String, String) {
    let rate = plain(step.tokens_per_s, 0);
    (rate, plural(step.streams, "stream"))
}

fn spread(bias: Bias) -> String {
    let tail = bias.p99_ns.map(|p99| format!(" (p99 {})", ms(p99)));
    format!("{} mean{}", ms(bias.mean_ns), tail.unwrap_or_default())
}
