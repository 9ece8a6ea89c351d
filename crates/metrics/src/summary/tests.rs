use domain::record::TokenSource;
use domain::{Nanos, Outcome, Stamp};

use super::*;
use crate::by_hand::assert_figures;
use crate::observation::{PublishedRow, RequestTimes, RunObservation, StampSource};
use crate::timeline::{Calls, at, dataset, request, run_together, two_arms};

/// Two agents on one server each: alone 1.2 s, together `per_token_ms` per token.
fn on_two(config: &str, repetition: u32, per_token_ms: u64) -> RunObservation {
    let call = |sent, ms| [request(sent).load(100).prefill(100).decode(10, ms)];
    let together = call(0, per_token_ms);
    let agents = [
        Calls::new(&together, &call(0, 100)),
        Calls::new(&together, &call(1200, 100)).on(1),
    ];
    two_arms(config, repetition, "warm for agent 0", &agents)
}

#[test]
fn gain_and_decoding_are_two_answers() {
    let lines = include_str!("verdicts.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let number = |place: usize| words[place].parse::<f64>().unwrap();
        let one = Estimate::of(&[number(1)]).unwrap();
        let repeated = Some(Estimate {
            lo: Some(number(2)),
            hi: Some(number(3)),
            n: 3,
            ..one
        });
        let found = Verdict::of(Some(number(0)), repeated);
        let answers = format!("{:?} {:?} {}", found.gain, found.decoding, found.word());
        assert_eq!(answers, words[4], "{line}");
        let unseen = Verdict::of(None, repeated);
        assert_eq!(unseen.gain, found.gain);
        assert_ne!(unseen.word(), "serial");
    }
    let twice = Verdict::of(Some(0.9), Estimate::of(&[1.9, 1.9]));
    assert_eq!(twice.word(), "undecided");
    let in_turn = Verdict::of(Some(0.0), None);
    let unknown = ("unknown", Decoding::InTurn);
    assert_eq!((in_turn.word(), in_turn.decoding), unknown);
    assert_eq!(Verdict::of(None, None), Verdict::UNKNOWN);
}

#[test]
fn undecided_says_how_many_repetitions_would_decide() {
    let needed = Gain::repetitions_to_decide;
    assert_eq!((needed(&[1.73]), needed(&[1.73, 1.75])), (Some(3), Some(3)));
    // Wide apart: the half width of n values must fall to ln(1.24 / 1.05).
    let wide = [1.14, 1.24, 1.35];
    let enough = needed(&wide).unwrap() as usize;
    assert!((4..8).contains(&enough), "{enough}");
    let more: Vec<f64> = wide.iter().copied().cycle().take(enough).collect();
    assert_eq!(Gain::of(Estimate::of_ratios(&more)), Gain::Pays);
    // At the margin no number does, and what is decided needs none.
    assert_eq!(needed(&[1.0, 1.05, 1.1025]), None);
    assert_eq!(needed(&[1.29, 1.30, 1.31]), None);
}

/// Runs of one configuration with these speedups of two agents that decode beside each other.
fn with_speedups(speedups: &[f64]) -> Vec<RunObservation> {
    let call = |sent: u64, ms: u64| [request(sent).decode(10, ms)];
    let runs = speedups.iter().zip(1..).map(|(speedup, repetition)| {
        let ms = (10_000.0 / speedup) as u64;
        let agents = [
            Calls::new(&call(0, ms), &call(0, 5_000)),
            Calls::new(&call(0, ms), &call(50_000, 5_000)).on(1),
        ];
        two_arms("a", repetition, "as left", &agents)
    });
    runs.collect()
}

#[test]
fn one_outlier_in_five_is_named_and_does_not_make_a_gain() {
    let summary = Summary::of(&dataset(with_speedups(&[1.01, 0.99, 10.0, 1.0, 1.02])));
    let config = &summary.configs[0];
    let speedup = config.stats.speedup.unwrap();
    // The geometric mean; the arithmetic one would be 2.8.
    assert!((1.58..1.60).contains(&speedup.mean), "{speedup:?}");
    assert_eq!(config.verdict.gain, Gain::Undecided);
    assert!(is_far(config, 3, false), "{:?}", config.notes);
}

/// Whether the speedup of a repetition is named as far from the others, and as the cold first one or not.
fn is_far(config: &ConfigSummary, which: u32, cold: bool) -> bool {
    let far = |note: &Note| {
        matches!(note, Note::FarFromOthers { figure: "speedup", repetition, first, .. }
            if *repetition == which && *first == cold)
    };
    config.notes.iter().any(far)
}

#[test]
fn a_cold_first_repetition_is_named_and_from_eight_on_moves_nothing() {
    let mut speedups = [1.30, 1.31, 1.29, 1.30, 1.32, 1.28, 1.31, 1.30];
    speedups[0] = 0.2;
    for (n, gain) in [(8, Gain::Pays), (5, Gain::Undecided)] {
        let summary = Summary::of(&dataset(with_speedups(&speedups[..n])));
        let config = &summary.configs[0];
        assert_eq!(config.verdict.gain, gain, "{n}");
        assert!(is_far(config, 1, true), "{:?}", config.notes);
    }
}

#[test]
fn one_configuration_repeated() {
    let runs = (1..=3)
        .map(|r| on_two("a", r, 100 + u64::from(r)))
        .collect();
    let summary = Summary::of(&dataset(runs));
    let config = &summary.configs[0];
    let by_hand = r#"
        runs 3, runs_excluded 0, agents 2, verdict "parallel"
        stats: wall_s.mean 1.22, wall_s.sd 0.01, overlap.known 3, overlap.zero 0, lost_s null
        stats: outcomes.completed 6, outcomes_sequential.completed 6
        ttft_s: n 6, p90 null
        # Agent 1's server was not warm, and no probe was made: its solo time is unknown, not zero.
        per_agent.1.solo_s null"#;
    assert_figures(config, by_hand);
    assert!(config.ttft_s.p50.is_some() && config.per_agent[0].solo_s.is_some());
    assert_eq!(summary.overall[0].verdicts.with(Gain::Pays), 1);
    // One configuration: its mean is the scenario's, with n = 1 and no interval.
    assert_figures(
        &summary,
        "scenarios.0.stats.speedup.n 1, scenarios.0.stats.speedup.lo null",
    );
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
    let equals = best.undistinguished.iter().map(|(id, _)| id.as_str());
    assert!(equals.eq(["equal"]));
    // Single runs are not ranked.
    let single = ["a", "b"].iter().zip([100, 190]);
    let summary = Summary::of(&dataset(single.map(|(c, ms)| on_two(c, 1, ms)).collect()));
    assert!(summary.best.is_empty());
}

#[test]
fn memory_is_the_peak_within_the_arm() {
    let mut data = dataset(vec![on_two("a", 1, 100)]);
    for (ms, bytes) in [(500, 7), (600, 9), (1100, 8), (1300, 99)] {
        data.telemetry.push(domain::telemetry::Sample {
            at: at(ms),
            gpus: vec![domain::telemetry::GpuReading {
                memory_used_bytes: Some(bytes),
                ..Default::default()
            }],
            ..Default::default()
        });
    }
    assert_figures(&Summary::of(&data).configs[0], "memory_peak_bytes.mean 9");
}

#[test]
fn failed_runs_are_counted_and_noted() {
    let mut bad = on_two("a", 2, 100);
    bad.together.as_mut().unwrap().agents[0].requests[0].outcome = Outcome::Incomplete;
    let summary = Summary::of(&dataset(vec![on_two("a", 1, 100), bad]));
    let config = &summary.configs[0];
    let by_hand = "runs 2, runs_excluded 1, stats.outcomes.incomplete 1, stats.wall_s.n 1";
    assert_figures(config, by_hand);
    let [Note::LeftOut(2, _), Note::FewRuns(1), ..] = &config.notes[..] else {
        panic!("{:?}", config.notes);
    };
    // A configuration of which nothing can be used still has its row.
    let mut worse = on_two("b", 1, 100);
    worse.together = None;
    let config = &Summary::of(&dataset(vec![worse])).configs[0];
    assert_eq!(config.stats.wall_s, None);
    assert_eq!(config.verdict, Verdict::UNKNOWN);
    assert!(Summary::of(&dataset(Vec::new())).configs.is_empty());
}

fn published() -> PublishedRow {
    PublishedRow {
        config: ConfigId::new("homo_g80_c512_t0.6").unwrap(),
        scenario: "chimera_homo".to_owned(),
        options: domain::ModelOptions::default(),
        speedup: 1.55,
        efficiency_percent: 77.4,
        ttft_delta_ms: Some(-3566.3),
        tp_delta_tokens_per_s: None,
        contention: false,
    }
}

#[test]
fn a_published_row_enters_no_mean_of_observed_runs() {
    let call = request(0).load(100).decode(10, 100);
    let mut data = dataset(vec![run_together("a", 1, &[call, call])]);
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
        run_together("a", repetition, &[request(0).prefill(ms).decode(10, 10)])
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
    assert_figures(&config.stats, "speedup_est.mean 1.55, tp_delta null");
    assert_eq!(config.verdict, Verdict::UNKNOWN);
}

mod nonsense {
    use domain::LONGEST_NS;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::cause::tests::any_agent;
    use crate::timeline::unloaded;

    fn any_moment(rng: &mut ChaCha8Rng) -> Option<Stamp> {
        match rng.random_range(0..3) {
            0 => None,
            1 => Some(Stamp(rng.random_range(0..=LONGEST_NS))),
            _ => Some(at(1000 * rng.random_range(0..20))),
        }
    }

    /// Changes one of a request's stamps, durations, counts or its outcome; half of the time nothing, so that most runs
    /// are used and not left out.
    fn spoil(r: &mut RequestTimes, rng: &mut ChaCha8Rng) {
        let (moment, count) = (any_moment(rng), rng.next_u64());
        let length = moment.map(|at| Nanos(at.0));
        match rng.random_range(0..36) {
            0 => r.scheduled = moment.unwrap_or_default(),
            1 => r.admission_wait = length,
            2 => r.sent = moment,
            3 => r.first_token = moment,
            4 => r.last_token = moment,
            5 => r.done = moment,
            6 => r.ended = moment.unwrap_or_default(),
            7 => r.chunks.extend(moment),
            8 => r.chunks.clear(),
            9 => r.tokens = count,
            10 => (r.tokens_from, r.counters.eval_count) = (TokenSource::Estimated, Some(count)),
            11 => r.counters.total = length,
            12 => r.counters.load = length,
            13 => r.counters.prompt_eval = length,
            14 => r.counters.eval = length,
            15 => r.stamps = StampSource::Rebuilt,
            16 => r.outcome = Outcome::Incomplete,
            17 => r.outcome = Outcome::Cancelled,
            _ => {}
        }
    }

    /// A run of these agents of which some requests are nonsense, and now and then an arm is missing.
    fn spoilt(agents: &[Calls], repetition: u32, rng: &mut ChaCha8Rng) -> RunObservation {
        let mut run = unloaded("odd", repetition, agents);
        for arm in run.arms_mut() {
            arm.throttled = vec![(Stamp(5), Stamp(LONGEST_NS)), (Stamp(9), Stamp(3))];
            for request in arm.agents.iter_mut().flat_map(|agent| &mut agent.requests) {
                (0..rng.random_range(0..6)).for_each(|_| spoil(request, rng));
            }
        }
        for arm in [&mut run.together, &mut run.sequential] {
            arm.take_if(|_| rng.random_bool(0.1));
        }
        for probe in &mut run.probes {
            probe.load = Nanos(1_u64 << (probe.agent * 20));
        }
        run
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        /// For any records there is a summary and no panic, and no figure is infinite.
        #[test]
        fn gives_a_result_and_never_a_panic(
            runs in vec(vec(any_agent(), 0..4), 0..5),
            seed: u64,
            wall in proptest::option::of(0.001..9.0_f64),
        ) {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let runs = (1..).zip(&runs).map(|(repetition, agents)| RunObservation {
                wall_recorded_s: wall,
                ..spoilt(agents, repetition, &mut rng)
            });
            let data = dataset(runs.collect());
            let summary = Summary::of(&data);
            for config in &summary.configs {
                for quantity in QUANTITIES {
                    let finite = quantity.of(&config.stats).is_none_or(|e| e.mean.is_finite());
                    prop_assert!(finite, "{}", quantity.name);
                }
            }
            let _ = crate::advice::findings(&data, &summary);
            let mut side = crate::compare::Side::new("any");
            side.add_sweep(&data);
            prop_assert!(crate::compare::compare(&side, &side, &[]).is_ok());
        }
    }
}
