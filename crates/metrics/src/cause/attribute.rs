//! Splits each agent's loss by what happened when.

use domain::{Nanos, Stamp};

use super::LossNs;
use super::flights::{Flight, Flights};
use super::loss::share_out;
use super::waits::{later_permits, waited_for_config, waited_for_slot};
use crate::arms::{Arms, CallBaseline, decode_work, e2e, load, signed, slot_wait, transport};
use crate::observation::RequestTimes;
use crate::spans::Spans;

/// Every agent's loss; none when a solo time or the calls' counterparts are missing.
pub(super) fn agents(flights: &Flights<'_>, arms: &Arms<'_>) -> Option<Vec<LossNs>> {
    let throttled = Spans::union(arms.together.throttled.iter().copied());
    let calibrated = calibrated_excess(arms);
    arms.baselines
        .as_ref()?
        .iter()
        .enumerate()
        .map(|(i, baseline)| {
            let others = flights.others_served(i);
            let held = throttled.without(&others);
            let calls = baseline.calls.as_ref()?;
            let own: Vec<_> = flights.0.iter().filter(|f| f.agent == i).collect();
            let time = signed(arms.times.time(i));
            let solo = baseline.solo?;
            // Between its requests an agent runs our own code; what that takes more is ours, but for
            // the wait for a permit.
            let together: i64 = own.iter().map(|f| e2e(f.request)).sum();
            let alone: i64 = calls.iter().map(|c| c.solo).sum();
            let between = ((time - together) - (solo - alone)).max(0);
            let permits_alone = arms
                .sequential
                .as_ref()
                .map_or(0, |(arm, _)| later_permits(&arm.agents[i]));
            let permits = later_permits(&arms.together.agents[i]) - permits_alone;
            let admission = permits.clamp(0, between);
            let mut lost = LossNs {
                admission,
                client: between - admission,
                ..LossNs::default()
            };
            for (f, base) in own.iter().zip(calls) {
                let of_request = request_loss(flights, f, base, &others, &held, calibrated);
                lost.add(&of_request);
            }
            Some(lost.closed_to(time - solo))
        })
        .collect()
}

fn within(spans: &Spans, f: (Stamp, Stamp)) -> i64 {
    signed(Nanos(spans.within(f.0, f.1)))
}

/// What one request took longer than alone on a ready model, phase by phase. `held` is when the
/// device held its clocks down and no other agent was being served: with both at once the two
/// cannot be told apart, and the time counts as shared.
fn request_loss(
    flights: &Flights<'_>,
    f: &Flight<'_>,
    base: &CallBaseline,
    others: &Spans,
    held: &Spans,
    calibrated: Option<i64>,
) -> LossNs {
    let request = f.request;
    let load_excess = (load(request) - base.load).max(0);
    let wait_other_config = load_excess.min(signed(Nanos(waited_for_config(flights, f))));

    let slot_excess = (slot_wait(request) - base.slot_wait).max(0);
    let slot_queue = slot_excess.min(signed(Nanos(waited_for_slot(flights, f))));

    let prefill = request.counters.prompt_eval.map_or(0, signed);
    let prefill_excess = (prefill - base.prefill).max(0);
    let prefilling = (f.served.0, f.decode_begins);
    let shared_prefill = prefill_excess.min(within(others, prefilling));
    let prefill_held = (prefill_excess - shared_prefill).min(within(held, prefilling));

    let decode_excess = decode_work(request).0 - base.decode;
    let (shared_decode, decode_held) = split_decode(f, base, decode_excess, others, held);

    let mut lost = LossNs {
        wait_other_config,
        model_reload: load_excess - wait_other_config,
        slot_queue,
        shared_prefill,
        shared_decode,
        admission: 0,
        client: 0,
        thermal_or_power: prefill_held + decode_held,
        unexplained: 0,
    }
    .closed_to(e2e(request) - base.solo);
    lost.client = ours(request, base, calibrated, lost.unexplained);
    lost.closed_to(e2e(request) - base.solo)
}

/// How much later the client's stamps were in the together arm than in the sequential one, as
/// calibrated at the rates of the two; none without a calibration.
fn calibrated_excess(arms: &Arms<'_>) -> Option<i64> {
    let (alone, _) = arms.sequential.as_ref()?;
    let together = signed(arms.together.client_bias?);
    Some((together - signed(alone.client_bias?)).max(0))
}

/// The client's own part of what one request took longer. Its end is one stamp, so that what the
/// client is late on the average is in it once.
///
/// Calibrated, that is at most what the calibration says: transport beyond it is the network's or
/// the server's, and nobody's known cause. Without a calibration all of transport counts. Where the
/// server tells no total, there is no transport to see, and the calibrated part comes out of what
/// nothing else explains.
fn ours(
    request: &RequestTimes,
    base: &CallBaseline,
    calibrated: Option<i64>,
    unexplained: i64,
) -> i64 {
    let seen = request
        .counters
        .total
        .map(|_| (transport(request) - base.transport).max(0));
    match (calibrated, seen) {
        (None, seen) => seen.unwrap_or(0),
        (Some(most), Some(seen)) => seen.min(most),
        (Some(most), None) => most.min(unexplained.max(0)),
    }
}

/// The part of slower decoding that fell into times when others were served, and when the device
/// was held down.
fn split_decode(
    f: &Flight<'_>,
    base: &CallBaseline,
    excess: i64,
    others: &Spans,
    held: &Spans,
) -> (i64, i64) {
    let request = f.request;
    let (Some(first), Some(last)) = (request.first_token, request.last_token) else {
        return (0, 0);
    };
    if excess <= 0 {
        return (0, 0);
    }
    let ordered = request.chunks.is_sorted();
    if request.chunks.len() < 2 || !ordered {
        // Without arrivals: no more than the time in which it can have happened.
        let shared = excess.min(within(others, (first, last)));
        let thermal = (excess - shared).min(within(held, (first, last)));
        return (shared, thermal);
    }
    // With arrivals: where the gaps are longer than alone. The first token's own time lies in the
    // gap before it, from the end of prefill.
    let steps = request.chunks.len() as f64;
    let expected = base.decode as f64 / steps;
    let (mut shared, mut thermal, mut rest) = (0.0, 0.0, 0.0);
    let mut from = f.decode_begins;
    for &to in &request.chunks {
        let gap = to.signed_since(from) as f64;
        let longer = gap - expected;
        if gap > 0.0 {
            let beside = others.within(from, to) as f64 / gap;
            let slowed = held.within(from, to) as f64 / gap;
            shared += longer * beside;
            thermal += longer * slowed;
            rest += longer * (1.0 - beside - slowed);
        } else {
            rest += longer;
        }
        from = to;
    }
    let weights = [shared, thermal, rest].map(|ns| ns.round().max(0.0) as i64);
    let [shared, thermal, _] = share_out(excess, weights);
    (shared, thermal)
}
