use std::fs;
use std::io::Write as _;

use domain::Stamp;
use domain::backend::ServerIdentity;
use domain::outcome::Outcome;
use domain::plan::{Arm, ConfigId, SweepPlan, Topology, parse};
use domain::record::*;
use tempfile::TempDir;

use super::*;

/// Every line must be readable, or the file end with one that is cut off.
fn strict(dir: &TempDir) -> Result<Dataset, LoadError> {
    let mut skipped = Vec::new();
    let dataset = read(dir.path(), false, &mut skipped);
    assert_eq!(skipped, []);
    dataset
}

const PLAN: &str = r#"
schema = 1
name = "small"
model = "m"
[[configs]]
id = "one"
scenario = "chimera_homo"
agents = [{ name = "a" }, { name = "b" }]
"#;

fn manifest(plan: SweepPlan) -> Manifest {
    Manifest {
        schema: RESULTS_SCHEMA,
        header: RunHeader {
            endpoints: vec![EndpointFacts {
                url: "http://127.0.0.1:1".to_owned(),
                server: ServerIdentity {
                    kind: "ollama".to_owned(),
                    version: "1".to_owned(),
                },
                model: None,
            }],
            ..RunHeader::new(
                "small".to_owned(),
                Provenance::Measured,
                "tandem test".to_owned(),
                "tandem sweep".to_owned(),
                "2026-01-01T00:00:00Z".to_owned(),
            )
        },
        runner: "rust-tokio".to_owned(),
        plan_hash: plan.hash(),
        plan,
        repetitions: 2,
        benchmarks: None,
    }
}

fn run(repetition: u32) -> RunKey {
    RunKey {
        config: ConfigId::new("one").unwrap(),
        topology: Topology::Shared,
        repetition,
    }
}

fn request(repetition: u32, arm: Arm, attempt: u32, agent: u32, done: u64) -> JournalLine {
    let at = |ms: u64| Stamp(ms * 1_000_000);
    let times = RequestTimes {
        sent: Some(at(0)),
        first_token: Some(at(10)),
        last_token: Some(at(done)),
        done: Some(at(done)),
        ended: at(done),
        outcome: Outcome::Completed,
        tokens: 10,
        tokens_from: TokenSource::Server,
        ..RequestTimes::default()
    };
    JournalLine::Request(RequestRecord {
        attempt,
        agent,
        agent_name: ["a", "b"][agent as usize].to_owned(),
        ..RequestRecord::new(run(repetition), arm, times)
    })
}

fn arm(repetition: u32, arm: Arm, attempt: u32, complete: bool) -> JournalLine {
    let span = AgentSpan {
        started: Stamp(0),
        ended: Stamp(1),
    };
    JournalLine::Arm(ArmRecord {
        run: run(repetition),
        arm,
        attempt,
        started: Stamp(0),
        ended: Stamp(1),
        complete,
        state_rule: "unloaded".to_owned(),
        loaded_before: Vec::new(),
        loaded_after: Vec::new(),
        agents: vec![span, span],
        notes: Vec::new(),
    })
}

fn folder(lines: &[JournalLine], tail: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    let plan = parse("small.toml", PLAN).unwrap();
    let text = serde_json::to_string(&manifest(plan)).unwrap();
    fs::write(dir.path().join("manifest.json"), text).unwrap();
    let mut file = fs::File::create(dir.path().join("journal.jsonl")).unwrap();
    for line in lines {
        writeln!(file, "{}", serde_json::to_string(line).unwrap()).unwrap();
    }
    file.write_all(tail.as_bytes()).unwrap();
    dir
}

fn together(repetition: u32, attempt: u32, done: u64) -> Vec<JournalLine> {
    vec![
        request(repetition, Arm::Together, attempt, 0, done),
        request(repetition, Arm::Together, attempt, 1, done),
    ]
}

#[test]
fn the_last_complete_attempt_counts_and_what_is_missing_is_said() {
    let mut lines = together(1, 1, 100);
    lines.push(arm(1, Arm::Together, 1, false));
    lines.extend(together(1, 2, 200));
    lines.push(arm(1, Arm::Together, 2, true));
    let dir = folder(&lines, "");
    let set = strict(&dir).unwrap();
    assert_eq!(set.runs.len(), 1);
    let arm = set.runs[0].together.as_ref().unwrap();
    assert_eq!(arm.agents[0].requests[0].done, Some(Stamp(200_000_000)));
    let all = set.warnings.join("\n");
    assert!(all.contains("3 of 4 planned arms were never run"), "{all}");
    assert!(all.contains("1 arms were tried more than once"), "{all}");
    assert!(all.contains("no telemetry.jsonl"), "{all}");
}

#[test]
fn a_last_line_cut_off_is_left_out_and_any_other_bad_line_is_an_error() {
    let mut lines = together(1, 1, 100);
    lines.push(arm(1, Arm::Together, 1, true));
    let dir = folder(&lines, r#"{"request":{"conf"#);
    let set = strict(&dir).unwrap();
    assert!(
        set.warnings.iter().any(|w| w.contains("line 4 is cut off")),
        "{:?}",
        set.warnings
    );

    let dir = folder(&lines, "{\"nonsense\":{}}\n");
    let error = strict(&dir).unwrap_err();
    assert_eq!(error.line, Some(4));
    assert!(error.path.ends_with("journal.jsonl"));
    let mut skipped = Vec::new();
    let set = read(dir.path(), true, &mut skipped).unwrap();
    assert_eq!((set.runs.len(), skipped.len()), (1, 1));
}

#[test]
fn a_complete_arm_without_an_agents_requests_is_left_out() {
    let mut lines = vec![request(1, Arm::Together, 1, 0, 100)];
    lines.push(arm(1, Arm::Together, 1, true));
    lines.extend(together(2, 1, 100));
    lines.push(arm(2, Arm::Together, 1, true));
    let dir = folder(&lines, "");
    let set = strict(&dir).unwrap();
    assert_eq!(set.runs.len(), 1);
    assert_eq!(set.runs[0].repetition, 2);
    assert!(
        set.warnings
            .iter()
            .any(|w| w.contains("no request of agent b")),
        "{:?}",
        set.warnings
    );
}
