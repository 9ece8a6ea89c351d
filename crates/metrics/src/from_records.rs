//! From a sweep's records to a [`Dataset`]. Pure: reading the files is the caller's business.

use std::collections::{BTreeMap, BTreeSet};

use domain::backend::ServerIdentity;
use domain::cache::{CacheCheck, FirstPrefills};
use domain::plan::{AgentSpec, Arm, Config};
use domain::record::{
    ArmRecord, JournalLine, Manifest, RequestRecord, RequestRole, RunKey, SweepRecords,
};
use domain::{Nanos, Stamp};
use itertools::{Itertools as _, iproduct};

mod durations;

use crate::budget::bias_at;
use crate::notes::Warning;
use crate::observation::{AgentObservation, ArmObservation, Dataset, RunObservation, WarmLoad};
use crate::throttle::throttled_intervals;

/// One attempt at one arm.
type AttemptKey = (RunKey, Arm, u32);

/// Makes the dataset of a sweep.
///
/// Of several attempts at an arm the last complete one counts. Arms that never completed are left
/// out and named in the warnings; requests that did not complete inside a complete arm stay.
pub fn dataset(records: SweepRecords) -> Dataset {
    let SweepRecords {
        manifest,
        journal,
        telemetry,
        warnings: known,
    } = records;
    let mut failed_steps: BTreeSet<(RunKey, Arm, u32)> = BTreeSet::new();
    let mut arms: BTreeMap<(RunKey, Arm), ArmRecord> = BTreeMap::new();
    let mut started: BTreeSet<(RunKey, Arm)> = BTreeSet::new();
    let mut requests: BTreeMap<AttemptKey, Vec<RequestRecord>> = BTreeMap::new();
    let mut probes: Vec<(RunKey, WarmLoad)> = Vec::new();
    let mut contexts: BTreeSet<u64> = BTreeSet::new();
    for line in journal {
        match line {
            JournalLine::Arm(arm) => {
                let key = (arm.run.clone(), arm.arm);
                started.insert(key.clone());
                let known = arms.get(&key).map(|known| known.attempt);
                let loaded = arm.loaded_before.iter().chain(&arm.loaded_after);
                let models = loaded.flatten().flatten();
                contexts.extend(models.filter_map(|model| model.context_length));
                if arm.complete && known <= Some(arm.attempt) {
                    arms.insert(key, arm);
                }
            }
            JournalLine::Request(mut request) if request.role == RequestRole::Main => {
                request.settle_load(&manifest.header.endpoints);
                started.insert((request.run.clone(), request.arm));
                let key = (request.run.clone(), request.arm, request.attempt);
                requests.entry(key).or_default().push(request);
            }
            JournalLine::Request(probe) => {
                let (agent, load) = (probe.agent, probe.times.counters.load);
                let known = load.filter(|_| probe.times.outcome.is_completed());
                probes.extend(known.map(|load| (probe.run, WarmLoad { agent, load })));
            }
            JournalLine::Step(step) if step.error.is_some() => {
                failed_steps.insert((step.run, step.arm, step.agent));
            }
            JournalLine::Step(_) | JournalLine::Mark(_) => {}
        }
    }
    let mut notes = BTreeMap::<_, u32>::new();
    let (mut cache, mut first_prefills) = (CacheCheck::default(), FirstPrefills::default());
    for request in requests.values().flatten() {
        for note in &request.times.notes {
            *notes.entry(*note).or_default() += 1;
        }
        cache.add_of_sweep(request, &mut first_prefills);
    }
    let throttled = throttled_intervals(&telemetry);
    let unfinished = started.into_iter().filter(|key| !arms.contains_key(key));
    let unfinished = unfinished.map(|(run, arm)| Warning::ArmUnfinished(run, arm));
    let mut warnings = unfinished.collect_vec();
    let mut changed: BTreeMap<(u32, String, String), (ServerIdentity, usize)> = BTreeMap::new();
    for change in arms.values().flat_map(|arm| &arm.changed_servers) {
        let server = change.server.clone();
        let key = (change.endpoint, server.kind.clone(), server.version.clone());
        changed.entry(key).or_insert((server, 0)).1 += 1;
    }
    for ((endpoint, ..), (now, arms)) in changed {
        if let Some(before) = manifest.header.endpoints.get(endpoint as usize) {
            let identities = [before.server.clone(), now];
            warnings.push(Warning::ServerChanged(before.url.clone(), identities, arms));
        }
    }
    warnings.extend(known.into_iter().map(Warning::Text));
    let notes = notes.into_iter();
    warnings.extend(notes.map(|(note, n)| Warning::Responses(note, n)));
    let mut runs = Vec::new();
    let plan = &manifest.plan;
    let repetitions = 1..=manifest.repetitions;
    for (config, topology, repetition) in iproduct!(&plan.configs, &plan.topologies, repetitions) {
        let key = RunKey {
            config: config.id.clone(),
            topology: *topology,
            repetition,
        };
        let [together, sequential] = [Arm::Together, Arm::Sequential].map(|arm| {
            let record = arms.get(&(key.clone(), arm))?;
            let main = requests.remove(&(key.clone(), arm, record.attempt));
            let main = main.unwrap_or_default();
            Some(arm_observation(config, &manifest, record, main, &throttled))
        });
        if together.is_none() && sequential.is_none() {
            continue;
        }
        runs.push(RunObservation {
            config: config.id.clone(),
            scenario: config.scenario.clone(),
            topology: Some(*topology),
            repetition,
            together,
            sequential,
            probes: probes_for(&probes, &key),
            contention_recorded: None,
            speedup_recorded: None,
            wall_recorded_s: None,
        });
    }
    leave_out_arms_without_requests(&mut runs, &failed_steps, &mut warnings);
    warnings.extend(durations::drop_impossible(&mut runs));
    let header = &manifest.header;
    Dataset {
        name: header.name.clone(),
        provenance: header.provenance,
        environment: header.environment.clone(),
        source: format!(
            "results folder `{}`, written by {} from {}",
            header.name, header.tool, header.started_at
        ),
        manifest: Some(manifest),
        runs,
        published: Vec::new(),
        telemetry,
        contexts: contexts.into_iter().collect(),
        cache,
        warnings,
    }
}

/// A complete arm has a request of every agent, or a step that failed (`failed_steps`): an agent whose
/// workflow fails outside a request may rightly have none. Where it has neither, lines of the journal
/// are lost, and a figure made from the rest would be wrong.
fn leave_out_arms_without_requests(
    runs: &mut Vec<RunObservation>,
    failed_steps: &BTreeSet<(RunKey, Arm, u32)>,
    warnings: &mut Vec<Warning>,
) {
    for run in runs.iter_mut() {
        let Some(topology) = run.topology else {
            continue;
        };
        let key = RunKey {
            config: run.config.clone(),
            topology,
            repetition: run.repetition,
        };
        for slot in [&mut run.together, &mut run.sequential] {
            let lost = |arm: &ArmObservation| {
                let failed = |agent: u32| failed_steps.contains(&(key.clone(), arm.arm, agent));
                let mut silent = arm.agents.iter().filter(|agent| agent.requests.is_empty());
                let silent = silent.find(|agent| !failed(agent.agent));
                silent.map(|agent| (arm.arm, agent.name.clone()))
            };
            if let Some((arm, agent)) = slot.as_ref().and_then(lost) {
                warnings.push(Warning::NoRequestOf(key.clone(), arm, agent));
                *slot = None;
            }
        }
    }
    runs.retain(|run| run.together.is_some() || run.sequential.is_some());
}

/// The probes of this repetition where it has some, else those of the configuration's others: a
/// warm load depends on the options, not on the repetition.
fn probes_for(probes: &[(RunKey, WarmLoad)], key: &RunKey) -> Vec<WarmLoad> {
    let (own, others): (Vec<_>, Vec<_>) = probes
        .iter()
        .filter(|(run, _)| run.config == key.config && run.topology == key.topology)
        .partition(|(run, _)| run.repetition == key.repetition);
    let known = if own.is_empty() { others } else { own };
    known.into_iter().map(|(_, load)| *load).collect()
}

fn arm_observation(
    config: &Config,
    manifest: &Manifest,
    record: &ArmRecord,
    requests: Vec<RequestRecord>,
    throttled: &[(Stamp, Stamp)],
) -> ArmObservation {
    let by_agent = requests.into_iter().map(|request| (request.agent, request));
    let mut by_agent = by_agent.into_group_map();
    // Sweeps of earlier versions had fewer endpoints than the plan needs.
    let servers = manifest.plan.servers();
    let servers = servers.min(manifest.header.endpoints.len().max(1));
    let agent = |(agent, spec): (u32, &AgentSpec)| {
        let mut own = by_agent.remove(&agent).unwrap_or_default();
        own.sort_by_key(|request| request.call);
        let dealt = record.run.topology.endpoint_of(agent as usize, servers);
        let span = record.agents.get(agent as usize);
        AgentObservation {
            agent,
            name: spec.name.clone(),
            options: spec.options.clone(),
            server: own.first().map_or(dealt as u32, |request| request.endpoint),
            requests: own.into_iter().map(|request| request.times).collect(),
            span: span.map(|span| (span.started, span.ended)),
            ..AgentObservation::default()
        }
    };
    let mut agents = (0..).zip(&config.agents).map(agent).collect_vec();
    set_on_cpu(&mut agents, manifest, record);
    let (started, ended) = (record.started, record.ended);
    let throttled = throttled
        .iter()
        .filter(|(from, to)| *from < ended && started < *to);
    let throttled = throttled.map(|(from, to)| ((*from).max(started), (*to).min(ended)));
    ArmObservation {
        arm: record.arm,
        state_rule: Some(record.state_rule.clone()),
        client_bias: client_bias(manifest, &agents),
        agents,
        complete: record.complete,
        throttled: throttled.collect(),
    }
}

/// Sets for each agent the share of its model that its server had on the CPU after the arm. The server then has the
/// model with the options of the arm's last request, so the share stays unknown for agents with other options.
fn set_on_cpu(agents: &mut [AgentObservation], manifest: &Manifest, record: &ArmRecord) {
    for (server, loaded) in (0..).zip(&record.loaded_after) {
        let ended = |a: &&AgentObservation| a.requests.iter().map(|r| r.ended).max();
        let on_server = agents.iter().filter(|a| a.server == server);
        let Some(last) = on_server.max_by_key(ended).map(|a| a.options.clone()) else {
            continue;
        };
        let endpoint = manifest.header.endpoints.get(server as usize);
        let name = endpoint.and_then(|e| e.model.as_ref()).map(|m| &m.name);
        let model = loaded.iter().flatten().find(|m| Some(&m.name) == name);
        let sizes = model.and_then(|m| m.size_bytes.zip(m.size_vram_bytes));
        let share = sizes
            .filter(|(all, _)| *all > 0)
            .map(|(all, device)| all.saturating_sub(device) as f64 / all as f64);
        for agent in agents.iter_mut().filter(|a| a.server == server) {
            agent.on_cpu_share = share.filter(|_| !last.reloads_for(&agent.options));
        }
    }
}

/// The calibrated bias at the rate of an arm: its chunks over the time from the first of them to the last.
fn client_bias(manifest: &Manifest, agents: &[AgentObservation]) -> Option<Nanos> {
    let budget = manifest.header.client_budget.as_ref()?;
    let requests = agents.iter().flat_map(|agent| &agent.requests);
    let chunks = requests.flat_map(|request| &request.chunks).collect_vec();
    let (first, last) = chunks.iter().minmax().into_option()?;
    let span = last.since(**first);
    let rate = if span > Nanos::ZERO {
        (chunks.len() - 1) as f64 / span.as_secs_f64()
    } else {
        0.0
    };
    bias_at(budget, rate).map(|ns| Nanos(ns.round() as u64))
}
