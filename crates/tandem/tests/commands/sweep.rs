//! `tandem sweep` and `tandem run`: the embedded simulator, a missing server, interrupted runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Child;

use domain::record::{JournalLine, MarkKind};

#[cfg(unix)]
use crate::support::interrupt;
use crate::support::{Place, Serving, closed_port, ended, journal, requests, said, text, until};

#[test]
fn the_same_seed_and_plan_give_the_same_journal() {
    let place = Place::new();
    let [one, two] = ["one", "two"].map(|name| {
        place.good(&format!(
            "sweep --simulate --only homo_g80_c512_t0.6 --out {name}"
        ));
        place.read(&format!("{name}/journal.jsonl"))
    });
    assert!(one == two);
    let manifest = place.read("one/manifest.json");
    assert!(manifest.contains("\"provenance\": \"simulated\""));
}

#[test]
fn tr113s_protocol_runs_each_configuration_once_together_only() {
    let place = Place::new();
    let output = place.good("sweep --simulate --protocol tr113 --json --out r");
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
fn a_topology_without_its_servers_is_refused_before_anything_runs() {
    let server = Serving::start();
    let url = server.url.as_str();
    let place = Place::new();
    let two = format!("--endpoint {url} --endpoint {url}");
    let (_, port) = url.rsplit_once(':').unwrap();
    let sweep = format!("sweep --plan one-or-two-servers --endpoint {url}");
    let run = format!("run --agent default --agent default --agent default {two}");
    for (line, servers) in [
        (format!("{sweep} --endpoint localhost:{port}"), 2),
        (sweep.clone(), 2),
        (format!("{sweep} --dry-run"), 2),
        (format!("{sweep} --endpoint {url}"), 2),
        (format!("sweep --plan tr113-extended {two}"), 3),
        (run, 3),
    ] {
        let words = format!("names 1 of the {servers} servers");
        place.fails(&format!("{line} --out r"), 2, &[&words]);
        assert!(!place.path("r").exists());
    }
}

#[test]
fn run_takes_a_configuration_from_flags() {
    let place = Place::new();
    place.good(
        "run --simulate --scenario chimera_hetero --runs 1 --calls 2 --out r \
         --agent num_gpu=60,num_ctx=512,temperature=0.8 \
         --agent num_gpu=80,num_ctx=1024,temperature=0.6 --agent default",
    );
    let agents: BTreeSet<_> = requests(&place.path("r"))
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
    let place = Place::new();
    let benchmarks = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/benchmarks");
    place.good(&format!(
        "run --simulate --runs 1 --workflow full --agent default --agent default \
         --benchmarks '{benchmarks}' --out r"
    ));
    let kinds: BTreeSet<_> = journal(&place.path("r"))
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
fn a_missing_server_is_an_error_only_when_one_was_asked_for() {
    let host = closed_port();
    let place = Place::new();
    let with_host = |line: &str| {
        let mut command = place.command(line);
        command.env("OLLAMA_HOST", &host).output().unwrap()
    };
    let line = "sweep --no-simulate";
    ended(line, &with_host(line), 3, &["OLLAMA_HOST"]);
    let dry = with_host("sweep --dry-run --repeats 1");
    assert_eq!(said(&dry).0, 0);
    assert!(text(&dry.stdout).contains("on the simulator"));
}

#[test]
fn failed_requests_are_rows() {
    let place = Place::new();
    let line = "sweep --simulate --only homo* --repeats 2 --fault reset-mid-token=0.4 --out r";
    assert_eq!(said(&place.run(line)).0, 1);
    let outcomes: BTreeSet<_> = requests(&place.path("r"))
        .iter()
        .map(|request| request.times.outcome.is_completed())
        .collect();
    assert_eq!(outcomes, BTreeSet::from([false, true]));
}

/// Starts a slow sweep and waits until two of its arms have ended.
fn slow_sweep(place: &Place) -> Child {
    let mut child =
        place.start("sweep --simulate --only homo* --repeats 2 --time-scale 40 --out r");
    let journal = place.path("r/journal.jsonl");
    until(&mut child, || {
        let text = fs::read_to_string(&journal).unwrap_or_default();
        text.matches("\n{\"arm\":").count() >= 2
    });
    child
}

fn resume_and_check(place: &Place) {
    let dir = place.path("r");
    let complete = |lines: &[JournalLine]| {
        lines
            .iter()
            .filter_map(|line| match line {
                JournalLine::Arm(arm) if arm.complete => Some((arm.run.clone(), arm.arm)),
                _ => None,
            })
            .collect::<Vec<_>>()
    };
    let before = complete(&journal(&dir)).len();
    place.good("sweep --resume r");
    let lines = journal(&dir);
    let arms = complete(&lines);
    let different: BTreeSet<_> = arms.iter().cloned().collect();
    assert!(before >= 2);
    assert_eq!(arms.len(), different.len(), "no complete arm is run twice");
    assert_eq!(different.len(), 4 * 2 * 2, "every arm is complete");
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
    let place = Place::new();
    let mut child = slow_sweep(&place);
    place.fails("sweep --resume r", 2, &["in use by another run"]);
    child.kill().unwrap();
    child.wait().unwrap();
    resume_and_check(&place);
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_recorded_and_ends_with_130() {
    let place = Place::new();
    let output = interrupt(slow_sweep(&place));
    assert_eq!(said(&output).0, 130);
    let printed = text(&output.stdout);
    assert!(printed.contains("--resume"), "{printed}");
    resume_and_check(&place);
}

#[test]
fn a_profile_is_fitted_to_imported_and_to_recorded_runs() {
    let place = Place::new();
    let recorded = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/tr113/recorded.csv"
    );
    let line = format!("calibrate-profile --input '{recorded}' --out fitted.toml");
    let printed = text(&place.good(&line).stdout);
    let overlap = "never overlapped: 19 of 19 recorded runs, the same ones when simulated";
    assert!(printed.contains(overlap), "{printed}");
    place.good("sweep --simulate --protocol tr113 --profile fitted.toml --out r");
    let again = text(&place.good("calibrate-profile --input r").stdout);
    assert!(again.contains("19 runs on one shared server"), "{again}");
}

#[test]
fn the_committed_example_is_reproduced() {
    let place = Place::new();
    place.good("sweep --simulate --plan one-or-two-servers --out r");
    let committed = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/one-or-two-servers"
    ));
    for file in ["journal.jsonl", "telemetry.jsonl"] {
        let read = |dir: &Path| fs::read_to_string(dir.join(file)).unwrap();
        let (now, then) = (read(&place.path("r")), read(committed));
        let mut lines = now.lines().zip(then.lines());
        let differs = lines.position(|(now, then)| now != then);
        assert!(
            now == then,
            "{file} differs from the committed one after line {differs:?}; if that is intended, sweep the \
             plan into fixtures/one-or-two-servers again and rebuild its report"
        );
    }
}
