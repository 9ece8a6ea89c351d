//! Which agents need a probe of their warm `load`.
//!
//! An agent needs one when none of its main requests in the sequential arm found its model ready.
//! A request is taken to have found it ready when all of this holds:
//! - it completed, and the server reported a `load` of at most [`READY_LIMIT`];
//! - nothing says that the server had to load for it: the request before it at the same server
//!   completed with options that need no reload, or it was the first one there and the arm began
//!   with the model loaded as it wants it, or in a state nobody set.
//!
//! Taking too few as ready costs a probe; taking too many would let a reload pass for a warm load.
//! A warm load depends on the options and not on the repetition, so one probe for each agent of a
//! configuration and topology is enough for a sweep.

use domain::Nanos;
use domain::plan::{Config, StatePolicy};

use crate::book::Seen;

/// No request whose `load` is longer found its model ready, whatever its options say. Warm loads
/// are 0.1 to 0.3 s on the machines seen so far.
pub(crate) const READY_LIMIT: Nanos = Nanos::from_secs(1);

/// The agents that need a probe, last first: the arm left the server as its last agent wants it,
/// so that one needs no reload. `requests` are the sequential arm's, in the order they ended.
pub(crate) fn wanted(config: &Config, state: StatePolicy, requests: &[Seen]) -> Vec<u32> {
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

fn found_ready(config: &Config, state: StatePolicy, before: &[Seen], request: &Seen) -> bool {
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

    fn config(contexts: &[i64]) -> Config {
        Config {
            id: ConfigId::new("c").unwrap(),
            scenario: "s".to_owned(),
            group: None,
            agents: contexts
                .iter()
                .map(|num_ctx| AgentSpec {
                    name: "a".to_owned(),
                    options: options(*num_ctx),
                    workflow: WorkflowKind::SingleCall,
                    calls: std::num::NonZeroU32::MIN,
                    work: domain::work::Work::default(),
                })
                .collect(),
        }
    }

    fn seen(agent: u32, num_ctx: i64, load_ms: u64) -> Seen {
        Seen {
            agent,
            endpoint: 0,
            options: options(num_ctx),
            outcome: Outcome::Completed,
            load: Some(Nanos::from_millis(load_ms)),
            answered: true,
        }
    }

    #[test]
    fn equal_options_need_a_probe_for_the_first_agent_only() {
        let requests = [seen(0, 512, 3600), seen(1, 512, 180)];
        assert_eq!(
            wanted(&config(&[512, 512]), StatePolicy::Unloaded, &requests),
            [0]
        );
    }

    #[test]
    fn differing_options_need_a_probe_for_each_agent_last_first() {
        let requests = [seen(0, 512, 3600), seen(1, 1024, 3600)];
        assert_eq!(
            wanted(&config(&[512, 1024]), StatePolicy::Unloaded, &requests),
            [1, 0]
        );
        // However fast the load was: by its options it was one.
        let requests = [seen(0, 512, 200), seen(1, 1024, 200)];
        assert_eq!(
            wanted(&config(&[512, 1024]), StatePolicy::Unloaded, &requests),
            [1, 0]
        );
    }

    #[test]
    fn a_second_call_finds_the_model_ready() {
        let requests = [
            seen(0, 512, 3600),
            seen(0, 512, 150),
            seen(1, 1024, 3600),
            seen(1, 1024, 150),
        ];
        assert_eq!(
            wanted(&config(&[512, 1024]), StatePolicy::Unloaded, &requests),
            [0_u32; 0]
        );
    }

    #[test]
    fn a_slow_or_failed_request_proves_nothing() {
        let requests = [seen(0, 512, 3600), seen(1, 512, 1001)];
        assert_eq!(
            wanted(&config(&[512, 512]), StatePolicy::AsLeft, &requests),
            [1, 0]
        );
        let mut failed = seen(1, 512, 100);
        failed.outcome = Outcome::Incomplete;
        assert_eq!(
            wanted(
                &config(&[512, 512]),
                StatePolicy::AsLeft,
                &[seen(0, 512, 100), failed]
            ),
            [1]
        );
        assert_eq!(wanted(&config(&[512]), StatePolicy::AsLeft, &[]), [0]);
    }

    #[test]
    fn warm_for_the_first_agent_is_ready_for_it() {
        let requests = [seen(0, 512, 150), seen(1, 1024, 3600)];
        assert_eq!(
            wanted(&config(&[512, 1024]), StatePolicy::WarmForFirst, &requests),
            [1]
        );
    }
}
