//! The two arms of a run: their times, the together arm's baseline, and what `load` costs on a ready model.

mod baseline;
mod times;
mod warm;

use crate::notes::{RunWarning, Unusable};
use crate::observation::{ArmObservation, RunObservation};

pub(crate) use baseline::{
    AgentBaseline, CallBaseline, decode_work, e2e, less_phases, load, residue, signed, slot_wait,
    transport,
};
pub(crate) use times::{ArmTimes, decode_overlap};
pub(crate) use warm::{WarmLoads, warm_loads};

pub(crate) struct Arms<'a> {
    pub(crate) together: &'a ArmObservation,
    pub(crate) times: ArmTimes,
    pub(crate) sequential: Option<(&'a ArmObservation, ArmTimes)>,
    /// In the agents' order; all or none.
    pub(crate) baselines: Option<Vec<AgentBaseline>>,
}

impl<'a> Arms<'a> {
    pub(crate) fn of(
        run: &'a RunObservation,
        warm: &WarmLoads,
        warnings: &mut Vec<RunWarning>,
    ) -> Result<Self, Unusable> {
        let together = run.together.as_ref().ok_or(Unusable::NoTogetherArm)?;
        let times = ArmTimes::of(together)?;
        let numbers = |arm: &'a ArmObservation| arm.agents.iter().map(|agent| agent.agent);
        let sequential = run.sequential.as_ref().and_then(|arm| {
            let times = if numbers(arm).eq(numbers(together)) {
                ArmTimes::of(arm)
            } else {
                Err(Unusable::OtherAgents)
            };
            let left_out = |why| warnings.push(RunWarning::SequentialLeftOut(why));
            Some((arm, times.map_err(left_out).ok()?))
        });
        let baselines = sequential.as_ref().and_then(|(arm, times)| {
            let both = arm.agents.iter().zip(&together.agents).zip(&times.agents);
            let found = both
                .map(|((alone, beside), span)| {
                    AgentBaseline::of(alone, *span, beside, warm.get(&beside.agent).copied())
                })
                .collect::<Option<Vec<_>>>();
            if found.is_none() {
                warnings.push(RunWarning::SequentialLeftOut(Unusable::NoTokensAlone));
            }
            found
        });
        Ok(Self {
            together,
            times,
            sequential,
            baselines,
        })
    }
}
