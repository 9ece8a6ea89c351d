use super::*;
use crate::profile::Profile;

const MODEL: &str = "gemma3:latest";

fn table(name: &str) -> Vec<RecordedRun> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/tr113");
    let path = format!("{folder}/{name}.csv");
    read_figures(&path, std::fs::File::open(&path).unwrap()).unwrap()
}

fn laptop() -> Profile {
    Profile::builtin("rtx4080-laptop").unwrap()
}

fn replayed(
    profile: &Profile,
    runs: &[RecordedRun],
    start: Start,
) -> (Vec<ReplayedRun>, FitReport) {
    let again = replay(profile, MODEL, runs, start).unwrap();
    let report = FitReport::new(runs, &again);
    println!("{report}");
    assert!(report.overlap_differs.is_empty(), "{report}");
    (again, report)
}

fn worst_mean_percent(report: &FitReport) -> f64 {
    let errors = report.rows.iter().map(|row| row.mean_relative_percent);
    errors.fold(0.0, f64::max)
}

/// A constant by the name that a fit gives it.
fn constant(profile: &Profile, name: &str) -> f64 {
    let path = match name {
        "devices.sharing_loss" => "devices/0/sharing_loss".to_owned(),
        name => format!(
            "models/0/{}",
            name.replace(['.', '['], "/").replace(']', "")
        ),
    };
    let profile = serde_json::to_value(profile).unwrap();
    profile
        .pointer(&format!("/{path}"))
        .unwrap()
        .as_f64()
        .unwrap()
}

#[test]
fn the_shipped_profile_reproduces_tr113() {
    let runs = table("recorded");
    assert_eq!(runs.len(), 19);
    let (_, report) = replayed(&laptop(), &runs, Start::Cold);
    assert!(worst_mean_percent(&report) < 10.0, "{report}");
    assert_eq!(report.never_overlapped, 19);
}

#[test]
fn a_fit_to_tr113_gives_the_shipped_constants() {
    let runs = table("recorded");
    let shipped = laptop();
    let fitted = fit(&shipped, MODEL, &runs, &table("two-servers")).unwrap();
    replayed(&fitted.profile, &runs, Start::Cold);
    assert_eq!(fitted.constants.len(), 14);
    for (name, value, n) in &fitted.constants {
        println!("{name:<28} {value:>12.4}  from {n}");
        let (was, is) = (constant(&shipped, name), constant(&fitted.profile, name));
        assert!(
            (was - is).abs() <= 0.01 * is.abs() + 1e-4,
            "{name}: {was} shipped, {is} fitted"
        );
    }
}

/// Runs that were not used in the fit.
#[test]
fn one_server_runs_of_another_day_are_predicted() {
    let runs = table("one-server");
    let (_, report) = replayed(&laptop(), &runs, Start::Warm);
    assert!(worst_mean_percent(&report) < 12.0, "{report}");
    assert_eq!(report.never_overlapped, 5);
}

#[test]
fn two_servers_on_one_device_overlap_and_gain_little() {
    let runs = table("two-servers");
    let (again, report) = replayed(&laptop(), &runs, Start::Warm);
    assert_eq!(report.never_overlapped, 0);
    for row in &report.rows {
        let limit = if matches!(row.quantity, "wall" | "speedup_est") {
            10.0
        } else {
            35.0
        };
        assert!(row.mean_relative_percent < limit, "{report}");
    }
    // Over its whole decode each agent has about half its speed alone.
    for (run, again) in runs.iter().zip(&again) {
        for (was, is) in run.agents.iter().zip(&again.run.agents) {
            let rate = |agent: &AgentRun| f64::from(agent.tokens) / agent.eval_ms * 1e3;
            let (was, is) = (rate(was), rate(is));
            assert!(
                (was - is).abs() / was < 0.1,
                "{was} recorded, {is} simulated"
            );
        }
    }
}

/// What a machine with other constants would have recorded.
fn recorded_by(truth: &Profile, plan: &[RecordedRun]) -> Vec<RecordedRun> {
    let played = replay(truth, MODEL, plan, Start::Cold).unwrap();
    played.into_iter().map(|played| played.run).collect()
}

#[test]
fn a_fit_finds_the_constants_of_the_machine_that_made_the_data() {
    let mut truth = laptop();
    let model = &mut truth.models[0];
    model.rates.decode_tps = 40.0;
    model.rates.prefill_tps = 2000.0;
    model.rates.prefill_overhead_s = 0.01;
    model.load.load_s = 6.0;
    model.load.unload_s = 0.7;
    model.load.first_load_s = 2.0;
    model.load.warm_up_s = 0.5;
    model.load.resolve_s = 0.05;
    model.load.prepare_s = 0.004;
    let as_left = made_up_runs();
    let mut some_unloaded = made_up_runs();
    some_unloaded[1].unloaded = true;
    some_unloaded[5].unloaded = true;
    for (plan, tells_unload_apart) in [(as_left, false), (some_unloaded, true)] {
        let recorded = recorded_by(&truth, &plan);
        let fitted = fit(&laptop(), MODEL, &recorded, &[]).unwrap().profile;
        let (_, report) = replayed(&fitted, &recorded, Start::Cold);
        assert!(worst_mean_percent(&report) < 0.5, "{report}");
        // Without an unload in the plan, only sums with the load's time can be known.
        let exact = if tells_unload_apart {
            1e-9
        } else {
            f64::INFINITY
        };
        for (names, by) in [
            ("rates.decode_tps", 0.1),
            ("rates.prefill_tps", 20.0),
            ("load.load_s", exact),
            ("load.warm_up_s", 0.005),
            ("load.resolve_s", 0.002),
            ("load.prepare_s", 0.002),
            ("load.load_s load.unload_s", 0.005),
            ("load.load_s load.first_load_s", 0.005),
        ] {
            let sum = |profile| {
                names
                    .split(' ')
                    .map(|name| constant(profile, name))
                    .sum::<f64>()
            };
            let (is, was) = (sum(&fitted), sum(&truth));
            assert!((is - was).abs() <= by, "{names}: {is} fitted, {was} true");
        }
    }
}

/// Six runs: equal options, differing options, either order.
fn made_up_runs() -> Vec<RecordedRun> {
    let agent = |agent: usize, num_ctx, first: bool| AgentRun {
        agent,
        options: crate::core::RunnerOptions {
            num_ctx,
            ..crate::core::RunnerOptions::default()
        },
        ttft_ms: if first { 0.0 } else { 1.0 },
        tokens: 200 + 100 * agent as u32,
        prompt_tokens: 100 + 20 * agent as u32,
        ..AgentRun::default()
    };
    [
        (Some(4096), Some(8192), true),
        (Some(4096), Some(8192), false),
        (Some(8192), Some(8192), true),
        (Some(8192), Some(8192), true),
        (Some(8192), Some(8192), false),
        (Some(4096), Some(8192), true),
    ]
    .into_iter()
    .enumerate()
    .map(|(i, (a, b, a_first))| RecordedRun {
        config: format!("run {i}"),
        order: format!("{i}"),
        servers: 1,
        agents: vec![agent(0, a, a_first), agent(1, b, !a_first)],
        ..RecordedRun::default()
    })
    .collect()
}

#[test]
fn a_table_that_is_none_says_where() {
    let error = read_figures("t.csv", "config,speedup\nx,1\n".as_bytes()).unwrap_err();
    assert!(error.to_string().starts_with("t.csv: "), "{error}");
    let header = "config,concurrent_wall_time_s,speedup\n";
    let error = read_figures("t.csv", header.as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "t.csv: no runs; give a table with at least one row"
    );
}
