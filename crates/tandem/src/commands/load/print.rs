//! A load's figures for people.

use std::fmt::Write as _;

use domain::record::{Provenance, RuntimeFacts};
use runtime::load::LoadShape;

use metrics::budget;
use metrics::load::{LoadFile, LoadResult, Shape, Spread};

use crate::flavour;

/// The whole block, ending with a line break.
pub(super) fn block(file: &LoadFile) -> String {
    let mut text = String::new();
    put(&mut text, file).expect("writing to a string does not fail");
    text
}

fn put(text: &mut String, file: &LoadFile) -> std::fmt::Result {
    if file.provenance == Provenance::Simulated {
        writeln!(
            text,
            "SIMULATED: no real server was used; times are simulated times"
        )?;
    }
    writeln!(text, "{}", in_words(file))?;
    writeln!(text)?;

    let Some(result) = &file.result else {
        return writeln!(text, "No figures: it has not ended");
    };
    let figures = &result.figures;
    let outcomes = &figures.outcomes;
    let mut ended = vec![format!("{} completed", outcomes.completed)];
    for (count, word) in [
        (outcomes.incomplete, "incomplete"),
        (outcomes.failed, "failed"),
        (outcomes.cancelled, "cancelled"),
        (outcomes.timed_out, "timed out"),
    ] {
        if count > 0 {
            ended.push(format!("{count} {word}"));
        }
    }
    if result.not_begun > 0 {
        ended.push(format!("{} not begun", result.not_begun));
    }
    writeln!(text, "Outcomes    {}", ended.join(", "))?;
    for (message, count) in &figures.failures {
        writeln!(text, "            {count} x {message}")?;
    }
    let seconds = |s: Option<f64>| s.map_or_else(unknown, |s| format!("{s:.3} s"));
    writeln!(
        text,
        "Wall        {} from the first send to the last answer",
        seconds(figures.wall_s)
    )?;
    let rate = |r: Option<f64>| r.map_or_else(unknown, |r| format!("{r:.2}"));
    writeln!(
        text,
        "Throughput  {} requests/s, {} tok/s; at most {} in flight",
        rate(figures.requests_per_s),
        rate(figures.tokens_per_s),
        result.peak_in_flight
    )?;
    if let Shape::Open { rate: offered, .. } = file.asked.shape {
        writeln!(
            text,
            "Sent        {} requests/s, {offered} planned",
            rate(figures.sent_per_s)
        )?;
    }
    let count = match figures.tokens_estimated {
        0 => "the server's count".to_owned(),
        n if n == figures.tokens => "chunks counted, an estimate".to_owned(),
        n => format!("{n} of them chunks counted, an estimate"),
    };
    writeln!(text, "Tokens      {} ({count})", figures.tokens)?;
    if let Some(slo) = &figures.slo {
        let share = slo
            .share
            .map_or_else(unknown, |share| format!("{:.1} %", 100.0 * share));
        writeln!(
            text,
            "Goodput     {} requests/s; {} requests ({share}) kept {}",
            rate(slo.per_s),
            slo.good,
            slo.limits
        )?;
    }
    writeln!(text)?;
    put_spreads(text, result)?;
    writeln!(text)?;
    put_client(text, result, file.runtime.as_ref())?;
    let beyond = file
        .client_budget
        .as_ref()
        .zip(figures.tokens_per_s)
        .and_then(|(known, received)| budget::beyond(known, received));
    if let Some(beyond) = beyond {
        writeln!(text, "warning: {}", budget::beyond_in_words(&beyond))?;
    }
    if figures.clock_warnings > 0 {
        writeln!(
            text,
            "warning: {} figures contradict the server's own counters or each other",
            figures.clock_warnings
        )?;
    }
    Ok(())
}

/// A line that is left out when no request made a connection of its own.
const CONNECT: &str = "connect";

fn put_spreads(text: &mut String, result: &LoadResult) -> std::fmt::Result {
    let figures = &result.figures;
    writeln!(
        text,
        "{:<22}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}",
        "ms", "mean", "min", "p50", "p90", "p95", "p99", "max", "n"
    )?;
    let mut needs = std::collections::BTreeMap::new();
    for (name, spread) in [
        ("TTFT", &figures.ttft_ms),
        ("TTFT from the plan", &figures.ttft_scheduled_ms),
        ("client queue", &figures.client_queue_ms),
        (CONNECT, &figures.connect_ms),
        ("TPOT", &figures.tpot_ms),
        ("ITL", &figures.itl_ms),
        ("end to end", &figures.e2e_ms),
    ] {
        let Some(spread) = spread else {
            if name == CONNECT {
                continue;
            }
            writeln!(text, "{name:<22}{:>10}", "none")?;
            continue;
        };
        needs.extend(spread.needs.clone());
        writeln!(text, "{name:<22}{}", row(spread))?;
    }
    let not_completed = figures.outcomes.not_completed();
    if not_completed > 0 {
        writeln!(text, "Completed requests only; {not_completed} left out.")?;
    }
    if !needs.is_empty() {
        let needs: Vec<_> = needs
            .iter()
            .map(|(p, n)| format!("{p} needs {n}"))
            .collect();
        writeln!(text, "- too few to certify: {}.", needs.join(", "))?;
    }
    if figures.slow_connects > 0 {
        writeln!(text, "{}", slow_connects(figures.slow_connects))?;
    }
    Ok(())
}

fn slow_connects(count: u32) -> String {
    let connections = if count == 1 {
        "connection"
    } else {
        "connections"
    };
    format!(
        "- {count} {connections} took 1 s or more: the server's accept queue overflowed; see \
         docs/load.md, \"Connections\"."
    )
}

fn row(spread: &Spread) -> String {
    let number = |v: f64| format!("{v:.3}");
    let tail = |v: Option<f64>| v.map_or_else(|| "-".to_owned(), number);
    format!(
        "{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>9}",
        number(spread.mean),
        number(spread.min),
        number(spread.p50),
        tail(spread.p90),
        tail(spread.p95),
        tail(spread.p99),
        number(spread.max),
        spread.n
    )
}

fn put_client(
    text: &mut String,
    result: &LoadResult,
    runtime: Option<&RuntimeFacts>,
) -> std::fmt::Result {
    let client = &result.client;
    let cpu = match client.cpu_us_per_token {
        Some(us) => format!("{us:.1} us of CPU per token"),
        None if client.shared_with_simulator => {
            "CPU per token unknown: the simulator shares this process".to_owned()
        }
        None => "CPU per token unknown".to_owned(),
    };
    let memory = client.peak_memory_bytes.map_or_else(
        || "peak memory unknown".to_owned(),
        |bytes| {
            format!(
                "peak memory {:.1} MiB{}",
                bytes as f64 / 1_048_576.0,
                if client.shared_with_simulator {
                    ", the simulator's with it"
                } else {
                    ""
                }
            )
        },
    );
    writeln!(text, "Client      {cpu}; {memory}")?;
    match runtime {
        Some(facts) => writeln!(text, "            {}", flavour::in_words(facts)),
        None => Ok(()),
    }
}

/// What was asked for, in a sentence.
fn in_words(file: &LoadFile) -> String {
    let plural = |n: u32, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let what = format!(
        "{} to {}, at most {} tokens each",
        plural(file.asked.requests, "request"),
        file.asked.model,
        file.asked.num_predict
    );
    match &file.asked.shape {
        Shape::Closed { agents, think_s } => {
            let think = if *think_s > 0.0 {
                format!(", {think_s} s of thought between them")
            } else {
                String::new()
            };
            format!("Closed loop: {}, {what}{think}", plural(*agents, "agent"))
        }
        Shape::Open {
            arrivals,
            rate,
            agents,
            ..
        } => {
            let limit = agents.map_or_else(
                || "no limit in flight".to_owned(),
                |n| format!("at most {n} in flight"),
            );
            format!("Open loop: {rate} requests/s ({arrivals}), {limit}, {what}")
        }
        Shape::Replay { trace, speed, .. } => {
            format!("Replay of {trace} at {speed} times its pace, {what}")
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// A shape as `load.json` says it.
pub(super) fn shape(shape: LoadShape) -> Shape {
    match shape {
        LoadShape::Closed { agents, think } => Shape::Closed {
            agents: agents.get(),
            think_s: think.as_secs_f64(),
        },
        LoadShape::Open { arrivals, agents } => Shape::Open {
            arrivals: match arrivals {
                runtime::load::Arrivals::Constant(_) => "constant",
                runtime::load::Arrivals::Poisson(_) => "poisson",
            }
            .to_owned(),
            cv: None,
            rate: arrivals.rate().per_second(),
            ramp: None,
            agents: agents.map(std::num::NonZeroU32::get),
            think_s: 0.0,
        },
    }
}
