use domain::plan::Arm::Together;
use domain::record::ServerCounters;
use domain::record::TokenSource;
use domain::{ModelOptions, Nanos, Outcome, Stamp};

use super::*;
use crate::observation::{
    AgentObservation, PublishedRow, RequestTimes, RunObservation, StampSource,
};
use crate::timeline::{Calls, agent, arm, dataset, request, run, two_arms};

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

/// Two agents on one server each: alone 1.2 s, together `per_token_ms` per token.
fn on_two(config: &str, repetition: u32, per_token_ms: u64) -> RunObservation {
    let call = |sent, ms| [request(sent).load(100).prefill(100).decode(10, ms)];
    let beside = call(0, per_token_ms);
    let agents = [
        Calls::new(&beside, &call(0, 100)),
        Calls::new(&beside, &call(1200, 100)).on(1),
    ];
    two_arms(config, repetition, "warm for agent 0", &agents)
}

/// A run of one arm.
fn beside(config: &str, repetition: u32, agents: Vec<AgentObservation>) -> RunObservation {
    run(
        config,
        repetition,
        Some(arm(Together, "warm", agents)),
        None,
    )
}

#[test]
fn verdicts_by_the_rules() {
    let repeated = |mean, lo, hi| Estimate {
        mean,
        lo: Some(lo),
        hi: Some(hi),
        sd: Some(0.1),
        n: 3,
    };
    for (overlap, (mean, lo, hi), verdict) in [
        (0.049, (1.0, 0.98, 1.02), Verdict::Serial),
        (0.0, (0.5, 0.4, 0.6), Verdict::Degraded),
        (0.9, (0.9, 0.85, 0.94), Verdict::Degraded),
        (0.9, (1.0, 0.97, 1.2), Verdict::Shared),
        (0.9, (1.03, 1.02, 1.04), Verdict::Shared),
        (0.9, (1.2, 1.1, 1.3), Verdict::Parallel),
        (0.9, (1.2, 1.02, 1.3), Verdict::Undecided),
        (0.9, (1.2, 0.5, 1.9), Verdict::Undecided),
    ] {
        let found = Verdict::of(Some(overlap), Some(repeated(mean, lo, hi)));
        assert_eq!(found, verdict, "{overlap} {mean} {lo} {hi}");
    }
    let single = Estimate::of(&[1.9]);
    assert_eq!(Verdict::of(Some(0.9), single), Verdict::Undecided);
    assert_eq!(Verdict::of(Some(0.0), None), Verdict::Serial);
    assert_eq!(Verdict::of(Some(0.9), None), Verdict::Unknown);
    assert_eq!(Verdict::of(None, None), Verdict::Unknown);
}

#[test]
fn one_configuration_repeated() {
    let runs = (1..=3)
        .map(|r| on_two("a", r, 100 + u64::from(r)))
        .collect();
    let summary = Summary::of(&dataset(runs));
    let config = &summary.configs[0];
    assert_eq!(
        (config.runs, config.runs_excluded, config.agents),
        (3, 0, 2)
    );
    let wall = config.stats.wall_s.unwrap();
    close(wall.mean, 1.22);
    close(wall.sd.unwrap(), 0.01);
    assert_eq!(config.verdict, Verdict::Parallel);
    assert_eq!(config.stats.overlap.known, 3);
    assert_eq!(config.stats.overlap.zero, 0);
    assert_eq!(config.stats.outcomes.completed, 6);
    assert_eq!(config.stats.outcomes_sequential.unwrap().completed, 6);
    assert_eq!(config.ttft.n, 6);
    assert!(config.ttft.p50.is_some() && config.ttft.p90.is_none());
    // Agent 1's server was not warm, and no probe was made: its solo time is unknown, not zero.
    assert!(config.per_agent[0].solo_s.is_some());
    assert_eq!(config.per_agent[1].solo_s, None);
    assert_eq!(config.stats.lost_s, None);
    assert_eq!(summary.overall[0].verdicts.parallel, 1);
    // One configuration: its mean is the scenario's, with n = 1 and no interval.
    let scenario = summary.scenarios[0].stats.speedup.unwrap();
    assert_eq!((scenario.n, scenario.lo), (1, None));
    assert!(summary.best.is_empty());
}

#[test]
fn best_is_said_with_its_equals() {
    let mut runs = Vec::new();
    for r in 1..=5 {
        runs.push(on_two("fast", r, 100 + u64::from(r % 2)));
        runs.push(on_two("equal", r, 100 + u64::from(r % 3)));
        runs.push(on_two("slow", r, 150 + u64::from(r % 2)));
    }
    let summary = Summary::of(&dataset(runs));
    let best = summary.best.iter().find(|b| b.by == "speedup").unwrap();
    assert_eq!((best.id.as_str(), best.compared), ("fast", 3));
    let equals: Vec<_> = best
        .not_told_apart
        .iter()
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(equals, ["equal"]);
    // Single runs can never be told apart.
    let single = ["a", "b"].iter().zip([100, 190]);
    let summary = Summary::of(&dataset(single.map(|(c, ms)| on_two(c, 1, ms)).collect()));
    assert!(summary.best.iter().all(|b| b.not_told_apart.len() == 1));
}

#[test]
fn topologies_are_compared_in_pairs() {
    let mut runs = Vec::new();
    for r in 1..=3 {
        for (topology, ms) in [(Topology::Shared, 200), (Topology::PerAgent, 100)] {
            let mut observed = on_two("a", r, ms + u64::from(r));
            observed.topology = Some(topology);
            runs.push(observed);
        }
    }
    let summary = Summary::of(&dataset(runs));
    assert_eq!((summary.configs.len(), summary.overall.len()), (2, 2));
    let compared = &summary.topologies[0];
    assert_eq!(compared.pairs, 3);
    let wall = compared.wall_s.unwrap();
    close(wall.difference.mean, -1.0);
    close(wall.difference.sd.unwrap(), 0.0);
    assert!(wall.ratio.unwrap().hi.unwrap() < 0.6);
    assert!(wall.p_holm.unwrap() < 1e-6);
    assert_eq!(compared.memory_peak_bytes, None);
}

#[test]
fn memory_is_the_peak_within_the_arm() {
    let mut data = dataset(vec![on_two("a", 1, 100)]);
    for (ms, bytes) in [(500, 7), (600, 9), (1100, 8), (1300, 99)] {
        data.telemetry.push(domain::telemetry::Sample {
            at: Stamp::ZERO + Nanos::from_millis(ms),
            gpus: vec![domain::telemetry::GpuReading {
                memory_used_bytes: Some(bytes),
                ..Default::default()
            }],
            ..Default::default()
        });
    }
    let peak = Summary::of(&data).configs[0].memory_peak_bytes.unwrap();
    close(peak.mean, 9.0);
}

#[test]
fn failed_runs_are_counted_and_noted() {
    let mut bad = on_two("a", 2, 100);
    bad.together.as_mut().unwrap().agents[0].requests[0].outcome = Outcome::Incomplete;
    let summary = Summary::of(&dataset(vec![on_two("a", 1, 100), bad]));
    let config = &summary.configs[0];
    assert_eq!((config.runs, config.runs_excluded), (2, 1));
    assert_eq!(config.stats.outcomes.incomplete, 1);
    assert_eq!(config.stats.wall_s.unwrap().n, 1);
    assert!(
        config.notes[0].contains("run 2 is left out"),
        "{:?}",
        config.notes
    );
    assert_eq!(config.notes[1], "single run: no interval, no deviation");
    // A configuration of which nothing can be used still has its row.
    let mut worse = on_two("b", 1, 100);
    worse.together = None;
    let config = &Summary::of(&dataset(vec![worse])).configs[0];
    assert_eq!(
        (config.stats.wall_s, config.verdict),
        (None, Verdict::Unknown)
    );
    assert!(Summary::of(&dataset(Vec::new())).configs.is_empty());
}

fn published() -> PublishedRow {
    PublishedRow {
        config: ConfigId::new("homo_g80_c512_t0.6").unwrap(),
        scenario: "chimera_homo".to_owned(),
        speedup: 1.55,
        efficiency_percent: 77.4,
        ttft_delta_ms: Some(-3566.3),
        tp_delta: None,
        contention: false,
    }
}

#[test]
fn a_published_row_enters_no_mean_of_observed_runs() {
    let call = request(0).load(100).decode(10, 100).build();
    let agents = (0..2).map(|i| agent(i, 0, ModelOptions::default(), vec![call.clone()]));
    let mut data = dataset(vec![beside("a", 1, agents.collect())]);
    data.runs[0].scenario = "chimera_homo".to_owned();
    let alone = Summary::of(&data);
    data.published.push(published());
    let both = Summary::of(&data);
    assert_eq!((alone.configs.len(), both.configs.len()), (1, 2));
    assert_eq!(both.scenarios, alone.scenarios);
    assert_eq!(both.overall, alone.overall);
    assert_eq!(both.overall[0].configs, 1);
}

#[test]
fn intervals_stay_among_the_values_that_a_quantity_can_have() {
    // Prefills of 1, 1 and 2,000 ms: Student's interval of their mean reaches far below zero.
    let runs = [1, 1, 2_000].into_iter().zip(1..).map(|(ms, repetition)| {
        let calls = vec![request(0).prefill(ms).decode(10, 10).build()];
        beside(
            "a",
            repetition,
            vec![agent(0, 0, ModelOptions::default(), calls)],
        )
    });
    let summary = Summary::of(&dataset(runs.collect()));
    let ttft = summary.configs[0].per_agent[0].ttft_ms.unwrap();
    assert_eq!((ttft.lo, ttft.n), (Some(0.0), 3));
    assert!(ttft.hi.unwrap() > ttft.mean);
    let delta = Quantity::named("ttft_delta_ms").unwrap().range();
    assert_eq!(delta, (f64::NEG_INFINITY, f64::INFINITY));
    assert_eq!(Quantity::named("jain").unwrap().range(), (0.0, 1.0));
}

#[test]
fn a_published_row_alone_makes_a_configuration() {
    let mut data = dataset(Vec::new());
    data.published.push(published());
    let config = &Summary::of(&data).configs[0];
    close(config.stats.speedup_est.unwrap().mean, 1.55);
    assert_eq!(
        (config.stats.tp_delta, config.verdict),
        (None, Verdict::Unknown)
    );
}

#[test]
fn unknown_is_null_in_json_order_of_the_schema() {
    let summary = Summary::of(&dataset(vec![on_two("a", 1, 100)]));
    assert_eq!(summary.configs[0].stats.speedup_upper_bound, None);
    let names: Vec<_> = QUANTITIES.iter().map(|q| q.name).collect();
    for key in [
        "wall_s",
        "speedup_est",
        "efficiency_est",
        "ttft_delta_ms",
        "tp_delta",
    ] {
        assert!(names.contains(&key));
    }
}

mod nonsense {
    use proptest::prelude::*;

    use super::*;

    fn any_stamp() -> impl Strategy<Value = Option<Stamp>> {
        prop_oneof![
            Just(None),
            any::<u64>().prop_map(|s| Some(Stamp(s))),
            (0..20_u64).prop_map(|s| Some(Stamp(s * 1_000_000_000))),
        ]
    }

    fn likely_sent() -> impl Strategy<Value = Option<Stamp>> {
        prop_oneof![
            20 => (0..20_u64).prop_map(|s| Some(Stamp(s * 1_000_000_000))),
            1 => any_stamp(),
        ]
    }

    fn any_length() -> impl Strategy<Value = Option<Nanos>> {
        any_stamp().prop_map(|s| s.map(|s| Nanos(s.0)))
    }

    fn any_request() -> impl Strategy<Value = RequestTimes> {
        (
            (likely_sent(), any_stamp(), any_stamp(), any_stamp()),
            (any_length(), any_length(), any_length(), any_length()),
            any_length(),
            proptest::collection::vec(any_stamp(), 0..4),
            prop_oneof![0..9_u64, any::<u64>()],
            any::<bool>(),
            0..20_u8,
        )
            .prop_map(
                |(stamps, lengths, permit, chunks, tokens, rebuilt, outcome)| {
                    RequestTimes {
                        scheduled: stamps.0.unwrap_or_default(),
                        admission_wait: permit,
                        sent: stamps.0,
                        first_token: stamps.1,
                        last_token: stamps.2,
                        // Mostly after `sent`, so that most runs are used and not left out.
                        done: match (stamps.0, stamps.3) {
                            (Some(sent), Some(after)) if outcome < 18 => {
                                Some(Stamp(sent.0.saturating_add(after.0)))
                            }
                            (Some(sent), None) if outcome < 18 => Some(sent),
                            (_, done) => done,
                        },
                        ended: stamps.3.unwrap_or_default(),
                        chunks: chunks.into_iter().flatten().collect(),
                        tokens,
                        tokens_from: TokenSource::Estimated,
                        counters: ServerCounters {
                            total: lengths.0,
                            load: lengths.1,
                            prompt_eval: lengths.2,
                            eval: lengths.3,
                            eval_count: Some(tokens),
                            ..ServerCounters::default()
                        },
                        outcome: match outcome {
                            0 => Outcome::Incomplete,
                            1 => Outcome::Cancelled,
                            _ => Outcome::Completed,
                        },
                        stamps: if rebuilt {
                            StampSource::Rebuilt
                        } else {
                            StampSource::Taken
                        },
                        ..RequestTimes::default()
                    }
                },
            )
    }

    /// Both arms of the same agents with the same numbers of calls, each now and then missing.
    fn any_run() -> impl Strategy<Value = RunObservation> {
        let calls = proptest::collection::vec((0..2_u32, 1..3_usize), 0..4);
        let arms = calls.prop_flat_map(|agents| {
            let requests = |calls: usize| proptest::collection::vec(any_request(), calls);
            let both = agents
                .into_iter()
                .map(move |(server, calls)| (Just(server), requests(calls), requests(calls)));
            (
                both.collect::<Vec<_>>(),
                proptest::option::weighted(0.9, Just(())),
                proptest::option::weighted(0.9, Just(())),
            )
        });
        arms.prop_map(|(agents, together, sequential)| {
            let build = |which: usize| {
                let agents = agents.iter().zip(0..).map(|(a, i)| {
                    let requests = if which == 0 { a.1.clone() } else { a.2.clone() };
                    agent(i, a.0, crate::timeline::context(512 << (i % 2)), requests)
                });
                let mut arm = arm(Together, "as left", agents.collect());
                arm.throttled = vec![(Stamp(5), Stamp(u64::MAX)), (Stamp(9), Stamp(3))];
                arm
            };
            let mut observed = run(
                "odd",
                1,
                together.map(|()| build(0)),
                sequential.map(|()| build(1)),
            );
            observed.probes = (0..agents.len() as u32)
                .map(|agent| crate::WarmLoad {
                    agent,
                    load: Nanos(1 << (agent * 20)),
                })
                .collect();
            observed
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// Whatever is recorded, there is a summary and no panic, and no figure is infinite.
        #[test]
        fn gives_a_result_and_never_a_panic(
            runs in proptest::collection::vec(any_run(), 0..5),
            wall in proptest::option::of(0.001..9.0_f64),
        ) {
            let runs = runs.into_iter().zip(1..).map(|(mut observed, r)| {
                observed.repetition = r;
                observed.wall_recorded_s = wall;
                observed
            });
            let data = dataset(runs.collect());
            let summary = Summary::of(&data);
            for config in &summary.configs {
                for quantity in &QUANTITIES {
                    let finite = quantity.of(&config.stats).is_none_or(|e| e.mean.is_finite());
                    prop_assert!(finite, "{}", quantity.name);
                }
            }
            let _ = crate::advice::findings(&data, &summary);
            let _ = crate::compare::compare(&summary, &summary);
        }
    }
}
