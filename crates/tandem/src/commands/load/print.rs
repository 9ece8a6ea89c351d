//! A load's figures for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use document::table::Origin;
use document::words::{outcomes, plural};
use document::{Cell, Field, Table};
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
    write!(text, "{}", terminal::badge(file.header.provenance))?;
    writeln!(text, "{}", in_words(file))?;
    writeln!(text)?;

    let Some(result) = &file.result else {
        return writeln!(text, "No figures: it has not ended");
    };
    let figures = &result.figures;
    let mut ended = vec![outcomes(&figures.outcomes)];
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
    put_client(text, result, file.header.runtime.as_ref())?;
    let beyond = file
        .header
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

fn put_spreads(text: &mut String, result: &LoadResult) -> std::fmt::Result {
    let figures = &result.figures;
    // What is always printed, and what only where it was measured.
    let always = [
        ("TTFT", &figures.ttft_ms),
        ("TTFT from the plan", &figures.ttft_scheduled_ms),
        ("client queue", &figures.client_queue_ms),
        ("TPOT", &figures.tpot_ms),
        ("ITL", &figures.itl_ms),
        ("end to end", &figures.e2e_ms),
    ];
    let mut rows: Vec<_> = always
        .into_iter()
        .map(|(name, spread)| (name.to_owned(), spread.as_ref()))
        .collect();
    if let Some(connect) = &figures.connect_ms {
        rows.insert(3, ("connect".to_owned(), Some(connect)));
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
        rows.extend(spread.as_ref().map(|spread| (name, Some(spread))));
    }
    text.push_str(&spreads(&rows).to_text(terminal::width()));

    let known = || rows.iter().filter_map(|(_, spread)| *spread);
    let needs: BTreeMap<_, _> = known().flat_map(|spread| &spread.needs).collect();
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
        writeln!(
            text,
            "- {} took 1 s or more: the server's accept queue overflowed; see docs/load.md, \
             \"Connections\".",
            plural(figures.slow_connects, "connection")
        )?;
    }
    let grown = figures.turns.iter().filter_map(|of| of.prompt_tokens_mean);
    let grown: Vec<_> = grown.map(|tokens| format!("{tokens:.0}")).collect();
    if !grown.is_empty() {
        writeln!(text, "Prompt tokens by turn: {}.", grown.join(", "))?;
    }
    if let Some(error) = known().find_map(|spread| spread.relative_error) {
        writeln!(
            text,
            "Percentiles of many values come from a histogram, within {} %.",
            100.0 * error
        )?;
    }
    Ok(())
}

/// A row of times. What the sample is too small to certify is `-`.
type Row<'a> = (String, Option<&'a Spread>);

fn spreads(rows: &[Row]) -> Table {
    let ms = |key, of: fn(&Spread) -> Option<f64>| {
        Field::number(
            key,
            key,
            Origin::Derived,
            move |(_, spread): &Row| match spread {
                None => Cell::Unknown,
                Some(spread) => of(spread).map_or_else(|| Cell::text("-"), |v| Cell::number(v, 3)),
            },
        )
    };
    let fields = vec![
        Field::label("ms", "ms", |(name, _): &Row| Cell::text(name)),
        ms("mean", |s| Some(s.mean)),
        ms("p50", |s| Some(s.p50)),
        ms("p90", |s| s.p90),
        ms("p95", |s| s.p95),
        ms("p99", |s| s.p99),
        ms("max", |s| Some(s.max)),
        Field::number("n", "n", Origin::Derived, |(_, spread): &Row| {
            spread.map_or(Cell::Unknown, |s| Cell::number(s.n as f64, 0))
        }),
        ms("min", |s| Some(s.min)),
    ];
    Table::of("times", "", fields, rows)
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
