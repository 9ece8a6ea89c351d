//! Sweeps in virtual time against a scripted server, with exact stamps.

pub(crate) mod fake;

mod faults;
mod probe;
mod resume;
mod run;
pub(crate) mod scenarios;
mod stop;

use std::path::PathBuf;
use std::sync::Arc;

use clock::Clock;
use domain::backend::ServerIdentity;
use domain::event::{Event, Observer};
use domain::plan::{SweepPlan, parse};
use domain::record::{
    ArmRecord, EndpointFacts, JournalLine, Manifest, Mark, MarkKind, NonceRoot, Provenance,
    RESULTS_SCHEMA, RequestRecord, RunHeader, StepRecord, TimeScale,
};
use domain::{Nanos, Stamp};
use parking_lot::Mutex;
use results::ResultsDir;
use tempfile::TempDir;

use self::fake::{Fake, Script};
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

fn manifest(plan: &SweepPlan, repetitions: u32) -> Manifest {
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
            endpoints: (0..plan.servers()).map(endpoint).collect(),
            time_scale: Some(TimeScale::Virtual),
            provenance: Provenance::Simulated,
            ..RunHeader::default()
        },
        runner: "rust-tokio".to_owned(),
        plan_hash: plan.hash(),
        plan: plan.clone(),
        repetitions,
        benchmarks: None,
    }
}

#[derive(Debug, Default)]
struct Watch(Mutex<Vec<Event>>);

impl Observer for Watch {
    fn on_event(&self, event: &Event) {
        self.0.lock().push(event.clone());
    }
}

/// A sweep that is about to run, in a folder of its own.
pub(crate) struct Trial {
    pub(crate) setup: SweepSetup,
    pub(crate) servers: Vec<Fake>,
    dir: TempDir,
}

impl Trial {
    /// In virtual time; must be called inside a paused runtime.
    pub(crate) fn new(plan: &SweepPlan, repetitions: u32, script: Script) -> Self {
        Self::on(Clock::start_virtual(), plan, repetitions, script)
    }

    pub(crate) fn on(clock: Clock, plan: &SweepPlan, repetitions: u32, script: Script) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let results = ResultsDir::create(dir.path(), manifest(plan, repetitions)).unwrap();
        Self::into(dir, results, clock, script)
    }

    #[expect(clippy::needless_pass_by_value, reason = "call sites write it")]
    fn into(dir: TempDir, results: ResultsDir, clock: Clock, script: Script) -> Self {
        let servers = 0..results.manifest.header.endpoints.len();
        Self {
            servers: servers.map(|i| Fake::new(i, &clock, &script)).collect(),
            setup: SweepSetup {
                results,
                nonce: NonceRoot::new(1),
                backends: Vec::new(),
                clock,
                gpu: None,
                host: false,
                observer: Arc::new(Watch::default()),
                admission: None,
                benchmarks: "../../fixtures/benchmarks".into(),
                arm_deadline: None,
                dead_arms: DEFAULT_DEAD_ARMS,
            },
            dir,
        }
    }

    pub(crate) async fn run(self) -> Ran {
        self.run_until(Shutdown::new(Nanos::ZERO)).await
    }

    pub(crate) async fn run_until(mut self, shutdown: Shutdown) -> Ran {
        let servers: Vec<_> = self.servers.into_iter().map(Arc::new).collect();
        let backends = servers.iter().map(|server| Arc::clone(server) as _);
        self.setup.backends = backends.collect();
        let watch = Arc::new(Watch::default());
        self.setup.observer = Arc::clone(&watch) as _;
        let result = crate::run_sweep(self.setup, shutdown).await;
        Ran {
            result,
            journal: read(&self.dir),
            servers,
            events: std::mem::take(&mut *watch.0.lock()),
            dir: self.dir,
        }
    }

    /// Runs with a grace period of `grace_ms` and a request to stop at each of these times in ms.
    pub(crate) async fn run_stopped(self, grace_ms: u64, stops: Vec<Stamp>) -> Ran {
        let shutdown = Shutdown::new(Nanos::from_millis(grace_ms));
        let (clock, stopper) = (self.setup.clock.clone(), shutdown.clone());
        let stopping = tokio::spawn(async move {
            for stop in stops {
                clock.sleep_until(stop).await;
                stopper.request();
            }
        });
        let ran = self.run_until(shutdown).await;
        stopping.abort();
        ran
    }
}

/// A sweep that ended, with what it wrote.
pub(crate) struct Ran {
    pub(crate) result: Result<SweepSummary, RuntimeError>,
    pub(crate) journal: Read,
    pub(crate) servers: Vec<Arc<Fake>>,
    pub(crate) events: Vec<Event>,
    pub(crate) dir: TempDir,
}

impl Ran {
    pub(crate) fn summary(&self) -> &SweepSummary {
        self.result.as_ref().unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// The sweep that continues this one, in virtual time from the last stamp on.
    pub(crate) fn resume(self) -> Trial {
        let results = ResultsDir::resume(self.dir.path()).unwrap();
        let offset = results.resume.as_ref().unwrap().offset;
        let clock = Clock::start_virtual_from(offset);
        Trial::into(self.dir, results, clock, fake::by_context())
    }
}

pub(crate) async fn run_plan(plan: &SweepPlan, script: Script) -> Ran {
    let ran = Trial::new(plan, 1, script).run().await;
    ran.summary();
    ran
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

    pub(crate) fn arms_as<T>(&self, of: impl Fn(&ArmRecord) -> T) -> Vec<T> {
        self.arms.iter().map(of).collect()
    }

    pub(crate) fn marks(&self) -> Vec<MarkKind> {
        self.marks.iter().map(|mark| mark.what).collect()
    }

    /// Runs and arms that were completed.
    pub(crate) fn complete(&self) -> Vec<&ArmRecord> {
        self.arms.iter().filter(|arm| arm.complete).collect()
    }

    pub(crate) fn requests_of<'a>(
        &'a self,
        arm: &'a ArmRecord,
    ) -> impl Iterator<Item = &'a RequestRecord> {
        let own = (&arm.run, arm.arm, arm.attempt);
        let requests = self.requests.iter();
        requests.filter(move |r| (&r.run, r.arm, r.attempt) == own)
    }
}

pub(crate) fn read(dir: &TempDir) -> Read {
    let mut read = Read::default();
    let text = std::fs::read_to_string(dir.path().join("journal.jsonl")).unwrap();
    let lines = text.split_inclusive('\n');
    // A full disk leaves a last line without its line feed.
    for line in lines.filter(|line| line.ends_with('\n')) {
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
