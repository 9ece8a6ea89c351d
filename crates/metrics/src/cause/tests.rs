use domain::Nanos;
use domain::record::RequestTimes;
use itertools::Itertools as _;
use proptest::prelude::*;

use super::*;
use crate::by_hand::{agents_of, cases, lost_ms};
use crate::observation::{ArmObservation, RunObservation};
use crate::run::RunMetrics;
use crate::timeline::{Calls, RequestBuilder, at, request, unloaded};

const MS: i64 = 1_000_000;

fn both(agents: &[Calls]) -> RunObservation {
    unloaded("case", 1, agents)
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
    let lost = m.cause.lost.map_or("-".to_owned(), |lost| lost_ms(&lost));
    let agents = m.cause.agents.iter().flatten().map(lost_ms).join(" | ");
    let reloads = m.cause.avoidable_reloads;
    let (count, time) = (reloads.count, ms(reloads.time));
    let offload = m.cause.offload.map_or(String::new(), |o| {
        let in_turn = o.on_cpu_share_in_turn.unwrap_or(f64::NAN);
        format!(
            "  on the CPU: {} of agent {}, {in_turn} in turn\n",
            o.on_cpu_share, o.agent
        )
    });
    let speedup = m.figures.speedup.unwrap_or(f64::NAN);
    format!(
        "  lost: {lost}\n  agents: {agents}\n  in turn: {why}\n  reloads: {count} in {time}\n{offload}  speedup: {speedup:.6}\n"
    )
}

/// Timelines whose causes follow by hand, with those causes: the agents of each, and what [`described`] says.
const CASES: &str = include_str!("cases.txt");

/// The run of a case, with what its name adds to the lines of its agents.
fn observed(name: &str) -> RunObservation {
    let case = cases(CASES).into_iter().find(|case| case.name == name);
    let mut observed = both(&case.unwrap().agents);
    match name {
        "the same without arrivals" => {
            requests(together(&mut observed)).for_each(|request| request.chunks.clear());
        }
        "the same with clocks held down" => {
            together(&mut observed).throttled = vec![(at(100), at(1100))];
        }
        "our own overhead" => {
            let late = &mut together(&mut observed).agents[1].requests[1];
            late.done = late.done.map(|d| d + Nanos::from_millis(20));
        }
        "permits apart from our own time" => {
            let waits = together(&mut observed).agents[1].requests.iter_mut();
            for (request, wait) in waits.zip([1000, 200]) {
                request.admission_wait = Some(Nanos::from_millis(wait));
            }
        }
        "waiting for a slot, known by phases without a total" => {
            for request in all_requests(&mut observed) {
                request.counters.total = None;
                request.counters.load = Some(Nanos::ZERO);
            }
            observed.probes.clear();
        }
        _ => {}
    }
    observed
}

#[test]
fn causes_worked_by_hand() {
    let cases = cases(CASES);
    assert_eq!(cases.len(), 21);
    for case in cases {
        let found = described(&observed(case.name));
        assert_eq!(found.replace(" \n", "\n"), case.expected, "{}", case.name);
    }
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

#[test]
fn waits_are_known_only_where_they_are_recorded() {
    let waits = |observed: &RunObservation| RunMetrics::of(observed).cause.waits;
    let admission = |observed| {
        let waits = waits(&observed).into_iter();
        waits
            .map(|w| w.admission.map(|ns| ns.0 / 1_000_000))
            .collect_vec()
    };
    assert_eq!(
        admission(observed("waiting for a permit")),
        [Some(1200), Some(2500)]
    );
    assert_eq!(
        admission(observed("permits that the records do not tell")),
        [None, None]
    );
    let mut blind = observed("waiting for a slot, known by phases without a total");
    assert_eq!(waits(&blind)[1].slot_queue, Some(Nanos::from_millis(1100)));
    let inferred = |observed: &RunObservation| RunMetrics::of(observed).cause.inferred;
    assert!(inferred(&blind) && !inferred(&observed("waiting for a permit")));
    assert_eq!(RunMetrics::of(&blind).per_agent[0].warm_load_s, Some(0.0));
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
    let mut observed = observed("waiting for a permit");
    observed.sequential = None;
    let m = RunMetrics::of(&observed);
    // Each agent's time less what it waited between its calls: 2.7 s and 2.7 s in 5.2 s.
    let bound = m.figures.speedup_upper_bound.unwrap();
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

pub(crate) fn any_agent() -> impl Strategy<Value = Calls> {
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
            let solos = m.per_agent.iter().filter_map(|a| a.solo_s);
            let longest = solos.fold(f64::NEG_INFINITY, f64::max);
            let loss = m.figures.wall_s.unwrap() - longest;
            prop_assert!((lost.total() as f64 / 1e9 - loss).abs() < 1e-6);
            prop_assert!(lost.explained().iter().all(|p| *p >= 0));
            for (lost, a) in m.cause.agents.unwrap().iter().zip(&m.per_agent) {
                let loss = a.time_s.unwrap() - a.solo_s.unwrap();
                prop_assert!((lost.total() as f64 / 1e9 - loss).abs() < 1e-6);
                prop_assert!(lost.explained().iter().all(|p| *p >= 0));
            }
        }
        prop_assert!(m.figures.speedup.is_none_or(f64::is_finite));
        prop_assert!(m.figures.decode_overlap.is_none_or(|o| (0.0..=1.0).contains(&o)));
    }
}

/// The parts of what a run lost whose client was late by these biases, together and sequential, in
/// microseconds: B waits a second for the slot, and its stream ends 30 ms later than its server says.
fn calibrated(biases: Option<(u64, u64)>, has_total: bool) -> [i64; 3] {
    let mut observed = both(&agents_of([
        "A: 0 load 100 prefill 100 decode 10x100",
        "B: 0 load 100 slot 1000 prefill 100 decode 20x100 | 1200 load 100 prefill 100 decode 20x100",
    ]));
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
    let lost = RunMetrics::of(&observed).cause.lost.unwrap();
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
