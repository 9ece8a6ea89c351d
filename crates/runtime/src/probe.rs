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

use crate::book::MainRequest;

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
    use domain::plan::{AgentSpec, ConfigId, WorkflowKind};
    use domain::{ModelOptions, Outcome};

    fn options(num_ctx: i64) -> ModelOptions {
        ModelOptions {
            num_ctx: Some(num_ctx),
            ..ModelOptions::default()
        }
    }

    /// Checks which agents are probed, with agents of these contexts and requests of an agent, a context and a `load`
    /// in ms.
    fn check(contexts: &[i64], state: StatePolicy, requests: &[(u32, i64, u64)], expected: &[u32]) {
        let agent = |num_ctx: &i64| AgentSpec {
            name: "a".to_owned(),
            options: options(*num_ctx),
            workflow: WorkflowKind::SingleCall,
            calls: std::num::NonZeroU32::MIN,
            work: domain::work::Work::default(),
        };
        let config = Config {
            id: ConfigId::new("c").unwrap(),
            scenario: "s".to_owned(),
            group: None,
            agents: contexts.iter().map(agent).collect(),
        };
        let request = |(agent, num_ctx, load_ms): &(u32, i64, u64)| MainRequest {
            agent: *agent,
            endpoint: 0,
            options: options(*num_ctx),
            outcome: if *load_ms == FAILED {
                Outcome::Incomplete
            } else {
                Outcome::Completed
            },
            load: Some(Nanos::from_millis(*load_ms)),
            answered: true,
        };
        let requests: Vec<_> = requests.iter().map(request).collect();
        let found = wanted(&config, state, &requests);
        assert_eq!(found, expected, "{state} {requests:?}");
    }

    /// The `load` of a request that failed.
    const FAILED: u64 = 99;

    #[test]
    fn agents_without_a_request_that_found_the_model_ready_are_probed_last_first() {
        use StatePolicy::{AsLeft, Unloaded, WarmForFirst};
        let cold = 3600;
        check(
            &[512, 512],
            Unloaded,
            &[(0, 512, cold), (1, 512, 180)],
            &[0],
        );
        check(
            &[512, 1024],
            Unloaded,
            &[(0, 512, cold), (1, 1024, cold)],
            &[1, 0],
        );
        // A fast load is still a load if the options differ.
        check(
            &[512, 1024],
            Unloaded,
            &[(0, 512, 200), (1, 1024, 200)],
            &[1, 0],
        );
        // Second calls.
        let calls: [[(u32, i64, u64); 2]; 2] = [
            [(0, 512, cold), (0, 512, 150)],
            [(1, 1024, cold), (1, 1024, 150)],
        ];
        check(&[512, 1024], Unloaded, &calls.concat(), &[]);
        // Slow or failed requests prove nothing.
        check(
            &[512, 512],
            AsLeft,
            &[(0, 512, cold), (1, 512, 1001)],
            &[1, 0],
        );
        check(
            &[512, 512],
            AsLeft,
            &[(0, 512, 100), (1, 512, FAILED)],
            &[1],
        );
        check(&[512], AsLeft, &[], &[0]);
        check(
            &[512, 1024],
            WarmForFirst,
            &[(0, 512, 150), (1, 1024, cold)],
            &[1],
        );
    }
}
