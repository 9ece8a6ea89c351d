//! A load's figures as text.

use std::collections::BTreeMap;
use std::iter;

use document::Cell;
use document::words::{known, outcomes, plural};
use domain::record::RuntimeFacts;
use domain::record::load::{LoadFile, LoadResult, RampSettings, Shape, Spread};
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
    for warning in warnings(file, result) {
        lines.add("warning: ", warning);
    }
    lines.0
}

fn warnings(file: &LoadFile, result: &LoadResult) -> impl Iterator<Item = String> {
    let figures = &result.figures;
    let known = file.header.client_budget.as_ref().zip(figures.tokens_per_s);
    let beyond = known.and_then(|(known, received)| budget::beyond(known, received));
    let beyond = beyond.map(|beyond| document::budget::beyond_in_words(&beyond));
    let notes = figures.notes.iter();
    let notes = notes.map(|(note, responses)| note.counted(*responses));
    let cold = (result.warmed == Some(false)).then(|| {
        let what = "the model was not loaded before the first request";
        format!("{what}, whose TTFT may include loading it")
    });
    let contradictions = (figures.clock_warnings > 0).then(|| {
        let n = figures.clock_warnings;
        format!("{n} figures contradict the server's own counters or each other")
    });
    let cache = file.asked.cache_warning(figures);
    let first = beyond.into_iter().chain(cache);
    first.chain(notes).chain(cold).chain(contradictions)
}

struct Lines(String);

impl Lines {
    /// Adds a line under a heading of 12 characters; a line without a heading continues the one before.
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
    let wall = known(figures.wall_s.map(|s| format!("{s:.3} s")));
    let wall = wall + " from the first send to the last answer";
    lines.add("Wall        ", wall);
    let rate = |r: Option<f64>| known(r.map(|r| format!("{r:.2}")));
    let (requests, tokens) = (rate(figures.requests_per_s), rate(figures.tokens_per_s));
    let most = result.peak_in_flight;
    let words = format!("{requests} requests/s, {tokens} tok/s; at most {most} in flight");
    lines.add("Throughput  ", words);
    let sent = rate(figures.sent_per_s) + " requests/s";
    match &file.asked.shape {
        Shape::Closed { .. } => {}
        Shape::Open {
            rate_per_s,
            ramp: None,
            ..
        } if file.asked.turns.is_none() => {
            lines.add("Sent        ", format!("{sent}, {rate_per_s} planned"));
        }
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
        let share = known(slo.share.map(|share| format!("{:.1} %", 100.0 * share)));
        let (rate, good, limits) = (rate(slo.per_s), slo.good, &slo.limits);
        let words = format!("{rate} requests/s; {good} requests ({share}) kept {limits}");
        lines.add("Goodput     ", words);
    }
}

fn add_times(lines: &mut Lines, result: &LoadResult) {
    let figures = &result.figures;
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (name, spread) in [
        ("TTFT", &figures.ttft_ms),
        ("TTFT from the plan", &figures.ttft_scheduled_ms),
        ("client queue", &figures.client_queue_ms),
        ("connect", &figures.connect_ms),
        ("TPOT", &figures.tpot_ms),
        ("ITL", &figures.itl_ms),
        ("end to end", &figures.e2e_ms),
    ] {
        if spread.is_some() || name != "connect" {
            rows.push((name.to_owned(), spread.as_ref()));
        }
    }
    let turns = figures.turns.iter();
    let turns = turns.map(|of| (format!("TTFT of turn {}", of.turn), &of.ttft_ms));
    let work = figures.work.iter().flat_map(|work| {
        [
            ("wait for a thread".to_owned(), &work.queue_ms),
            ("CPU work".to_owned(), &work.cpu_ms),
            ("file work".to_owned(), &work.file_ms),
        ]
    });
    let measured = turns.chain(work).filter(|(_, spread)| spread.is_some());
    rows.extend(measured.map(|(name, spread)| (name, spread.as_ref())));
    lines.0 += &times(&rows);

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

fn times(rows: &[Row]) -> String {
    let ms = |value| Cell::number(value, 3);
    let percentile = |p: Option<f64>| p.map_or(Cell::text("-"), ms);
    let rows = rows.iter().map(|(name, spread)| {
        let figures = spread.map_or([const { Cell::Unknown }; 8], |s| {
            let [p90, p95, p99] = [s.p90, s.p95, s.p99].map(percentile);
            let n = Cell::number(s.n as f64, 0);
            [
                ms(s.mean),
                ms(s.p50),
                p90,
                p95,
                p99,
                ms(s.max),
                n,
                ms(s.min),
            ]
        });
        iter::once(Cell::text(name)).chain(figures).collect()
    });
    let headings = "<ms | mean | p50 | p90 | p95 | p99 | max | n | min";
    terminal::table(headings, rows)
}

fn add_client(lines: &mut Lines, result: &LoadResult, runtime: Option<&RuntimeFacts>) {
    let client = &result.client;
    let shared = client.shared_with_simulator;
    let cpu = match client.cpu_us_per_token {
        Some(us) => format!("{us:.1} us of CPU per token"),
        None if shared => "CPU per token unknown: the simulator shares this process".to_owned(),
        None => "CPU per token unknown".to_owned(),
    };
    let with = shared.then_some(", including the simulator");
    let with = with.unwrap_or_default();
    let memory = client.peak_memory_bytes;
    let memory = memory.map(|bytes| format!("{:.1} MiB{with}", bytes as f64 / 1_048_576.0));
    let memory = known(memory);
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
    let limit = |agents: &Option<u32>| match agents {
        None => "no limit in flight".to_owned(),
        Some(n) => format!("at most {n} in flight"),
    };
    let pause = |think_s: f64, what: &str| {
        (think_s > 0.0).then(|| format!("pauses of {think_s} s between {what}"))
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
            rate_per_s: rate,
            ramp,
            agents,
            think_s,
        } => {
            let what = asked.turns.map_or("requests/s", |_| "sessions/s");
            let rate = match ramp {
                Some(RampSettings { from_per_s, over_s }) => {
                    format!("{from_per_s} to {rate} {what} over {over_s} s")
                }
                None => format!("{rate} {what}"),
            };
            let spread = cv.map_or_else(|| arrivals.clone(), |cv| format!("{arrivals}, cv {cv}"));
            parts.push(format!("Open loop: {rate} ({spread})"));
            parts.push(limit(agents));
            parts.extend(pause(*think_s, "turns"));
        }
        Shape::Replay {
            trace,
            speed_factor: speed,
            agents,
            starts,
            skipped,
            unused,
            ..
        } => {
            parts.push(format!("Replay of {trace} at speed {speed}"));
            parts.extend(starts.as_ref().map(|starts| format!("starts by {starts}")));
            let skipped = skipped.map(|n| plural(n, "recorded request"));
            parts.extend(skipped.map(|requests| requests + " without a response not sent"));
            if !unused.is_empty() {
                let columns = plural(unused.len() as u32, "column");
                parts.push(format!("{columns} not used ({})", unused.join(", ")));
            }
            parts.push(limit(agents));
        }
    }
    let (requests, most) = (plural(asked.requests, "request"), asked.num_predict);
    parts.push(format!("{requests} to {}", asked.model));
    let turns = asked.turns.map(|turns| plural(turns, "turn"));
    parts.extend(turns.map(|turns| format!("sessions of {turns}")));
    parts.push(match asked.shape {
        Shape::Replay { .. } => {
            format!("answers as long as recorded, at most {most} tokens where that is not known")
        }
        _ => format!("at most {most} tokens each"),
    });
    if let Some(work) = &asked.work {
        let file = work.file_bytes.map(|bytes| format!("a file of {bytes} B"));
        let work_is: Vec<_> = work.cpu.iter().cloned().chain(file).collect();
        let (work_is, threads) = (work_is.join(" and "), plural(work.threads, "thread"));
        parts.push(format!("{work_is} before each on {threads}"));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_long_times_stay_apart_and_a_stopped_load_gets_its_own_note() {
        let recorded = include_str!("../../../../../fixtures/load/load.json");
        let mut file: LoadFile = serde_json::from_str(recorded).unwrap();
        let result = file.result.as_mut().unwrap();
        result.interrupted = true;
        let spread = result.figures.e2e_ms.as_mut().unwrap();
        (spread.mean, spread.p50) = (1_234_567.891, 1_234_567.891);
        spread.needs = [("p90".to_owned(), 10)].into();
        let text = block(&file);
        let row = text.lines().find(|line| line.contains("1,234,567.891"));
        let cells = row.unwrap().split("  ").map(str::trim);
        let means = cells.filter(|cell| *cell == "1,234,567.891");
        assert_eq!(means.count(), 2, "mean and median: {text}");
        let stopped = "stopped before there were enough requests: ";
        assert!(
            text.contains(stopped) && text.contains("p90 needs 10"),
            "{text}"
        );
        assert!(!text.contains("not enough requests"), "{text}");
    }
}
