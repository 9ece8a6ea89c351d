//! What every run says of itself: the one header of sweeps, loads, capacity runs and calibrations.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{ClientBudget, NonceRoot, RuntimeFacts};
use crate::backend::{ModelIdentity, ServerIdentity};
use crate::telemetry::GpuSource;

/// Who ran what, when, on which servers, from which machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunHeader {
    /// The folder's name, or the one that was given.
    pub name: String,
    /// Measured on a server, or on the simulator.
    pub provenance: Provenance,
    /// What wrote this: `tandem 0.1.0 (git 1234abc)`.
    pub tool: String,
    /// The command line, ready to repeat.
    pub command: String,
    /// When the run began, RFC 3339 in UTC; the one wall-clock reading of a run.
    pub started_at: String,
    /// The endpoints, without credentials, in the order that agents are dealt to them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointFacts>,
    /// Simulated seconds per real second; absent on a real server, `"virtual"` when time was
    /// skipped rather than waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_scale: Option<TimeScale>,
    /// How the embedded simulator was set; absent on a real server, and where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulator: Option<SimulatorSettings>,
    /// Most requests in flight at once, over all agents: `--admission`. Absent for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub admission: Option<NonZeroU32>,
    /// Root of the nonces that the prompts begin with: `--nonce` with it repeats them. Absent where
    /// prompts begin with none, and in runs of versions whose nonces followed from the seed alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<NonceRoot>,
    /// What the client ran on; absent in virtual time, which always runs on one thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimeFacts>,
    /// The client's own error, measured beside the run; absent in virtual time, where the client
    /// costs no time, and where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_budget: Option<ClientBudget>,
    /// The machine that the client ran on; absent where a file above this one says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<Environment>,
    /// The part of a run that was dealt to several clients, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<u32>,
    /// Which attempt at the run, from 1, where it was made more than once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The machine's name, where a run has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

impl RunHeader {
    /// Who ran what when; where, on what and how is the caller's to add.
    pub fn new(
        name: String,
        provenance: Provenance,
        tool: String,
        command: String,
        started_at: String,
    ) -> Self {
        Self {
            name,
            provenance,
            tool,
            command,
            started_at,
            endpoints: Vec::new(),
            time_scale: None,
            simulator: None,
            admission: None,
            nonce: None,
            runtime: None,
            client_budget: None,
            environment: None,
            shard: None,
            attempt: None,
            node: None,
        }
    }

    /// True for a run on the simulator.
    pub fn is_simulated(&self) -> bool {
        self.provenance == Provenance::Simulated
    }

    /// True for a run on the simulator inside the tool, in simulated time. A simulator that stands
    /// alone (`tandem serve`) answers in real time like any other server.
    pub fn is_in_simulated_time(&self) -> bool {
        self.time_scale.is_some()
    }

    /// Conditions of the machine that spoil a benchmark, in words; none in simulated time, of which a
    /// busy machine changes no figure.
    pub fn machine_warnings(&self) -> impl Iterator<Item = &String> {
        let machine = self.environment.iter();
        machine
            .filter(|_| !self.is_in_simulated_time())
            .flat_map(|machine| &machine.warnings)
    }

    /// Sets the provenance to simulated when any endpoint is a simulator.
    pub fn settle_provenance(&mut self) {
        self.provenance = self.provenance.on(&self.endpoints);
    }
}

/// How the embedded simulator was set, as it was typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SimulatorSettings {
    /// `--profile`: a shipped one or a file.
    pub profile: String,
    /// `--num-parallel`; absent: the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_parallel: Option<u32>,
    /// Each `--fault`: a file of rules or `KIND=RATE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// SHA-256 of the profile and the rules that these named: a file can change.
    pub sha256: String,
}

/// Where a number comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// On a real server.
    Measured,
    /// On the simulator.
    Simulated,
    /// From somebody else's records.
    Imported,
}

impl Provenance {
    /// The provenance of a run on these endpoints: simulated as soon as one of them is a simulator.
    #[must_use]
    pub fn on(self, endpoints: &[EndpointFacts]) -> Self {
        match self {
            Self::Measured if endpoints.iter().any(|e| e.server.is_simulator()) => Self::Simulated,
            stated => stated,
        }
    }
}

/// How simulated time ran against real time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TimeScale {
    /// Waits were skipped: the clock jumps to the next event.
    Virtual,
    /// So many simulated seconds per real second.
    Scaled(f64),
}

/// One endpoint as it was when the sweep began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EndpointFacts {
    /// URL without credentials.
    pub url: String,
    /// What it says it is.
    pub server: ServerIdentity,
    /// The plan's model there.
    pub model: Option<ModelIdentity>,
}

/// The machine a sweep ran on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Environment {
    /// Operating system and version.
    pub os: String,
    /// Processor.
    pub cpu: String,
    /// Cores the process may use.
    pub cores: u32,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Where GPU readings come from, or why there are none.
    pub gpu: GpuSource,
    /// Further facts by name (governor, kernel, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Conditions that spoil a benchmark, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
