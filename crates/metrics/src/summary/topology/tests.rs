use std::path::Path;

use domain::plan::Arm;

use super::*;
use crate::Summary;
use crate::observation::RunObservation;
use crate::timeline::{agent, arm, context, dataset, request, run};

/// Two agents that end after so long, whose options differ or not, on a topology.
fn took(config: &str, at: u32, topology: Topology, wall_s: f64, equal: bool) -> RunObservation {
    let call = request(0).prefill((1e3 * wall_s) as u64 - 10).decode(10, 1);
    let agents = [(0, 1024), (1, if equal { 1024 } else { 4096 })];
    let agents = agents.map(|(at, num_ctx)| agent(at, at, context(num_ctx), vec![call.build()]));
    let arm = arm(Arm::Together, "unloaded", agents.to_vec());
    RunObservation {
        topology: Some(topology),
        ..run(config, at, Some(arm), None)
    }
}

/// Repetitions of a configuration on both topologies, with walls that scatter by 3 % beside one another.
fn both(config: &str, shared_s: f64, per_agent_s: f64, equal: bool, n: u32) -> Vec<RunObservation> {
    let run = |repetition: u32| {
        let odd = f64::from(repetition * 7 % 5) - 2.0;
        let shared = (Topology::Shared, shared_s, odd);
        [shared, (Topology::PerAgent, per_agent_s, -odd)].map(|(topology, wall, own)| {
            let wall = wall * (1.0 + 0.01 * own) * (1.0 + 0.05 * odd);
            took(config, repetition, topology, wall, equal)
        })
    };
    (1..=n).flat_map(run).collect()
}

fn choice_of(runs: Vec<RunObservation>) -> (Vec<TopologyComparison>, Choice) {
    let summary = Summary::of(&dataset(runs));
    (summary.topologies, summary.choice.unwrap())
}

fn by_group(choice: &Choice) -> Vec<(Kind, Faster)> {
    let of = |group: &ChoiceOver| (group.kind.clone().unwrap(), group.faster);
    choice.groups.iter().map(of).collect()
}

#[test]
fn a_plan_with_one_topology_offers_no_choice() {
    let runs = both("a", 10.0, 9.0, true, 3).into_iter();
    let one = runs.filter(|run| run.topology == Some(Topology::Shared));
    let summary = Summary::of(&dataset(one.collect()));
    assert_eq!((summary.topologies, summary.choice), (Vec::new(), None));
}

#[test]
fn one_configuration_is_ranked_by_paired_walls() {
    let (each, choice) = choice_of(both("a", 15.0, 9.6, true, 5));
    let (each, overall) = (&each[0], &choice.overall);
    let of_both = [each.faster, overall.faster];
    assert_eq!(of_both, [Faster::PerAgent; 2]);
    assert_eq!((each.wall_s, each.p), (overall.wall_s, overall.p));
    assert!(choice.groups.is_empty() && !choice.depends_on_group());
    let ratio = overall.wall_s.ratio;
    // Each wall scatters by 8 %, the pairs by 3 %.
    assert!((ratio.mean - 0.64).abs() < 0.01, "{ratio:?}");
    assert!(ratio.hi.unwrap() < 0.67, "{ratio:?}");
    for (shared_s, per_agent_s, n, faster) in [
        (10.0, 10.05, 5, Faster::Neither),
        (10.0, 10.3, 3, Faster::Undecided),
        (15.0, 9.6, 2, Faster::NotRanked),
    ] {
        let overall = choice_of(both("a", shared_s, per_agent_s, true, n))
            .1
            .overall;
        assert_eq!((overall.faster, overall.p.is_none()), (faster, n < 3));
    }
}

#[test]
fn recorded_runs_are_not_paired() {
    let mut data = dataset(both("a", 10.0, 9.4, true, 5));
    assert_eq!(Summary::of(&data).topologies[0].faster, Faster::PerAgent);
    data.provenance = Provenance::Imported;
    let summary = Summary::of(&data);
    assert!(!summary.topologies[0].paired);
    assert_eq!(summary.topologies[0].faster, Faster::Undecided);
}

#[test]
fn an_interaction_is_found_by_repetitions_where_groups_are_small() {
    let mut runs = both("equal", 14.0, 16.8, true, 5);
    runs.extend(both("differ", 18.0, 16.4, false, 5));
    runs.extend(both("differ2", 17.9, 16.3, false, 5));
    let (each, choice) = choice_of(runs);
    assert!(choice.depends_on_group() && !choice.over_configs);
    let different = (Kind::DifferentOptions, Faster::PerAgent);
    let groups = [(Kind::EqualOptions, Faster::Shared), different];
    assert_eq!(by_group(&choice), groups);
    let alone = each.iter().map(|one| one.faster);
    assert!(alone.eq([Faster::Shared, Faster::PerAgent, Faster::PerAgent]));
}

#[test]
fn groups_are_those_of_the_plan_where_it_declares_some() {
    // Equal options in both: they would be one group, if the plan had none.
    let mut runs = both("a", 14.0, 16.8, true, 5);
    runs.extend(both("b", 18.0, 16.4, true, 5));
    let (_, alike) = choice_of(runs.clone());
    assert!(alike.groups.is_empty());
    let mut data = dataset(runs);
    let recorded = include_str!("../../../../../fixtures/one-or-two-servers/manifest.json");
    data.manifest = Some(domain::record::Manifest {
        plan: domain::plan::parse("p.toml", include_str!("groups.toml")).unwrap(),
        ..serde_json::from_str(recorded).unwrap()
    });
    let choice = Summary::of(&data).choice.unwrap();
    let declared = |name: &str, faster| (Kind::Declared(name.to_owned()), faster);
    let groups = [
        declared("short", Faster::Shared),
        declared("", Faster::PerAgent),
    ];
    assert_eq!(by_group(&choice), groups);
    assert!(choice.depends_on_group());
    assert_eq!(choice.per_agent_servers, Some(2));
}

/// The recorded means and deviations of 30 configurations on one server and on two, as five runs each that have them.
fn recorded() -> Vec<RunObservation> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/tr113/repeated.csv");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').collect_vec());
    let run = |(place, row): (usize, Vec<&str>)| {
        let topology = match row[2] {
            "1" => Topology::Shared,
            _ => Topology::PerAgent,
        };
        let [mean, sd] = [5, 6].map(|column: usize| row[column].parse::<f64>().unwrap());
        // The file names one configuration twice; its rows are in the same order on both.
        let config = format!("{}-{}", place % 30, row[0]);
        let equal = row[1] == "chimera_homo";
        // Five values of mean 0 and sample deviation 1.
        let around = [-1.264_911, -0.632_456, 0.0, 0.632_456, 1.264_911];
        let walls = (1..).zip(around.map(|off| mean + sd * off));
        walls.map(move |(at, wall)| took(&config, at, topology, wall, equal))
    };
    rows.enumerate().flat_map(run).collect()
}

#[test]
fn three_hundred_recorded_runs_are_a_tie_that_hides_an_interaction() {
    let mut data = dataset(recorded());
    data.provenance = Provenance::Imported;
    let choice = Summary::of(&data).choice.unwrap();
    assert!(choice.over_configs && choice.depends_on_group());
    let p = choice.p_interaction.unwrap();
    assert!(p < 1e-5, "{p}");
    let overall = &choice.overall;
    assert_eq!((overall.configs, overall.faster), (30, Faster::Undecided));
    assert!(overall.p.unwrap() > 0.5);
    let of_group = |group: &ChoiceOver| {
        let walls = [group.wall_s.shared.mean, group.wall_s.per_agent.mean];
        let walls = walls.map(|wall| (wall * 10.0).round() / 10.0);
        let kind = group.kind.clone().unwrap();
        (kind, group.configs, group.faster, walls)
    };
    let found: Vec<_> = choice.groups.iter().map(of_group).collect();
    // Trimmed means over configurations, as everywhere from eight on; the plain ones are 14.7 and 12.3,
    // 10.6 and 12.6.
    let different = (Kind::DifferentOptions, 14, Faster::PerAgent, [15.0, 12.2]);
    let equal = (Kind::EqualOptions, 16, Faster::Shared, [10.8, 12.6]);
    assert_eq!(found, [different, equal]);
    assert!(choice.groups[0].p.unwrap() < 0.005 && choice.groups[1].p.unwrap() < 1e-5);
}
