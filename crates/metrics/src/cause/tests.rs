use domain::plan::Arm::{Sequential, Together};
use domain::{ModelOptions, Nanos, Stamp};
use proptest::prelude::*;

use super::*;
use crate::observation::{RequestTimes, RunObservation, WarmLoad};
use crate::run::RunMetrics;
use crate::timeline::{RequestBuilder, agent, arm, context, request, run};

const MS: i64 = 1_000_000;

/// Both arms of agents given as (server, options, together, alone), with probes of 100 ms.
fn both(
    agents: Vec<(u32, ModelOptions, Vec<RequestBuilder>, Vec<RequestBuilder>)>,
) -> RunObservation {
    let build = |calls: &[RequestBuilder]| -> Vec<RequestTimes> {
        calls.iter().map(|c| c.build()).collect()
    };
    let (mut beside, mut alone) = (Vec::new(), Vec::new());
    for (i, (server, options, together, sequential)) in agents.into_iter().enumerate() {
        let i = i as u32;
        beside.push(agent(i, server, options.clone(), build(&together)));
        alone.push(agent(i, server, options, build(&sequential)));
    }
    let probes = (0..beside.len() as u32).map(|agent| WarmLoad {
        agent,
        load: Nanos::from_millis(100),
    });
    let probes = probes.collect();
    let mut observed = run(
        "case",
        1,
        Some(arm(Together, "unloaded", beside)),
        Some(arm(Sequential, "unloaded", alone)),
    );
    observed.probes = probes;
    observed
}

fn lost(observed: &RunObservation) -> LossNs {
    RunMetrics::of(observed).cause.lost.unwrap()
}

#[test]
fn waiting_for_a_slot() {
    let a = request(0).load(100).prefill(100).decode(10, 100);
    let b = request(0).load(100).slot(1100).prefill(100).decode(20, 100);
    let b_alone = request(1200).load(100).prefill(100).decode(20, 100);
    let observed = both(vec![
        (0, ModelOptions::default(), vec![a], vec![a]),
        (0, ModelOptions::default(), vec![b], vec![b_alone]),
    ]);
    let expected = LossNs {
        slot_queue: 1100 * MS,
        ..LossNs::default()
    };
    let cause = RunMetrics::of(&observed).cause;
    assert_eq!(cause.lost, Some(expected));
    let agents = cause.agents.unwrap();
    assert_eq!(agents[0].lost, LossNs::default());
    assert_eq!(agents[1].requests, [expected]);
    assert_eq!(
        cause.why_serial,
        Some(WhySerial::SlotQueue {
            waiting: 1,
            behind: 0,
            waited: Nanos::from_millis(1100),
        })
    );
}

#[test]
fn what_hides_behind_a_longer_agent_is_not_lost() {
    // A waits 2.1 s for B, but B alone would have taken 1 s longer than A.
    let b = request(0).load(100).prefill(100).decode(20, 100);
    let a = request(0).load(100).slot(2100).prefill(100).decode(10, 100);
    let a_alone = request(0).load(100).prefill(100).decode(10, 100);
    let b_alone = request(1200).load(100).prefill(100).decode(20, 100);
    let observed = both(vec![
        (0, ModelOptions::default(), vec![a], vec![a_alone]),
        (0, ModelOptions::default(), vec![b], vec![b_alone]),
    ]);
    let cause = RunMetrics::of(&observed).cause;
    assert_eq!(cause.agents.unwrap()[0].lost.slot_queue, 2100 * MS);
    assert_eq!(
        cause.lost.unwrap(),
        LossNs {
            slot_queue: 1100 * MS,
            ..LossNs::default()
        }
    );
}

#[test]
fn waiting_for_another_configuration_and_reloading() {
    // A loads for 3 s and ends at 4.1 s; B waits for all of that, then reloads for 3 s.
    let a = request(0).load(3000).prefill(100).decode(10, 100);
    let b = request(0).load(7100).prefill(100).decode(10, 100);
    let b_alone = request(4100).load(3000).prefill(100).decode(10, 100);
    let observed = both(vec![
        (0, context(512), vec![a], vec![a]),
        (0, context(1024), vec![b], vec![b_alone]),
    ]);
    let m = RunMetrics::of(&observed);
    assert_eq!(
        m.cause.lost.unwrap(),
        LossNs {
            wait_other_config: 4100 * MS,
            model_reload: 2900 * MS,
            ..LossNs::default()
        }
    );
    // A was never behind B, though B was in flight all the time that A was loading.
    assert_eq!(
        m.cause.agents.unwrap()[0].lost,
        LossNs {
            model_reload: 2900 * MS,
            ..LossNs::default()
        }
    );
    assert_eq!(
        m.cause.why_serial,
        Some(WhySerial::OtherConfig {
            waiting: 1,
            behind: 0,
            waited: Nanos::from_millis(4100),
            load_after_wait: Nanos::from_millis(3000),
        })
    );
    assert!((m.baseline.unwrap().speedup - 1.0).abs() < 1e-12);
}

#[test]
fn a_load_waited_for_together_is_a_reload_for_both() {
    // Equal options: both wait for the one load, then share.
    let a = request(0).load(3000).prefill(100).decode(10, 100);
    let a_alone = request(0).load(3000).prefill(100).decode(10, 100);
    let b_alone = request(4100).load(100).prefill(100).decode(10, 100);
    let observed = both(vec![
        (0, context(512), vec![a], vec![a_alone]),
        (0, context(512), vec![a], vec![b_alone]),
    ]);
    assert_eq!(
        lost(&observed),
        LossNs {
            model_reload: 2900 * MS,
            ..LossNs::default()
        }
    );
}

#[test]
fn options_that_differ_without_a_reload_are_no_reason() {
    // num_ctx 512 and 1024, but the server starts one runner for both: one load for the two, equal
    // to a microsecond, then A is served and B waits for the slot.
    let a = request(0).load(3000).prefill(100).decode(10, 100);
    let b = request(0)
        .load(3001)
        .slot(1099)
        .prefill(100)
        .decode(10, 100);
    let b_alone = request(4100).load(100).prefill(100).decode(10, 100);
    let observed = both(vec![
        (0, context(512), vec![a], vec![a]),
        (0, context(1024), vec![b], vec![b_alone]),
    ]);
    let cause = RunMetrics::of(&observed).cause;
    let lost = cause.lost.unwrap();
    assert_eq!(lost.wait_other_config, 0);
    assert_eq!((lost.model_reload, lost.slot_queue), (2901 * MS, 1099 * MS));
    assert!(
        matches!(
            cause.why_serial,
            Some(WhySerial::SlotQueue { waiting: 1, .. })
        ),
        "{:?}",
        cause.why_serial
    );
}

#[test]
fn reloading_at_every_alternation() {
    let call = |sent, load| request(sent).load(load).decode(10, 100);
    let observed = both(vec![
        (
            0,
            context(512),
            vec![call(0, 3000), call(4000, 7000)],
            vec![call(0, 3000), call(4000, 100)],
        ),
        (
            0,
            context(1024),
            vec![call(0, 7000), call(8000, 7000)],
            vec![call(5100, 3000), call(9100, 100)],
        ),
    ]);
    let m = RunMetrics::of(&observed);
    // In turn two loads and 10.2 s, together four loads and 16 s.
    assert!((m.baseline.unwrap().speedup - 10.2 / 16.0).abs() < 1e-12);
    assert_eq!(
        m.cause.lost.unwrap(),
        LossNs {
            wait_other_config: 8000 * MS,
            model_reload: 5800 * MS,
            ..LossNs::default()
        }
    );
    assert_eq!(m.decode_overlap, Some(0.0));
    // All but A's first load: 2.9 s each.
    assert_eq!(m.cause.avoidable_reloads.count, 3);
    assert_eq!(m.cause.avoidable_reloads.time, Nanos::from_millis(8700));
}

#[test]
fn decoding_at_half_speed_while_the_other_decodes() {
    for with_chunks in [true, false] {
        let a = request(0).load(100).prefill(100).decode(10, 200);
        let b = request(0)
            .load(100)
            .prefill(100)
            .decode(20, 100)
            .slow(10, 200);
        let alone = |sent, n| request(sent).load(100).prefill(100).decode(n, 100);
        let mut observed = both(vec![
            (0, ModelOptions::default(), vec![a], vec![alone(0, 10)]),
            (1, ModelOptions::default(), vec![b], vec![alone(1200, 20)]),
        ]);
        if !with_chunks {
            for agent in &mut observed.together.as_mut().unwrap().agents {
                agent.requests[0].chunks.clear();
            }
        }
        let m = RunMetrics::of(&observed);
        assert_eq!(
            m.cause.lost.unwrap(),
            LossNs {
                shared_decode: 1000 * MS,
                ..LossNs::default()
            },
            "chunks: {with_chunks}"
        );
        assert!((m.baseline.unwrap().speedup - 3.4 / 3.2).abs() < 1e-12);
    }
}

#[test]
fn prefill_slowed_by_the_others_prefill() {
    let a = request(0).load(100).prefill(400).decode(10, 100);
    let alone = |sent| request(sent).load(100).prefill(200).decode(10, 100);
    let observed = both(vec![
        (0, ModelOptions::default(), vec![a], vec![alone(0)]),
        (0, ModelOptions::default(), vec![a], vec![alone(1300)]),
    ]);
    assert_eq!(
        lost(&observed),
        LossNs {
            shared_prefill: 200 * MS,
            ..LossNs::default()
        }
    );
}

#[test]
fn clocks_held_down_with_nobody_beside() {
    let a = request(0).load(100).decode(10, 100).slow(5, 200);
    let alone = request(0).load(100).decode(10, 100);
    let mut observed = both(vec![(0, ModelOptions::default(), vec![a], vec![alone])]);
    assert_eq!(lost(&observed).unexplained, 500 * MS);
    let held = (Stamp(100_000_000), Stamp(1_100_000_000));
    observed.together.as_mut().unwrap().throttled = vec![held];
    assert_eq!(
        lost(&observed),
        LossNs {
            thermal_or_power: 500 * MS,
            ..LossNs::default()
        }
    );
}

#[test]
fn our_own_overhead() {
    // B starts 30 ms late, leaves 50 ms more between its calls, and its last byte takes 20 ms.
    let call = |sent| request(sent).load(100).decode(10, 100);
    let mut observed = both(vec![
        (0, ModelOptions::default(), vec![call(0)], vec![call(0)]),
        (
            1,
            ModelOptions::default(),
            vec![call(30), call(1180)],
            vec![call(1100), call(2200)],
        ),
    ]);
    let late = &mut observed.together.as_mut().unwrap().agents[1].requests[1];
    late.done = late.done.map(|d| d + Nanos::from_millis(20));
    assert_eq!(
        lost(&observed),
        LossNs {
            client: 100 * MS,
            ..LossNs::default()
        }
    );
}

/// Two agents of two calls each under a limit of one request in flight. In turn each takes 2.6 s.
fn one_permit(told: bool) -> RunObservation {
    let call = |at| request(at).load(100).prefill(200).decode(10, 100);
    let mut agents = Vec::new();
    // A goes at 0 and, after B's first call, at 2.7 s; B between and after. Each also takes 100 ms
    // between its calls, as alone.
    for (sent, alone) in [
        ([(0, 0), (2600, 1200)], [0, 1400]),
        ([(1300, 1300), (3900, 1200)], [2800, 4200]),
    ] {
        let together = sent.map(|(at, waited)| {
            let call = call(at);
            if told { call.permit(waited) } else { call }
        });
        let alone = alone.map(|at| if told { call(at).permit(0) } else { call(at) });
        agents.push((
            0,
            ModelOptions::default(),
            together.to_vec(),
            alone.to_vec(),
        ));
    }
    both(agents)
}

#[test]
fn waiting_for_a_permit_is_the_limits_and_not_our_own() {
    let cause = RunMetrics::of(&one_permit(true)).cause;
    // B ends at 5.2 s and alone takes 2.7 s: it waited 1.3 s for its first permit, 1.2 s for the next.
    assert_eq!(
        cause.lost.unwrap(),
        LossNs {
            admission: 2500 * MS,
            ..LossNs::default()
        }
    );
    let agents = cause.agents.unwrap();
    for agent in &agents {
        // The wait for the first permit lies before an agent's own time.
        assert_eq!(agent.lost.admission, 1200 * MS);
        assert_eq!(agent.lost.total(), 1200 * MS);
    }
    let waits: Vec<_> = cause.waits.iter().map(|w| w.admission).collect();
    assert_eq!(waits, [1200, 2500].map(|ms| Some(Nanos::from_millis(ms))));
    assert_eq!(
        cause.why_serial,
        Some(WhySerial::Admission {
            waiting: 1,
            behind: 0,
            waited: Nanos::from_millis(2500),
        })
    );

    // Records that do not tell the wait keep what they had.
    let cause = RunMetrics::of(&one_permit(false)).cause;
    assert_eq!(
        cause.lost.unwrap(),
        LossNs {
            client: 2500 * MS,
            ..LossNs::default()
        }
    );
    assert!(cause.waits.iter().all(|w| w.admission.is_none()));
    assert_eq!(cause.why_serial, None);
}

#[test]
fn what_is_waited_for_a_permit_and_what_is_our_own_are_told_apart() {
    // B's permit took 1 s of the 1.3 s before its send, and 0.2 s of the 1.2 s between its calls.
    let mut observed = one_permit(true);
    let together = observed.together.as_mut().unwrap();
    let waits = [1000, 200].map(|ms| Some(Nanos::from_millis(ms)));
    for (request, wait) in together.agents[1].requests.iter_mut().zip(waits) {
        request.admission_wait = wait;
    }
    assert_eq!(
        lost(&observed),
        LossNs {
            admission: 1200 * MS,
            client: 1300 * MS,
            ..LossNs::default()
        }
    );
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
fn faster_than_alone_is_a_negative_remainder() {
    let fast = request(0).load(100).decode(10, 90);
    let alone = request(0).load(100).decode(10, 100);
    let observed = both(vec![(0, ModelOptions::default(), vec![fast], vec![alone])]);
    let lost = lost(&observed);
    assert_eq!((lost.total(), lost.unexplained), (-100 * MS, -100 * MS));
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
    let call = (
        0..5000_u64,
        0..4000_u64,
        0..3000_u64,
        0..500_u64,
        0..30_u64,
        1..300_u64,
        1..300_u64,
    )
        .prop_map(|(sent, load, slot, prefill, tokens, slow, fast)| {
            request(sent)
                .load(load)
                .slot(slot)
                .prefill(prefill)
                .decode(tokens, fast)
                .slow(tokens / 2, slow)
        });
    // A wait for a permit may be longer than there was time for: stamps of other machines are odd.
    (call, proptest::option::of(0..3000_u64)).prop_map(|(call, permit)| match permit {
        Some(ms) => call.permit(ms),
        None => call,
    })
}

fn any_agent()
-> impl Strategy<Value = (u32, ModelOptions, Vec<RequestBuilder>, Vec<RequestBuilder>)> {
    (1..4_usize).prop_flat_map(|calls| {
        (
            0..2_u32,
            (0..2_i64).prop_map(|c| context(512 << c)),
            proptest::collection::vec(any_call(), calls),
            proptest::collection::vec(any_call(), calls),
        )
    })
}

proptest! {
    /// However odd the timeline, the parts sum to the loss, and known causes are never negative.
    #[test]
    fn parts_sum_to_the_loss(agents in proptest::collection::vec(any_agent(), 1..5)) {
        let m = RunMetrics::of(&both(agents));
        prop_assume!(m.excluded.is_none());
        if let Some(lost) = m.cause.lost {
            let solos: Vec<f64> = m.per_agent.iter().filter_map(|a| a.solo).collect();
            let longest = solos.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let loss = m.tr113.unwrap().concurrent_wall_time - longest;
            prop_assert!((lost.total() as f64 / 1e9 - loss).abs() < 1e-6);
            prop_assert!(lost.explained().iter().all(|p| *p >= 0));
            for (agent, a) in m.cause.agents.unwrap().iter().zip(&m.per_agent) {
                let loss = a.time.unwrap() - a.solo.unwrap();
                prop_assert!((agent.lost.total() as f64 / 1e9 - loss).abs() < 1e-6);
                prop_assert!(agent.lost.explained().iter().all(|p| *p >= 0));
            }
        }
        if let Some(base) = m.baseline {
            prop_assert!(base.speedup.is_finite());
        }
        prop_assert!(m.decode_overlap.is_none_or(|o| (0.0..=1.0).contains(&o)));
    }
}

/// A request as llama.cpp tells it: phases and no total, on a server that holds its model.
fn phases_only(mut observed: RunObservation) -> RunObservation {
    for arm in [&mut observed.together, &mut observed.sequential] {
        for request in arm
            .iter_mut()
            .flat_map(|arm| &mut arm.agents)
            .flat_map(|a| &mut a.requests)
        {
            request.counters.total = None;
            request.counters.load = Some(Nanos::ZERO);
        }
    }
    observed.probes.clear();
    observed
}

#[test]
fn waiting_for_a_slot_shows_without_a_total() {
    let a = request(0).prefill(100).decode(10, 100);
    let b = request(0).slot(1100).prefill(100).decode(20, 100);
    let b_alone = request(1200).prefill(100).decode(20, 100);
    let observed = phases_only(both(vec![
        (0, ModelOptions::default(), vec![a], vec![a]),
        (0, context(1024), vec![b], vec![b_alone]),
    ]));
    let m = RunMetrics::of(&observed);
    assert_eq!(
        m.cause.lost.unwrap(),
        LossNs {
            slot_queue: 1100 * MS,
            ..LossNs::default()
        }
    );
    assert_eq!(
        m.cause.why_serial,
        Some(WhySerial::SlotQueue {
            waiting: 1,
            behind: 0,
            waited: Nanos::from_millis(1100),
        })
    );
    assert_eq!(m.cause.waits[1].slot_queue, Some(Nanos::from_millis(1100)));
    assert_eq!(m.per_agent[0].warm_load, Some(0.0));
    // Without the phases nothing is known.
    let mut blind = observed;
    for arm in [&mut blind.together, &mut blind.sequential] {
        for request in arm
            .iter_mut()
            .flat_map(|arm| &mut arm.agents)
            .flat_map(|a| &mut a.requests)
        {
            request.counters = domain::backend::ServerCounters::default();
        }
    }
    let cause = RunMetrics::of(&blind).cause;
    assert_eq!((cause.lost, cause.why_serial), (None, None));
    assert_eq!(cause.waits[1].slot_queue, None);
}

/// The run of [`calibrated_case`] with these biases, together and sequential, in microseconds.
fn calibrated(biases: Option<(u64, u64)>, tell_total: bool) -> LossNs {
    // B waits a second for the slot, and its stream ends 30 ms later than its server says.
    let a = request(0).load(100).prefill(100).decode(10, 100);
    let b = request(0).load(100).slot(1000).prefill(100).decode(20, 100);
    let b_alone = request(1200).load(100).prefill(100).decode(20, 100);
    let mut observed = both(vec![
        (0, ModelOptions::default(), vec![a], vec![a]),
        (0, ModelOptions::default(), vec![b], vec![b_alone]),
    ]);
    if let Some((together, alone)) = biases {
        let us = |us: u64| Some(Nanos(us * 1000));
        observed.together.as_mut().unwrap().client_bias = us(together);
        observed.sequential.as_mut().unwrap().client_bias = us(alone);
    }
    let requests = |arm: &mut crate::ArmObservation| {
        let agents = arm.agents.iter_mut();
        agents.for_each(|agent| {
            for request in &mut agent.requests {
                if !tell_total {
                    request.counters.total = None;
                    request.counters.load = None;
                }
            }
        });
    };
    let together = observed.together.as_mut().unwrap();
    let late = &mut together.agents[1].requests[0];
    late.done = Some(late.done.unwrap() + Nanos::from_millis(30));
    late.ended = late.ended + Nanos::from_millis(30);
    requests(together);
    requests(observed.sequential.as_mut().unwrap());
    let lost = lost(&observed);
    assert_eq!(lost.total(), 1030 * MS, "{lost:?}");
    lost
}

#[test]
fn the_clients_part_is_what_was_calibrated_and_no_more_than_was_seen() {
    let parts = |lost: LossNs| (lost.slot_queue, lost.client, lost.unexplained);
    // Not calibrated: all of transport counts as ours.
    assert_eq!(parts(calibrated(None, true)), (1000 * MS, 30 * MS, 0));
    // Stamps 5 ms late together and 1 ms alone: 4 of the 30 ms are ours, the rest is nobody's.
    let lost = calibrated(Some((5000, 1000)), true);
    assert_eq!(parts(lost), (1000 * MS, 4 * MS, 26 * MS));
    // What was not seen is not charged: a client 90 ms late shows as no more than 30.
    let lost = calibrated(Some((90_000, 0)), true);
    assert_eq!(parts(lost), (1000 * MS, 30 * MS, 0));
    // A client that was later alone than together lost nothing.
    let lost = calibrated(Some((1000, 2000)), true);
    assert_eq!(parts(lost), (1000 * MS, 0, 30 * MS));
}

#[test]
fn without_the_servers_total_the_clients_part_comes_out_of_the_unexplained() {
    let lost = calibrated(Some((5000, 1000)), false);
    assert_eq!((lost.client, lost.unexplained), (4 * MS, 1026 * MS));
    let lost = calibrated(None, false);
    assert_eq!((lost.client, lost.unexplained), (0, 1030 * MS));
}
