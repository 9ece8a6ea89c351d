//! Where the lost seconds went.

use domain::Nanos;
use serde::Serialize;

mod attribute;
mod flights;
mod loss;
mod waits;

pub use loss::{Loss, LossNs, LostSeconds};
pub(crate) use waits::SERIAL_BELOW;
pub use waits::{AgentWaits, WaitedFor, WhySerial};

use crate::arms::{Arms, WarmLoads, residue};
use flights::Flights;

/// Shares of a model on the CPU closer than this are alike.
const ON_CPU_ALIKE: f64 = 0.01;

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunCause {
    /// Seconds lost by the run, `wall - max(solo)`, and their parts; none without solo times.
    pub lost: Option<LossNs>,
    /// Each agent's loss, `T_i - solo_i`, in agent order; none without solo times.
    pub agents: Option<Vec<LossNs>>,
    /// What is known of each agent's waiting even without solo times, in agent order.
    pub waits: Vec<AgentWaits>,
    /// Why the agents ran one after another, when they did and the evidence shows why.
    pub why_serial: Option<WhySerial>,
    /// Reloads that equal runner options would have spared.
    pub avoidable_reloads: Reloads,
    /// The agent whose model did not fit on its device; none where all fitted, where a device has no part in
    /// it, and where the servers do not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offload: Option<Offload>,
    /// The server reports phases and no total: waits for a slot and for a batch, and with them `slot_queue` and
    /// part of `shared_prefill`, are inferred from our own stamps and hold transport.
    pub inferred: bool,
}

/// A model of which a part was on the CPU in the together arm, the agent with the largest part.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Offload {
    pub agent: u32,
    /// Share of its model on the CPU, 0..1.
    pub on_cpu_share: f64,
    /// The same in the sequential arm; none where it is not known.
    pub on_cpu_share_in_turn: Option<f64>,
}

/// Reloads of requests before which the same server had served other runner options.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Reloads {
    pub count: u32,
    /// What was left of their `load` after waiting for others, less the warm `load` where it is known.
    pub time: Nanos,
}

impl RunCause {
    pub(crate) fn of(arms: &Arms<'_>, decode_overlap: Option<f64>, warm: &WarmLoads) -> Self {
        let flights = Flights::of(arms.together);
        let waits = waits::of(&flights, arms.together);
        let why_serial = waits::why_serial(&flights, arms, &waits, decode_overlap);
        let agents = attribute::agents(&flights, arms);
        let lost = agents.as_ref().and_then(|agents| run_loss(arms, agents));
        Self {
            lost,
            agents,
            waits,
            why_serial,
            avoidable_reloads: waits::avoidable_reloads(&flights, arms.together, warm),
            offload: offload(arms),
            inferred: (arms.together.requests())
                .any(|r| r.counters.total.is_none() && residue(r).is_some()),
        }
    }

    /// At most what running in turn can take, over the wall: the agents' times less what they are
    /// known to have waited for each other. None when nothing is known of the waits.
    pub(crate) fn upper_bound(&self, arms: &Arms<'_>, wall: f64) -> Option<f64> {
        let times = (0..).zip(&self.waits).map(|(i, waits)| {
            // The wait for the first permit lies before the agent's time begins.
            let later = waits::later_permits(&arms.together.agents[i]);
            let later = waits.admission.map(|_| Nanos(later.unsigned_abs()));
            let waits = [waits.wait_other_config, waits.slot_queue, later];
            let known = waits.into_iter().flatten();
            let waited = known.map(Nanos::as_secs_f64).reduce(|a, b| a + b)?;
            Some((arms.times.time(i).as_secs_f64() - waited).max(0.0))
        });
        let work: f64 = times.sum::<Option<f64>>()?;
        Some(work / wall)
    }

    /// The share of the wall lost to other agents: exact from the split loss, else at least what
    /// the longest waiting agent waited. The flag says which.
    pub(crate) fn share_of_wall(&self, wall: f64) -> Option<(f64, bool)> {
        if let Some(lost) = &self.lost {
            let others =
                lost.wait_other_config + lost.slot_queue + lost.shared_prefill + lost.shared_decode;
            return Some((others as f64 / 1e9 / wall, true));
        }
        let waits = self.waits.iter();
        let longest = waits.flat_map(|w| [w.wait_other_config, w.slot_queue]);
        Some((longest.flatten().max()?.as_secs_f64() / wall, false))
    }
}

/// The agent with the largest part of its model on the CPU: larger than in turn, or so that its options did
/// not ask for it. A machine on which no model has a part on a device offloads nothing.
fn offload(arms: &Arms<'_>) -> Option<Offload> {
    let in_turn = |i: usize| arms.sequential.as_ref()?.0.agents[i].on_cpu_share;
    let agents = || arms.together.agents.iter().enumerate();
    let on_device = |share: Option<f64>| share.is_some_and(|share| share < 1.0);
    if !agents().any(|(i, agent)| on_device(agent.on_cpu_share) || on_device(in_turn(i))) {
        return None;
    }
    let offloaded = agents().filter_map(|(i, agent)| {
        let (on_cpu_share, on_cpu_share_in_turn) = (agent.on_cpu_share?, in_turn(i));
        let more = on_cpu_share_in_turn.is_some_and(|share| on_cpu_share > share + ON_CPU_ALIKE);
        let unasked = agent.options.num_gpu.is_none();
        (on_cpu_share > ON_CPU_ALIKE && (more || unasked)).then_some(Offload {
            agent: agent.agent,
            on_cpu_share,
            on_cpu_share_in_turn,
        })
    });
    offloaded.max_by(|a, b| a.on_cpu_share.total_cmp(&b.on_cpu_share))
}

/// The run's loss: the loss of the agent that ended last, less what stays hidden behind a longer
/// agent's own work. If the agent that ended last is not the one with the longest solo time, the
/// difference would have passed anyway; it is taken from all known causes alike.
fn run_loss(arms: &Arms<'_>, agents: &[LossNs]) -> Option<LossNs> {
    let baselines = arms.baselines.as_ref()?;
    let solos = baselines.iter().map(|b| b.solo);
    let solos = solos.collect::<Option<Vec<_>>>()?;
    let last = (0..solos.len()).max_by_key(|i| arms.times.agents[*i].1)?;
    let slack = solos.iter().max()? - solos[last];
    let mut lost = agents[last];
    // It was sent so much later than the first; of that it waited for its permit.
    let late = arms.times.start_offset(last);
    let permit = waits::first_permit(&arms.together.agents[last]);
    let admission = permit.clamp(0, late.max(0));
    lost.admission += admission;
    lost.client += late - admission;
    Some(lost.less_slack(slack))
}

#[cfg(test)]
pub(crate) mod tests;
