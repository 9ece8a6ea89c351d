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

use crate::journal::MainRequest;

/// The longest `load` of a request that found its model ready. Warm loads are 0.1 to 0.3 s on the machines seen so far.
pub(crate) const READY_LIMIT: Nanos = Nanos::from_secs(1);

/// The agents that need a probe, last first: the arm left the server with the options of its last agent, which needs
/// no reload. `requests` are those of the sequential arm, in the order they ended.
pub(crate) fn wanted(config: &Config, state: StatePolicy, requests: &[MainRequest]) -> Vec<u32> {
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
    before: &[MainRequest],
    request: &MainRequest,
) -> bool {
    let quick =
        request.outcome.is_completed() && request.load.is_some_and(|load| load <= READY_LIMIT);
    let previous = before
        .iter()
        .rev()
        .find(|earlier| earlier.endpoint == request.endpoint);
    let expected = match (previous, state) {
        (Some(previous), _) => {
            previous.outcome.is_completed() && !previous.options.reloads_for(&request.options)
        }
        (None, StatePolicy::Unloaded) => false,
        (None, StatePolicy::AsLeft) => true,
        (None, StatePolicy::WarmForFirst) => {
            !config.agents[0].options.reloads_for(&request.options)
        }
    };
    quick && expected
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Outcome;

    /// The `load` of a request that failed, ms.
    const FAILED: u64 = 99;

    #[test]
    fn agents_without_a_request_that_found_the_model_ready_are_probed_last_first() {
        use StatePolicy::{AsLeft, Unloaded, WarmForFirst};
        // The contexts of the agents, the state, the agent and the `load` in ms of each request, the agents to probe.
        let cases: [(&[i64], _, _, &[u32]); 8] = [
            (&[512, 512], Unloaded, "0:3600 1:180", &[0]),
            (&[512, 1024], Unloaded, "0:3600 1:3600", &[1, 0]),
            // A fast load is still a load if the options differ.
            (&[512, 1024], Unloaded, "0:200 1:200", &[1, 0]),
            // Second calls.
            (&[512, 1024], Unloaded, "0:3600 0:150 1:3600 1:150", &[]),
            // Slow or failed requests prove nothing.
            (&[512, 512], AsLeft, "0:3600 1:1001", &[1, 0]),
            (&[512, 512], AsLeft, "0:100 1:99", &[1]),
            (&[512], AsLeft, "", &[0]),
            (&[512, 1024], WarmForFirst, "0:150 1:3600", &[1]),
        ];
        for (contexts, state, loads, expected) in cases {
            let mut config = crate::tests::plan(contexts.len(), "", "").configs.remove(0);
            for (agent, context) in config.agents.iter_mut().zip(contexts) {
                agent.options.num_ctx = Some(*context);
            }
            let request = |text: &str| {
                let (agent, load_ms) = text.split_once(':').unwrap();
                let (agent, load_ms) = (agent.parse().unwrap(), load_ms.parse().unwrap());
                MainRequest {
                    agent,
                    endpoint: 0,
                    options: config.agents[agent as usize].options.clone(),
                    outcome: match load_ms {
                        FAILED => Outcome::Incomplete,
                        _ => Outcome::Completed,
                    },
                    load: Some(Nanos::from_millis(load_ms)),
                    answered: true,
                }
            };
            let requests: Vec<_> = loads.split_terminator(' ').map(request).collect();
            let found = wanted(&config, state, &requests);
            assert_eq!(found, expected, "{contexts:?} {state} {loads}");
        }
    }
}
