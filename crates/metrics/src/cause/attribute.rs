//! Splits each agent's loss by what happened when.

use domain::{Nanos, Stamp};

use super::flights::{Flight, Flights};
use super::loss::share_out;
use super::waits::{later_permits, waited_for_batch, waited_for_config, waited_for_slot};
use super::{LossNs, ON_CPU_ALIKE};
use crate::arms::{Arms, CallBaseline, decode_work, e2e, load, signed, slot_wait, transport};
use crate::observation::{AgentObservation, RequestTimes};
use crate::spans::Spans;

/// What went on around the requests of one agent.
struct Around {
    /// When other agents were being served.
    others: Spans,
    /// When the device held its clocks down and no other agent was being served: with both at once the two
    /// cannot be distinguished, and the time counts as shared.
    held: Spans,
    /// How much later the client's stamps were in the together arm than in the sequential one, as calibrated
    /// at the rates of the two; none without a calibration.
    calibrated: Option<i64>,
    /// More of the agent's model was on the CPU than in turn: how many other agents there were.
    offloaded: Option<i64>,
}

/// Every agent's loss; none when a solo time or the calls' counterparts are missing.
pub(super) fn agents(flights: &Flights<'_>, arms: &Arms<'_>) -> Option<Vec<LossNs>> {
    let throttled = Spans::union(arms.together.throttled.iter().copied());
    let calibrated = calibrated_excess(arms);
    let baselines = arms.baselines.as_ref()?;
    let calls = baselines.iter().map(|b| b.calls.as_deref());
    let calls = calls.collect::<Option<Vec<_>>>()?.concat();
    // A flight for every call: agents of an arm that counts have a send and an end for each.
    let flown: Vec<_> = flights.0.iter().zip(&calls).collect();
    baselines
        .iter()
        .enumerate()
        .map(|(i, baseline)| {
            let others = flights.others_served(i);
            let in_turn = &arms.sequential.as_ref()?.0.agents[i];
            let peers = i64::try_from(arms.together.agents.len()).ok()? - 1;
            let around = Around {
                held: throttled.without(&others),
                others,
                calibrated,
                offloaded: more_on_cpu(&arms.together.agents[i], in_turn).then_some(peers),
            };
            let own = || flown.iter().filter(|(f, _)| f.agent == i);
            let time = signed(arms.times.time(i));
            let solo = baseline.solo?;
            // Between its requests an agent runs our own code; what that takes more is ours, but for
            // the wait for a permit.
            let together: i64 = own().map(|(f, _)| e2e(f.request)).sum();
            let alone: i64 = own().map(|(_, call)| call.solo).sum();
            let between = ((time - together) - (solo - alone)).max(0);
            let permits = later_permits(&arms.together.agents[i]) - later_permits(in_turn);
            let admission = permits.clamp(0, between);
            let mut lost = LossNs {
                admission,
                client: between - admission,
                ..LossNs::default()
            };
            for (f, base) in own() {
                let cold = paid_in_turn(f, base, &flown);
                lost.add(&request_loss(flights, f, base, cold, &around));
            }
            Some(lost.closed_to(time - solo))
        })
        .collect()
}

fn more_on_cpu(together: &AgentObservation, in_turn: &AgentObservation) -> bool {
    let both = together.on_cpu_share.zip(in_turn.on_cpu_share);
    both.is_some_and(|(together, in_turn)| together > in_turn + ON_CPU_ALIKE)
}

/// Loading that running in turn pays too: the request's own, or that of a request that waited for the same load.
fn paid_in_turn(
    f: &Flight<'_>,
    base: &CallBaseline,
    flown: &[(&Flight<'_>, &CallBaseline)],
) -> i64 {
    let same_load = flown.iter().filter(|(n, _)| {
        n.agent != f.agent && n.server == f.server && !n.blocks(f) && !f.blocks(n)
    });
    let shared = same_load.map(|(n, call)| {
        let both = Spans::union([(f.sent.max(n.sent), f.ready.min(n.ready))]);
        call.cold.min(signed(Nanos(both.total())))
    });
    shared.fold(base.cold, i64::max)
}

fn within(spans: &Spans, f: (Stamp, Stamp)) -> i64 {
    signed(Nanos(spans.within(f.0, f.1)))
}

/// What one request took longer than alone on a ready model, phase by phase.
fn request_loss(
    flights: &Flights<'_>,
    f: &Flight<'_>,
    base: &CallBaseline,
    cold: i64,
    around: &Around,
) -> LossNs {
    let request = f.request;
    let load_excess = (load(request) - base.load).max(0);
    let wait_other_config = load_excess.min(signed(Nanos(waited_for_config(flights, f))));
    let loading = load_excess - wait_other_config;
    let cold_load = loading.min(cold);

    let slot_excess = (slot_wait(request) - base.slot_wait).max(0);
    let slot_queue = slot_excess.min(signed(Nanos(waited_for_slot(flights, f))));
    let batch = (slot_excess - slot_queue).min(signed(Nanos(waited_for_batch(flights, f))));

    let prefill = request.counters.prompt_eval.map_or(0, signed);
    let prefill_excess = (prefill - base.prefill).max(0);
    let prefilling = (f.served.0, f.decode_begins);
    let shared_prefill = around
        .shared_at_most(prefill_excess, base.prefill)
        .min(within(&around.others, prefilling));
    let prefill_rest = prefill_excess - shared_prefill;
    let prefill_held = prefill_rest.min(within(&around.held, prefilling));

    let decode_excess = decode_work(request).0 - base.decode;
    let [shared_decode, decode_held, decode_rest] = split_decode(f, base, decode_excess, around);
    let slower = prefill_rest - prefill_held + decode_rest;
    let mut lost = LossNs {
        wait_other_config,
        model_reload: loading - cold_load,
        cold_load,
        slot_queue,
        shared_prefill: batch + shared_prefill,
        shared_decode,
        offload: around.offloaded.map_or(0, |_| slower),
        thermal_or_power: prefill_held + decode_held,
        ..LossNs::default()
    }
    .closed_to(e2e(request) - base.solo);
    lost.client = ours(request, base, around.calibrated, lost.unexplained);
    lost.closed_to(e2e(request) - base.solo)
}

impl Around {
    /// Of what took longer than `alone`, the most that sharing explains: all of it, but beside an offloaded
    /// model no more than an even split among the agents.
    fn shared_at_most(&self, longer: i64, alone: i64) -> i64 {
        let even = self.offloaded.map(|peers| alone.saturating_mul(peers));
        even.map_or(longer, |even| longer.min(even.max(0)))
    }
}

fn calibrated_excess(arms: &Arms<'_>) -> Option<i64> {
    let (alone, _) = arms.sequential.as_ref()?;
    let together = signed(arms.together.client_bias?);
    Some((together - signed(alone.client_bias?)).max(0))
}

/// The client's own part of what one request took longer, never more than the calibration measured: transport
/// beyond it is the network's or the server's, and no known cause. A request's end is one stamp, so that what
/// the client is late on the average is in it once. If the server reports no total, there is no transport to
/// see, and the calibrated part comes out of what nothing else explains.
fn ours(
    request: &RequestTimes,
    base: &CallBaseline,
    calibrated: Option<i64>,
    unexplained: i64,
) -> i64 {
    let seen = match request.counters.total {
        Some(_) => transport(request) - base.transport,
        None => unexplained,
    };
    seen.max(0).min(calibrated.unwrap_or(0))
}

/// The parts of slower decoding that fell into times when others were served, when the device was held down,
/// and into the rest.
fn split_decode(f: &Flight<'_>, base: &CallBaseline, excess: i64, around: &Around) -> [i64; 3] {
    let request = f.request;
    let text = request.first_token.zip(request.last_token);
    let Some((first, last)) = text.filter(|_| excess > 0) else {
        return [0; 3];
    };
    let (others, held) = (&around.others, &around.held);
    if request.chunks.len() < 2 || !request.chunks.is_sorted() {
        // Without arrivals: no more than the time in which it can have happened.
        let most = around.shared_at_most(excess, base.decode);
        let shared = most.min(within(others, (first, last)));
        let thermal = (excess - shared).min(within(held, (first, last)));
        return [shared, thermal, excess - shared - thermal];
    }
    // With arrivals: where the gaps are longer than alone. The first token's own time lies in the
    // gap before it, from the end of prefill.
    let steps = request.chunks.len() as f64;
    let expected = base.decode as f64 / steps;
    let even = around.offloaded.map(|peers| expected * peers as f64);
    let (mut shared, mut thermal, mut rest) = (0.0, 0.0, 0.0);
    let mut from = f.decode_begins;
    for &to in &request.chunks {
        let gap = to.signed_since(from) as f64;
        let longer = gap - expected;
        if gap > 0.0 {
            let others_share = others.within(from, to) as f64 / gap;
            let slowed = held.within(from, to) as f64 / gap;
            let split = even.map_or(longer, |even| longer.min(even)) * others_share;
            shared += split;
            thermal += longer * slowed;
            rest += longer * (1.0 - slowed) - split;
        } else {
            rest += longer;
        }
        from = to;
    }
    share_out(
        excess,
        [shared, thermal, rest].map(|ns| ns.round().max(0.0) as i64),
    )
}
