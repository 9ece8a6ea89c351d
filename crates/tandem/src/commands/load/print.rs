//! A load's figures for people.

use std::fmt::Write as _;

use domain::record::RuntimeFacts;
use metrics::budget;
use metrics::load::{LoadFile, LoadResult, Shape, Spread};

use crate::flavour;
use crate::terminal;

/// The whole block, ending with a line break.
pub(super) fn block(file: &LoadFile) -> String {
    let mut text = String::new();
    put(&mut text, file).expect("writing to a string does not fail");
    text
}

fn put(text: &mut String, file: &LoadFile) -> std::fmt::Result {
    write!(text, "{}", terminal::badge(file.provenance))?;
    writeln!(text, "{}", in_words(file))?;
    writeln!(text)?;

    let Some(result) = &file.result else {
        return writeln!(text, "No figures: it has not ended");
    };
    let figures = &result.figures;
    let outcomes = &figures.outcomes;
    let counts = outcomes.in_words().into_iter();
    let mut ended: Vec<String> = counts
        .filter(|(word, count)| *count > 0 || *word == "completed")
        .map(|(word, count)| format!("{count} {word}"))
        .collect();
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
    match &file.asked.shape {
        Shape::Open {
            rate: offered,
            ramp: None,
            ..
        } if file.asked.turns.is_none() => writeln!(
            text,
            "Sent        {} requests/s, {offered} planned",
            rate(figures.sent_per_s)
        )?,
        Shape::Closed { .. } => {}
        _ => writeln!(text, "Sent        {} requests/s", rate(figures.sent_per_s))?,
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
        writeln!(
            text,
            "warning: {}",
            document::budget::beyond_in_words(&beyond)
        )?;
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
    let mut rounded = None;
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
        rounded = rounded.or(spread.relative_error);
        writeln!(text, "{name:<22}{}", row(spread))?;
    }
    let turns = figures.turns.iter();
    let turns = turns.map(|of| (format!("TTFT of turn {}", of.turn), &of.ttft_ms));
    let work = figures.work.iter().flat_map(|work| {
        [
            ("wait for a thread", &work.queue_ms),
            ("CPU work", &work.cpu_ms),
            ("file work", &work.file_ms),
        ]
    });
    let work = work.map(|(name, spread)| (name.to_owned(), spread));
    for (name, spread) in turns.chain(work) {
        if let Some(spread) = spread {
            needs.extend(spread.needs.clone());
            rounded = rounded.or(spread.relative_error);
            writeln!(text, "{name:<22}{}", row(spread))?;
        }
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
    let grown = figures.turns.iter().filter_map(|of| of.prompt_tokens_mean);
    let grown: Vec<_> = grown.map(|tokens| format!("{tokens:.0}")).collect();
    if !grown.is_empty() {
        writeln!(text, "Prompt tokens by turn: {}.", grown.join(", "))?;
    }
    if let Some(error) = rounded {
        writeln!(
            text,
            "Percentiles of many values come from a histogram, within {} %.",
            100.0 * error
        )?;
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
    if client.disk_waits > 0 {
        writeln!(
            text,
            "            {} requests waited {:.1} s in all until rows were on disk",
            client.disk_waits, client.disk_wait_s
        )?;
    }
    match runtime {
        Some(facts) => writeln!(text, "            {}", flavour::in_words(facts)),
        None => Ok(()),
    }
}

/// What was asked for, in a sentence.
fn in_words(file: &LoadFile) -> String {
    let asked = &file.asked;
    let plural = |n: u32, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let limit = |agents: &Option<u32>| {
        agents.map_or_else(
            || "no limit in flight".to_owned(),
            |n| format!("at most {n} at one time"),
        )
    };
    let pause = |think_s: f64, what: &str| {
        let paused = think_s > 0.0;
        paused.then(|| format!("{think_s} s of thought between {what}"))
    };
    let mut parts = Vec::new();
    match &asked.shape {
        Shape::Closed { agents, think_s } => {
            parts.push(format!("Closed loop: {}", plural(*agents, "agent")));
            parts.extend(pause(*think_s, "requests"));
        }
        Shape::Open {
            arrivals,
            cv,
            rate,
            ramp,
            agents,
            think_s,
        } => {
            let what = asked.turns.map_or("requests/s", |_| "sessions/s");
            let rate = match ramp {
                Some(ramp) => format!("{} to {rate} {what} over {} s", ramp.from, ramp.over_s),
                None => format!("{rate} {what}"),
            };
            let spread = cv.map_or_else(|| arrivals.clone(), |cv| format!("{arrivals}, cv {cv}"));
            parts.push(format!("Open loop: {rate} ({spread})"));
            parts.push(limit(agents));
            parts.extend(pause(*think_s, "turns"));
        }
        Shape::Replay {
            trace,
            speed,
            agents,
            ..
        } => {
            parts.push(format!("Replay of {trace}, {speed} s of it a second"));
            parts.push(limit(agents));
        }
    }
    parts.push(format!(
        "{} to {}",
        plural(asked.requests, "request"),
        asked.model
    ));
    if let Some(turns) = asked.turns {
        parts.push(format!("sessions of {}", plural(turns, "turn")));
    }
    parts.push(match asked.shape {
        Shape::Replay { .. } => format!(
            "answers as long as recorded, at most {} tokens where that is not known",
            asked.num_predict
        ),
        _ => format!("at most {} tokens each", asked.num_predict),
    });
    if let Some(work) = &asked.work {
        let file = work.file_bytes.map(|bytes| format!("a file of {bytes} B"));
        let work_is: Vec<_> = work.cpu.iter().cloned().chain(file).collect();
        parts.push(format!(
            "{} before each on {}",
            work_is.join(" and "),
            plural(work.threads, "thread")
        ));
    }
    parts.join(", ")
}

fn unknown() -> String {
    "unknown".to_owned()
}
