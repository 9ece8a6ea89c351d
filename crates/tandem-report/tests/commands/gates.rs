//! Error rates of gates on runs with a known change, measured on the binary: a table of
//! `docs/statistics.md`. `cargo xtask bench gates` runs more comparisons.

use std::fmt::Write as _;
use std::fs;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Normal};
use serde_json::{Value, json};

use crate::place::Place;

/// Comparisons of each case, unless `TANDEM_GATE_TRIALS` is set.
const TRIALS: u32 = 20;
/// Requests of a run of a load: enough for p95.
const REQUESTS: u64 = 130;

/// Runs of both sides, and a gate on them.
#[derive(Clone, Copy)]
struct Case {
    gate: &'static str,
    runs: u32,
    /// The factor by which everything takes longer on the second side.
    change: f64,
    /// Spread between the runs of a side, as a share.
    noise: f64,
    data: Data,
    /// The most comparisons that may fail, and the fewest that must pass and fail, in percent.
    bounds: [u32; 3],
}

#[derive(Clone, Copy, PartialEq)]
enum Data {
    /// Imported figures of this many configurations, unpaired.
    Figures(u32),
    /// Loads whose repetitions have equal seeds on both sides.
    Loads,
}

struct Draw(ChaCha8Rng);

impl Draw {
    /// A factor around 1 that spreads by this share.
    fn factor(&mut self, spread: f64) -> f64 {
        Normal::new(0.0, spread).unwrap().sample(&mut self.0).exp()
    }
}

/// Shares of comparisons that fail, pass and stay undecided.
fn shares(place: &Place, case: &Case, trials: u32, seed: u64) -> [f64; 3] {
    let mut draw = Draw(ChaCha8Rng::seed_from_u64(seed));
    let mut counts = [0_u32; 3];
    for _ in 0..trials {
        let (base, new) = match case.data {
            Data::Figures(configs) => {
                figures(place, "base.csv", case, configs, 1.0, &mut draw);
                figures(place, "new.csv", case, configs, case.change, &mut draw);
                ("base.csv", "new.csv")
            }
            Data::Loads => {
                // The cost of a seed's texts is the same on both sides.
                let shared: Vec<f64> = (0..case.runs).map(|_| draw.factor(0.1)).collect();
                loads(place, "base", case, 1.0, &shared, &mut draw);
                loads(place, "new", case, case.change, &shared, &mut draw);
                ("base", "new")
            }
        };
        let each = if case.data == Data::Figures(5) {
            " --each"
        } else {
            ""
        };
        let line = format!(
            "compare {base} {new} --fail-if '{}'{each} --json",
            case.gate
        );
        let (code, _, err) = place.run(&line);
        match code {
            1 => counts[0] += 1,
            0 => counts[1] += 1,
            4 => counts[2] += 1,
            _ => panic!("exit code {code}: {err}"),
        }
    }
    counts.map(|count| 100.0 * f64::from(count) / f64::from(trials))
}

fn figures(place: &Place, name: &str, case: &Case, configs: u32, change: f64, draw: &mut Draw) {
    let text = place.read("fixtures/tr113/one-server.csv");
    let mut lines = text.lines();
    let (header, first) = (lines.next().unwrap(), lines.next().unwrap());
    let mut table = format!("{header}\n");
    for config in 0..configs {
        for run in 1..=case.runs {
            let factor = change * draw.factor(case.noise);
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
    place.write(name, &table);
}

/// Writes a folder of loads, as `load --repetitions` does, whose requests' TTFT is skewed.
fn loads(place: &Place, name: &str, case: &Case, change: f64, shared: &[f64], draw: &mut Draw) {
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
        let of_run = change * shared * draw.factor(case.noise);
        let mut text = String::new();
        for place in 0..REQUESTS {
            let sent = place * 1_000_000_000;
            let first = sent + (2e8 * of_run * draw.factor(0.4)) as u64;
            let times = &mut row["times"];
            for (key, at) in [
                ("scheduled", sent),
                ("sent", sent),
                ("headers", first),
                ("first_token", first),
                ("first_content", first),
                ("last_token", first + 1),
                ("done", first + 1),
                ("ended", first + 1),
            ] {
                times[key] = json!(at);
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
    let place = Place::new();
    let wall = Case {
        gate: "wall_s > +5%",
        runs: 5,
        change: 1.0,
        noise: 0.02,
        data: Data::Figures(1),
        bounds: [5, 85, 0],
    };
    let tail = Case {
        gate: "ttft_p95 > +5%",
        data: Data::Loads,
        bounds: [5, 0, 0],
        ..wall
    };
    let each = Case {
        data: Data::Figures(5),
        // All five must pass.
        bounds: [5, 70, 0],
        ..wall
    };
    let mean = Case {
        data: Data::Figures(3),
        ..wall
    };
    let longer = Case { runs: 10, ..tail };
    let changed = |case: Case, change, bounds| Case {
        change,
        bounds,
        ..case
    };
    let cases = [
        wall,
        changed(wall, 1.05, [10, 0, 0]),
        changed(wall, 1.1, [100, 0, 80]),
        each,
        changed(each, 1.05, [10, 0, 0]),
        tail,
        changed(tail, 1.05, [10, 0, 0]),
        changed(tail, 1.3, [100, 0, 80]),
        changed(longer, 1.05, [10, 0, 0]),
        mean,
        changed(mean, 1.1, [100, 0, 80]),
    ];
    println!("| gate | data | runs a side | truth | comparisons | fails | passes | undecided |");
    println!("|---|---|---|---|---|---|---|---|");
    let mut wrong = Vec::new();
    for (case, seed) in cases.iter().zip(1..) {
        // Loads take longer to write and to read.
        let trials = if case.data == Data::Loads {
            trials / 2
        } else {
            trials
        };
        let found = shares(&place, case, trials, seed);
        let data = match case.data {
            Data::Figures(1) => "one configuration, unpaired".to_owned(),
            Data::Figures(3) => "mean over 3 configurations, unpaired".to_owned(),
            Data::Figures(n) => format!("{n} configurations, unpaired, `--each`"),
            Data::Loads => format!("loads of {REQUESTS} requests, paired"),
        };
        let [fails, passes, open] = found;
        let truth = 100.0 * (case.change - 1.0);
        println!(
            "| `{}` | {data} | {} | {truth:+.0} % | {trials} | {fails:.1} | {passes:.1} | {open:.1} |",
            case.gate, case.runs
        );
        let [most, fewest, fewest_fail] = case.bounds.map(f64::from);
        if fails > most || passes < fewest || fails < fewest_fail {
            wrong.push((case.gate, truth, found));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}
