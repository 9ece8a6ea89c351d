//! `tandem sweep --resume`: a sweep goes on as it began, or not at all.

use std::fs;
use std::path::Path;

use domain::Stamp;
use domain::plan::Arm;
use domain::record::{JournalLine, RunKey};
use domain::telemetry::Sample;
use serde_json::Value;

use crate::support::{Place, Serving, journal, lines, said, text};

/// A shipped profile, changed where a test says so, as a file.
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

/// What a sweep's `--json` says of the configurations at its end, without their energy: the simulated
/// device is cold again when a sweep goes on, and its counter begins at zero.
fn summary(stdout: &[u8]) -> Value {
    let said = text(stdout);
    let mut end: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert_eq!(end["complete"], true);
    for config in end["summary"]["configs"].as_array_mut().unwrap() {
        assert!(config.as_object_mut().unwrap().remove("energy").is_some());
    }
    end["summary"].take()
}

/// The arms, each with its attempt, in the order in which they ended.
fn arms(dir: &Path) -> Vec<(RunKey, Arm, u32)> {
    let arms = journal(dir).into_iter().filter_map(|line| match line {
        JournalLine::Arm(arm) => Some((arm.run, arm.arm, arm.attempt)),
        _ => None,
    });
    arms.collect()
}

/// What a process leaves that is killed right after its n-th arm.
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

/// The rows as they are written, each with its stamps counted from its scheduled start: a sweep that
/// goes on does so later than one that never stopped.
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
fn a_sweep_that_goes_on_gives_the_rows_of_one_that_never_stopped() {
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
        // What it began with may be typed again.
        place.good(&format!("sweep --resume {name}-parts {set}"));
    }
}

/// What resuming a sweep with these flags ends with.
fn resume(place: &Place, flags: &str) -> (i32, String) {
    said(&place.run(&format!("sweep --resume r {flags}")))
}

/// Flags that a sweep in the folder `r` is refused to go on with, and what is said of each.
#[track_caller]
fn refused(place: &Place, cases: &[(&str, &str)]) {
    for (flags, words) in cases {
        let (code, errors) = resume(place, flags);
        assert_eq!(code, 2, "{flags}: {errors}");
        assert!(errors.contains(words), "{flags}: {errors}");
    }
}

#[test]
fn a_sweep_that_does_not_say_how_the_simulator_was_set_does_not_go_on() {
    let place = Place::new();
    place.good("sweep --simulate --only homo_g80_c512_t0.6 --repeats 1 --out r");
    let mut old: Value = serde_json::from_str(&place.read("r/manifest.json")).unwrap();
    old["header"].as_object_mut().unwrap().remove("simulator");
    place.write("r/manifest.json", &old.to_string());
    for words in [
        "does not say how the simulator was set",
        "begin a new one: tandem sweep --simulate",
    ] {
        refused(&place, &[("", words)]);
    }
}

#[test]
fn files_that_changed_since_are_found() {
    let place = Place::new();
    profile(&place, ("seed = 113", "seed = 114"));
    fs::create_dir(place.path("tables")).unwrap();
    place.write("tables/figures.csv", "what,ms\none,1\n");
    place.good(
        "run --simulate --runs 1 --workflow full --agent default --profile profile.toml \
         --benchmarks tables --out r",
    );
    let (code, errors) = resume(&place, "");
    assert_eq!(code, 0, "{errors}");
    refused(
        &place,
        &[("--benchmarks elsewhere", "tables, not elsewhere")],
    );

    place.write("tables/figures.csv", "what,ms\none,2\n");
    refused(&place, &[("", "tables changed since")]);
    place.write("tables/figures.csv", "what,ms\none,1\n");

    let profile = place.read("profile.toml");
    place.write(
        "profile.toml",
        &profile.replacen("seed = 114", "seed = 115", 1),
    );
    refused(&place, &[("", "profile.toml changed since")]);
}

#[test]
fn on_a_server_the_runtime_is_the_one_it_began_on() {
    let server = Serving::start();
    let place = Place::new();
    let url = &server.url;
    place.good(&format!(
        "run --endpoint {url} --agent default --runs 1 --runtime multi --workers 3 --no-calibrate \
         --no-checks --out r"
    ));
    let same = format!("--runtime multi --workers 3 --endpoint {url} --no-simulate");
    for flags in ["", &same] {
        let (code, errors) = resume(&place, flags);
        assert_eq!(code, 0, "{errors}");
    }
    refused(
        &place,
        &[
            ("--runtime current", "--runtime multi, not current"),
            ("--workers 2", "--workers 3, not 2"),
            ("--pin 0", "without --pin, not 0"),
            ("--simulate", &format!("on {url}, not --simulate")),
        ],
    );
}
