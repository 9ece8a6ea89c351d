//! Sweeps in virtual time against a scripted server, with exact stamps.

pub(crate) mod fake;
mod faults;
mod resume;
mod run;
mod stop;

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Arc, Mutex};

use clock::Clock;
use domain::backend::ServerIdentity;
use domain::event::{Event, Observer};
use domain::plan::{SweepPlan, parse};
use domain::record::{
    ArmRecord, EndpointFacts, JournalLine, Manifest, Mark, MarkKind, NonceRoot, Provenance,
    RESULTS_SCHEMA, RequestRecord, RunHeader, StepRecord, TimeScale,
};
use domain::{Nanos, Stamp};
use results::ResultsDir;

use self::fake::Fake;
use crate::{DEFAULT_DEAD_ARMS, RuntimeError, Shutdown, SweepSetup, SweepSummary};

/// The together arm alone, and both arms without probes, each in a fixed order.
pub(crate) const TOGETHER: &str = "arms = [\"together\"]\ninterleave = false";
pub(crate) const BOTH: &str = "interleave = false\nprobe = false";

/// Agents `a`, `b`, `c`, … with contexts 512, 1024, 1536, …, by which the fake server distinguishes them.
pub(crate) fn plan(agents: usize, protocol: &str, extra: &str) -> SweepPlan {
    let agent = |i: usize| {
        let (name, context) = (char::from(b'a' + i as u8), 512 * (i + 1));
        format!("{{ name = \"{name}\", options = {{ num_ctx = {context} }}{extra} }}")
    };
    let agents: Vec<String> = (0..agents).map(agent).collect();
    let text = format!(
        "schema = 1\nname = \"t\"\nmodel = \"m\"\n[protocol]\n{protocol}\n\
         [[configs]]\nid = \"one\"\nscenario = \"s\"\nagents = [{}]\n",
        agents.join(", ")
    );
    let mut plan = parse("test", &text).unwrap();
    // Most tests count from the first arm; one tests the warm-up.
    plan.protocol.warm_up = false;
    plan
}

pub(crate) fn manifest(plan: &SweepPlan, repetitions: u32, endpoints: usize) -> Manifest {
    let endpoint = |i: usize| EndpointFacts {
        url: format!("fake://{i}"),
        server: ServerIdentity {
            kind: "fake".to_owned(),
            version: "1".to_owned(),
        },
        model: None,
    };
    Manifest {
        schema: RESULTS_SCHEMA,
        header: RunHeader {
            endpoints: (0..endpoints).map(endpoint).collect(),
            time_scale: Some(TimeScale::Virtual),
            ..RunHeader::new(
                "t".to_owned(),
                Provenance::Simulated,
                "test".to_owned(),
                String::new(),
                "2025-11-12T00:00:00Z".to_owned(),
            )
        },
        runner: "rust-tokio".to_owned(),
        plan_hash: plan.hash(),
        plan: plan.clone(),
        repetitions,
        benchmarks: None,
    }
}

#[derive(Debug, Default)]
pub(crate) struct Watch(pub(crate) Mutex<Vec<Event>>);

impl Observer for Watch {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

pub(crate) struct Trial {
    pub(crate) setup: SweepSetup,
    pub(crate) fakes: Vec<Arc<Fake>>,
    pub(crate) watch: Arc<Watch>,
}

impl Trial {
    /// In virtual time; must be called inside a paused runtime.
    pub(crate) fn new(results: ResultsDir, script: fake::Script) -> Self {
        let offset = results.resume.as_ref().map_or(Nanos::ZERO, |p| p.offset);
        Self::on(Clock::start_virtual_from(offset), results, script)
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "scripts are written in place"
    )]
    pub(crate) fn on(clock: Clock, results: ResultsDir, script: fake::Script) -> Self {
        let fake = |i| Arc::new(Fake::new(i, clock.clone(), script.clone()));
        let endpoints = results.manifest.header.endpoints.len();
        let fakes: Vec<Arc<Fake>> = (0..endpoints).map(fake).collect();
        let watch = Arc::new(Watch::default());
        Self {
            setup: SweepSetup {
                results,
                nonce: NonceRoot::new(1),
                backends: fakes.iter().map(|f| Arc::clone(f) as _).collect(),
                clock,
                gpu: None,
                host: false,
                observer: Arc::clone(&watch) as _,
                admission: None,
                benchmarks: "../../fixtures/benchmarks".into(),
                arm_deadline: None,
                dead_arms: DEFAULT_DEAD_ARMS,
            },
            fakes,
            watch,
        }
    }

    pub(crate) fn with_server(mut self, change: impl FnOnce(&mut Fake)) -> Self {
        let mut fake = Fake::new(0, self.setup.clock.clone(), fake::by_context());
        change(&mut fake);
        self.setup.backends = vec![Arc::new(fake)];
        self
    }

    pub(crate) fn admit(mut self, limit: usize) -> Self {
        self.setup.admission = NonZeroUsize::new(limit);
        self
    }

    pub(crate) async fn run(self) -> Result<SweepSummary, RuntimeError> {
        self.run_until(Shutdown::new(Nanos::ZERO)).await
    }

    pub(crate) async fn run_until(self, shutdown: Shutdown) -> Result<SweepSummary, RuntimeError> {
        crate::run_sweep(self.setup, shutdown).await
    }

    /// Runs with a grace period of `grace_ms` and a request to stop at each of these times in ms.
    pub(crate) async fn run_stopped(self, grace_ms: u64, stops: &'static [u64]) -> SweepSummary {
        let shutdown = Shutdown::new(Nanos::from_millis(grace_ms));
        let (clock, stopper) = (self.setup.clock.clone(), shutdown.clone());
        tokio::spawn(async move {
            for stop in stops {
                clock.sleep_until(ms(*stop)).await;
                stopper.request();
            }
        });
        self.run_until(shutdown).await.unwrap()
    }
}

pub(crate) struct Ran {
    pub(crate) summary: SweepSummary,
    pub(crate) journal: Read,
    pub(crate) fakes: Vec<Arc<Fake>>,
    pub(crate) watch: Arc<Watch>,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) async fn run_plan(plan: &SweepPlan, script: fake::Script) -> Ran {
    let dir = tempfile::tempdir().unwrap();
    let trial = fresh(dir.path(), plan, script);
    let (fakes, watch) = (trial.fakes.clone(), Arc::clone(&trial.watch));
    Ran {
        summary: trial.run().await.unwrap(),
        journal: read(dir.path()),
        fakes,
        watch,
        dir,
    }
}

pub(crate) fn fresh(dir: &Path, plan: &SweepPlan, script: fake::Script) -> Trial {
    let results = ResultsDir::create(dir, manifest(plan, 1, 1)).unwrap();
    Trial::new(results, script)
}

/// A journal, sorted by kind.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) requests: Vec<RequestRecord>,
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) arms: Vec<ArmRecord>,
    pub(crate) marks: Vec<Mark>,
}

impl Read {
    pub(crate) fn requests_as<T>(&self, of: impl Fn(&RequestRecord) -> T) -> Vec<T> {
        self.requests.iter().map(of).collect()
    }

    pub(crate) fn marks(&self) -> Vec<MarkKind> {
        self.marks.iter().map(|mark| mark.what).collect()
    }
}

pub(crate) fn read(dir: &Path) -> Read {
    let mut read = Read::default();
    let text = std::fs::read_to_string(dir.join("journal.jsonl")).unwrap();
    for line in text.lines() {
        match serde_json::from_str(line).unwrap() {
            JournalLine::Request(r) => read.requests.push(r),
            JournalLine::Step(s) => read.steps.push(s),
            JournalLine::Arm(a) => read.arms.push(a),
            JournalLine::Mark(m) => read.marks.push(m),
        }
    }
    read
}

pub(crate) const fn ms(n: u64) -> Stamp {
    Stamp(n * 1_000_000)
}
