//! From a plan to the arms that will be run, in the order they will be run.

use std::fmt;

use super::{Arm, ConfigId, SweepPlan, Topology};
use crate::hash::derive;
use crate::record::RunKey;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArmSpec {
    pub run: RunKey,
    pub arm: Arm,
}

/// `pair (shared, repetition 2, together)`.
impl fmt::Display for ArmSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { run, arm } = self;
        let (config, topology, repetition) = (&run.config, run.topology, run.repetition);
        write!(f, "{config} ({topology}, repetition {repetition}, {arm})")
    }
}

impl SweepPlan {
    /// Every arm, in running order. Repetitions are in sequence, so that drift affects every configuration alike. In
    /// an interleaved protocol the configurations of a repetition, and the topologies and arms of a configuration, are
    /// in an order drawn from the seed.
    pub fn expand(&self, repetitions: u32) -> Vec<ArmSpec> {
        let mut arms = Vec::new();
        for repetition in 1..=repetitions {
            let mut configs: Vec<&ConfigId> = self.configs.iter().map(|c| &c.id).collect();
            if self.protocol.interleave {
                configs.sort_by_key(|id| self.order_key(repetition, id, ""));
            }
            for id in configs {
                let mut units: Vec<(Topology, Arm)> = self
                    .topologies
                    .iter()
                    .flat_map(|t| self.protocol.arms.iter().map(move |a| (*t, *a)))
                    .collect();
                if self.protocol.interleave {
                    units.sort_by_key(|(t, a)| self.order_key(repetition, id, &format!("{t}/{a}")));
                }
                arms.extend(units.into_iter().map(|(topology, arm)| ArmSpec {
                    run: RunKey {
                        config: id.clone(),
                        topology,
                        repetition,
                    },
                    arm,
                }));
            }
        }
        arms
    }

    fn order_key(&self, repetition: u32, id: &ConfigId, unit: &str) -> u64 {
        derive(&[
            "order",
            &self.seed.to_string(),
            &repetition.to_string(),
            id.as_str(),
            unit,
        ])
    }

    /// The sampling seed of an agent's call: the same in every arm and topology of a repetition.
    pub fn call_seed(&self, config: &ConfigId, repetition: u32, agent: u32, call: u32) -> i64 {
        let seed = derive(&[
            "call",
            &self.seed.to_string(),
            config.as_str(),
            &repetition.to_string(),
            &agent.to_string(),
            &call.to_string(),
        ]);
        // Ollama keeps the seed in a 32-bit integer and takes -1 for "random".
        i64::from(u32::try_from(seed & 0x7fff_ffff).expect("31 bits fit"))
    }
}
