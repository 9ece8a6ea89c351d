//! The choice of agents that need a probe of their warm `load`.
//!
//! An agent needs one if none of its main requests in the sequential arm found its model ready. A request counts as
//! having found it ready when it completed with a `load` of at most [`READY_LIMIT`], and the server had no reason to
//! load for it:
//! - the request before it at the same server completed with options that need no reload, or
//! - it was the first one there, and the arm started with the model loaded with its options, or in a state that
//!   Tandem did not set.
//!
//! Counting too few as ready costs a probe; counting too many would take a reload for a warm load. A warm load
//! depends on the options and not on the repetition, so one probe for each agent of a configuration and topology
//! is enough for a sweep.

use domain::Nanos;
use domain::plan::{Config, StatePolicy};
use domain::record::RequestRecord;

/// The longest `load` of a request that found its model ready. Warm loads are 0.1 to 0.3 s on the machines seen so far.
pub(crate) const READY_LIMIT: Nanos = Nanos::from_secs(1);

/// The agents that need a probe, last first: the arm left the server with the options of its last agent, which needs
/// no reload. `requests` are those of the sequential arm, in the order they ended.
pub(crate) fn wanted(config: &Config, state: StatePolicy, requests: &[RequestRecord]) -> Vec<u32> {
    let agents = 0..config.agents.len() as u32;
    agents
        .rev()
        .filter(|agent| {
            !requests.iter().enumerate().any(|(i, request)| {
                request.agent == *agent && found_ready(config, state, &requests[..i], request)
            })
        })
        .collect()
}

fn found_ready(
    config: &Config,
    state: StatePolicy,
    before: &[RequestRecord],
    request: &RequestRecord,
) -> bool {
    let times = &request.times;
    let load = times.counters.load;
    let quick = times.outcome.is_completed() && load.is_some_and(|load| load <= READY_LIMIT);
    let mut latest_first = before.iter().rev();
    let previous = latest_first.find(|earlier| earlier.endpoint == request.endpoint);
    let expected = match (previous, state) {
        (Some(previous), _) => {
            previous.times.outcome.is_completed() && !previous.options.reloads_for(&request.options)
        }
        (None, StatePolicy::Unloaded) => false,
        (None, StatePolicy::AsLeft) => true,
        (None, StatePolicy::WarmForFirst) => {
            !config.agents[0].options.reloads_for(&request.options)
        }
    };
    quick && expected
}
