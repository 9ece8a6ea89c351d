//! What the doctor saw. Facts only: `judge` says what they mean.

use domain::backend::{LoadedModel, ModelIdentity, ServerIdentity};
use serde::Serialize;

use super::memory::{Need, Shape};
use super::slots::Probe;
use crate::descriptors::FileLimit;
use crate::target::Absence;

/// Everything that was seen.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) plan: PlanFacts,
    /// The servers, in the order in which agents are dealt to them.
    pub(crate) servers: Vec<ServerFacts>,
    /// This machine; none where the servers are simulated and it has no part in any figure.
    pub(crate) machine: Option<MachineFacts>,
}

impl Facts {
    /// True as soon as one of the servers is a simulator.
    pub(crate) fn is_simulated(&self) -> bool {
        self.servers.iter().any(|server| match &server.state {
            ServerState::There(there) => there.server.is_simulator(),
            ServerState::Absent { .. } => false,
        })
    }
}

/// What a plan will ask of a server.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct PlanFacts {
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) configs: usize,
    /// Most agents at once.
    pub(crate) agents: usize,
    /// Servers that it can use: one, or as many as agents.
    pub(crate) servers: usize,
    /// The largest context that it asks for; none when an agent leaves it to the server, which may
    /// take any.
    pub(crate) largest_context: Option<u64>,
    /// The largest context that any agent names.
    pub(crate) largest_named_context: Option<u64>,
    /// Configurations whose agents make one server reload the model between them.
    pub(crate) reloading: usize,
    /// Options in which the agents of those configurations differ.
    pub(crate) reloading_options: Vec<&'static str>,
    /// It wants the model unloaded or loaded before each arm.
    pub(crate) sets_state: bool,
}

/// What was seen of an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct ServerFacts {
    /// The endpoint, without credentials.
    pub(crate) url: String,
    /// It runs on this machine.
    pub(crate) local: bool,
    pub(crate) state: ServerState,
}

/// What is at an endpoint.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum ServerState {
    /// No server could be made out.
    Absent {
        why: Absence,
        /// In the client's words.
        message: String,
        hint: Option<String>,
    },
    There(Box<There>),
}

/// A server that answers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct There {
    pub(crate) server: ServerIdentity,
    /// It can load and unload models when told to.
    pub(crate) loads_on_demand: bool,
    /// It is the simulator's embedded one.
    pub(crate) simulated: bool,
    pub(crate) key_sent: bool,
    pub(crate) model: Option<ModelIdentity>,
    pub(crate) has: Vec<String>,
    /// Requests that it serves at the same time, where it tells.
    pub(crate) slots_told: Option<u64>,
    /// Context of a slot, where it tells.
    pub(crate) context_told: Option<u64>,
    /// Options that agents of the plan set and it cannot be sent.
    pub(crate) options_not_sent: Vec<&'static str>,
    /// The model's architecture (`gemma3`), where the server tells.
    pub(crate) architecture: Option<String>,
    pub(crate) shape: Option<Shape>,
    /// What the largest configuration needs, where it can be told.
    pub(crate) need: Option<Need>,
    /// What was in memory before anything was sent; none where it does not tell.
    pub(crate) loaded_before: Option<Vec<LoadedModel>>,
    /// The model as the probe loaded it.
    pub(crate) loaded: Option<LoadedModel>,
    /// How long it keeps an idle model, seconds; negative is for ever. Seen after the probe.
    pub(crate) keep_alive_s: Option<f64>,
    /// What short requests showed.
    pub(crate) probe: Option<Probe>,
}

/// This machine.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct MachineFacts {
    /// Conditions that spoil a benchmark, in words.
    pub(crate) warnings: Vec<String>,
    /// Devices with their memory and users.
    pub(crate) gpus: Vec<GpuFacts>,
    pub(crate) memory_free_bytes: Option<u64>,
    pub(crate) memory_total_bytes: Option<u64>,
    /// The clock, when it was tried.
    pub(crate) clock: Option<ClockFacts>,
    pub(crate) files: Option<FileLimit>,
    /// Free space where results go, bytes.
    pub(crate) disk_free_bytes: Option<u64>,
}

/// A device.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct GpuFacts {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) memory_total_bytes: Option<u64>,
    pub(crate) memory_used_bytes: Option<u64>,
    /// Processes on it that belong to none of the servers, in words.
    pub(crate) others: Vec<String>,
}

/// What the clock can tell apart, and how late a timer rings.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct ClockFacts {
    /// Smallest step between two stamps, nanoseconds.
    pub(crate) step_ns: u64,
    /// How much longer than asked a 1 ms sleep takes: 99th percentile, milliseconds.
    pub(crate) oversleep_p99_ms: f64,
}
