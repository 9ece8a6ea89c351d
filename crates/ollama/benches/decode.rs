//! Decoding rates of stream objects and journal records, beside an upper bound: the same bytes with only
//! their newlines counted. Compare the ratio within one run.
//!
//! `cargo xtask bench decode`
#![expect(clippy::disallowed_types, reason = "a benchmark measures the host")]

use std::hint::black_box;
use std::time::Instant;

use domain::record::JournalLine;
use ollama::ndjson::Decoder;

const STREAM: &[u8] = include_bytes!("../../../fixtures/ndjson/generate.ndjson");
const JOURNAL: &[u8] = include_bytes!("../../../fixtures/one-or-two-servers/journal.jsonl");

/// Bytes of one network read.
const READ: usize = 16 * 1024;

/// Repeats `work` over `bytes` for at least `seconds`, five times, and returns the best
/// rate in items per second: the run that other programs disturbed least.
fn rate(seconds: f64, items: usize, mut work: impl FnMut()) -> f64 {
    (0..5)
        .map(|_| {
            let started = Instant::now();
            let mut rounds = 0;
            while started.elapsed().as_secs_f64() < seconds {
                work();
                rounds += 1;
            }
            f64::from(rounds) * items as f64 / started.elapsed().as_secs_f64()
        })
        .fold(0.0, f64::max)
}

fn newlines(bytes: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', bytes).count()
}

fn report(what: &str, bytes: &[u8], ours: f64, bound: f64) {
    let mib = bytes.len() as f64 / newlines(bytes) as f64 * ours / f64::from(1 << 20);
    println!(
        "{what:<16} {ours:>12.0} per second ({mib:.0} MiB/s), {:.1} x the time of counting newlines",
        bound / ours
    );
}

fn main() {
    // `cargo test --all-targets` runs this too, without `--bench`: a short run checks that it works.
    let seconds = if std::env::args().any(|argument| argument == "--bench") {
        0.1
    } else {
        0.0001
    };

    let stream = STREAM.repeat(200);
    let objects = newlines(&stream);
    let ours = rate(seconds, objects, || {
        let mut decoder = Decoder::default();
        let mut text = 0;
        for read in stream.chunks(READ) {
            let pushed = decoder.push(read, |line| {
                text += ollama::hot_path::decode(line).expect("the fixture is well formed");
                Ok(false)
            });
            pushed.expect("the fixture has no long lines");
        }
        black_box(text);
    });
    let bound = rate(seconds, objects, || {
        black_box(newlines(black_box(&stream)));
    });
    report("stream objects", &stream, ours, bound);

    let records = newlines(JOURNAL);
    let ours = rate(seconds, records, || {
        for line in JOURNAL
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let record: JournalLine =
                serde_json::from_slice(line).expect("the fixture is well formed");
            black_box(&record);
        }
    });
    let bound = rate(seconds, records, || {
        black_box(newlines(black_box(JOURNAL)));
    });
    report("journal records", JOURNAL, ours, bound);
}
