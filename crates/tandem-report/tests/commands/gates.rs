//! Error rates of gates on runs with a known change, measured on the binary: a table of
//! `docs/statistics.md`. `cargo xtask bench gates` runs more comparisons.

use std::fmt::Write as _;
use std::fs;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Normal};
use serde_json::{Value, json};

use crate::fixtures::{run, with_fixtures};
use crate::place::Place;

/// Comparisons of each case, unless `TANDEM_GATE_TRIALS` is set.
const TRIALS: u32 = 20;
/// Requests of a run of a load: enough for p95.
const REQUESTS: u64 = 130;

#[derive(Clone, Copy, PartialEq)]
enum Data {
    /// Imported figures of this many configurations, unpaired.
    Figures(u32),
    /// Loads whose repetitions have equal seeds on both sides.
    Loads,
}

/// Spread between the runs of a side, as a share.
const NOISE: f64 = 0.02;

struct Draw(ChaCha8Rng);

impl Draw {
    /// A factor around 1 that spreads by this share.
    fn factor(&mut self, spread: f64) -> f64 {
        Normal::new(0.0, spread).unwrap().sample(&mut self.0).exp()
    }
}

/// Shares of comparisons that fail, pass and stay undecided.
fn shares(
    place: &Place,
    (gate, data, runs, change): (&str, Data, u32, f64),
    trials: u32,
    seed: u64,
) -> [f64; 3] {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    let mut counts = [0_u32; 3];
    for _ in 0..trials {
        let is_load = data == Data::Loads;
        // The cost of a seed's texts is the same on both sides.
        let seeds = if is_load { runs } else { 0 };
        let shared: Vec<f64> = (0..seeds).map(|_| draw.factor(0.1)).collect();
        for (side, change) in [("base", 1.0), ("new", change)] {
            match data {
                Data::Figures(n) => figures(place, side, runs, n, change, &mut draw),
                Data::Loads => loads(place, side, change, &shared, &mut draw),
            }
        }
        let is_each = data == Data::Figures(5);
        let each = if is_each { "--each" } else { "" };
        let end = if is_load { "" } else { ".csv" };
        let line = format!("compare base{end} new{end} --fail-if '{gate}' {each} --json");
        let (code, _, err) = run(place, &line);
        let outcome = [1, 0, 4].iter().position(|known| *known == code);
        counts[outcome.unwrap_or_else(|| panic!("exit code {code}: {err}"))] += 1;
    }
    counts.map(|count| 100.0 * f64::from(count) / f64::from(trials))
}

fn figures(place: &Place, side: &str, runs: u32, configs: u32, change: f64, draw: &mut Draw) {
    let text = place.read("fixtures/tr113/one-server.csv");
    let mut lines = text.lines();
    let (header, first) = (lines.next().unwrap(), lines.next().unwrap());
    let mut table = format!("{header}\n");
    for config in 0..configs {
        for run in 1..=runs {
            let factor = change * draw.factor(NOISE);
            let cells = first.split(',').zip(header.split(',')).map(|(cell, name)| {
                match (name, cell.parse::<f64>()) {
                    ("config", _) => format!("config{config}"),
                    ("run", _) => run.to_string(),
                    (name, Ok(value)) if name.ends_with("_s") || name.ends_with("_ms") => {
                        (value * factor).to_string()
                    }
                    _ => cell.to_owned(),
                }
            });
            let _ = writeln!(table, "{}", cells.collect::<Vec<_>>().join(","));
        }
    }
    place.write(&format!("{side}.csv"), &table);
}

/// Writes a folder of loads, as `load --repetitions` does, whose requests' TTFT is skewed.
fn loads(place: &Place, name: &str, change: f64, shared: &[f64], draw: &mut Draw) {
    let mut file: Value = serde_json::from_str(&place.read("fixtures/load/load.json")).unwrap();
    let rows = place.read("fixtures/load/requests.jsonl");
    let mut row: Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    file["result"] = Value::Null;
    let counters = row["times"]["counters"].as_object_mut().unwrap();
    counters.retain(|key, _| key == "eval_count");
    for (shared, number) in shared.iter().zip(1..) {
        let folder = place.path(name).join(format!("repetition-{number}"));
        fs::create_dir_all(&folder).unwrap();
        file["asked"]["seed"] = json!(number);
        fs::write(folder.join("load.json"), file.to_string()).unwrap();
        let of_run = change * shared * draw.factor(NOISE);
        let mut text = String::new();
        for place in 0..REQUESTS {
            let sent = place * 1_000_000_000;
            let first = sent + (2e8 * of_run * draw.factor(0.4)) as u64;
            let times = &mut row["times"];
            for (keys, at) in [
                ("scheduled sent", sent),
                ("headers first_token first_content", first),
                ("last_token done ended", first + 1),
            ] {
                keys.split(' ').for_each(|key| times[key] = json!(at));
            }
            times["chunks"] = json!([first, first + 1]);
            let _ = writeln!(text, "{row}");
        }
        fs::write(folder.join("requests.jsonl"), text).unwrap();
    }
}

#[test]
fn gates_keep_their_stated_error_rates() {
    let trials = std::env::var("TANDEM_GATE_TRIALS");
    let trials = trials.map_or(TRIALS, |text| text.parse().unwrap());
    let place = with_fixtures();
    let (wall, tail) = ("wall_s > +5%", "ttft_p95 > +5%");
    let (one, mean, each) = (Data::Figures(1), Data::Figures(3), Data::Figures(5));
    // A gate, the data, the runs a side, and the factor by which everything takes longer on the second side; the
    // most comparisons that may fail, and the fewest that must pass and fail, in percent.
    let cases = [
        (wall, one, 5, 1.0, [5, 85, 0]),
        (wall, one, 5, 1.05, [10, 0, 0]),
        (wall, one, 5, 1.1, [100, 0, 80]),
        // All five must pass.
        (wall, each, 5, 1.0, [5, 70, 0]),
        (wall, each, 5, 1.05, [10, 0, 0]),
        (tail, Data::Loads, 5, 1.0, [5, 0, 0]),
        (tail, Data::Loads, 5, 1.05, [10, 0, 0]),
        (tail, Data::Loads, 5, 1.3, [100, 0, 80]),
        (tail, Data::Loads, 10, 1.05, [10, 0, 0]),
        (wall, mean, 5, 1.0, [5, 85, 0]),
        (wall, mean, 5, 1.1, [100, 0, 80]),
    ];
    println!("| gate | data | runs a side | truth | comparisons | fails | passes | undecided |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for ((gate, data, runs, change, bounds), seed) in cases.into_iter().zip(1..) {
        // Loads take longer to write and to read.
        let is_load = data == Data::Loads;
        let trials = if is_load { trials / 2 } else { trials };
        let found = shares(&place, (gate, data, runs, change), trials, seed);
        let data = match data {
            Data::Figures(1) => "one configuration, unpaired".to_owned(),
            Data::Figures(3) => "mean over 3 configurations, unpaired".to_owned(),
            Data::Figures(n) => format!("{n} configurations, unpaired, `--each`"),
            Data::Loads => format!("loads of {REQUESTS} requests, paired"),
        };
        let [fails, passes, open] = found;
        let truth = 100.0 * (change - 1.0);
        println!(
            "| `{gate}` | {data} | {runs} | {truth:+.0} % | {trials} | {fails:.1} | {passes:.1} | {open:.1} |"
        );
        let [most, fewest, fewest_fail] = bounds.map(f64::from);
        if fails > most || passes < fewest || fails < fewest_fail {
            wrong.push((gate, truth, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
