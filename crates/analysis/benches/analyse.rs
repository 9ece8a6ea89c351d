//! A load of a million requests with a stamp for every token: read, tables, charts, report.
//!
//! `cargo xtask bench analyse [--requests N]`
#![expect(clippy::disallowed_types, reason = "a benchmark measures the host")]

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use analysis::load;
use analysis::load_report;
use analysis::report::ReportOptions;
use domain::hash::derive;
use serde_json::json;

const AGENTS: u64 = 1_000;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let after = |name: &str| arguments.iter().position(|a| a == name).map(|at| at + 1);
    let asked = after("--requests").and_then(|at| arguments.get(at));
    let requests: u64 = match asked.map(|n| n.parse()) {
        Some(Ok(n)) if n > 0 => n,
        Some(_) => {
            eprintln!("--requests takes a number above 0");
            std::process::exit(2);
        }
        // `cargo test --all-targets` runs this too, without `--bench`: a few show that it works.
        None if !arguments.iter().any(|a| a == "--bench") => 2_000,
        None => 1_000_000,
    };
    let dir = std::env::temp_dir().join(format!("tandem-analyse-{}", std::process::id()));
    let size = generate(&dir, requests);
    let bytes = size as f64;
    let before = peak_mib();
    let started = Instant::now();
    let loaded = load::read(&dir, false);
    let read_s = started.elapsed().as_secs_f64();
    let removed = fs::remove_dir_all(&dir);
    let loaded = loaded.expect("the generated rows are well-formed");
    removed.expect("the folder is ours");
    assert_eq!(loaded.requests.len() as u64, requests, "every row is read");
    let options = ReportOptions {
        name: "analyse".to_owned(),
        inputs: vec!["generated".to_owned()],
        published: None,
    };
    let report = load_report::build(&loaded, &options).expect("the report builds");
    let all_s = started.elapsed().as_secs_f64();
    println!(
        "{requests} requests, {} gaps, {:.0} MB: read in {read_s:.2} s ({:.0} rows/s, {:.0} MB/s), \
         with tables and {} files in {all_s:.2} s",
        loaded.itl.len(),
        bytes / 1e6,
        requests as f64 / read_s,
        bytes / 1e6 / read_s,
        report.files.len(),
    );
    match (before, peak_mib()) {
        (Some(before), Some(peak)) => {
            println!("peak memory {peak:.0} MiB, of which {before:.0} before reading");
        }
        _ => println!("peak memory unknown: this system does not tell (needs Linux's /proc)"),
    }
}

/// Writes a load's folder; the same for the same number of requests. Returns the rows' size.
fn generate(dir: &Path, requests: u64) -> u64 {
    fs::create_dir_all(dir).expect("the temporary folder can be written");
    let facts = json!({
        "schema": domain::record::load::LOAD_SCHEMA, "result": null,
        "header": { "name": "analyse", "provenance": "simulated", "tool": "tandem",
                    "started_at": "2026-01-01T00:00:00Z", "command": "" },
        "asked": { "model": "m", "shape": { "kind": "closed", "agents": AGENTS, "think_s": 0.0 },
                   "requests": requests, "num_predict": 50, "seed": 1, "slo": "ttft<2s,tpot<80ms" },
    });
    fs::write(dir.join(domain::record::load::LOAD_FILE), facts.to_string()).expect("there is room");
    let path = dir.join(domain::record::load::REQUESTS_FILE);
    let file = File::create(&path).expect("the temporary folder can be written");
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let mut state = derive(&["analyse"]);
    // Between `low` and `high`; the middle most often.
    let mut between = |low: u64, high: u64| {
        let mut part = || {
            // A linear congruential step (Knuth's MMIX); its high bits are even enough here.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % ((high - low) / 2 + 1)
        };
        low + part() + part()
    };
    let mut free = vec![0_u64; AGENTS as usize];
    for index in 0..requests {
        let agent = index % AGENTS;
        let scheduled = free[agent as usize];
        let sent = scheduled + between(2_000, 90_000);
        // One in fifty waits long for its first token.
        let first_gap = if index % 50 == 7 {
            between(400_000_000, 6_000_000_000)
        } else {
            between(40_000_000, 120_000_000)
        };
        let tokens = between(20, 50);
        let first = sent + first_gap;
        let mut last = first;
        let later = (1..tokens).map(|_| {
            last += between(18_000_000, 24_000_000);
            last
        });
        let chunks: Vec<u64> = std::iter::once(first).chain(later).collect();
        let done = last + 300_000;
        free[agent as usize] = done + 1_000;
        let outcome = if index % 200 == 11 {
            json!({ "failed": { "failure": "connection_reset", "message": "connection reset by peer" } })
        } else {
            json!("completed")
        };
        let row = json!({
            "run": { "config": "load", "topology": "shared", "repetition": 1 },
            "arm": "together", "attempt": 1, "role": "main", "agent": agent,
            "agent_name": format!("agent{agent}"), "step": "load", "call": index / AGENTS, "endpoint": 0,
            "model": "gemma3:latest", "options": { "num_predict": 50, "seed": index },
            "prompt_sha256": format!("{:064x}", u128::from(index) * 0x9e37_79b9_7f4a_7c15),
            "times": {
                "scheduled": scheduled, "sent": sent, "headers": first, "first_token": first,
                "first_content": first, "last_token": last, "done": done, "ended": done,
                "outcome": outcome, "tokens": tokens, "tokens_from": "server",
                "counters": {
                    "total_ns": done - sent - 100_000, "load_ns": 1_000_000, "prompt_eval_count": 49,
                    "prompt_eval_ns": 30_000_000, "eval_count": tokens, "eval_ns": last - first,
                },
                "chunks": chunks,
            },
            "done_reason": "length", "output_chars": tokens * 5,
        });
        writeln!(file, "{row}").expect("there is room");
    }
    file.flush().expect("there is room");
    drop(file);
    fs::metadata(&path).expect("it was just written").len()
}

/// Peak memory of this process; none where the system does not report it.
fn peak_mib() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
