//! A load's figures as text.

use std::collections::BTreeMap;

use document::table::Origin;
use document::words::{outcomes, plural};
use document::{Cell, Field, Table};
use domain::record::RuntimeFacts;
use domain::record::load::{LoadFile, LoadResult, Shape, Spread};
use metrics::budget;

use crate::flavour;
use crate::terminal;

pub(super) fn block(file: &LoadFile) -> String {
    let mut lines = Lines(terminal::badge(file.header.provenance).to_owned());
    lines.add("", in_words(file));
    lines.add("", "");
    let Some(result) = &file.result else {
        lines.add("", "No figures: the load has not ended");
        return lines.0;
    };
    add_counts(&mut lines, file, result);
    lines.add("", "");
    add_times(&mut lines, result);
    lines.add("", "");
    add_client(&mut lines, result, file.header.runtime.as_ref());
    let received = result.figures.tokens_per_s;
    let known = file.header.client_budget.as_ref().zip(received);
    if let Some(beyond) = known.and_then(|(known, received)| budget::beyond(known, received)) {
        lines.add("warning: ", document::budget::beyond_in_words(&beyond));
    }
    if let Some(helped) = file.asked.cache_warning(&result.figures) {
        lines.add("warning: ", helped);
    }
    for (note, responses) in &result.figures.notes {
        lines.add("warning: ", note.counted(*responses));
    }
    if result.warmed == Some(false) {
        let words =
            "the model was not loaded before the first request, whose TTFT may include loading it";
        lines.add("warning: ", words);
    }
    let contradict = "figures contradict the server's own counters or each other";
    match result.figures.clock_warnings {
        0 => {}
        n => lines.add("warning: ", format!("{n} {contradict}")),
    }
    lines.0
}

struct Lines(String);

impl Lines {
    fn add(&mut self, heading: &str, words: impl AsRef<str>) {
        self.0.extend([heading, words.as_ref(), "\n"]);
    }
}

fn add_counts(lines: &mut Lines, file: &LoadFile, result: &LoadResult) {
    let figures = &result.figures;
    let not_begun = match result.not_begun {
        0 => String::new(),
        n => format!(", {n} not started"),
    };
    lines.add("Outcomes    ", outcomes(&figures.outcomes) + &not_begun);
    for (message, count) in &figures.failures {
        lines.add("            ", format!("{count} x {message}"));
    }
    let wall = figures.wall_s.map_or_else(unknown, |s| format!("{s:.3} s"));
    lines.add(
        "Wall        ",
        wall + " from the first send to the last answer",
    );
    let rate = |r: Option<f64>| r.map_or_else(unknown, |r| format!("{r:.2}"));
    let (requests, tokens) = (rate(figures.requests_per_s), rate(figures.tokens_per_s));
    let most = result.peak_in_flight;
    let words = format!("{requests} requests/s, {tokens} tok/s; at most {most} in flight");
    lines.add("Throughput  ", words);
    let sent = rate(figures.sent_per_s) + " requests/s";
    match &file.asked.shape {
        Shape::Open {
            rate: offered,
            ramp: None,
            ..
        } if file.asked.turns.is_none() => {
            lines.add("Sent        ", format!("{sent}, {offered} planned"));
        }
        Shape::Closed { .. } => {}
        _ => lines.add("Sent        ", sent),
    }
    let tokens = figures.tokens;
    let count = match figures.tokens_estimated {
        0 => "the server's count".to_owned(),
        n if n == tokens => "chunks counted, an estimate".to_owned(),
        n => format!("{n} of them chunks counted, an estimate"),
    };
    lines.add("Tokens      ", format!("{tokens} ({count})"));
    if let Some(slo) = &figures.slo {
        let percent = |share| format!("{:.1} %", 100.0 * share);
        let share = slo.share.map_or_else(unknown, percent);
        let (rate, good, limits) = (rate(slo.per_s), slo.good, &slo.limits);
        let words = format!("{rate} requests/s; {good} requests ({share}) kept {limits}");
        lines.add("Goodput     ", words);
    }
}

fn add_times(lines: &mut Lines, result: &LoadResult) {
    let figures = &result.figures;
    let always = [
        ("TTFT", &figures.ttft_ms),
        ("TTFT from the plan", &figures.ttft_scheduled_ms),
        ("client queue", &figures.client_queue_ms),
        ("TPOT", &figures.tpot_ms),
        ("ITL", &figures.itl_ms),
        ("end to end", &figures.e2e_ms),
    ];
    let always = always.map(|(name, spread)| (name.to_owned(), spread.as_ref()));
    let mut rows = always.to_vec();
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
    lines.0 += &times(&rows).to_text(terminal::width());

    let known = || rows.iter().filter_map(|(_, spread)| *spread);
    let needs: BTreeMap<_, _> = known().flat_map(|spread| &spread.needs).collect();
    let not_completed = figures.outcomes.not_completed();
    if not_completed > 0 {
        let words = format!("Completed requests only; {not_completed} left out.");
        lines.add("", words);
    }
    let needs = needs.iter().map(|(p, n)| format!("{p} needs {n}"));
    let needs = needs.collect::<Vec<_>>().join(", ");
    if !needs.is_empty() {
        let why = if result.interrupted {
            "- stopped before there were enough requests: "
        } else {
            "- not enough requests: "
        };
        lines.add(why, needs + ".");
    }
    if figures.slow_connects > 0 {
        let words = "took 1 s or more: the server's accept queue overflowed; see docs/load.md, \
                     \"Connections\".";
        let connections = plural(figures.slow_connects, "connection");
        lines.add("- ", format!("{connections} {words}"));
    }
    let grown = figures.turns.iter().filter_map(|of| of.prompt_tokens_mean);
    let grown: Vec<_> = grown.map(|tokens| format!("{tokens:.0}")).collect();
    if !grown.is_empty() {
        lines.add("Prompt tokens by turn: ", grown.join(", ") + ".");
    }
    if let Some(error) = known().find_map(|spread| spread.relative_error) {
        let words = "Percentiles of many values come from a histogram, within ";
        lines.add(words, format!("{} %.", 100.0 * error));
    }
}

/// A row of times; a percentile that needs more requests is `-`.
type Row<'a> = (String, Option<&'a Spread>);

fn times(rows: &[Row]) -> Table {
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

fn add_client(lines: &mut Lines, result: &LoadResult, runtime: Option<&RuntimeFacts>) {
    let client = &result.client;
    let shared = client.shared_with_simulator;
    let cpu = match client.cpu_us_per_token {
        Some(us) => format!("{us:.1} us of CPU per token"),
        None if shared => "CPU per token unknown: the simulator shares this process".to_owned(),
        None => "CPU per token unknown".to_owned(),
    };
    let with = if shared {
        ", including the simulator"
    } else {
        ""
    };
    let mib = |bytes| format!("{:.1} MiB{with}", bytes as f64 / 1_048_576.0);
    let memory = client.peak_memory_bytes.map_or_else(unknown, mib);
    lines.add("Client      ", format!("{cpu}; peak memory {memory}"));
    let (waits, seconds) = (client.disk_waits, client.disk_wait_s);
    if waits > 0 {
        let words = format!("{waits} requests waited {seconds:.1} s in total for the disk");
        lines.add("            ", words);
    }
    if let Some(facts) = runtime {
        lines.add("            ", flavour::in_words(facts));
    }
}

/// The load's description in one line.
fn in_words(file: &LoadFile) -> String {
    let asked = &file.asked;
    let limit = |agents: &Option<u32>| {
        agents.map_or_else(
            || "no limit in flight".to_owned(),
            |n| format!("at most {n} in flight"),
        )
    };
    let pause = |think_s: f64, what: &str| {
        let paused = think_s > 0.0;
        paused.then(|| format!("pauses of {think_s} s between {what}"))
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
            starts,
            skipped,
            unused,
            ..
        } => {
            parts.push(format!("Replay of {trace} at speed {speed}"));
            parts.extend(starts.as_ref().map(|starts| format!("starts by {starts}")));
            parts.extend(skipped.map(|n| {
                let requests = plural(n, "recorded request");
                format!("{requests} without a response not sent")
            }));
            if !unused.is_empty() {
                let columns = plural(unused.len() as u32, "column");
                parts.push(format!("{columns} not used ({})", unused.join(", ")));
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_long_times_stay_apart_and_a_stopped_load_gets_its_own_note() {
        let recorded = include_str!("../../../../../fixtures/load/load.json");
        let mut file: LoadFile = serde_json::from_str(recorded).expect("the fixture is a load");
        let result = file.result.as_mut().expect("it has ended");
        result.interrupted = true;
        result.figures.e2e_ms = Some(Spread {
            n: 3,
            mean: 1_234_567.891,
            min: 123_456.789,
            p50: 1_234_567.891,
            p90: None,
            p95: None,
            p99: None,
            max: 2_345_678.912,
            needs: [("p90".to_owned(), 10)].into(),
            relative_error: None,
        });
        let text = block(&file);
        let row = text.lines().find(|line| line.contains("1,234,567.891"));
        let cells = row.expect("the row is shown").split("  ");
        let means = cells.filter(|cell| cell.trim() == "1,234,567.891");
        assert_eq!(means.count(), 2, "mean and median: {text}");
        assert!(
            text.contains("stopped before there were enough requests: p90 needs 10"),
            "{text}"
        );
        assert!(!text.contains("not enough requests"), "{text}");
    }
}
