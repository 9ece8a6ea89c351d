//! A sweep of many simulated hours: memory stays constant, and the journal agrees with the simulator's log
//! request by request. `cargo xtask bench soak` runs 24 hours.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::Value;

use crate::place::{Place, lines};

/// Simulated hours of a repetition of TR113's matrix, rounded down.
const HOURS_A_REPETITION: f64 = 0.19;

/// Allowed growth of memory in the second half of a run, bytes: the simulator keeps its last twenty thousand
/// log lines, and allocators round up.
const GROWTH: u64 = 16 << 20;

fn hours() -> f64 {
    let given = std::env::var("TANDEM_SOAK_HOURS");
    given.map_or(HOURS_A_REPETITION, |hours| hours.parse().unwrap())
}

fn memory(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

#[test]
fn memory_of_a_long_sweep_is_constant_and_its_journal_agrees_with_the_servers_log() {
    let place = Place::new();
    let repeats = (hours() / HOURS_A_REPETITION).ceil();
    let line =
        format!("sweep --simulate --simulator-log log.jsonl --out soak --repeats {repeats} --json");
    let mut sweep = place
        .command(&line)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let journal = place.path("soak/journal.jsonl");
    let mut samples = Vec::new();
    // A line of output marks the end of an arm.
    for _arm in BufReader::new(sweep.stdout.take().unwrap()).lines() {
        if let (Ok(file), Some(bytes)) = (fs::metadata(&journal), memory(sweep.id())) {
            samples.push((file.len(), bytes));
        }
    }
    assert!(sweep.wait().unwrap().success());

    let size = fs::metadata(&journal).unwrap().len();
    // At its end the sweep reads the journal for its summary, which is not counted.
    let second_half: Vec<u64> = samples
        .iter()
        .filter(|(at, _)| (size / 2..size / 100 * 98).contains(at))
        .map(|(_, bytes)| *bytes)
        .collect();
    let (first, most) = (second_half[0], *second_half.iter().max().unwrap());
    assert!(most < first + GROWTH, "from {first} to {most} bytes");

    let mut sent = Vec::new();
    let mut simulated = 0;
    for line in lines::<Value>(&journal) {
        simulated = simulated.max(line["mark"]["at"].as_u64().unwrap_or(0));
        if let Some(request) = line.get("request") {
            let times = &request["times"];
            assert_eq!(times["outcome"], "completed");
            let chunks = times["chunks"].as_array().unwrap().len() as u64;
            sent.push((times["sent"].as_u64().unwrap(), chunks));
        }
    }
    // Loading and unloading have no text.
    let received = lines::<Value>(&place.path("log.jsonl")).filter(|line| {
        line["log"] == "request" && line["path"] == "/api/generate" && line["chunks"] != 0
    });
    let mut received: Vec<_> = received
        .map(|line| {
            assert_eq!(line["whole"], true);
            ["received", "chunks"].map(|key| line[key].as_u64().unwrap())
        })
        .collect();
    sent.sort_unstable();
    received.sort_unstable();
    assert_eq!(sent.len(), received.len());
    for (sent, [at, chunks]) in sent.iter().zip(received) {
        let latency = at - sent.0;
        assert!(
            sent.1 == chunks && latency < 5_000_000,
            "{sent:?} {at}, {chunks}"
        );
    }
    let mib = |bytes: u64| bytes as f64 / 1_048_576.0;
    println!(
        "{:.1} simulated hours, {} requests, all in the simulator's log once: memory {:.1} MiB half \
         way, at most {:.1} MiB after it; journal {:.1} MiB",
        simulated as f64 / 3.6e12,
        sent.len(),
        mib(first),
        mib(most),
        mib(size),
    );
}
