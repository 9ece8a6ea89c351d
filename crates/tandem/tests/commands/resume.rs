//! `tandem sweep --resume`: a sweep goes on as it began, or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use domain::Stamp;
use domain::plan::Arm;
use domain::record::{JournalLine, RequestRecord, RequestTimes, RunKey};
use domain::telemetry::Sample;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Serving, journal, requests, succeeds, tandem, text};

/// A shipped profile, changed where a test says so, as a file.
fn profile(place: &Path, change: (&str, &str)) -> PathBuf {
    let shipped =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles/rtx4080-laptop.toml");
    let shipped = fs::read_to_string(shipped).unwrap();
    assert!(shipped.contains(change.0));
    let file = place.join("profile.toml");
    fs::write(&file, shipped.replacen(change.0, change.1, 1)).unwrap();
    file
}

fn sweep(dir: &Path, more: &[&str]) -> Value {
    let small = ["sweep", "--simulate", "--only", "homo_g80_c512*"];
    let place = ["--repeats", "2", "--json", "--out", dir.to_str().unwrap()];
    summary(&succeeds(&[&small[..], &place, more].concat()).stdout)
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
fn rows(dir: &Path) -> Vec<String> {
    let row = |mut row: RequestRecord| {
        let from = row.times.scheduled;
        let RequestTimes {
            scheduled,
            ended,
            chunks,
            sent,
            headers,
            first_token,
            first_thinking,
            first_content,
            last_token,
            done,
            ..
        } = &mut row.times;
        let several = [
            sent,
            headers,
            first_token,
            first_thinking,
            first_content,
            last_token,
            done,
        ];
        let stamps = several.into_iter().flatten();
        for stamp in stamps.chain([scheduled, ended]).chain(chunks) {
            *stamp = Stamp(stamp.since(from).0);
        }
        serde_json::to_string(&row).unwrap()
    };
    requests(dir).into_iter().map(row).collect()
}

#[test]
fn a_sweep_that_goes_on_gives_the_rows_of_one_that_never_stopped() {
    let place = TempDir::new().unwrap();
    let profile = profile(
        place.path(),
        ("sharing_loss = 0.2184", "sharing_loss = 0.5"),
    );
    let simulator = [
        "--profile",
        profile.to_str().unwrap(),
        "--num-parallel",
        "2",
        "--fault",
        "duplicate-final=1",
    ];
    let plain = place.path().join("plain");
    sweep(&plain, &[]);
    for (name, set) in [
        ("simulator", &simulator[..]),
        ("admission", &["--admission", "1"]),
    ] {
        let [whole, parts] = ["whole", "parts"].map(|part| place.path().join(name).join(part));
        let figures = sweep(&whole, set);
        let all = rows(&whole);
        assert_ne!(rows(&plain), all, "{name} changes the rows");

        cut(&whole, &parts, 3);
        let before = rows(&parts).len();
        assert!(before > 0 && before < all.len());
        let resumed = succeeds(&["sweep", "--resume", parts.to_str().unwrap(), "--json"]);
        assert!(rows(&parts) == all, "{name}");
        let resumed = summary(&resumed.stdout);
        assert!(resumed == figures, "{name}: a figure differs");
        assert_eq!(arms(&parts), arms(&whole));
        // What it began with may be typed again.
        succeeds(&[&["sweep", "--resume", parts.to_str().unwrap()], set].concat());
    }
}

#[test]
fn flags_that_say_otherwise_are_refused_and_both_values_named() {
    let place = TempDir::new().unwrap();
    let dir = place.path().join("r");
    let set = ["--num-parallel", "2", "--fault", "busy=0.001"];
    tandem(
        &[
            &["sweep", "--simulate", "--only", "homo_g80_c512_t0.6"],
            &["--repeats", "1", "--out", dir.to_str().unwrap()][..],
            &set,
        ]
        .concat(),
    );
    let resume = |dir: &Path, more: &[&str]| {
        let output = tandem(&[&["sweep", "--resume", dir.to_str().unwrap()], more].concat());
        (output.status.code(), text(&output.stderr))
    };
    for (flags, words) in [
        (&["--num-parallel", "3"][..], "--num-parallel 2, not 3"),
        (
            &["--profile", "instant"],
            "--profile rtx4080-laptop, not instant",
        ),
        (&["--fault", "busy=0.1"], "--fault busy=0.001, not busy=0.1"),
        (&["--admission", "1"], "without --admission, not 1"),
        (
            &["--endpoint", "http://127.0.0.1:9"],
            "on the simulator, not http://127.0.0.1:9",
        ),
        (&["--no-simulate"], "on the simulator, not --no-simulate"),
        (
            &["--num-parallel", "3", "--admission", "1"],
            "--num-parallel 2, not 3; without --admission, not 1",
        ),
        (&["--workers", "2"], "one thread always"),
        (&["--dry-run"], "cannot be used with"),
        (&["--seed", "1"], "cannot be used with"),
    ] {
        let (code, said) = resume(&dir, flags);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
    let manifest = dir.join("manifest.json");
    let mut old: Value = object(&manifest);
    old.as_object_mut().unwrap().remove("simulator");
    fs::write(&manifest, old.to_string()).unwrap();
    let (code, said) = resume(&dir, &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("does not say how the simulator was set"));
    assert!(said.contains("begin a new one: tandem sweep --simulate"));
}

#[test]
fn files_that_changed_since_are_found() {
    let place = TempDir::new().unwrap();
    let dir = place.path().join("r");
    let profile = profile(place.path(), ("seed = 113", "seed = 114"));
    let tables = place.path().join("tables");
    fs::create_dir(&tables).unwrap();
    let table = tables.join("figures.csv");
    fs::write(&table, "what,ms\none,1\n").unwrap();
    succeeds(&[
        "run",
        "--simulate",
        "--runs",
        "1",
        "--workflow",
        "full",
        "--agent",
        "default",
        "--profile",
        profile.to_str().unwrap(),
        "--benchmarks",
        tables.to_str().unwrap(),
        "--out",
        dir.to_str().unwrap(),
    ]);
    let resume = |more: &[&str]| {
        let output = tandem(&[&["sweep", "--resume", dir.to_str().unwrap()], more].concat());
        (output.status.code(), text(&output.stderr))
    };
    assert_eq!(resume(&[]).0, Some(0), "{}", resume(&[]).1);
    let (code, said) = resume(&["--benchmarks", "elsewhere"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("tables, not elsewhere"), "{said}");

    fs::write(&table, "what,ms\none,2\n").unwrap();
    let (code, said) = resume(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("tables changed since"), "{said}");
    fs::write(&table, "what,ms\none,1\n").unwrap();

    let text_of = fs::read_to_string(&profile).unwrap();
    fs::write(&profile, text_of.replacen("seed = 114", "seed = 115", 1)).unwrap();
    let (code, said) = resume(&[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("profile.toml changed since"), "{said}");
}

fn object(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn on_a_server_the_runtime_is_the_one_it_began_on() {
    let server = Serving::start(&["--profile", "instant"]);
    let place = TempDir::new().unwrap();
    let dir = place.path().join("r");
    let url = &server.endpoints[0];
    succeeds(&[
        "run",
        "--endpoint",
        url,
        "--agent",
        "default",
        "--runs",
        "1",
        "--runtime",
        "multi",
        "--workers",
        "3",
        "--no-calibrate",
        "--no-checks",
        "--out",
        dir.to_str().unwrap(),
    ]);
    let resume =
        |more: &[&str]| tandem(&[&["sweep", "--resume", dir.to_str().unwrap()], more].concat());
    let same = [
        "--runtime",
        "multi",
        "--workers",
        "3",
        "--endpoint",
        url,
        "--no-simulate",
    ];
    for flags in [&[][..], &same] {
        let output = resume(flags);
        assert!(output.status.success(), "{}", text(&output.stderr));
    }
    let simulated = format!("on {url}, not --simulate");
    for (flags, words) in [
        (
            &["--runtime", "current"][..],
            "--runtime multi, not current",
        ),
        (&["--workers", "2"], "--workers 3, not 2"),
        (&["--pin", "0"], "without --pin, not 0"),
        (&["--simulate"], &simulated),
    ] {
        let output = resume(flags);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(words), "{said}");
    }
}
