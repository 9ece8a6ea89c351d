//! The facts that checks gather; `judge` turns them into findings.

use std::collections::BTreeSet;

use domain::ModelOptions;
use domain::backend::{LoadedModel, ModelIdentity, ServerIdentity};
use domain::plan::{StatePolicy, SweepPlan};
use itertools::Itertools as _;
use serde::{Deserialize, Serialize};

use super::memory::{Need, Shape};
use super::slots::Probe;
use crate::descriptors::FileLimit;
use crate::target::{Absence, Found};

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Facts {
    pub(crate) plan: PlanFacts,
    /// The servers, in the order in which agents are assigned to them.
    pub(crate) servers: Vec<ServerFacts>,
    /// This machine; none with the embedded simulator, which does not depend on it.
    pub(crate) machine: Option<MachineFacts>,
}

impl Facts {
    pub(crate) fn is_simulated(&self) -> bool {
        let mut reports = self.servers.iter().filter_map(ServerFacts::report);
        reports.any(|report| report.server.is_simulator())
    }
}

/// What a plan requires of servers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PlanFacts {
    pub(crate) name: String,
    pub(crate) model: String,
    pub(crate) configs: usize,
    /// Maximum number of concurrent agents.
    pub(crate) agents: usize,
    /// Servers that it uses: one, or one for each agent.
    pub(crate) servers: usize,
    /// The largest context that it requests; none when an agent leaves it to the server.
    pub(crate) largest_context: Option<u64>,
    pub(crate) largest_named_context: Option<u64>,
    /// Configurations whose agents make a shared server reload the model.
    pub(crate) reloading: usize,
    pub(crate) reloading_options: Vec<String>,
    /// It requires the model to be unloaded or loaded before each arm.
    pub(crate) sets_state: bool,
    /// The options of all agents.
    #[serde(skip)]
    pub(super) options: Vec<ModelOptions>,
}

impl PlanFacts {
    pub(crate) fn of(plan: &SweepPlan) -> Self {
        let servers = plan.servers();
        let named = plan.agents().filter_map(|agent| agent.options.num_ctx);
        let largest_named_context = named.max().and_then(|n| u64::try_from(n).ok());
        let every_one_named = plan.agents().all(|agent| agent.options.num_ctx.is_some());
        let mut differing = BTreeSet::new();
        let mut reloading = 0;
        for config in &plan.configs {
            let mut reloads = false;
            for topology in &plan.topologies {
                let server = |agent| topology.endpoint_of(agent, servers);
                let agents = config.agents.iter().enumerate();
                for ((i, one), (k, other)) in agents.tuple_combinations() {
                    let (a, b) = (&one.options, &other.options);
                    if server(i) == server(k) && (a.reloads_for(b) || b.reloads_for(a)) {
                        reloads = true;
                        differing.extend(a.runner_differences(b).iter().map(|o| o.name));
                    }
                }
            }
            reloading += usize::from(reloads);
        }
        Self {
            name: plan.name.clone(),
            model: plan.model.clone(),
            configs: plan.configs.len(),
            agents: plan.most_agents(),
            servers,
            largest_context: largest_named_context.filter(|_| every_one_named),
            largest_named_context,
            reloading,
            reloading_options: differing.into_iter().map(str::to_owned).collect(),
            sets_state: plan.protocol.state != StatePolicy::AsLeft,
            options: plan.agents().map(|agent| agent.options.clone()).collect(),
        }
    }

    /// A load of one configuration on one server.
    pub(crate) fn of_load(model: &str, agents: u32, options: ModelOptions) -> Self {
        let context = options.num_ctx.and_then(|n| u64::try_from(n).ok());
        Self {
            name: "load".to_owned(),
            model: model.to_owned(),
            configs: 1,
            agents: agents as usize,
            servers: 1,
            largest_context: context,
            largest_named_context: context,
            options: vec![options],
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerFacts {
    /// The endpoint, without credentials.
    pub(crate) url: String,
    pub(crate) local: bool,
    pub(crate) state: ServerState,
}

impl ServerFacts {
    /// What a server that answers has reported.
    pub(super) fn report(&self) -> Option<&ServerReport> {
        match &self.state {
            ServerState::Answers(report) => Some(report),
            ServerState::Absent { .. } => None,
        }
    }

    pub(super) fn answering(found: Found, report: ServerReport) -> Self {
        let url = found.facts.url;
        Self {
            local: super::is_loopback(&url),
            url,
            state: ServerState::Answers(Box::new(report)),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum ServerState {
    Absent {
        why: Absence,
        message: String,
        hint: Option<String>,
    },
    Answers(Box<ServerReport>),
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ServerReport {
    pub(crate) server: ServerIdentity,
    pub(crate) loads_on_demand: bool,
    pub(crate) simulated: bool,
    pub(crate) key_sent: bool,
    pub(crate) model: Option<ModelIdentity>,
    pub(crate) has: Vec<String>,
    pub(crate) slots_reported: Option<u64>,
    /// Context of a slot that it reports, tokens.
    pub(crate) context_reported: Option<u64>,
    pub(crate) options_not_sent: Vec<String>,
    /// The model's architecture (`gemma3`) that it reports.
    pub(crate) architecture: Option<String>,
    pub(crate) shape: Option<Shape>,
    /// Estimated memory of the largest configuration.
    pub(crate) need: Option<Need>,
    /// Models in memory before the probe, as it reports them.
    pub(crate) loaded_before: Option<Vec<LoadedModel>>,
    /// The model as the probe loaded it.
    pub(crate) loaded: Option<LoadedModel>,
    /// Keep-alive of an idle model after the probe, seconds; negative is for ever.
    pub(crate) keep_alive_s: Option<f64>,
    pub(crate) probe: Option<Probe>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct MachineFacts {
    /// Conditions that distort a benchmark.
    pub(crate) warnings: Vec<String>,
    pub(crate) gpus: Vec<GpuFacts>,
    pub(crate) memory_free_bytes: Option<u64>,
    pub(crate) memory_total_bytes: Option<u64>,
    /// The clock, when it was tested.
    pub(crate) clock: Option<ClockFacts>,
    pub(crate) files: Option<FileLimit>,
    /// Free space in the results folder, bytes.
    pub(crate) disk_free_bytes: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct GpuFacts {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) memory_total_bytes: Option<u64>,
    pub(crate) memory_used_bytes: Option<u64>,
    /// Names of processes on it that belong to none of the servers.
    pub(crate) others: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClockFacts {
    /// Smallest step between two stamps, nanoseconds.
    pub(crate) step_ns: u64,
    /// How much longer than asked a 1 ms sleep takes: 99th percentile, milliseconds.
    pub(crate) oversleep_p99_ms: f64,
}
