use domain::plan::Topology;
use domain::record::ServerCounters;

use super::side::pairs;
use super::*;
use crate::timeline::{dataset, request, run_together};

/// A side of one configuration a list of walls, its runs drawn from 1, 2, 3 and so on.
fn side(walls: &[&[f64]]) -> Side {
    let mut side = Side::new("side");
    for (config, walls) in ["a", "b", "c", "d", "e"].into_iter().zip(walls) {
        for (wall, draw) in walls.iter().zip(1..) {
            let mut run = Run {
                drawn_from: Some(format!("{draw}")),
                requests: 64,
                ..Run::default()
            };
            run.set("wall_s", Some(*wall));
            side.add(&ConfigId::new(config).unwrap(), None, run);
        }
    }
    side
}

/// The same without anything that its runs share with others.
fn alone(walls: &[&[f64]]) -> Side {
    let mut side = side(walls);
    for run in side.configs.iter_mut().flat_map(|c| &mut c.runs) {
        run.drawn_from = None;
    }
    side
}

fn compared(base: &Side, new: &Side) -> Comparison {
    compare(base, new, &[]).unwrap()
}

fn find<'a>(comparison: &'a Comparison, figure: &str) -> &'a ComparisonRow {
    comparison.rows.iter().find(|r| r.figure == figure).unwrap()
}

fn checked(gates: &[&str], comparison: &Comparison, each: bool) -> Vec<GateReport> {
    let gates: Vec<Gate> = gates.iter().map(|text| text.parse().unwrap()).collect();
    check(&gates, comparison, each)
}

fn outcome(gate: &str, comparison: &Comparison) -> GateOutcome {
    checked(&[gate], comparison, false)[0].outcome
}

fn reason(gate: &str, comparison: &Comparison) -> GateReason {
    let report = &checked(&[gate], comparison, false)[0];
    assert_eq!(report.outcome, GateOutcome::Undecided, "{report:?}");
    report.cases[0].reason
}

#[test]
fn walls_their_readings_and_gates() {
    use GateOutcome::{Fail, Pass, Undecided};
    use Reading::{Undistinguished, Worse};
    let gates = |text: &str, c: &Comparison| {
        text.split(',')
            .map(|gate| outcome(gate, c))
            .collect::<Vec<_>>()
    };
    let equal = [1.0, 1.1, 1.2];
    let c = compared(&side(&[&equal]), &side(&[&equal]));
    let wall = find(&c, "wall_s");
    assert_eq!((wall.pairs, wall.reading), (Some(3), Undistinguished));
    assert!(wall.relative.unwrap().value.abs() < 1e-12);
    assert_eq!(gates("wall_s > +1%", &c), [Pass]);
    // Ten percent slower in every repetition, though repetitions differ by more than that.
    let (base, slower) = ([1.0, 2.0, 3.0], [1.1, 2.2, 3.3]);
    let c = compared(&side(&[&base]), &side(&[&slower]));
    let wall = find(&c, "wall_s");
    assert!((wall.relative.unwrap().value - 0.1).abs() < 1e-9);
    assert_eq!(wall.reading, Worse);
    let decided = "wall_s > +5%,wall_s > 15%,wall_s < -5%,wall_s > 20s,wall_s > 100ms";
    assert_eq!(gates(decided, &c), [Fail, Pass, Pass, Pass, Fail]);
    // 0.2 s on the mean, but the interval reaches below zero.
    assert_eq!(gates("wall_s > +0.1s", &c), [Undecided]);
    // The same numbers without anything shared say nothing.
    let c = compared(&alone(&[&base]), &alone(&[&slower]));
    assert_eq!(find(&c, "wall_s").pairs, None);
    assert_eq!(gates("wall_s > +5%", &c), [Undecided]);
    // Unequal repetitions are compared unpaired.
    let more = [2.00, 2.01, 2.02, 2.03];
    let c = compared(&side(&[&[1.00, 1.01, 1.02]]), &side(&[&more]));
    let wall = find(&c, "wall_s");
    assert_eq!((wall.pairs, wall.reading), (None, Worse));
    let relative = wall.relative.unwrap();
    assert!(relative.lo.unwrap() < relative.value && relative.value < relative.hi.unwrap());
    assert_eq!(gates("wall_s > +50%", &c), [Fail]);
}

/// A gate on one of 20 redundant figures was corrected for all of them, and never failed.
#[test]
fn a_gate_is_corrected_over_the_gates_that_were_named_alone() {
    let base = side(&[&[10.0, 10.2, 9.8, 10.1, 9.9]]);
    let new = side(&[&[11.1, 11.1, 10.9, 11.0, 10.9]]);
    let c = compared(&base, &new);
    assert_eq!(outcome("wall_s > +5%", &c), GateOutcome::Fail);
    let gates = ["wall_s > +5%", "wall_s > +30%", "ttft_p95 > +5%"];
    let many = checked(&gates, &c, false);
    let outcomes: Vec<GateOutcome> = many.iter().map(|report| report.outcome).collect();
    let [fail, pass, open] = [GateOutcome::Fail, GateOutcome::Pass, GateOutcome::Undecided];
    assert_eq!(outcomes, [fail, pass, open]);
}

#[test]
fn holm_by_hand() {
    // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") is 0.03 0.06 0.06 0.02: with 5 % the third least ends it.
    let levels = gate::holm_levels(&[0.01, 0.04, 0.03, 0.005].map(Some));
    for (level, divided_by) in levels.iter().zip([3.0, 2.0, 2.0, 4.0]) {
        assert!((level - 0.05 / divided_by).abs() < 1e-12, "{levels:?}");
    }
    assert!(gate::holm_levels(&[]).is_empty());
    assert_eq!(gate::holm_levels(&[None, Some(0.9)]), [0.05, 0.05]);
}

#[test]
fn a_gate_tests_the_geometric_mean_and_each_tests_every_configuration() {
    // Twice as slow in one configuration, half as slow in the other.
    let base = side(&[&[1.00, 1.01, 0.99, 1.0], &[2.00, 2.02, 1.98, 2.0]]);
    let new = side(&[&[2.00, 2.01, 1.99, 2.0], &[1.00, 1.02, 0.98, 1.0]]);
    let c = compared(&base, &new);
    let mean = find(&c, "wall_s");
    assert_eq!((mean.config.as_ref(), mean.base.n), (None, 2));
    assert!(mean.relative.unwrap().value.abs() < 0.01);
    assert_eq!(outcome("wall_s > +5%", &c), GateOutcome::Pass);
    let each = &checked(&["wall_s > +5%"], &c, true)[0];
    let outcomes: Vec<GateOutcome> = each.cases.iter().map(|case| case.outcome).collect();
    assert_eq!(outcomes, [GateOutcome::Fail, GateOutcome::Pass]);
    assert_eq!(each.outcome, GateOutcome::Fail);
    let readings = c.rows.iter().map(|row| row.reading);
    assert!(readings.eq([Reading::Undistinguished, Reading::Worse, Reading::Better]));
}

#[test]
fn an_undecided_gate_says_how_many_repetitions_would_decide() {
    let base = side(&[&[10.0, 10.0, 10.0, 10.0]]);
    let c = compared(&base, &side(&[&[10.2, 11.0, 10.1, 10.9]]));
    let GateReason::Across(_, Some(count)) = reason("wall_s > +3%", &c) else {
        panic!("no number");
    };
    assert!((10..40).contains(&count), "{count}");
    // With that many of the same spread it is decided.
    let many = |walls: &[f64]| walls.iter().cycle().take(count as usize).copied().collect();
    let (base, new): (Vec<f64>, Vec<f64>) = (many(&[10.0]), many(&[10.2, 11.0, 10.1, 10.9]));
    let c = compared(&side(&[&base]), &side(&[&new]));
    assert_eq!(outcome("wall_s > +3%", &c), GateOutcome::Fail);
    // On the limit no number does.
    let at_limit = compared(&side(&[&[1.0; 4]]), &side(&[&[1.04, 1.06, 1.04, 1.06]]));
    let why = reason("wall_s > +4.9953%", &at_limit);
    assert!(matches!(why, GateReason::Across(_, None)), "{why:?}");
}

#[test]
fn an_interval_and_its_p_never_contradict_each_other() {
    // The first run of each is cold: it must not wreck what the nine others show.
    let mut walls = vec![30.0];
    walls.extend((0..9).map(|i| 10.0 + 0.02 * f64::from(i)));
    let base = side(&[&walls]);
    walls[0] = 90.0;
    let slower: Vec<f64> = walls.iter().map(|w| w * 1.1).collect();
    let c = compared(&base, &side(&[&slower]));
    for notes in &c.configs[0].far {
        let [
            Note::FarFromOthers {
                repetition: 1,
                first: true,
                ..
            },
        ] = notes[..]
        else {
            panic!("{notes:?}");
        };
    }
    let wall = find(&c, "wall_s");
    let Change { value, lo, hi } = wall.relative.unwrap();
    assert!((value - 0.1).abs() < 0.01, "{wall:?}");
    assert_eq!(wall.reading, Reading::Worse);
    for row in &c.rows {
        let excludes = lo.unwrap() > 0.0 || hi.unwrap() < 0.0;
        assert_eq!(excludes, row.p.unwrap() < 0.05, "{row:?}");
    }
}

#[test]
fn a_quarter_less_wall_time_reads_as_better() {
    // Two slots instead of one: 22 to 32 % off the wall, five runs, with some twenty figures each.
    let sweep = |name: &str, scale: f64| {
        let walls = [10.0, 10.4, 9.7, 10.2, 9.9]
            .into_iter()
            .zip([0.99, 1.04, 0.97, 1.02, 0.98]);
        let runs = walls.zip(1..).map(|((wall, noise), repetition)| {
            let noise = if scale < 1.0 { noise } else { 1.0 };
            let per_token = (wall * scale * noise * 10.0) as u64;
            let call = |wait| request(0).slot(wait).load(100).decode(10, per_token);
            run_together(name, repetition, &[call(0), call((3000.0 * scale) as u64)])
        });
        let mut side = Side::new(name);
        side.add_sweep(&dataset(runs.collect()));
        side
    };
    let c = compared(&sweep("a", 1.0), &sweep("a", 0.73));
    assert!(c.rows.len() > 8, "{}", c.rows.len());
    let wall = find(&c, "wall_s");
    assert_eq!(wall.reading, Reading::Better, "{wall:?}");
    // A figure that was not named as primary is shown and not judged.
    for figure in "speedup_est efficiency_est decode_overlap ttft_p50".split(' ') {
        assert_eq!(find(&c, figure).reading, Reading::Exploratory, "{figure}");
    }
    let named = ["speedup_est".to_owned()];
    let c = compare(&sweep("a", 1.0), &sweep("a", 0.73), &named).unwrap();
    assert_ne!(find(&c, "speedup_est").reading, Reading::Exploratory);
    assert!(compare(&side(&[]), &side(&[]), &["wal".to_owned()]).is_err());
}

#[test]
fn tr113s_estimate_is_never_better() {
    // Two agents, the second waiting ever longer: the estimate falls although the wall time improves.
    let sweep = |gap: u64| {
        let calls = |r: u64| [100 + r, gap + r].map(|ms| request(0).load(100).decode(10, ms));
        let runs = (1..=4).map(|r| run_together("a", r as u32, &calls(r)));
        let mut side = Side::new("a");
        side.add_sweep(&dataset(runs.collect()));
        side
    };
    let named = ["speedup_est", "efficiency_est"].map(str::to_owned);
    let c = compare(&sweep(300), &sweep(100), &named).unwrap();
    for figure in &named {
        let row = find(&c, figure);
        assert!(row.difference.value > 0.3, "{figure} {row:?}");
        assert_eq!(row.reading, Reading::Different, "{figure}");
    }
    assert_eq!(find(&c, "wall_s").reading, Reading::Better);
}

#[test]
fn runs_are_paired_by_what_they_share() {
    let runs = |drawn: [Option<&str>; 2], started: [&str; 2]| -> Vec<Run> {
        let both = drawn.into_iter().zip(started);
        both.map(|(drawn, started)| Run {
            drawn_from: drawn.map(str::to_owned),
            started_at: Some(started.to_owned()),
            ..Run::default()
        })
        .collect()
    };
    let (one, two, three) = (Some("1"), Some("2"), Some("3"));
    let before = runs([one, two], ["01", "02"]);
    let swapped = runs([two, one], ["03", "04"]);
    assert_eq!(pairs(&before, &swapped), Some(vec![(0, 1), (1, 0)]));
    for (a, at, b, later) in [
        // Other texts, one side after the other: nothing is shared.
        ([one, two], ["01", "02"], [one, three], ["03", "04"]),
        // One seed for all runs of a side distinguishes them no more than none does.
        ([one, one], ["01", "02"], [one, one], ["03", "04"]),
        // The repetitions of a sweep all have its start.
        ([None; 2], ["01", "01"], [None; 2], ["02", "02"]),
    ] {
        assert_eq!(pairs(&runs(a, at), &runs(b, later)), None, "{a:?} {b:?}");
    }
    // In turn: each run of one side beside one of the other, in either order.
    let [first, interleaved] = [["01", "04"], ["03", "02"]].map(|at| runs([None; 2], at));
    assert_eq!(pairs(&first, &interleaved), Some(vec![(0, 1), (1, 0)]));
}

#[test]
fn too_few_runs_are_refused_with_what_it_would_take() {
    let c = compared(&side(&[&[1.0, 1.0]]), &side(&[&[3.0, 3.0]]));
    assert_eq!(find(&c, "wall_s").reading, Reading::TooFew);
    assert_eq!(reason("wall_s > +5%", &c), GateReason::FewRuns(2, 2));
    let few = GateReason::FewRequests("ttft_p95", 130, (64, 64));
    assert_eq!(reason("ttft_p95 > +5%", &c), few);
    // How many agents are carried counts no requests.
    let carried = || {
        let mut side = side(&[&[1.0, 1.0, 1.0]]);
        let mut run = Run::default();
        run.set("agents_carried", Some(4.0));
        side.add(&ConfigId::new("capacity").unwrap(), None, run);
        for run in &mut side.configs[0].runs {
            run.set("ttft_p50", Some(1.0));
        }
        side
    };
    let of_capacity = compared(&carried(), &carried());
    let few = GateReason::FewRuns(1, 1);
    assert_eq!(reason("agents_carried < 4", &of_capacity), few);
    assert_eq!(outcome("ttft_p50 > +5%", &of_capacity), GateOutcome::Pass);
    // A configuration whose runs all failed on one side is not silently left out of the mean.
    let two = side(&[&[1.0; 3], &[1.0; 3]]);
    let mut lost = two.clone();
    lost.configs[1].runs.clear();
    let half = compared(&two, &lost);
    assert_eq!(reason("wall_s > +5%", &half), GateReason::OneSided);
    assert_eq!(half.only_base[0].0.as_str(), "b");
    // Nothing to check is not a pass.
    assert_eq!(reason("speedup < -3%", &c), GateReason::NoFigure);
}

#[test]
fn a_tail_is_one_percentile_a_run_and_its_spread_over_runs_decides() {
    let tails = |values: &[f64]| {
        let mut side = alone(&[values]);
        for run in &mut side.configs[0].runs {
            run.requests = 130;
            run.values = run
                .values
                .values()
                .map(|tail| ("ttft_p95", *tail))
                .collect();
        }
        side
    };
    let base = tails(&[2.0, 2.4, 1.9, 2.2, 2.1]);
    // One run's tail is twice as long: two pooled points would be 10 % apart.
    let c = compared(&base, &tails(&[2.1, 2.0, 2.3, 1.9, 4.0]));
    assert_eq!(outcome("ttft_p95 > +5%", &c), GateOutcome::Undecided);
    let c = compared(&base, &tails(&[4.0, 4.1, 3.9, 4.2, 4.4]));
    assert_eq!(outcome("ttft_p95 > +5%", &c), GateOutcome::Fail);
    assert_eq!(find(&c, "ttft_p95").reading, Reading::Exploratory);
}

#[test]
fn runs_with_other_help_from_a_cache_are_not_compared_silently() {
    let with = |cached| {
        let mut side = side(&[&[1.0, 1.0, 1.1]]);
        side.cache.add(&ServerCounters {
            // Some releases leave the cached tokens out of the prompt's count.
            prompt_eval_count: Some(if cached == Some(1000) { 0 } else { 1000 }),
            prompt_eval_cached_count: cached,
            ..ServerCounters::default()
        });
        side
    };
    let c = compared(&with(Some(20)), &with(Some(1000)));
    assert_eq!(c.cached_share, Some([0.02, 1.0]));
    let c = compared(&with(Some(20)), &with(Some(950)));
    assert_eq!(c.cached_share, Some([0.02, 0.95]));
    let why = reason("wall_s > +50%", &c);
    assert_eq!(why, GateReason::OtherCacheHelp([0.02, 0.95]));
    for (base, new) in [(Some(20), Some(40)), (None, Some(950))] {
        let c = compared(&with(base), &with(new));
        assert_eq!(c.cached_share, None);
        assert_eq!(outcome("wall_s > +50%", &c), GateOutcome::Pass);
    }
}

#[test]
fn configurations_of_one_side_are_listed() {
    let mut base = side(&[&[1.0; 3]]);
    base.configs[0].topology = Some(Topology::Shared);
    let c = compared(&base, &side(&[&[1.0; 3]]));
    assert!(c.rows.is_empty());
    assert_eq!(c.only_base[0].1, Some(Topology::Shared));
    assert_eq!(c.only_new[0].0.as_str(), "a");
}

#[test]
fn gates_that_cannot_be_read_say_why() {
    let error = |text: &str| text.parse::<Gate>().unwrap_err();
    assert!(error("wall_s + 5%").contains("neither `<` nor `>`"));
    assert!(error("walls > 5%").contains("known are wall_s"));
    assert!(error("wall_s > five").contains("`five` is not a limit"));
    assert!(error("speedup > 2s").contains("is not a limit"));
    assert!(error("wall_s > 1s and ttft_s > 1s").contains("several conditions"));
    assert!(error("ttft > 1s").contains("unknown figure `ttft`"));
    let named = |name| Figure::named(name).unwrap().name;
    assert_eq!(
        ["ttft_s", "ttft_mean", "failed"].map(named),
        ["ttft_s", "ttft_s", "failed_share"]
    );
    assert_eq!(Limit::read("1.5x", ""), Some(Limit::Value(1.5)));
    let limit = |text: &str| text.parse::<Gate>().unwrap().limit;
    assert_eq!(limit("failed > 5%"), Limit::Value(0.05));
    assert_eq!(limit("failed > +5%"), Limit::Relative(0.05));
    assert_eq!(limit("wall_s > 5%"), Limit::Relative(0.05));
    assert_eq!(Limit::read("2s", "ms"), Some(Limit::Value(2000.0)));
    assert_eq!(Limit::read("+250ms", "s"), Some(Limit::Change(0.25)));
    assert_eq!(Limit::read("-3 %", "tok/s"), Some(Limit::Relative(-0.03)));
    assert_eq!(Limit::read("-3 tok/s", "tok/s"), Some(Limit::Change(-3.0)));
    assert_eq!(Limit::read("+1m 30s", "s"), Some(Limit::Change(90.0)));
    assert_eq!(Limit::read("inf", "s"), None);
}
