use std::fs;
use std::io::Write as _;

use domain::backend::{LoadedModel, ModelIdentity};
use domain::outcome::Outcome;
use domain::plan::{ConfigId, SweepPlan, Topology, parse};
use domain::record::*;
use domain::{Nanos, Stamp};
use metrics::Dataset;
use metrics::from_records::dataset;
use metrics::notes::Warning;
use tempfile::TempDir;

use super::*;
use crate::FolderError;

/// Every line must be readable, or the file end with one that is cut off.
fn strict(dir: &TempDir) -> Result<Dataset, LoadError> {
    let mut left_out = LeftOut::default();
    let records = read(dir.path(), &mut left_out);
    assert_eq!(left_out, LeftOut::default());
    records.map(dataset)
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

fn plan() -> SweepPlan {
    parse("small.toml", PLAN).unwrap()
}

/// The manifest of a recorded sweep, with another plan.
fn manifest(plan: SweepPlan) -> Manifest {
    let recorded = include_str!("../../../../fixtures/one-or-two-servers/manifest.json");
    Manifest {
        plan_hash: plan.hash(),
        plan,
        repetitions: 2,
        ..serde_json::from_str(recorded).unwrap()
    }
}

fn run(repetition: u32) -> RunKey {
    RunKey {
        config: ConfigId::new("one").unwrap(),
        topology: Topology::Shared,
        repetition,
    }
}

fn request(repetition: u32, arm: Arm, attempt: u32, agent: u32, done_ms: u64) -> JournalLine {
    let at = |ms: u64| Stamp(ms * 1_000_000);
    let times = RequestTimes {
        sent: Some(at(0)),
        first_token: Some(at(10)),
        last_token: Some(at(done_ms)),
        done: Some(at(done_ms)),
        ended: at(done_ms),
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

/// The record of an arm of the first repetition in which all agents ran together.
fn arm(attempt: u32, complete: bool) -> ArmRecord {
    let span = AgentSpan {
        started: Stamp(0),
        ended: Stamp(1),
    };
    ArmRecord {
        run: run(1),
        arm: Arm::Together,
        attempt,
        started: span.started,
        ended: span.ended,
        complete,
        state_rule: "unloaded".to_owned(),
        loaded_before: Vec::new(),
        loaded_after: Vec::new(),
        agents: vec![span, span],
        notes: Vec::new(),
        changed_servers: Vec::new(),
    }
}

/// The requests of an attempt at the first repetition, and its arm.
fn together(attempt: u32, done_ms: u64, complete: bool) -> Vec<JournalLine> {
    let request = |agent| request(1, Arm::Together, attempt, agent, done_ms);
    let arm = JournalLine::Arm(arm(attempt, complete));
    vec![request(0), request(1), arm]
}

fn folder(lines: &[JournalLine], tail: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    write_manifest(dir.path(), &manifest(plan())).unwrap();
    let mut file = fs::File::create(dir.path().join(JOURNAL_FILE)).unwrap();
    for line in lines {
        writeln!(file, "{}", serde_json::to_string(line).unwrap()).unwrap();
    }
    file.write_all(tail.as_bytes()).unwrap();
    dir
}

/// Checks that each of these words is in a warning.
fn assert_warned(set: &Dataset, expected: &[&str]) {
    let all = format!("{:?}", set.warnings);
    for words in expected {
        assert!(all.contains(words), "{words} in {all}");
    }
}

#[test]
fn the_last_complete_attempt_counts_and_what_is_missing_is_reported() {
    let lines = [together(1, 100, false), together(2, 200, true)].concat();
    let set = strict(&folder(&lines, "")).unwrap();
    assert_eq!(set.runs.len(), 1);
    let arm = set.runs[0].together.as_ref().unwrap();
    assert_eq!(arm.agents[0].requests[0].done, Some(Stamp(200_000_000)));
    let expected = [
        "3 of 4 planned arms were never run",
        "1 arms were tried more than once",
        "no telemetry.jsonl",
    ];
    assert_warned(&set, &expected);
}

#[test]
fn a_last_line_cut_off_is_left_out_and_any_other_bad_line_is_an_error() {
    let lines = together(1, 100, true);
    let set = strict(&folder(&lines, r#"{"request":{"conf"#)).unwrap();
    assert_warned(&set, &["line 4 is cut off"]);

    let dir = folder(&lines, "{\"nonsense\":{}}\n");
    let error = strict(&dir).unwrap_err();
    assert_eq!(error.line, Some(4));
    assert!(error.path.ends_with("journal.jsonl"));
    let mut left_out = LeftOut::new(true);
    let set = dataset(read(dir.path(), &mut left_out).unwrap());
    assert_eq!((set.runs.len(), left_out.skipped.len()), (1, 1));
}

#[test]
fn a_complete_arm_without_an_agents_requests_is_left_out() {
    let mut lines = together(1, 100, true);
    lines.remove(1);
    lines.extend([0, 1].map(|agent| request(2, Arm::Together, 1, agent, 100)));
    let mut second = arm(1, true);
    second.run.repetition = 2;
    lines.push(JournalLine::Arm(second));
    let set = strict(&folder(&lines, "")).unwrap();
    assert_eq!(set.runs.len(), 1);
    assert_eq!(set.runs[0].repetition, 2);
    let lost = |w: &Warning| matches!(w, Warning::NoRequestOf(.., agent) if agent == "b");
    assert!(set.warnings.iter().any(lost), "{:?}", set.warnings);
}

#[test]
fn steps_that_failed_are_counted_and_the_first_is_named() {
    let step = |kind: &str, error: Option<&str>| {
        JournalLine::Step(StepRecord {
            run: run(1),
            arm: Arm::Together,
            attempt: 1,
            agent: 1,
            step: kind.to_owned(),
            kind: kind.to_owned(),
            started: Stamp(0),
            ended: Stamp(1),
            queue_ns: None,
            error: error.map(str::to_owned),
        })
    };
    let warning = |steps: &[JournalLine]| {
        let dir = folder(&[&together(1, 100, true), steps].concat(), "");
        let warnings = read(dir.path(), &mut LeftOut::default()).unwrap().warnings;
        let mut warnings = warnings.into_iter();
        warnings.find(|warning| warning.contains("steps of"))
    };
    // A request that failed has a row, and a step that was cancelled did not fail.
    let others = [
        step("generate", Some("failed: 500")),
        step("write", Some(StepRecord::CANCELLED)),
        step("think", None),
    ];
    assert_eq!(warning(&others), None);
    let failed = [
        step("write", Some("disk full")),
        step("ingest", Some("gone")),
    ];
    let expected = "2 steps of agents failed; the first: one (shared, repetition 1, together), agent 1, write: disk full";
    let found = warning(&[&others[..], &failed].concat());
    assert_eq!(found.as_deref(), Some(expected));
}

/// An arm that came to its end, and one that did not.
fn one_and_a_half_arms() -> Vec<JournalLine> {
    let mut lines = together(1, 100, true);
    lines.push(request(1, Arm::Sequential, 3, 0, 200));
    lines
}

fn resume(dir: &TempDir) -> Result<ResumePoint, FolderError> {
    ResultsDir::resume(dir.path()).map(|held| held.resume.unwrap())
}

#[test]
fn a_sweep_goes_on_after_all_that_was_recorded() {
    let dir = folder(&one_and_a_half_arms(), "{\"request\":{\"conf");
    let point = resume(&dir).unwrap();
    assert_eq!(point.offset, Nanos::from_millis(201));
    let [done, half] = [Arm::Together, Arm::Sequential].map(|arm| ArmSpec { run: run(1), arm });
    assert_eq!(point.complete, BTreeSet::from([done.clone()]));
    assert_eq!(point.attempts, BTreeMap::from([(done, 1), (half, 3)]));
    assert_eq!(point.warnings.len(), 1, "{:?}", point.warnings);
    let aside = fs::read_to_string(dir.path().join("journal.jsonl.cut"));
    assert_eq!(aside.unwrap(), "{\"request\":{\"conf\n");

    let sample = "{\"at\":900000000123,\"gpus\":[]}\n";
    let telemetry = dir.path().join(TELEMETRY_FILE);
    fs::write(&telemetry, format!("{sample}{{\"at\":90")).unwrap();
    let point = resume(&dir).unwrap();
    assert_eq!(point.offset, Nanos::from_millis(900_001));
    assert_eq!(point.warnings.len(), 1, "{:?}", point.warnings);
    assert_eq!(fs::read_to_string(&telemetry).unwrap(), sample);
}

#[test]
fn a_line_that_is_whole_but_for_its_newline_is_kept_and_a_corrupt_one_is_named() {
    let dir = folder(&one_and_a_half_arms(), "");
    let path = dir.path().join(JOURNAL_FILE);
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.trim_end()).unwrap();
    assert_eq!(resume(&dir).unwrap().warnings, [""; 0]);
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);

    let third = whole.match_indices('\n').nth(1).unwrap().0 + 1;
    let (before, after) = whole.split_at(third);
    fs::write(&path, format!("{before}{{\"request\":{{\n{after}")).unwrap();
    let error = resume(&dir).unwrap_err().to_string();
    assert!(error.contains("journal.jsonl:3: "), "{error}");
    assert!(error.contains("remove the line"), "{error}");
}

#[test]
fn other_conditions_are_refused_and_named() {
    let dir = TempDir::new().unwrap();
    let first = manifest(plan());
    let results = ResultsDir::create(dir.path(), first.clone()).unwrap();
    results.check_same(&first).unwrap();

    let mut changed = plan();
    changed.seed = 7;
    changed.configs[0].agents[1].options.num_ctx = Some(4096);
    let mut second = manifest(changed);
    second.repetitions = 5;
    second.header.started_at = "2025-11-13T00:00:00Z".to_owned();
    let expected = [
        "repetitions: recorded 2, now 5",
        "plan.configs[0].agents[1].options.num_ctx: recorded null, now 4096",
        "plan.seed: recorded 113, now 7",
    ];
    match results.check_same(&second).unwrap_err() {
        FolderError::NotTheSame { differences, .. } => assert_eq!(differences, expected),
        refused => panic!("{refused}"),
    }
}

#[test]
fn two_sweeps_into_one_folder_are_refused() {
    let dir = TempDir::new().unwrap();
    let create = || ResultsDir::create(dir.path(), manifest(plan()));
    let first = create().unwrap();
    for second in [create(), ResultsDir::resume(dir.path())] {
        match second {
            Err(FolderError::InUse { owner, .. }) => assert_eq!(owner, Some(std::process::id())),
            other => panic!("{other:?}"),
        }
    }
    drop(first);
    // It is held by no process now, but it is not empty.
    assert!(matches!(create(), Err(FolderError::AlreadyThere(_))));
    ResultsDir::resume(dir.path()).unwrap();
}

#[test]
fn a_folder_without_a_sweep_cannot_be_resumed() {
    let dir = TempDir::new().unwrap();
    let error = resume(&dir).unwrap_err();
    assert!(matches!(error, FolderError::NothingThere(_)));
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 0, "nothing is left behind");
}

#[test]
fn a_manifest_is_written_whole_and_another_version_is_refused() {
    let dir = TempDir::new().unwrap();
    let manifest = manifest(plan());
    write_manifest(dir.path(), &manifest).unwrap();
    assert_eq!(read_manifest(dir.path()).unwrap(), manifest);
    let files: Vec<_> = fs::read_dir(dir.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "no temporary file is left");

    let of_schema = |schema: u32| format!("{{\n \"schema\": {schema}, \"shape\": \"unknown\"\n}}");
    let cut_off = "{\n \"schema\": 2,\n \"name\": ";
    for (text, words) in [
        (of_schema(1), "is older than"),
        (of_schema(3), "is newer than"),
        (cut_off.to_owned(), "manifest.json:3:"),
    ] {
        fs::write(dir.path().join(MANIFEST_FILE), text).unwrap();
        let error = read_manifest(dir.path()).unwrap_err();
        let error = domain::exit::Fatal::from(error).to_string();
        assert!(error.contains(words), "{error}");
    }
    let missing = write_manifest(&dir.path().join("absent"), &manifest).unwrap_err();
    assert!(missing.to_string().contains("absent"), "{missing}");
}

#[test]
fn the_share_of_a_model_on_the_cpu_is_read_from_what_the_server_has_loaded() {
    let mut manifest = manifest(plan());
    manifest.header.endpoints[0].model = Some(ModelIdentity {
        name: "m:latest".to_owned(),
        ..ModelIdentity::default()
    });
    let on_cpu = |models: Option<Vec<LoadedModel>>| {
        let mut journal = together(1, 100, true);
        journal[2] = JournalLine::Arm(ArmRecord {
            loaded_after: vec![models],
            ..arm(1, true)
        });
        let read = dataset(SweepRecords {
            manifest: manifest.clone(),
            journal,
            telemetry: Vec::new(),
            warnings: Vec::new(),
        });
        let agents = &read.runs[0].together.as_ref().unwrap().agents;
        [agents[0].on_cpu_share, agents[1].on_cpu_share]
    };
    let model = |name: &str, on_device| LoadedModel {
        name: name.to_owned(),
        size_bytes: Some(4_700_000_000),
        size_vram_bytes: Some(on_device),
        ..LoadedModel::default()
    };
    let other = model("other", 0);
    let half = vec![other.clone(), model("m:latest", 2_350_000_000)];
    assert_eq!(on_cpu(Some(half)), [Some(0.5); 2]);
    for unknown in [Some(vec![other]), Some(Vec::new()), None] {
        assert_eq!(on_cpu(unknown), [None; 2]);
    }
}
