//! The servers of a run, with their clock and devices: real ones, or the embedded simulator.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clock::Clock;
use document::output::say;
use domain::backend::{BackendError, ChatBackend};
use domain::exit::Fatal;
use domain::plan::Timeouts;
use domain::record::{EndpointFacts, NonceRoot, Provenance, RunHeader, RuntimeFacts, TimeScale};
use domain::telemetry::{GpuSource, Gpus};
use domain::{FailureKind, ModelOptions, Nanos};
use simulator::Simulator;

use crate::flags::ServerArgs;
use crate::folder;
use crate::simulated;
use crate::target::{self, Fitted, Target};

pub(crate) struct Stage {
    pub(crate) provenance: Provenance,
    pub(crate) endpoints: Vec<EndpointFacts>,
    pub(crate) backends: Vec<Arc<dyn ChatBackend>>,
    pub(crate) gpu: Option<Gpus>,
    gpu_source: GpuSource,
    pub(crate) time_scale: Option<TimeScale>,
    pub(crate) clock: Clock,
    /// Stops when dropped.
    pub(crate) simulator: Option<Simulator>,
    /// The client's runtime; none in virtual time.
    runtime: Option<RuntimeFacts>,
    /// What differs between a plan and its servers, by name.
    fitted: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub(crate) struct StageSetup<'a> {
    /// A model that the simulator's profile must have.
    pub(crate) model: &'a str,
    /// Number of simulated servers.
    pub(crate) servers: usize,
    pub(crate) seed: u64,
    pub(crate) timeouts: Timeouts,
    /// Time at which the clock starts.
    pub(crate) offset: Nanos,
    pub(crate) runtime: Option<RuntimeFacts>,
    pub(crate) fitted: Fitted,
}

pub(crate) fn announce(target: &Target, flags: &ServerArgs, fitted: &Fitted, say: impl Fn(&str)) {
    let found = match target {
        Target::Simulator { why } => return say(&simulated_in_words(why, flags)),
        Target::Real(found) => found,
    };
    if found.iter().any(|f| f.facts.server.is_simulator()) {
        say("SIMULATED: the server is a simulator, which models a real one");
    }
    for server in found {
        say(&format!("Running on {}", server.in_words()));
    }
    for note in &fitted.notes {
        say(&format!("note: {note}"));
    }
}

pub(crate) fn simulated_in_words(why: &str, flags: &ServerArgs) -> String {
    let profile = flags.profile();
    format!(
        "SIMULATED: no real server is used ({why}); running on the embedded simulator, profile {profile}"
    )
}

impl Stage {
    /// The folder and the header of a run that begins now on these servers. `out` is the given folder; a new one
    /// starts with `name`. `simulated` are the simulator's flags. Fails when its profile or faults cannot be read.
    pub(crate) fn begin(
        &self,
        out: Option<&Path>,
        name: &str,
        simulated: &ServerArgs,
    ) -> Result<(PathBuf, RunHeader), Fatal> {
        let now = folder::wall_clock();
        let is_simulated = self.provenance == Provenance::Simulated;
        let new = || folder::default_dir(name, now, is_simulated);
        let dir = out.map_or_else(new, Path::to_path_buf);
        let name = folder::name_of(&dir, name);
        let mut environment = telemetry::environment(self.gpu_source.clone());
        environment.facts.extend(self.fitted.clone());
        let settings = self.is_embedded().then(|| simulated::settings(simulated));
        let header = RunHeader {
            endpoints: self.endpoints.clone(),
            time_scale: self.time_scale,
            simulator: settings.transpose()?,
            runtime: self.runtime.clone(),
            ..folder::header(name, self.provenance, now, environment)
        };
        Ok((dir, header))
    }

    /// True on the embedded simulator, whose time does not depend on this machine.
    pub(crate) fn is_embedded(&self) -> bool {
        self.time_scale.is_some()
    }

    /// Connects to the target's servers. Call it inside a runtime that
    /// [`RuntimeFlags`](crate::flags::RuntimeFlags) started for the target.
    pub(crate) async fn set(
        target: Target,
        flags: &ServerArgs,
        setup: StageSetup<'_>,
    ) -> Result<Self, Fatal> {
        let Target::Real(found) = target else {
            return Self::simulated(flags, setup).await;
        };
        let clock = Clock::real_from(setup.offset);
        let endpoints: Vec<_> = found.into_iter().map(|server| server.facts).collect();
        let clients = endpoints.iter();
        let clients =
            clients.map(|facts| target::client(facts, &flags.http, &clock, setup.timeouts));
        let backends = clients.collect::<Result<Vec<_>, _>>()?;
        // The devices of this machine do not affect simulators.
        let (gpu, gpu_source) = if endpoints.iter().all(|facts| facts.server.is_simulator()) {
            let reason = "the servers are simulators".to_owned();
            (None, GpuSource::Absent { reason })
        } else {
            telemetry::open_gpus()
        };
        Ok(Self {
            provenance: Provenance::Measured.on(&endpoints),
            endpoints,
            backends,
            gpu,
            gpu_source,
            time_scale: None,
            clock,
            simulator: None,
            runtime: setup.runtime,
            fitted: setup.fitted.facts,
        })
    }

    /// The embedded simulator, on virtual time. Call it inside a runtime as [`Self::set`].
    pub(crate) async fn simulated(
        flags: &ServerArgs,
        setup: StageSetup<'_>,
    ) -> Result<Self, Fatal> {
        let clock = Clock::start_virtual_from(setup.offset);
        if let TimeScale::Scaled(scale) = flags.time_scale {
            tokio::spawn(clock.clone().pace(scale));
        }
        let simulator = simulated::embedded(flags, setup.seed, setup.servers, &clock).await?;
        let mut backends = Vec::new();
        let mut endpoints = Vec::new();
        for url in simulator.endpoints() {
            let settings = ollama::Settings::new(clock.clone(), setup.timeouts);
            let client = ollama::Client::new(settings, &url).map_err(Fatal::usage)?;
            let backend: Arc<dyn ChatBackend> = Arc::new(client);
            let server = backend.identify().await.map_err(Fatal::environment)?;
            let model = backend.find_model(setup.model).await;
            let model = model.map_err(Fatal::environment)?;
            if model.is_none() {
                let (profile, model) = (flags.profile(), setup.model);
                let what = format!("the profile {profile} has no model {model}");
                let hint = "name one of its models with --model, or add it to the profile";
                return Err(Fatal::usage(what).hint(hint));
            }
            let url = backend.endpoint();
            endpoints.push(EndpointFacts { url, server, model });
            backends.push(backend);
        }
        let gpu = simulator.gpus();
        Ok(Self {
            provenance: Provenance::Simulated,
            endpoints,
            backends,
            gpu_source: gpu.source.clone(),
            gpu: Some(gpu),
            time_scale: Some(flags.time_scale),
            clock,
            simulator: Some(simulator),
            runtime: setup.runtime,
            fitted: setup.fitted.facts,
        })
    }

    /// The seed of a run's nonces: the given one, or a new one. The embedded simulator's caches end with the
    /// command, so it uses the run's seed.
    pub(crate) fn nonce(&self, given: Option<NonceRoot>, seed: u64) -> NonceRoot {
        given.unwrap_or_else(|| {
            // A hasher's keys come from the system's random numbers; nothing is hashed.
            let random = || RandomState::new().build_hasher().finish();
            let is_simulated = self.simulator.is_some();
            NonceRoot::new(if is_simulated { seed } else { random() })
        })
    }

    /// Loads the model on every server, so that no measured request waits for it; a server with one fixed model
    /// loads nothing. True when all have it loaded; none when the user stopped the command meanwhile.
    pub(crate) async fn preload(
        &self,
        model: &str,
        options: &ModelOptions,
    ) -> Result<Option<bool>, Fatal> {
        tokio::select! {
            loaded = self.load(model, options) => loaded.map(Some),
            _ = runtime::asked_to_stop() => {
                say("Stopped while the model was loading; nothing was measured.");
                Ok(None)
            }
        }
    }

    async fn load(&self, model: &str, options: &ModelOptions) -> Result<bool, Fatal> {
        let mut all_loaded = true;
        for (backend, facts) in self.backends.iter().zip(&self.endpoints) {
            match backend.preload(model, options).await {
                Ok(()) => {}
                Err(BackendError::Failed {
                    failure: FailureKind::Unsupported,
                    ..
                }) => all_loaded &= facts.server.holds_model(),
                Err(error) => {
                    let what = format!("{model} could not be loaded");
                    let hint = "--no-preload starts without loading it first";
                    return Err(Fatal::environment(error).and(what).hint(hint));
                }
            }
        }
        Ok(all_loaded)
    }
}
