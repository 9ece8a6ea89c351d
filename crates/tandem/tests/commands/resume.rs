//! `tandem sweep --resume`: a sweep is resumed with the settings it began with, or refused.

use std::fs;
use std::path::Path;

use domain::plan::Arm;
use domain::record::{JournalLine, RunKey};
use domain::telemetry::Sample;
use serde_json::Value;

use crate::place::{FIXTURES, Place, lines, text};
use crate::support::{journal, through_arm};

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
    let read = |name: &str| fs::read_to_string(from.join(name)).unwrap();
    let (journal, telemetry) = (read("journal.jsonl"), read("telemetry.jsonl"));
    let kept = through_arm(&journal, arms);
    let JournalLine::Arm(last) = serde_json::from_str(kept.lines().last().unwrap()).unwrap() else {
        panic!("the last line is no arm");
    };
    let is_before = |line: &&str| serde_json::from_str::<Sample>(line).unwrap().at <= last.ended;
    let samples: Vec<&str> = telemetry.lines().filter(is_before).collect();
    fs::create_dir(to).unwrap();
    fs::copy(from.join("manifest.json"), to.join("manifest.json")).unwrap();
    fs::write(to.join("journal.jsonl"), kept).unwrap();
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
    let profile = fs::read_to_string(format!("{FIXTURES}/profiles/rtx4080-laptop.toml")).unwrap();
    let (shipped, other) = ("sharing_loss = 0.2184", "sharing_loss = 0.5");
    assert!(profile.contains(shipped));
    place.write("profile.toml", &profile.replacen(shipped, other, 1));
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
