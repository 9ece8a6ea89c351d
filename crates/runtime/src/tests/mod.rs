//! Sweeps in virtual time against a scripted server: every stamp is exact.

mod fake;
mod faults;
mod resume;
mod run;
mod stop;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;
use std::sync::{Arc, Mutex};

use clock::Clock;
use domain::backend::ServerIdentity;
use domain::event::{Event, Observer};
use domain::plan::{SweepPlan, parse};
use domain::record::{
    ArmRecord, EndpointFacts, JournalLine, Manifest, Mark, NonceRoot, Provenance, RESULTS_SCHEMA,
    RequestRecord, RunHeader, StepRecord, TimeScale,
};
use domain::{Nanos, Stamp};
use results::ResultsDir;

use self::fake::Fake;
use crate::{DEFAULT_DEAD_ARMS, RuntimeError, Shutdown, SweepSetup, SweepSummary};

/// Agents `a`, `b`, `c`, … with contexts 512, 1024, 1536, …, so that the fake can tell them apart.
pub(crate) fn plan(agents: usize, protocol: &str, extra: &str) -> SweepPlan {
    let agents: Vec<String> = (0..agents)
        .map(|i| {
            let name = char::from(b'a' + u8::try_from(i).unwrap());
            format!(
                "{{ name = \"{name}\", options = {{ num_ctx = {} }}{extra} }}",
                512 * (i + 1)
            )
        })
        .collect();
    let text = format!(
        "schema = 1\nname = \"t\"\nmodel = \"m\"\n[protocol]\n{protocol}\n\
         [[configs]]\nid = \"one\"\nscenario = \"s\"\nagents = [{}]\n",
        agents.join(", ")
    );
    let mut plan = parse("test", &text).unwrap();
    // Most tests count from the first arm; the warm-up has one of its own.
    plan.protocol.warm_up = false;
    plan
}

pub(crate) fn manifest(plan: &SweepPlan, repetitions: u32, endpoints: usize) -> Manifest {
    Manifest {
        schema: RESULTS_SCHEMA,
        header: RunHeader {
            endpoints: (0..endpoints)
                .map(|i| EndpointFacts {
                    url: format!("fake://{i}"),
                    server: ServerIdentity {
                        kind: "fake".to_owned(),
                        version: "1".to_owned(),
                    },
                    model: None,
                })
                .collect(),
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

/// Keeps every event.
#[derive(Debug, Default)]
pub(crate) struct Watch(pub(crate) Mutex<Vec<Event>>);

impl Observer for Watch {
    fn on_event(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

/// A sweep to be run in a test.
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

    /// On a clock of the caller's.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "tests write their script in place"
    )]
    pub(crate) fn on(clock: Clock, results: ResultsDir, script: fake::Script) -> Self {
        let fakes: Vec<Arc<Fake>> = (0..results.manifest.header.endpoints.len())
            .map(|i| {
                Arc::new(Fake::new(
                    format!("fake://{i}"),
                    clock.clone(),
                    script.clone(),
                ))
            })
            .collect();
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
}

/// A new sweep of a plan into a folder.
pub(crate) fn fresh(dir: &Path, plan: &SweepPlan, script: fake::Script) -> Trial {
    Trial::new(
        ResultsDir::create(dir, manifest(plan, 1, 1)).unwrap(),
        script,
    )
}

/// A journal, sorted by kind.
#[derive(Debug, Default)]
pub(crate) struct Read {
    pub(crate) requests: Vec<RequestRecord>,
    pub(crate) steps: Vec<StepRecord>,
    pub(crate) arms: Vec<ArmRecord>,
    pub(crate) marks: Vec<Mark>,
}

pub(crate) fn read(dir: &Path) -> Read {
    let mut read = Read::default();
    for line in std::fs::read_to_string(dir.join("journal.jsonl"))
        .unwrap()
        .lines()
    {
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

pub(crate) fn three() -> NonZeroU32 {
    NonZeroU32::new(3).unwrap()
}
