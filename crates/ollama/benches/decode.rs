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

/// Repeats `work` for at least `seconds`, five times, and returns the best rate in rounds per second: the run that
/// other programs disturbed least.
fn rate(seconds: f64, work: &mut dyn FnMut()) -> f64 {
    let rates = (0..5).map(|_| {
        let (started, mut rounds) = (Instant::now(), 0);
        while started.elapsed().as_secs_f64() < seconds {
            work();
            rounds += 1;
        }
        f64::from(rounds) / started.elapsed().as_secs_f64()
    });
    rates.fold(0.0, f64::max)
}

fn main() {
    // `cargo test --all-targets` runs this too, without `--bench`: a short run checks that it works.
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let seconds = if is_measured { 0.1 } else { 0.0001 };
    let stream = STREAM.repeat(200);
    let mut decode = || {
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
    };
    let mut deserialize = || {
        let lines = JOURNAL.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            let record: JournalLine =
                serde_json::from_slice(line).expect("the fixture is well formed");
            black_box(&record);
        }
    };
    let rows: [(&str, &[u8], &mut dyn FnMut()); 2] = [
        ("stream objects", &stream, &mut decode),
        ("journal records", JOURNAL, &mut deserialize),
    ];
    for (what, bytes, work) in rows {
        let newlines = || memchr::memchr_iter(b'\n', black_box(bytes)).count();
        let items = newlines() as f64;
        let ours = rate(seconds, work);
        let bound = rate(seconds, &mut || {
            black_box(newlines());
        });
        println!(
            "{what:<16} {:>12.0} per second ({:.0} MiB/s), {:.1} x the time of counting newlines",
            items * ours,
            bytes.len() as f64 * ours / f64::from(1 << 20),
            bound / ours
        );
    }
}
