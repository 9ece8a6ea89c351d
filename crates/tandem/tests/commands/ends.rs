//! Results of commands that end early: killed, stopped by a signal, on a full disk, without their folder,
//! with closed output.

use std::fs;
use std::path::Path;
use std::process::Child;

use serde_json::Value;

use crate::place::{FIXTURES, Place, code, ended, json, started, text, unread};
use crate::support::{closed_port, interrupt, requests, signal, until};

const SWEEP: &str = "sweep --simulate --only homo* --repeats 2 --time-scale 10 --out r";
const LOAD: &str = "load --simulate --time-scale 300 --agents 4 --requests 1000000 --out r";
const CAPACITY: &str = "capacity --simulate --num-parallel 2 --num-predict 4 \
                        --slo 'ttft_p60 < 500ms' --max-agents 16 --beyond 1";

fn holds_something(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.len() > 0)
}

/// Waits until a command that writes to the folder `r` has recorded something.
fn under_way(place: &Place, child: &mut Child) {
    let levels = place.path("r/levels");
    let level = || fs::read_dir(&levels).ok()?.next()?.ok();
    until(child, || {
        let rows = level().map(|level| level.path().join("requests.jsonl"));
        let files = ["journal.jsonl", "requests.jsonl"].map(|name| place.path("r").join(name));
        files.iter().chain(&rows).any(|file| holds_something(file))
    });
}

fn probes(place: &Place) -> Vec<Value> {
    let record: Value = place.read_json("r/capacity.json");
    record["probes"].as_array().unwrap().clone()
}

/// Fewer rows than a write holds, each sooner after the last than the writer waits.
#[test]
fn a_load_that_is_killed_keeps_the_rows_of_the_requests_that_had_ended() {
    let place = Place::new();
    let mut child = place.start("load --simulate --time-scale 20 --agents 1 --requests 60 --out r");
    under_way(&place, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    let rows = requests(&place.path("r")).len();
    assert!((1..60).contains(&rows), "{rows}");
}

/// Every state in which a killed capacity run can leave its folder, resumed.
#[test]
fn a_capacity_run_that_is_killed_in_a_level_runs_that_level_again() {
    let place = Place::new();
    let whole = json(&place.good(&format!("{CAPACITY} --out whole --json")));
    let mut child = place.start(&format!("{CAPACITY} --out r --time-scale 20"));
    under_way(&place, &mut child);
    place.fails("capacity --resume r", 2, &["r is in use by another run"]);
    child.kill().unwrap();
    child.wait().unwrap();
    // It was killed in its first level.
    assert_eq!(probes(&place), [Value::Null; 0]);

    let killed = place.read("r/capacity.json");
    // A change of the folder, and the folder of the level that is run next.
    for state in [
        "test -d r/levels/0001-agents-1 => 0001-agents-1-2",
        "printf '{\"run\":{' >>r/levels/0001-agents-1/requests.jsonl => 0001-agents-1-3",
        "printf '{\"schema\"' >r/capacity.json.tmp => 0001-agents-1-4",
        "rm r/levels/0001-agents-1/* => 0001-agents-1-5",
        "rm -r r/levels => 0001-agents-1",
    ] {
        let (change, folder) = state.split_once(" => ").unwrap();
        place.write("r/capacity.json", &killed);
        assert!(place.shell(change).status().unwrap().success(), "{change}");
        let resumed = json(&place.good("capacity --resume r --json"));
        assert_eq!(resumed["record"]["end"]["kind"], "finished");
        assert_eq!(resumed["answer"]["carries"], whole["answer"]["carries"]);
        assert_eq!(probes(&place)[0]["folder"], folder);
    }

    fs::remove_dir_all(place.path("r")).unwrap();
    fs::create_dir(place.path("r")).unwrap();
    let words = ["no file r/capacity.json", "start a new one with --out"];
    place.fails("capacity --resume r", 2, &words);
    place.good(&format!("{CAPACITY} --out r"));
}

/// SIGHUP, which a closed terminal sends, stops a command as Ctrl-C does.
#[cfg(target_os = "linux")]
#[test]
fn every_long_command_stops_when_its_terminal_is_closed() {
    // The commands inherit ignored signals.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
    if ignored & 1 == 1 {
        println!("skipped: SIGHUP is ignored here, as under nohup");
        return;
    }
    let capacity = format!("{CAPACITY} --out r --time-scale 20");
    for line in [SWEEP, LOAD, &capacity] {
        let place = Place::new();
        let mut child = place.start(line);
        under_way(&place, &mut child);
        place.fails(line, 2, &["r already holds"]);
        signal(&child, "-HUP");
        ended(line, child.wait_with_output().unwrap(), 130, &["Stopping"]);
    }
    let place = Place::new();
    let serve = "serve --port 0 --profile instant";
    for (log, line, words, expected) in [
        ("serve.log", serve, "Ctrl-C stops it", 0),
        ("r.log", "-v calibrate --out r", "calibrated", 130),
    ] {
        let mut child = place
            .shell(&format!("exec tandem {line} >{log} 2>&1"))
            .spawn()
            .unwrap();
        let log = place.path(log);
        let printed = || fs::read_to_string(&log).unwrap_or_default();
        until(&mut child, || printed().contains(words));
        signal(&child, "-HUP");
        assert_eq!(
            child.wait().unwrap().code(),
            Some(expected),
            "{}",
            printed()
        );
    }
    assert!(place.path("r/calibration.json").is_file());

    // Under nohup a command outlives its terminal.
    let place = Place::new();
    let line = format!("trap '' HUP; exec tandem {LOAD}");
    let mut child = started(place.shell(&line));
    under_way(&place, &mut child);
    signal(&child, "-HUP");
    let length = || fs::metadata(place.path("r/requests.jsonl")).unwrap().len();
    let before = length();
    until(&mut child, || length() > before);
    assert_eq!(code(&interrupt(child)), 130);
}

#[test]
fn with_closed_output_every_command_runs_to_its_end_with_its_own_exit_code() {
    let sweep = "sweep --simulate --only homo_g80_c512_t0.6 --repeats 1";
    let load = "load --simulate --profile instant --requests 8";
    // Exit code, a file that is written, and the command.
    let commands = "\
        0 - SWEEP --dry-run
        0 journal.jsonl -vvv SWEEP --out DIR
        0 journal.jsonl SWEEP --json --out DIR
        0 load.json -vvv LOAD --out DIR
        1 load.json LOAD --json --out DIR --no-preload --fault reset-mid-token=1
        0 capacity.json CAPACITY --out DIR
        0 - doctor --simulate
        0 - calibrate-profile --input 'FIXTURES/tr113/recorded.csv'
        0 - sweep --help
        2 - sweep --nonsense
        3 - load --no-simulate --no-record --endpoint http://CLOSED";
    let place = Place::new();
    for (number, command) in commands.lines().enumerate() {
        let (expected, command) = command.trim().split_once(' ').unwrap();
        let (file, line) = command.split_once(' ').unwrap();
        for (way, closed) in [&[][..], &[1], &[2], &[1, 2]].into_iter().enumerate() {
            let dir = format!("{number}-{way}");
            let line = line
                .replace("SWEEP", sweep)
                .replace("LOAD", load)
                .replace("CAPACITY", CAPACITY)
                .replace("FIXTURES", FIXTURES)
                .replace("CLOSED", &closed_port())
                .replace("DIR", &dir);
            let code = unread(place.command(&line), closed);
            assert_eq!(code.to_string(), expected, "{line}, {closed:?}");
            let written = place.path(&dir).join(file);
            assert!(file == "-" || holds_something(&written), "{line}");
            if file == "load.json" {
                let load: Value = place.read_json(&format!("{dir}/load.json"));
                assert!(load["result"].is_object(), "{line}");
            }
        }
    }
    // Closed by the shell.
    let line = format!("exec tandem {load} --out shell >&- 2>&-");
    assert_eq!(unread(place.shell(&line), &[]), 0);
}

#[test]
fn a_folder_that_disappears_stops_what_writes_to_it() {
    for line in [SWEEP, LOAD] {
        let place = Place::new();
        let mut child = place.start(line);
        under_way(&place, &mut child);
        fs::rename(place.path("r"), place.path("elsewhere")).unwrap();
        let output = ended(line, child.wait_with_output().unwrap(), 3, &[]);
        let errors = text(&output.stderr);
        assert!(
            errors.contains("r/journal.jsonl was removed or moved")
                || errors.contains("r/telemetry.jsonl was removed or moved")
                || errors.contains("r is not complete"),
            "{line}: {errors}"
        );
    }
}
