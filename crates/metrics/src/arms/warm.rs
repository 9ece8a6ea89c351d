//! What `load` costs on a ready model.

use std::collections::BTreeMap;

use domain::plan::StatePolicy;
use domain::{ModelOptions, Nanos, Stamp};
use itertools::Itertools as _;

use crate::observation::{ArmObservation, RequestTimes, RunObservation};
use crate::stats;

/// Warm `load` by agent.
pub(crate) type WarmLoads = BTreeMap<u32, Nanos>;

/// The warm `load` of each agent over some runs of one configuration: the median over its main
/// requests that found their model ready, else over its probes. Agents with neither are absent.
pub(crate) fn warm_loads<'a>(runs: impl IntoIterator<Item = &'a RunObservation>) -> WarmLoads {
    let runs = runs.into_iter().collect_vec();
    let probes = runs.iter().flat_map(|run| &run.probes);
    let probes = probes.map(|probe| (probe.agent, probe.load));
    let ready = runs.iter().flat_map(|run| {
        let in_turn = run.sequential.iter().flat_map(ready_in_turn);
        in_turn.chain(run.together.iter().flat_map(ready_together))
    });
    let mut loads = probes.into_group_map();
    loads.extend(ready.into_group_map());
    let medians = loads.into_iter().filter_map(|(agent, loads)| {
        let loads = loads.iter().map(|load| load.0 as f64).collect_vec();
        Some((agent, Nanos(stats::median(&loads)?.round() as u64)))
    });
    medians.collect()
}

/// The reported `load`; a zero that the wire omits counts where the total is there.
fn load_of(request: &RequestTimes) -> Option<Nanos> {
    let counters = &request.counters;
    let load = counters.load.or(counters.total.map(|_| Nanos::ZERO));
    load.filter(|_| request.outcome.is_completed())
}

/// One after another, what is loaded follows from who went before on the same server.
fn ready_in_turn(arm: &ArmObservation) -> Vec<(u32, Nanos)> {
    let mut loaded: BTreeMap<u32, &ModelOptions> = BTreeMap::new();
    if arm.state_rule == Some(StatePolicy::WarmForFirst.to_string()) {
        loaded.extend(
            arm.agents
                .first()
                .map(|first| (first.server, &first.options)),
        );
    }
    let agents = arm.agents.iter();
    let calls = agents.flat_map(|a| a.requests.iter().map(move |r| (a, r)));
    let calls = calls.sorted_by_key(|(a, r)| (r.sent, a.agent));
    let mut found = Vec::new();
    for (agent, request) in calls {
        match loaded.get(&agent.server) {
            // The server reported it, or it holds one model regardless of the options.
            _ if request.counters.load == Some(Nanos::ZERO) && request.outcome.is_completed() => {
                found.push((agent.agent, Nanos::ZERO));
                loaded.insert(agent.server, &agent.options);
            }
            Some(options) if !options.reloads_for(&agent.options) => {
                found.extend(load_of(request).map(|load| (agent.agent, load)));
            }
            _ if request.outcome.is_completed() => {
                loaded.insert(agent.server, &agent.options);
            }
            // What a failed request left behind is not known.
            _ => {
                loaded.remove(&agent.server);
            }
        }
    }
    found
}

/// All at once, a request is sure to find its model ready only where no agent of its server needs
/// other options, and after some answer of that server has ended.
fn ready_together(arm: &ArmObservation) -> Vec<(u32, Nanos)> {
    let mut found = Vec::new();
    for agent in &arm.agents {
        let settled = arm.peers(agent).all(|peer| peer.shares_runner(agent));
        let ended = arm.peers(agent).flat_map(|peer| &peer.requests);
        let ended = ended.filter(|r| r.outcome.is_completed());
        let first_done: Option<Stamp> = ended.filter_map(|r| r.done).min();
        if let (true, Some(first_done)) = (settled, first_done) {
            let later = agent.requests.iter();
            let later = later.filter(|r| r.sent.is_some_and(|sent| sent >= first_done));
            found.extend(later.filter_map(|r| Some((agent.agent, load_of(r)?))));
        }
    }
    found
}
