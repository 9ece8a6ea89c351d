//! `tandem sweep`, `tandem run` and what holds for all commands: the embedded simulator, a missing server,
//! interrupted runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};

use domain::record::{JournalLine, MarkKind};
use tempfile::TempDir;

#[cfg(unix)]
use crate::support::interrupt;
use crate::support::{command, journal, requests, succeeds, tandem, text, until};

/// A port on which nobody listens: bound once to find it free, then let go.
fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn help_names_every_command_and_exit_code() {
    let output = succeeds(&["--help"]);
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn a_dry_run_prints_the_expanded_arms() {
    let output = succeeds(&[
        "sweep",
        "--simulate",
        "--dry-run",
        "--only",
        "h*",
        "--repeats",
        "1",
        "--seed",
        "7",
    ]);
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn a_simulated_sweep_says_so_everywhere_and_repeats_exactly() {
    let temp = TempDir::new().unwrap();
    let sweep = |name: &str| {
        let dir = temp.path().join(name);
        let out = dir.to_str().unwrap();
        let output = succeeds(&[
            "sweep",
            "--simulate",
            "--only",
            "homo_g80_c512_t0.6",
            "--out",
            out,
        ]);
        assert!(text(&output.stderr).contains("SIMULATED: no real server is used"));
        assert!(text(&output.stdout).contains("SIMULATED"));
        assert!(text(&output.stdout).contains("homo_g80_c512_t0.6"));
        let manifest = fs::read_to_string(dir.join("manifest.json")).unwrap();
        assert!(
            manifest.contains("\"provenance\": \"simulated\""),
            "{manifest}"
        );
        dir
    };
    let (one, two) = (sweep("one"), sweep("two"));
    let read = |dir: &Path| fs::read_to_string(dir.join("journal.jsonl")).unwrap();
    assert!(
        read(&one) == read(&two),
        "the same seed and plan must give the same journal"
    );
    let again = tandem(&["sweep", "--simulate", "--out", one.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(2));
    assert!(
        text(&again.stderr).contains("already holds a sweep"),
        "{}",
        text(&again.stderr)
    );
}

#[test]
fn tr113s_protocol_runs_each_configuration_once_together_only() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("r");
    let args = [
        "sweep",
        "--simulate",
        "--protocol",
        "tr113",
        "--json",
        "--out",
        dir.to_str().unwrap(),
    ];
    let output = succeeds(&args);
    let events: Vec<serde_json::Value> = text(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let arms: Vec<_> = events
        .iter()
        .filter(|e| e["event"] == "arm_ended")
        .collect();
    assert_eq!(arms.len(), 19);
    assert!(
        arms.iter()
            .all(|arm| arm["arm"] == "together" && arm["completed"] == 2)
    );
    let ended = events.last().unwrap();
    assert_eq!(ended["event"], "sweep_ended");
    let configs = ended["summary"]["configs"].as_array().unwrap();
    assert!(
        configs
            .iter()
            .all(|c| c["speedup"].is_null() && c["decode_overlap"]["mean"] == 0.0),
        "one slot: nothing overlaps, and without a sequential arm the speedup is unknown"
    );
}

#[test]
fn run_takes_a_configuration_from_flags() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("r");
    succeeds(&[
        "run",
        "--simulate",
        "--scenario",
        "chimera_hetero",
        "--runs",
        "1",
        "--calls",
        "2",
        "--agent",
        "num_gpu=60,num_ctx=512,temperature=0.8",
        "--agent",
        "num_gpu=80,num_ctx=1024,temperature=0.6",
        "--agent",
        "default",
        "--out",
        dir.to_str().unwrap(),
    ]);
    let agents: BTreeSet<_> = requests(&dir)
        .iter()
        .map(|request| (request.agent, request.options.num_ctx))
        .collect();
    assert_eq!(
        agents,
        BTreeSet::from([(0, Some(512)), (1, Some(1024)), (2, None)])
    );
}

#[test]
fn the_full_workflow_ingests_generates_and_writes() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("r");
    let benchmarks = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/benchmarks");
    succeeds(&[
        "run",
        "--simulate",
        "--runs",
        "1",
        "--workflow",
        "full",
        "--agent",
        "default",
        "--agent",
        "default",
        "--benchmarks",
        benchmarks,
        "--out",
        dir.to_str().unwrap(),
    ]);
    let kinds: BTreeSet<_> = journal(&dir)
        .into_iter()
        .filter_map(|line| match line {
            JournalLine::Step(step) => {
                assert_eq!(step.error, None);
                Some(step.kind)
            }
            _ => None,
        })
        .collect();
    assert!(
        kinds.is_superset(&["generate".into(), "ingest".into(), "write".into()].into()),
        "{kinds:?}"
    );
}

#[test]
fn mistakes_end_with_two_and_say_what_to_do() {
    for (args, words) in [
        (
            vec!["sweep", "--plan", "no-such-plan"],
            "shipped plans: tr113",
        ),
        (
            vec!["sweep", "--simulate", "--only", "x*"],
            "no configuration matches x*",
        ),
        (
            vec!["sweep", "--simulate", "--model", "nope"],
            "has no model nope",
        ),
        (vec!["sweep", "--simulate", "--profile", "nope"], "nope"),
        (
            vec!["run", "--simulate", "--agent", "num_gpu:60"],
            "is not KEY=VALUE",
        ),
        (
            vec!["run", "--simulate", "--agent", "num_gpus=60"],
            "unknown field `num_gpus`",
        ),
        (
            vec!["run", "--simulate", "--agent", "default", "--runs", "0"],
            "at least 1",
        ),
        (
            vec!["sweep", "--simulate", "--fault", "no_such_fault=0.1"],
            "no_such_fault",
        ),
        (
            vec!["sweep", "--resume", "no-such-folder"],
            "no-such-folder",
        ),
        (
            vec!["sweep", "--endpoint", "http://user:secret@127.0.0.1"],
            "credential",
        ),
        (vec!["sweeep"], "no command `sweeep`"),
    ] {
        let output = tandem(&args);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
        assert!(errors.contains(words), "{args:?}: {errors}");
        assert!(!errors.contains("secret"), "{errors}");
    }
}

#[test]
fn a_missing_server_is_an_error_only_when_one_was_asked_for() {
    let port = closed_port();
    let named = tandem(&["sweep", "--endpoint", &format!("127.0.0.1:{port}")]);
    assert_eq!(named.status.code(), Some(3));
    assert!(
        text(&named.stderr).contains("--simulate"),
        "{}",
        text(&named.stderr)
    );

    let host = format!("127.0.0.1:{port}");
    let refused = command()
        .args(["sweep", "--no-simulate"])
        .env("OLLAMA_HOST", &host)
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(3));

    let dry = command()
        .args(["sweep", "--dry-run", "--repeats", "1"])
        .env("OLLAMA_HOST", &host)
        .output()
        .unwrap();
    assert!(dry.status.success());
    assert!(text(&dry.stdout).contains("on the simulator"));
}

#[test]
fn failed_requests_are_rows_and_the_exit_code_says_so() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("r");
    let output = tandem(&[
        "sweep",
        "--simulate",
        "--only",
        "homo*",
        "--repeats",
        "2",
        "--fault",
        "reset-mid-token=0.4",
        "--out",
        dir.to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let outcomes: Vec<_> = requests(&dir)
        .iter()
        .map(|request| request.times.outcome.is_completed())
        .collect();
    assert!(outcomes.iter().any(|completed| *completed), "{outcomes:?}");
    assert!(outcomes.iter().any(|completed| !*completed), "{outcomes:?}");
    assert!(text(&output.stdout).contains("did not complete"));
}

/// Starts a sweep that takes its time, and waits until its journal shows that it is under way.
fn slow_sweep(dir: &Path) -> Child {
    let mut child = command()
        .args([
            "sweep",
            "--simulate",
            "--only",
            "homo*",
            "--repeats",
            "2",
            "--time-scale",
            "40",
        ])
        .arg("--out")
        .arg(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let arms = || {
        let text = fs::read_to_string(dir.join("journal.jsonl")).unwrap_or_default();
        text.matches("\"t\":\"arm\"").count()
    };
    until(&mut child, || arms() >= 2);
    child
}

fn resume_and_check(dir: &Path) {
    let complete = |lines: &[JournalLine]| {
        lines
            .iter()
            .filter_map(|line| match line {
                JournalLine::Arm(arm) if arm.complete => Some((arm.run.clone(), arm.arm)),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let before = complete(&journal(dir)).len();
    succeeds(&["sweep", "--resume", dir.to_str().unwrap()]);
    let lines = journal(dir);
    let arms = complete(&lines);
    let different: BTreeSet<_> = arms.iter().cloned().collect();
    assert!(before >= 2);
    assert_eq!(arms.len(), different.len(), "no complete arm is run twice");
    assert_eq!(
        different.len(),
        4 * 2 * 2,
        "every arm is complete in the end"
    );
    let marks: Vec<_> = lines
        .iter()
        .filter_map(|line| match line {
            JournalLine::Mark(mark) => Some(mark.what),
            _ => None,
        })
        .collect();
    assert!(
        marks.contains(&MarkKind::Resumed) && marks.contains(&MarkKind::Finished),
        "{marks:?}"
    );
}

#[test]
fn a_killed_sweep_is_resumed_without_repeating_what_is_complete() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("r");
    let mut child = slow_sweep(&dir);
    let second = tandem(&["sweep", "--resume", dir.to_str().unwrap()]);
    assert_eq!(second.status.code(), Some(2), "two sweeps into one folder");
    assert!(
        text(&second.stderr).contains("in use by another sweep"),
        "{}",
        text(&second.stderr)
    );
    child.kill().unwrap();
    child.wait().unwrap();
    resume_and_check(&dir);
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_recorded_and_ends_with_130() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("r");
    let output = interrupt(slow_sweep(&dir));
    assert_eq!(output.status.code(), Some(130), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("--resume"),
        "{}",
        text(&output.stdout)
    );
    resume_and_check(&dir);
}

#[test]
fn a_profile_is_fitted_to_recorded_runs_and_to_our_own() {
    let temp = TempDir::new().unwrap();
    let recorded = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/tr113/recorded.csv"
    );
    let fitted = temp.path().join("fitted.toml");
    let output = succeeds(&[
        "calibrate-profile",
        "--input",
        recorded,
        "--out",
        fitted.to_str().unwrap(),
    ]);
    let printed = text(&output.stdout);
    assert!(
        printed.contains("never overlapped: 19 of 19 recorded, the same ones simulated"),
        "{printed}"
    );

    let dir = temp.path().join("r");
    succeeds(&[
        "sweep",
        "--simulate",
        "--protocol",
        "tr113",
        "--profile",
        fitted.to_str().unwrap(),
        "--out",
        dir.to_str().unwrap(),
    ]);
    let again = succeeds(&["calibrate-profile", "--input", dir.to_str().unwrap()]);
    assert!(
        text(&again.stdout).contains("19 runs on one shared server"),
        "{}",
        text(&again.stdout)
    );

    let missing = tandem(&["calibrate-profile", "--input", "no-such.csv"]);
    assert_eq!(missing.status.code(), Some(2));
}

#[test]
fn the_committed_example_is_what_the_simulator_still_gives() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("r");
    succeeds(&[
        "sweep",
        "--simulate",
        "--plan",
        "one-or-two-servers",
        "--out",
        dir.to_str().unwrap(),
    ]);
    let committed = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/one-or-two-servers"
    ));
    for file in ["journal.jsonl", "telemetry.jsonl"] {
        let read = |dir: &Path| fs::read_to_string(dir.join(file)).unwrap();
        let (now, then) = (read(&dir), read(committed));
        let differs = now
            .lines()
            .zip(then.lines())
            .position(|(now, then)| now != then);
        assert!(
            now == then,
            "{file} differs from the committed one at line {:?}; when the simulator was meant to change, \
             sweep the plan into fixtures/one-or-two-servers again and rebuild its report",
            differs.map(|line| line + 1)
        );
    }
}
