use domain::record::RequestTimes;
use domain::{Nanos, Stamp};
use itertools::Itertools as _;
use proptest::prelude::*;

use super::*;
use crate::observation::{ArmObservation, RunObservation};
use crate::run::RunMetrics;
use crate::timeline::{Calls, RequestBuilder, request, unloaded};

const MS: i64 = 1_000_000;

fn both(agents: &[Calls]) -> RunObservation {
    unloaded("case", 1, agents)
}

fn lost(observed: &RunObservation) -> LossNs {
    RunMetrics::of(observed).cause.lost.unwrap()
}

/// The parts that are not zero, in milliseconds: `slot_queue 1100`.
fn parts(lost: &LossNs) -> String {
    let parts = lost.named().into_iter().filter(|(_, ns)| *ns != 0);
    let mut words = parts.map(|(name, ns)| {
        assert_eq!(ns % MS, 0, "{name}");
        format!("{name} {}", ns / MS)
    });
    words.join(", ")
}

/// What a run lost, what each of its agents lost, why it was served in turn, its offload, and its speedup.
fn described(observed: &RunObservation) -> String {
    let m = RunMetrics::of(observed);
    let ms = |ns: Nanos| ns.0 / 1_000_000;
    let why = m.cause.why_serial.map_or("-".to_owned(), |why| {
        let (waiting, waited, behind) = (why.waiting, ms(why.waited), why.behind);
        let load = why
            .load_after_wait
            .map_or(String::new(), |load| format!(", then loads {}", ms(load)));
        let what = match why.waited_for {
            WaitedFor::OtherConfig => "options",
            WaitedFor::SlotQueue => "slot",
            WaitedFor::Admission => "permit",
        };
        format!("{waiting} waits {waited} for the {what} of {behind}{load}")
    });
    let lost = m.cause.lost.map_or("-".to_owned(), |lost| parts(&lost));
    let agents = m.cause.agents.iter().flatten().map(parts).join(" | ");
    let reloads = m.cause.avoidable_reloads;
    let (count, time) = (reloads.count, ms(reloads.time));
    let offload = m.cause.offload.map_or(String::new(), |o| {
        let in_turn = o.on_cpu_in_turn.unwrap_or(f64::NAN);
        format!(
            "  on the CPU: {} of agent {}, {in_turn} in turn\n",
            o.on_cpu, o.agent
        )
    });
    let speedup = m.baseline.map_or(f64::NAN, |b| b.speedup);
    format!(
        "  lost: {lost}\n  agents: {agents}\n  in turn: {why}\n  reloads: {count} in {time}\n{offload}  speedup: {speedup:.6}\n"
    )
}

/// One agent of one call, which takes as long alone.
fn alike(call: RequestBuilder) -> Calls {
    Calls::new(&[call], &[call])
}

fn calls(together: RequestBuilder, alone: RequestBuilder) -> Calls {
    Calls::new(&[together], &[alone])
}

/// Timelines whose causes follow by hand; the comments work them out.
#[test]
fn causes_worked_by_hand() {
    let call = |at| request(at).load(100).prefill(100).decode(10, 100);
    let long = |at| request(at).load(100).prefill(100).decode(20, 100);
    let cold = |at| request(at).load(3000).prefill(100).decode(10, 100);
    let reloaded = |at, load| request(at).load(load).decode(10, 100);
    let half = request(0).load(100).prefill(100).decode(20, 100);
    let shared = [
        calls(call(0).decode(10, 200), call(0)),
        calls(half.slow(10, 200), long(1200)).on(1),
    ];
    let mut held = both(&[calls(
        request(0).load(100).decode(10, 100).slow(5, 200),
        request(0).load(100).decode(10, 100),
    )]);
    let not_held = held.clone();
    together(&mut held).throttled = vec![(Stamp(100_000_000), Stamp(1_100_000_000))];
    let mut without_chunks = both(&shared);
    for request in requests(together(&mut without_chunks)) {
        request.chunks.clear();
    }
    // B starts 30 ms late, leaves 50 ms more between its calls, and its last byte takes 20 ms.
    let own = |at| request(at).load(100).decode(10, 100);
    let mut overhead = both(&[
        alike(own(0)),
        Calls::new(&[own(30), own(1180)], &[own(1100), own(2200)]).on(1),
    ]);
    let late = &mut together(&mut overhead).agents[1].requests[1];
    late.done = late.done.map(|d| d + Nanos::from_millis(20));
    // B's permit took 1 s of the 1.3 s before its send, and 0.2 s of the 1.2 s between its calls.
    let mut part = one_permit(true);
    let waits = together(&mut part).agents[1].requests.iter_mut();
    for (request, wait) in waits.zip([1000, 200]) {
        request.admission_wait = Some(Nanos::from_millis(wait));
    }
    let case = |name: &str, observed| format!("{name}\n{}", described(&observed));
    let cases = [
        case(
            "B waits for the slot while A is served",
            both(&[alike(call(0)), calls(long(0).slot(1100), long(1200))]),
        ),
        // A waits 2.1 s for B, but B alone would have taken 1 s longer than A.
        case(
            "what hides behind a longer agent is not lost",
            both(&[
                calls(call(0).slot(2100), call(0)),
                calls(long(0), long(1200)),
            ]),
        ),
        // A loads for 3 s and ends at 4.1 s; B waits for all of that, then reloads for 3 s. A was
        // never behind B, though B was in flight all the time that A was loading.
        case(
            "waiting for another configuration, and reloading",
            both(&[
                alike(cold(0)).context(512),
                calls(cold(0).load(7100), cold(4100)).context(1024),
            ]),
        ),
        // Equal options: both wait for the one load, then share.
        case(
            "a first load that both wait for is paid in turn too",
            both(&[
                alike(cold(0)).context(512),
                calls(cold(0), call(4100)).context(512),
            ]),
        ),
        // num_ctx 512 and 1024, but the server starts one runner for both: one load for the two,
        // equal to a microsecond, then A is served and B waits for the slot.
        case(
            "options that differ without a reload are no reason",
            both(&[
                alike(cold(0)).context(512),
                calls(cold(0).load(3001).slot(1099), call(4100)).context(1024),
            ]),
        ),
        // In turn two loads and 10.2 s, together four loads and 16 s. All but A's first load are
        // avoidable: 2.9 s each.
        case(
            "reloading at every alternation",
            both(&[
                Calls::new(
                    &[reloaded(0, 3000), reloaded(4000, 7000)],
                    &[reloaded(0, 3000), reloaded(4000, 100)],
                )
                .context(512),
                Calls::new(
                    &[reloaded(0, 7000), reloaded(8000, 7000)],
                    &[reloaded(5100, 3000), reloaded(9100, 100)],
                )
                .context(1024),
            ]),
        ),
        // Two slots. B's prefill waits 500 ms while the server processes a batch of A's prompt; then they
        // decode at the same time.
        case(
            "a wait with a free slot is shared prefill and no queue",
            both(&[
                alike(call(0).prefill(1000)),
                calls(long(0).slot(500), long(2200)),
            ]),
        ),
        // The same, and A's second call ends before B's second call begins to decode: the first calls show
        // that there are two slots.
        case(
            "a slot that was shown before is free",
            both(&[
                Calls::new(
                    &[call(0), call(3000).prefill(300).decode(1, 100)],
                    &[call(0), call(1200).prefill(300).decode(1, 100)],
                ),
                Calls::new(&[call(0), call(3000).slot(400)], &[call(1700), call(2900)]),
            ]),
        ),
        // A decodes until 3.2 s, B's model has half of its layers on the CPU: of 900 ms more a token 100 ms
        // are an even share of the device while A decodes, the rest is the CPU's.
        case(
            "a model that fits in turn only",
            both(&[
                alike(call(0).decode(30, 100)).on_cpu(0.0, 0.0),
                calls(call(0).decode(40, 1000), call(3200).decode(40, 100))
                    .on(1)
                    .on_cpu(0.5, 0.0),
            ]),
        ),
        case(
            "as much on the CPU in turn is no loss",
            both(&[
                alike(call(0)).on_cpu(0.0, 0.0),
                alike(call(0).decode(10, 1000)).on(1).on_cpu(0.5, 0.5),
            ]),
        ),
        case(
            "decoding at half speed while the other decodes",
            both(&shared),
        ),
        case("the same without arrivals", without_chunks),
        case(
            "prefill slowed by the other's prefill",
            both(&[
                calls(call(0).prefill(400), call(0).prefill(200)),
                calls(call(0).prefill(400), call(1300).prefill(200)),
            ]),
        ),
        case("slower without another agent", not_held),
        case("the same with clocks held down", held),
        case("our own overhead", overhead),
        // B ends at 5.2 s and alone takes 2.7 s: it waited 1.3 s for its first permit, 1.2 s for the
        // next. The wait for the first lies before an agent's own time.
        case("waiting for a permit", one_permit(true)),
        case("permits that the records do not tell", one_permit(false)),
        case("permits apart from our own time", part),
        case(
            "faster than alone",
            both(&[calls(
                request(0).load(100).decode(10, 90),
                request(0).load(100).decode(10, 100),
            )]),
        ),
        // As llama.cpp reports it.
        case(
            "waiting for a slot, known by phases without a total",
            phases_only(),
        ),
    ];
    insta::assert_snapshot!(cases.concat());
}

fn together(observed: &mut RunObservation) -> &mut ArmObservation {
    observed.together.as_mut().unwrap()
}

fn requests(arm: &mut ArmObservation) -> impl Iterator<Item = &mut RequestTimes> {
    arm.agents.iter_mut().flat_map(|a| &mut a.requests)
}

fn all_requests(observed: &mut RunObservation) -> impl Iterator<Item = &mut RequestTimes> {
    observed.arms_mut().flat_map(requests)
}

/// Two agents of two calls each under a limit of one request in flight. In turn each takes 2.6 s.
fn one_permit(is_recorded: bool) -> RunObservation {
    let call = |(at, waited)| RequestBuilder {
        permit: is_recorded.then(|| Nanos::from_millis(waited)),
        ..request(at).load(100).prefill(200).decode(10, 100)
    };
    // A goes at 0 and, after B's first call, at 2.7 s; B between and after. Each also takes 100 ms
    // between its calls, as alone.
    both(&[
        Calls::new(
            &[(0, 0), (2600, 1200)].map(call),
            &[(0, 0), (1400, 0)].map(call),
        ),
        Calls::new(
            &[(1300, 1300), (3900, 1200)].map(call),
            &[(2800, 0), (4200, 0)].map(call),
        ),
    ])
}

/// B waits for the slot; both servers tell phases and no total, and hold their models.
fn phases_only() -> RunObservation {
    let b = |at| request(at).prefill(100).decode(20, 100);
    let mut observed = both(&[
        alike(request(0).prefill(100).decode(10, 100)),
        calls(b(0).slot(1100), b(1200)).context(1024),
    ]);
    for request in all_requests(&mut observed) {
        request.counters.total = None;
        request.counters.load = Some(Nanos::ZERO);
    }
    observed.probes.clear();
    observed
}

#[test]
fn waits_are_known_only_where_they_are_recorded() {
    let waits = |observed: &RunObservation| RunMetrics::of(observed).cause.waits;
    let admission = |observed| {
        let waits = waits(&observed).into_iter();
        waits
            .map(|w| w.admission.map(|ns| ns.0 / 1_000_000))
            .collect_vec()
    };
    assert_eq!(admission(one_permit(true)), [Some(1200), Some(2500)]);
    assert_eq!(admission(one_permit(false)), [None, None]);
    let mut blind = phases_only();
    assert_eq!(waits(&blind)[1].slot_queue, Some(Nanos::from_millis(1100)));
    let inferred = |observed: &RunObservation| RunMetrics::of(observed).cause.inferred;
    assert!(inferred(&blind) && !inferred(&one_permit(true)));
    assert_eq!(RunMetrics::of(&blind).per_agent[0].warm_load, Some(0.0));
    // Without the phases nothing is known, a total or not: it holds the decoding.
    for total in [None, Some(Nanos::from_millis(1400))] {
        for request in all_requests(&mut blind) {
            request.counters = domain::record::ServerCounters {
                total,
                ..Default::default()
            };
        }
        let cause = RunMetrics::of(&blind).cause;
        assert_eq!((cause.lost, cause.why_serial), (None, None));
        assert_eq!(cause.waits[1].slot_queue, None);
    }
}

#[test]
fn without_a_sequential_arm_permits_tighten_the_bound() {
    let mut observed = one_permit(true);
    observed.sequential = None;
    let m = RunMetrics::of(&observed);
    // Each agent's time less what it waited between its calls: 2.7 s and 2.7 s in 5.2 s.
    let bound = m.speedup_upper_bound.unwrap();
    assert!((bound - 5.4 / 5.2).abs() < 1e-9, "{bound}");
}

#[test]
fn shares_are_whole_and_complete() {
    assert_eq!(loss::share_out(10, [1, 1, 1]), [3, 3, 4]);
    assert_eq!(loss::share_out(10, [0, 0, 0]), [0, 0, 0]);
    let lost = LossNs {
        wait_other_config: 5,
        model_reload: 3,
        ..LossNs::default()
    };
    let less = lost.less_slack(2);
    assert_eq!((less.total(), less.unexplained), (6, 0));
    assert_eq!(lost.less_slack(10).unexplained, -2);
}

fn any_call() -> impl Strategy<Value = RequestBuilder> {
    let waits = (0..5000_u64, 0..4000_u64, 0..3000_u64, 0..500_u64);
    let tokens = (0..30_u64, 1..300_u64, 1..300_u64);
    // A wait for a permit may be longer than there was time for: stamps of other machines are odd.
    let permit = proptest::option::of(0..3000_u64);
    (waits, tokens, permit).prop_map(
        |((sent, load, slot, prefill), (tokens, slow, fast), permit)| {
            let call = request(sent).load(load).slot(slot).prefill(prefill);
            RequestBuilder {
                permit: permit.map(Nanos::from_millis),
                ..call.decode(tokens, fast).slow(tokens / 2, slow)
            }
        },
    )
}

fn any_agent() -> impl Strategy<Value = Calls> {
    (1..4_usize).prop_flat_map(|calls| {
        let calls = || proptest::collection::vec(any_call(), calls);
        let on_cpu = (0..3_u8, 0..3_u8);
        (0..2_u32, 0..2_i64, on_cpu, calls(), calls()).prop_map(
            |(server, c, (beside, in_turn), together, alone)| {
                Calls::new(&together, &alone)
                    .on(server)
                    .context(512 << c)
                    .on_cpu(f64::from(beside) / 2.0, f64::from(in_turn) / 2.0)
            },
        )
    })
}

proptest! {
    /// However odd the timeline, the parts sum to the loss, and known causes are never negative.
    #[test]
    fn parts_sum_to_the_loss(agents in proptest::collection::vec(any_agent(), 1..5)) {
        let m = RunMetrics::of(&both(&agents));
        prop_assume!(m.excluded.is_none());
        if let Some(lost) = m.cause.lost {
            let solos = m.per_agent.iter().filter_map(|a| a.solo);
            let longest = solos.fold(f64::NEG_INFINITY, f64::max);
            let loss = m.tr113.unwrap().concurrent_wall_time - longest;
            prop_assert!((lost.total() as f64 / 1e9 - loss).abs() < 1e-6);
            prop_assert!(lost.explained().iter().all(|p| *p >= 0));
            for (lost, a) in m.cause.agents.unwrap().iter().zip(&m.per_agent) {
                let loss = a.time.unwrap() - a.solo.unwrap();
                prop_assert!((lost.total() as f64 / 1e9 - loss).abs() < 1e-6);
                prop_assert!(lost.explained().iter().all(|p| *p >= 0));
            }
        }
        if let Some(base) = m.baseline {
            prop_assert!(base.speedup.is_finite());
        }
        prop_assert!(m.decode_overlap.is_none_or(|o| (0.0..=1.0).contains(&o)));
    }
}

/// The parts of what a run lost whose client was late by these biases, together and sequential, in
/// microseconds: B waits a second for the slot, and its stream ends 30 ms later than its server says.
fn calibrated(biases: Option<(u64, u64)>, has_total: bool) -> [i64; 3] {
    let b = |at| request(at).load(100).prefill(100).decode(20, 100);
    let a = request(0).load(100).prefill(100).decode(10, 100);
    let mut observed = both(&[alike(a), calls(b(0).slot(1000), b(1200))]);
    if let Some((beside, alone)) = biases {
        together(&mut observed).client_bias = Some(Nanos(beside * 1000));
        observed.sequential.as_mut().unwrap().client_bias = Some(Nanos(alone * 1000));
    }
    let late = &mut together(&mut observed).agents[1].requests[0];
    late.done = late.done.map(|d| d + Nanos::from_millis(30));
    late.ended = late.ended + Nanos::from_millis(30);
    if !has_total {
        for request in all_requests(&mut observed) {
            request.counters.total = None;
            request.counters.load = None;
        }
    }
    let lost = lost(&observed);
    assert_eq!(lost.total(), 1030 * MS, "{lost:?}");
    [lost.slot_queue, lost.client, lost.unexplained].map(|ns| ns / MS)
}

#[test]
fn the_clients_part_is_what_was_calibrated_and_no_more_than_was_seen() {
    for (biases, has_total, expected) in [
        // Not calibrated: nothing was measured that could count as ours.
        (None, true, [1000, 0, 30]),
        // Stamps 5 ms late together and 1 ms alone: 4 of the 30 ms are ours, the rest is unexplained.
        (Some((5000, 1000)), true, [1000, 4, 26]),
        // What was not seen is not charged: a client 90 ms late shows as no more than 30.
        (Some((90_000, 0)), true, [1000, 30, 0]),
        // A client that was later alone than together lost nothing.
        (Some((1000, 2000)), true, [1000, 0, 30]),
        // Without the server's total the client's part comes out of the unexplained.
        (Some((5000, 1000)), false, [0, 4, 1026]),
        (None, false, [0, 0, 1030]),
    ] {
        assert_eq!(calibrated(biases, has_total), expected, "{biases:?}");
    }
}
