//! Which agents need a probe.

use domain::plan::{Arm, StatePolicy, Topology};
use domain::record::{RequestRecord, RequestTimes, RunKey};
use domain::{Nanos, Outcome};

use crate::probe::wanted;

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
        let mut config = super::plan(contexts.len(), "", "").configs.remove(0);
        for (agent, context) in config.agents.iter_mut().zip(contexts) {
            agent.options.num_ctx = Some(*context);
        }
        let request = |text: &str| {
            let (agent, load_ms) = text.split_once(':').unwrap();
            let (agent, load_ms) = (agent.parse().unwrap(), load_ms.parse().unwrap());
            let mut times = RequestTimes::default();
            times.counters.load = Some(Nanos::from_millis(load_ms));
            times.outcome = match load_ms {
                FAILED => Outcome::Incomplete,
                _ => Outcome::Completed,
            };
            let run = RunKey {
                config: config.id.clone(),
                topology: Topology::Shared,
                repetition: 1,
            };
            RequestRecord {
                agent,
                options: config.agents[agent as usize].options.clone(),
                ..RequestRecord::new(run, Arm::Sequential, times)
            }
        };
        let requests: Vec<_> = loads.split_terminator(' ').map(request).collect();
        let found = wanted(&config, state, &requests);
        assert_eq!(found, expected, "{contexts:?} {state} {loads}");
    }
}
