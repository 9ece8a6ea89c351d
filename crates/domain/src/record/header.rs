//! The common header of sweeps, loads, capacity runs and calibrations.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use super::{ClientBudget, NonceRoot, RuntimeFacts};
use crate::backend::{ModelIdentity, ServerIdentity};
use crate::telemetry::GpuSource;

/// The command, the program, the start, the servers and the machine of a run.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunHeader {
    /// The folder's name, or the one that was given.
    pub name: String,
    /// Measured on a server, or on the simulator.
    pub provenance: Provenance,
    /// The program: `tandem 0.1.0 (git 1234abc)`.
    pub tool: String,
    pub command: String,
    /// Start of the run, RFC 3339 in UTC; the only wall-clock reading of a run.
    pub started_at: String,
    /// The endpoints, without credentials, in the order of agents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<EndpointFacts>,
    /// Simulated seconds per real second, or `"virtual"` if waits were skipped; absent on a real server.
    pub time_scale: Option<TimeScale>,
    /// Settings of the embedded simulator; absent on a real server, and if they were not recorded.
    pub simulator: Option<SimulatorSettings>,
    /// Most requests in flight at once over all agents (`--admission`); absent for no limit.
    pub admission: Option<NonZeroU32>,
    /// Root of the nonces of prompts; `--nonce` with it repeats them. Absent if prompts have none, and in runs of
    /// versions whose nonces followed from the seed.
    pub nonce: Option<NonceRoot>,
    /// The client's async runtime; absent in virtual time, which always runs on one thread.
    pub runtime: Option<RuntimeFacts>,
    /// The client's own error, measured before the run; absent in virtual time, where the client takes no time,
    /// and if it was not measured.
    pub client_budget: Option<ClientBudget>,
    /// The client's machine; absent if a file of a parent folder has it.
    pub environment: Option<Environment>,
    /// The shard of a run that several clients share, from 0.
    pub shard: Option<u32>,
    /// The attempt at the run, from 1, if there were several.
    pub attempt: Option<u32>,
    /// The machine's name, in runs with several.
    pub node: Option<String>,
}

impl RunHeader {
    pub fn is_simulated(&self) -> bool {
        self.provenance == Provenance::Simulated
    }

    /// True for a run on the embedded simulator, in simulated time. A simulator started by `tandem serve` answers in
    /// real time like any other server.
    pub fn is_in_simulated_time(&self) -> bool {
        self.time_scale.is_some()
    }

    /// Conditions of the machine that spoil a benchmark; none in simulated time, where a busy machine changes no
    /// figure.
    pub fn machine_warnings(&self) -> impl Iterator<Item = &String> {
        let machine = self.environment.iter();
        machine
            .filter(|_| !self.is_in_simulated_time())
            .flat_map(|machine| &machine.warnings)
    }

    /// Sets the provenance to simulated if any endpoint is a simulator.
    pub fn settle_provenance(&mut self) {
        self.provenance = self.provenance.on(&self.endpoints);
    }
}

/// Settings of the embedded simulator, as given on the command line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SimulatorSettings {
    /// `--profile`: a shipped one or a file.
    pub profile: String,
    /// `--num-parallel`; absent: the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_parallel: Option<u32>,
    /// `--cache-ram`, MiB; absent: the profile's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_ram_mib: Option<u32>,
    /// Each `--fault`: a file of rules or `KIND=RATE`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
    /// SHA-256 of the profile and the rules, whose files can change.
    pub sha256: String,
}

/// The source of the figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "snake_case")]
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// On a real server.
    #[default]
    Measured,
    /// On the simulator.
    Simulated,
    /// From records of another program.
    Imported,
}

impl Provenance {
    /// The provenance of a run on these endpoints: simulated if one of them is a simulator.
    #[must_use]
    pub fn on(self, endpoints: &[EndpointFacts]) -> Self {
        match self {
            Self::Measured if endpoints.iter().any(|e| e.server.is_simulator()) => Self::Simulated,
            stated => stated,
        }
    }
}

/// The speed of simulated time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TimeScale {
    /// Waits are skipped: the clock jumps to the next event.
    Virtual,
    /// Simulated seconds per real second.
    Scaled(f64),
}

/// An endpoint at the start of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointFacts {
    /// URL without credentials.
    pub url: String,
    /// Kind and version of the server.
    pub server: ServerIdentity,
    /// The plan's model at this server.
    pub model: Option<ModelIdentity>,
}

/// The machine a sweep ran on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Operating system and version.
    pub os: String,
    pub cpu: String,
    /// Cores the process may use.
    pub cores: u32,
    pub memory_bytes: u64,
    /// The source of GPU readings, or why there is none.
    pub gpu: GpuSource,
    /// Further facts by name (governor, kernel, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Conditions that spoil a benchmark.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}
