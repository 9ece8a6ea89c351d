//! `tandem sweep --resume`: a sweep is resumed with the settings it began with, or refused.

use std::fs;
use std::path::Path;

use domain::Stamp;
use domain::plan::Arm;
use domain::record::{JournalLine, RunKey};
use domain::telemetry::Sample;
use serde_json::Value;

use crate::support::{Place, Serving, journal, lines, text};

/// Writes a shipped profile with one change.
fn profile(place: &Place, change: (&str, &str)) {
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles/rtx4080-laptop.toml");
    let shipped = fs::read_to_string(shipped).unwrap();
    assert!(shipped.contains(change.0));
    place.write("profile.toml", &shipped.replacen(change.0, change.1, 1));
}

fn sweep(place: &Place, out: &str, more: &str) -> Value {
    let line =
        format!("sweep --simulate --only homo_g80_c512* --repeats 2 --json --out {out} {more}");
    summary(&place.good(&line).stdout)
}

/// The summary at the end of `--json`, without energy: in a resumed sweep the simulated device is cold again
/// and its counter begins at zero.
fn summary(stdout: &[u8]) -> Value {
    let printed = text(stdout);
    let mut end: Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(end["complete"], true);
    for config in end["summary"]["configs"].as_array_mut().unwrap() {
        assert!(config.as_object_mut().unwrap().remove("energy").is_some());
    }
    end["summary"].take()
}

/// The arms with their attempts, in the order of their ends.
fn arms(dir: &Path) -> Vec<(RunKey, Arm, u32)> {
    let arms = journal(dir).into_iter().filter_map(|line| match line {
        JournalLine::Arm(arm) => Some((arm.run, arm.arm, arm.attempt)),
        _ => None,
    });
    arms.collect()
}

/// Copies the files of a sweep as they were right after its n-th arm.
fn cut(from: &Path, to: &Path, arms: usize) {
    let mut ended = Stamp::ZERO;
    let mut left = arms;
    let lines_of = |name: &str| {
        let text = fs::read_to_string(from.join(name)).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let kept: Vec<String> = lines_of("journal.jsonl")
        .into_iter()
        .take_while(|line| {
            let go_on = left > 0;
            if let JournalLine::Arm(arm) = serde_json::from_str(line).unwrap() {
                left = left.saturating_sub(1);
                if go_on {
                    ended = arm.ended;
                }
            }
            go_on
        })
        .collect();
    assert_eq!(left, 0);
    let samples = lines_of("telemetry.jsonl").into_iter().filter(|line| {
        let sample: Sample = serde_json::from_str(line).unwrap();
        sample.at <= ended
    });
    let samples: Vec<String> = samples.collect();
    fs::create_dir(to).unwrap();
    fs::copy(from.join("manifest.json"), to.join("manifest.json")).unwrap();
    fs::write(to.join("journal.jsonl"), kept.join("\n") + "\n").unwrap();
    fs::write(to.join("telemetry.jsonl"), samples.join("\n") + "\n").unwrap();
}

/// The rows with their stamps relative to the scheduled start, which is later in a resumed sweep.
fn rows(dir: &Path) -> Vec<Value> {
    let row = |mut line: Value| {
        let mut row = line.get_mut("request")?.take();
        let times = row["times"].as_object_mut().unwrap();
        let from = times["scheduled"].as_u64().unwrap();
        let since = |stamp: &mut Value| *stamp = (stamp.as_u64().unwrap() - from).into();
        for (name, value) in times {
            match value {
                Value::Array(chunks) => chunks.iter_mut().for_each(since),
                Value::Number(_) if name != "tokens" && !name.ends_with("_ns") => since(value),
                _ => {}
            }
        }
        Some(row)
    };
    lines(&dir.join("journal.jsonl")).filter_map(row).collect()
}

#[test]
fn a_resumed_sweep_has_the_rows_of_an_uninterrupted_one() {
    let place = Place::new();
    profile(&place, ("sharing_loss = 0.2184", "sharing_loss = 0.5"));
    sweep(&place, "plain", "");
    let simulator = "--profile profile.toml --num-parallel 2 --fault duplicate-final=1";
    for (name, set) in [("simulator", simulator), ("admission", "--admission 1")] {
        let [whole, parts] = ["whole", "parts"].map(|part| place.path(&format!("{name}-{part}")));
        let figures = sweep(&place, &format!("{name}-whole"), set);
        let all = rows(&whole);
        assert_ne!(rows(&place.path("plain")), all, "{name} changes the rows");

        cut(&whole, &parts, 3);
        let before = rows(&parts).len();
        assert!(before > 0 && before < all.len());
        let resumed = place.good(&format!("sweep --resume {name}-parts --json"));
        assert!(rows(&parts) == all, "{name}");
        let resumed = summary(&resumed.stdout);
        assert!(resumed == figures, "{name}: a figure differs");
        assert_eq!(arms(&parts), arms(&whole));
        // Flags with the same values are accepted.
        place.good(&format!("sweep --resume {name}-parts {set}"));
    }
}

const RESUME: &str = "sweep --resume r";

#[test]
fn a_sweep_without_simulator_settings_is_not_resumed() {
    let place = Place::new();
    place.good("sweep --simulate --only homo_g80_c512_t0.6 --repeats 1 --out r");
    let mut old = place.read_json("r/manifest.json");
    old["header"].as_object_mut().unwrap().remove("simulator");
    place.write("r/manifest.json", &old.to_string());
    let hint = "start a new one: tandem sweep --simulate";
    place.fails(RESUME, 2, &["has no simulator settings", hint]);
}

#[test]
fn changed_files_are_detected() {
    let place = Place::new();
    profile(&place, ("seed = 113", "seed = 114"));
    fs::create_dir(place.path("tables")).unwrap();
    place.write("tables/figures.csv", "what,ms\none,1\n");
    place.good(
        "run --simulate --runs 1 --workflow full --agent default --profile profile.toml \
         --benchmarks tables --out r",
    );
    place.good(RESUME);
    let other = format!("{RESUME} --benchmarks elsewhere");
    place.fails(&other, 2, &["tables, not elsewhere"]);

    place.write("tables/figures.csv", "what,ms\none,2\n");
    place.fails(RESUME, 2, &["a table in tables has changed"]);
    place.write("tables/figures.csv", "what,ms\none,1\n");

    let profile = place.read("profile.toml");
    let changed = profile.replacen("seed = 114", "seed = 115", 1);
    place.write("profile.toml", &changed);
    place.fails(RESUME, 2, &["profile.toml has changed"]);
}

#[test]
fn a_sweep_on_a_server_is_resumed_on_its_runtime() {
    let server = Serving::start();
    let place = Place::new();
    let url = &server.url;
    place.good(&format!(
        "run --endpoint {url} --agent default --runs 1 --runtime multi --workers 3 --no-calibrate \
         --no-checks --out r"
    ));
    let same = format!("--runtime multi --workers 3 --endpoint {url} --no-simulate");
    for flags in ["", &same] {
        place.good(&format!("{RESUME} {flags}"));
    }
    for (flags, words) in [
        ("--runtime current", "--runtime multi, not current"),
        ("--workers 2", "--workers 3, not 2"),
        ("--pin 0", "without --pin, not 0"),
        ("--simulate", &format!("on {url}, not --simulate")),
    ] {
        place.fails(&format!("{RESUME} {flags}"), 2, &[words]);
    }
}
