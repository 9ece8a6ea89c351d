use domain::plan::Topology;
use domain::record::ServerCounters;
use itertools::Itertools as _;

use super::side::{ConfigRuns, pairs};
use super::*;
use crate::timeline::{dataset, request, run_together};

/// A side of the configurations a, b, … apart by `/`, with a figure of their runs, which are drawn from 1, 2, 3 and so on.
fn side_of(figure: &'static str, values: &str) -> Side {
    let mut side = Side::new("side");
    for (config, values) in ["a", "b"].into_iter().zip(values.split('/')) {
        let run = |(value, draw): (&str, u32)| {
            let mut run = Run {
                drawn_from: Some(draw.to_string()),
                requests: if figure == "wall_s" { 64 } else { 130 },
                ..Run::default()
            };
            run.set(figure, Some(value.parse().unwrap()));
            run
        };
        side.configs.push(ConfigRuns {
            config: ConfigId::new(config).unwrap(),
            topology: None,
            // A configuration whose runs have all failed is one, too.
            runs: values.split_whitespace().zip(1..).map(run).collect(),
        });
    }
    side
}

/// A side of one configuration with these walls, seconds.
fn side(walls: &[f64]) -> Side {
    side_of("wall_s", &walls.iter().join(" "))
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

fn described(c: &Comparison, gates: &[&str], each: bool) -> String {
    let mut lines = Vec::new();
    for row in &c.rows {
        let (config, pairs) = (row.config.as_ref().map(ConfigId::as_str), row.pairs);
        let change = row.relative.map_or("-".to_owned(), |by| {
            let [lo, hi] = [by.lo, by.hi].map(|end| end.map(|end| (end * 1e6).round() / 1e4));
            format!("{:.4} % from {lo:?} to {hi:?}", by.value * 100.0)
        });
        let (figure, reading) = (row.figure, row.reading);
        lines.push(format!(
            "  {figure} of {config:?}: {reading:?}, pairs {pairs:?}, {change}\n"
        ));
    }
    for gates in gates {
        for report in checked(&gates.split(", ").collect_vec(), c, each) {
            let cases = report.cases.iter();
            let reasons = cases.map(|case| match case.outcome {
                GateOutcome::Undecided => match case.reason {
                    GateReason::Across(GatedValue { value, lo, hi, .. }, repetitions) => {
                        format!("{value:.4} from {lo:.4} to {hi:.4}, decided by {repetitions:?}")
                    }
                    reason => format!("{reason:?}"),
                },
                outcome => format!("{outcome:?}"),
            });
            let reasons = reasons.collect_vec().join(", ");
            lines.push(format!("  of {gates}: {:?} ({reasons})\n", report.outcome));
        }
    }
    lines.concat()
}

#[test]
fn readings_and_gates() {
    let mut found = Vec::new();
    for case in include_str!("cases.txt").split("\n\n").skip(1) {
        let lines = case.lines().filter(|line| !line.starts_with('#'));
        let name = case.lines().next().unwrap();
        let pairs = lines.skip(1).filter_map(|line| line.split_once(' '));
        let settings = pairs.into_group_map();
        let figure = settings.get("figure").map_or("wall_s", |figure| figure[0]);
        let [base, new] = ["base", "new"].map(|name| {
            let mut side = side_of(figure, settings[name][0]);
            for run in side.configs.iter_mut().flat_map(|c| &mut c.runs) {
                if settings.contains_key("unpaired") {
                    run.drawn_from = None;
                }
            }
            side
        });
        let c = compared(&base, &new);
        let each = name.contains("each tests every");
        found.push(format!(
            "{name}\n{}",
            described(&c, &settings["gates"], false)
        ));
        if each {
            found.push(described(&c, &settings["gates"], true));
        }
    }
    insta::assert_snapshot!(found.concat());
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
fn an_undecided_gate_says_how_many_repetitions_would_decide() {
    let base = side(&[10.0; 4]);
    let c = compared(&base, &side(&[10.2, 11.0, 10.1, 10.9]));
    let GateReason::Across(_, Some(count)) = reason("wall_s > +3%", &c) else {
        panic!("no number");
    };
    assert!((10..40).contains(&count), "{count}");
    // With that many of the same spread it is decided.
    let many = |walls: &[f64]| walls.iter().cycle().take(count as usize).copied().collect();
    let (base, new): (Vec<f64>, Vec<f64>) = (many(&[10.0]), many(&[10.2, 11.0, 10.1, 10.9]));
    let c = compared(&side(&base), &side(&new));
    assert_eq!(outcome("wall_s > +3%", &c), GateOutcome::Fail);
}

#[test]
fn an_interval_and_its_p_never_contradict_each_other() {
    // The first run of each is cold: it must not wreck what the nine others show.
    let mut walls = vec![30.0];
    walls.extend((0..9).map(|i| 10.0 + 0.02 * f64::from(i)));
    let base = side(&walls);
    walls[0] = 90.0;
    let slower: Vec<f64> = walls.iter().map(|w| w * 1.1).collect();
    let c = compared(&base, &side(&slower));
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

/// How many agents are carried counts no requests.
#[test]
fn one_capacity_run_is_too_few() {
    let mut side = side(&[1.0, 1.0, 1.0]);
    let mut run = Run::default();
    run.set("agents_carried", Some(4.0));
    side.add(&ConfigId::new("capacity").unwrap(), None, run);
    for run in &mut side.configs[0].runs {
        run.set("ttft_p50", Some(1.0));
    }
    let c = compared(&side, &side);
    let few = GateReason::FewRuns(1, 1);
    assert_eq!(reason("agents_carried < 4", &c), few);
    assert_eq!(outcome("ttft_p50 > +5%", &c), GateOutcome::Pass);
}

#[test]
fn runs_with_other_help_from_a_cache_are_not_compared_silently() {
    let with = |cached| {
        let mut side = side(&[1.0, 1.0, 1.1]);
        side.cache.count(&ServerCounters {
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
    let mut base = side(&[1.0; 3]);
    base.configs[0].topology = Some(Topology::Shared);
    let c = compared(&base, &side(&[1.0; 3]));
    assert!(c.rows.is_empty());
    assert_eq!(c.only_base[0].1, Some(Topology::Shared));
    assert_eq!(c.only_new[0].0.as_str(), "a");
    // One whose runs have all failed on a side is the other side's alone, and is not listed where they failed on both.
    // The geometric mean, the first row of two configurations, counts these; a configuration counts its runs.
    let (both, failed) = ("1 1 1/2 2 2", "1 1 1/");
    for (base, new, only_base, only_new, counts) in [
        (both, failed, "b", "", &[3][..]),
        (failed, both, "", "b", &[3]),
        (failed, failed, "", "", &[3]),
        (both, both, "", "", &[2, 3, 3]),
    ] {
        let c = compared(&side_of("wall_s", base), &side_of("wall_s", new));
        let only = [&c.only_base, &c.only_new].map(|of| of.iter().map(|(id, _)| id).join(" "));
        assert_eq!(only, [only_base, only_new], "{base} and {new}");
        for side in [
            |row: &ComparisonRow| row.base,
            |row: &ComparisonRow| row.new,
        ] {
            assert!(
                c.rows
                    .iter()
                    .map(|row| side(row).n)
                    .eq(counts.iter().copied())
            );
        }
    }
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
