use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall, Progress};
use domain::plan::{AgentSpec, Arm, ConfigId, SweepPlan, Topology, WorkflowKind, parse};
use domain::record::{NonceRoot, RequestRecord, RequestRole, RunKey, StepRecord, TokenSource};
use domain::{Nanos, Outcome, Stamp};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::analyse::think;

fn benchmarks() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/benchmarks")
}

#[test]
fn the_benchmark_tables_are_read_column_by_column() {
    let tables = read_tables(&benchmarks()).unwrap();
    for (table, expected) in tables.iter().zip([
        ("servers.csv", 20, 9),
        ("tr113_latency.csv", 38, 9),
        ("tr113_runs.csv", 19, 5),
        ("tr113_throughput.csv", 38, 8),
    ]) {
        let shape = (table.name.as_str(), table.rows, table.columns.len());
        assert_eq!(shape, expected);
    }
    assert_eq!(tables.len(), 4);
    // An agent that sent no num_gpu has an empty cell, which is not zero.
    let num_gpu = &tables[1].columns[2];
    let figures = num_gpu.figures().unwrap();
    assert_eq!((figures.min as i64, figures.n), (60, 25));
    assert!(tables[1].columns[0].numbers.is_none(), "ids are words");
    insta::assert_snapshot!("collector", think("collector", &tables).text);
    insta::assert_snapshot!("insight", think("insight", &tables).text);
}

#[test]
fn a_table_that_is_none_is_named_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("t.csv");
    for (text, expected) in [
        ("a,b\n1,2\n3\n", "t.csv:3: 1 cells where the heading has 2"),
        ("a,b\n1,2\n1,inf\n", "t.csv:3: `b` is not a finite number"),
        ("a,b\n1,NaN\n", "t.csv:2: `b` is not a finite number"),
        ("", "t.csv:1: no heading"),
        ("a\n\u{e9}\n", "t.csv:2: not UTF-8"),
    ] {
        let latin_1: Vec<u8> = text.chars().map(|c| c as u8).collect();
        fs::write(&file, latin_1).unwrap();
        let error = read_tables(dir.path()).unwrap_err().to_string();
        assert!(error.ends_with(expected), "{error}");
    }
    fs::remove_file(&file).unwrap();
    let empty = read_tables(dir.path()).unwrap_err();
    assert!(matches!(empty, IngestError::Empty(_)));
    let gone = read_tables(&dir.path().join("gone")).unwrap_err();
    assert!(matches!(gone, IngestError::Read(..)));
}

#[test]
fn every_nonce_is_another() {
    let mut seen = BTreeSet::new();
    for n in 0..384_usize {
        let bit = |place: usize| n >> place & 1;
        let run = RunKey {
            config: ConfigId::new(["a", "b"][bit(0)]).unwrap(),
            topology: [Topology::Shared, Topology::PerAgent][bit(1)],
            repetition: [1, 2][bit(2)],
        };
        let arm = [Arm::Sequential, Arm::Together][bit(3)];
        let (root, attempt, agent) = ([1, 2][bit(4)], [1, 2][bit(5)], [0, 1][bit(6)]);
        let what = ["0", "1", "probe"][n >> 7];
        seen.insert(nonce(NonceRoot::new(root), &run, arm, attempt, agent, what));
    }
    assert_eq!(seen.len(), 384);
    assert!(seen.iter().all(|n| n.len() == 16));
}

/// Answers `fine` after a second.
#[derive(Debug)]
struct Slow(Clock);

#[async_trait]
impl ChatBackend for Slow {
    fn endpoint(&self) -> String {
        "slow".to_owned()
    }

    async fn generate(&self, call: &GenerateCall, exchange: &mut Exchange) -> Outcome {
        assert_eq!(call.model, "m");
        exchange.times.sent = Some(self.0.now());
        self.0.sleep(Nanos::from_secs(1)).await;
        let at = self.0.now();
        exchange.times.first_token = Some(at);
        exchange.times.last_token = Some(at);
        exchange.times.chunks.push(at);
        exchange.text.push_str("fine");
        Outcome::Completed
    }
}

#[derive(Debug, Default)]
struct Kept {
    requests: Mutex<Vec<RequestRecord>>,
    steps: Mutex<Vec<StepRecord>>,
}

impl Recorder for Kept {
    fn request(&self, record: RequestRecord) {
        self.requests.lock().unwrap().push(record);
    }

    fn step(&self, record: StepRecord) {
        self.steps.lock().unwrap().push(record);
    }
}

fn plan() -> SweepPlan {
    let text = "schema = 1\nname = \"t\"\nmodel = \"m\"\n[[configs]]\nid = \"one\"\nscenario = \"s\"\n\
                agents = [{ name = \"x/y\" }]\n";
    parse("test", text).unwrap()
}

fn job(workflow: WorkflowKind, artefacts: &Path) -> (AgentJob, Arc<Kept>) {
    let plan = plan();
    let clock = Clock::start_virtual();
    let kept = Arc::new(Kept::default());
    let job = AgentJob {
        run: RunKey {
            config: plan.configs[0].id.clone(),
            topology: Topology::Shared,
            repetition: 1,
        },
        arm: Arm::Together,
        attempt: 1,
        agent: 0,
        spec: AgentSpec {
            workflow,
            calls: NonZeroU32::MIN,
            ..plan.configs[0].agents[0].clone()
        },
        plan: Arc::new(plan),
        nonce: NonceRoot::new(1),
        endpoint: 0,
        backend: Arc::new(Slow(clock.clone())),
        pool: WorkPool::for_clock(&clock),
        clock,
        recorder: Arc::clone(&kept) as _,
        stop: CancellationToken::new(),
        cancel: CancellationToken::new(),
        progress: Progress::counting(),
        benchmarks: benchmarks(),
        artefacts: artefacts.to_owned(),
    };
    (job, kept)
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_gives_no_counters_is_estimated_and_counted_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (job, kept) = job(WorkflowKind::SingleCall, dir.path());
    let end = run_agent(&job, Stamp::ZERO).await;
    assert!(end.finished && end.gave_up.is_none());
    assert_eq!(end.span.ended, Stamp(1_000_000_000));
    assert_eq!(job.progress.get(), 1);
    let requests = kept.requests.lock().unwrap();
    let [r] = &requests[..] else { panic!() };
    assert_eq!((r.times.tokens, r.output_chars), (1, 4));
    assert_eq!(r.times.tokens_from, TokenSource::Estimated);
    assert_eq!(r.times.chunks, [Stamp(1_000_000_000)]);
    assert_eq!(kept.steps.lock().unwrap().len(), 1);
    let written = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(written, 0, "one call writes nothing");
}

#[tokio::test(start_paused = true)]
async fn an_agent_without_its_tables_gives_up_before_it_asks() {
    let dir = tempfile::tempdir().unwrap();
    let (mut job, kept) = job(WorkflowKind::Full, dir.path());
    job.benchmarks = dir.path().join("gone");
    let end = run_agent(&job, Stamp::ZERO).await;
    assert!(end.finished, "it ran to its end, though it got nowhere");
    assert!(end.gave_up.unwrap().starts_with("ingest: failed to read"));
    assert!(kept.requests.lock().unwrap().is_empty());
    let steps = kept.steps.lock().unwrap();
    assert!(steps.len() == 1 && steps[0].error.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_artefact_that_cannot_be_written_is_a_failed_step() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let (job, kept) = job(WorkflowKind::Full, &file);
    let end = run_agent(&job, Stamp::ZERO).await;
    assert!(end.finished && end.gave_up.is_none());
    let steps = kept.steps.lock().unwrap();
    let error = steps.last().unwrap().error.clone().unwrap();
    // The name cannot leave its folder.
    assert!(error.contains("0-x_y.md"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_step_and_request_each_leave_a_record() {
    let dir = tempfile::tempdir().unwrap();
    let (job, kept) = job(WorkflowKind::SingleCall, dir.path());
    let (clock, cancel) = (job.clock.clone(), job.cancel.clone());
    tokio::spawn(async move {
        clock.sleep(Nanos::from_millis(400)).await;
        cancel.cancel();
    });
    let end = run_agent(&job, Stamp::ZERO).await;
    assert!(!end.finished);
    let requests = kept.requests.lock().unwrap();
    assert_eq!(requests[0].times.outcome, Outcome::Cancelled);
    assert_eq!(requests[0].times.ended, Stamp(400_000_000));
    assert_eq!(requests[0].times.sent, Some(Stamp::ZERO));
    let steps = kept.steps.lock().unwrap();
    assert_eq!(steps[0].error.as_deref(), Some("cancelled"));
}

#[tokio::test(start_paused = true)]
async fn a_probe_asks_for_one_token() {
    let dir = tempfile::tempdir().unwrap();
    let (job, kept) = job(WorkflowKind::Full, dir.path());
    let end = run_probe(&job, Stamp::ZERO).await;
    assert_eq!(end, (Outcome::Completed, None));
    let requests = kept.requests.lock().unwrap();
    assert_eq!(requests[0].role, RequestRole::Probe);
    assert_eq!(requests[0].options.num_predict, Some(1));
    let steps = kept.steps.lock().unwrap();
    assert!(steps.is_empty(), "a probe is no step of the workflow");
}

#[tokio::test(start_paused = true)]
async fn work_is_a_think_step_before_each_call() {
    let dir = tempfile::tempdir().unwrap();
    let (mut job, kept) = job(WorkflowKind::SingleCall, dir.path());
    job.spec.calls = NonZeroU32::new(2).unwrap();
    job.spec.work.cpu = Some("primes:200000".parse().unwrap());
    let end = run_agent(&job, Stamp::ZERO).await;
    assert!(end.finished);
    let steps = kept.steps.lock().unwrap();
    let seen = steps.iter().map(|s| {
        let took = s.ended.since(s.started).0 / 1_000;
        (s.step.as_str(), s.kind.as_str(), took, s.queue_ns)
    });
    let free = Some(Nanos::ZERO);
    let expected = [
        ("work_1", "think", 10_700, free),
        ("generate_1", "generate", 1_000_000, None),
        ("work_2", "think", 10_700, free),
        ("generate_2", "generate", 1_000_000, None),
    ];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
}
