//! One server against one per agent: for each configuration, and over all of them the choice that the plan offers.

use std::collections::BTreeMap;

use domain::plan::{ConfigId, Topology};
use domain::record::Provenance;
use serde::Serialize;

use super::Quantity;
use super::best::{LEVEL, Values, difference};
use crate::in_order;
use crate::observation::{AgentObservation, Dataset};
use crate::run::RunMetrics;
use crate::stats::{Estimate, Location, mean, studentized_range_p};

/// Walls that differ by less make no difference worth having.
const MARGIN: f64 = 1.05;

#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct BothWays {
    pub shared: Estimate,
    pub per_agent: Estimate,
    /// `per_agent / shared`, averaged on logarithms. Its interval holds for all those that are shown beside it at once.
    pub ratio: Estimate,
}

/// What the interval of the walls' ratio says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Faster {
    Shared,
    PerAgent,
    /// The walls differ by less than 5 %.
    Neither,
    Undecided,
    /// Fewer than three repetitions on either.
    NotRanked,
}

impl Faster {
    fn of(ratio: &Estimate) -> Self {
        match ratio.interval() {
            None => Self::NotRanked,
            Some(i) if i.hi < 1.0 => Self::PerAgent,
            Some(i) if i.lo > 1.0 => Self::Shared,
            Some(i) if i.hi <= MARGIN && i.lo >= 1.0 / MARGIN => Self::Neither,
            Some(_) => Self::Undecided,
        }
    }

    pub const fn topology(self) -> Option<Topology> {
        match self {
            Self::Shared => Some(Topology::Shared),
            Self::PerAgent => Some(Topology::PerAgent),
            _ => None,
        }
    }
}

/// One server against one per agent for one configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopologyComparison {
    pub id: ConfigId,
    /// Repetitions: pairs where they are paired, else the fewer of both sides.
    pub repetitions: u32,
    /// Whether repetitions were interleaved, and so are compared in pairs.
    pub paired: bool,
    /// Which is faster by itself, when all configurations are asked at once.
    pub faster: Faster,
    /// Corrected for the number of configurations; none below three repetitions.
    pub p: Option<f64>,
    pub wall_s: BothWays,
    /// Tokens over wall, tok/s.
    pub throughput: Option<BothWays>,
    /// Mean TTFT over the agents, s.
    pub ttft_s: Option<BothWays>,
    /// Mean decode rate over the agents, tok/s.
    pub rate: Option<BothWays>,
    /// TR113's speedup.
    pub speedup_est: Option<BothWays>,
    pub speedup: Option<BothWays>,
    pub memory_peak_bytes: Option<BothWays>,
}

/// The configurations whose answers may differ from the others'.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// All agents load the model with the same options.
    EqualOptions,
    /// Their options differ, so that one server must load the model again.
    DifferentOptions,
    /// Those that the plan puts into one group; an empty name: into none.
    Declared(String),
}

/// One server or a server per agent, over several configurations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChoiceOver {
    /// What the configurations have in common; none for all of them.
    pub kind: Option<Kind>,
    pub configs: u32,
    pub faster: Faster,
    /// p value of the ratio of walls, corrected for the groups and the whole.
    pub p: Option<f64>,
    pub wall_s: BothWays,
    /// Tokens over wall, tok/s.
    pub throughput: Option<BothWays>,
    /// Mean TTFT over the agents, s.
    pub ttft_s: Option<BothWays>,
}

/// The choice that a plan offers between topologies, by wall time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Choice {
    /// Repetitions of each configuration on either topology, at least.
    pub repetitions: u32,
    pub paired: bool,
    /// Servers of the topology `per_agent` where the plan has agents share them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_agent_servers: Option<u32>,
    /// Whether the intervals say how configurations scatter; else how repetitions do.
    pub over_configs: bool,
    pub overall: ChoiceOver,
    /// Empty where there is only one group.
    pub groups: Vec<ChoiceOver>,
    /// p value that all groups answer alike; none where there are no groups or no repetitions.
    pub p_interaction: Option<f64>,
}

impl Choice {
    /// Whether the groups answer in opposite directions, so that the whole hides the answer.
    pub fn depends_on_group(&self) -> bool {
        let ratios = || self.groups.iter().map(|group| group.wall_s.ratio.mean);
        self.p_interaction.is_some_and(|p| p < LEVEL)
            && ratios().any(|r| r > 1.0)
            && ratios().any(|r| r < 1.0)
    }
}

/// The values on one server and on a server per agent.
type Sides = [Values; 2];

/// A configuration measured both ways.
struct Measured<'r> {
    id: ConfigId,
    kind: Kind,
    runs: Vec<(usize, &'r RunMetrics)>,
    paired: bool,
}

impl Measured<'_> {
    fn sides(&self, value: &dyn Fn(&RunMetrics) -> Option<f64>) -> Sides {
        let mut sides = Sides::default();
        for (side, run) in &self.runs {
            if let Some(value) = value(run).filter(|v| *v > 0.0) {
                sides[*side].entry(run.repetition).or_insert(value);
            }
        }
        if self.paired {
            let [shared, own] = &mut sides;
            shared.retain(|at, _| own.contains_key(at));
            own.retain(|at, _| shared.contains_key(at));
        }
        sides
    }
}

/// Each configuration that was measured both ways, and the choice over all of them.
pub(super) fn comparisons(
    data: &Dataset,
    runs: &[RunMetrics],
) -> (Vec<TopologyComparison>, Option<Choice>) {
    let ids = in_order(runs.iter().map(|r| r.config.clone()));
    let wall = |run: &RunMetrics| named(run, "wall_s");
    let measured: Vec<Measured<'_>> = ids
        .into_iter()
        .map(|id| measured(data, runs, id))
        .filter(|one| one.sides(&wall).iter().all(|side| !side.is_empty()))
        .collect();
    let level = LEVEL / measured.len() as f64;
    let each = measured.iter().filter_map(|one| comparison(one, level));
    let plan = data.manifest.as_ref().map(|m| &m.plan);
    let shared = plan.filter(|plan| plan.servers() < plan.most_agents());
    let shared = shared.map(|plan| plan.servers() as u32);
    (each.collect(), choice(&measured, shared))
}

fn measured<'r>(data: &Dataset, runs: &'r [RunMetrics], id: ConfigId) -> Measured<'r> {
    let own = runs
        .iter()
        .filter(|r| r.config == id && r.excluded.is_none());
    let side = |run: &'r RunMetrics| Some((usize::from(run.topology? == Topology::PerAgent), run));
    Measured {
        runs: own.filter_map(side).collect(),
        kind: kind(data, &id),
        id,
        // Recorded runs have equal numbers without having been interleaved.
        paired: data.provenance != Provenance::Imported,
    }
}

fn kind(data: &Dataset, id: &ConfigId) -> Kind {
    let configs = data.manifest.iter().flat_map(|m| &m.plan.configs);
    if configs.clone().any(|config| config.group.is_some()) {
        let own = configs.clone().find(|config| config.id == *id);
        return Kind::Declared(
            own.and_then(|config| config.group.clone())
                .unwrap_or_default(),
        );
    }
    let mut runs = data.runs.iter().filter(|run| run.config == *id);
    let agents = runs.find_map(|run| Some(&run.together.as_ref()?.agents));
    let reload = |a: &AgentObservation, b: &AgentObservation| {
        a.options.reloads_for(&b.options) || b.options.reloads_for(&a.options)
    };
    let differ = agents.is_some_and(|all| {
        let first = all.first();
        all.iter()
            .any(|agent| first.is_some_and(|first| reload(first, agent)))
    });
    if differ {
        Kind::DifferentOptions
    } else {
        Kind::EqualOptions
    }
}

fn named(run: &RunMetrics, quantity: &str) -> Option<f64> {
    Quantity::named(quantity)?.of_run(run)
}

fn throughput(run: &RunMetrics) -> Option<f64> {
    named(run, "throughput_together")
}

fn ttft(run: &RunMetrics) -> Option<f64> {
    run.over_agents(|agent| agent.ttft)
}

fn comparison(one: &Measured<'_>, level: f64) -> Option<TopologyComparison> {
    let both = |value: &dyn Fn(&RunMetrics) -> Option<f64>| both_ways(&[one], value, false, level);
    let (wall_s, location) = both(&|run| named(run, "wall_s"))?;
    let other = |value: &dyn Fn(&RunMetrics) -> Option<f64>| Some(both(value)?.0);
    Some(TopologyComparison {
        id: one.id.clone(),
        repetitions: repetitions(one),
        paired: one.paired,
        faster: Faster::of(&wall_s.ratio),
        p: corrected(location, level),
        wall_s,
        throughput: other(&throughput),
        ttft_s: other(&ttft),
        rate: other(&|run| run.over_agents(|agent| agent.rate)),
        speedup_est: other(&|run| named(run, "speedup_est")),
        speedup: other(&|run| named(run, "speedup")),
        memory_peak_bytes: other(&|run| run.memory_peak_bytes),
    })
}

fn repetitions(one: &Measured<'_>) -> u32 {
    let sides = one.sides(&|run| named(run, "wall_s"));
    sides.iter().map(BTreeMap::len).min().unwrap_or(0) as u32
}

/// The p value of a difference of none, corrected so that [`LEVEL`] takes the place of `level`.
fn corrected(location: Option<Location>, level: f64) -> Option<f64> {
    location.map(|location| (location.p(0.0) * LEVEL / level).min(1.0))
}

/// A quantity both ways over configurations, each counted once, and where the logarithm of its ratio lies.
/// None where one of them lacks the quantity.
fn both_ways(
    configs: &[&Measured<'_>],
    value: &dyn Fn(&RunMetrics) -> Option<f64>,
    over_configs: bool,
    level: f64,
) -> Option<(BothWays, Option<Location>)> {
    let all: Vec<Sides> = configs.iter().map(|one| one.sides(value)).collect();
    let of = |values: &Values| Estimate::of_sizes(&values.values().copied().collect::<Vec<_>>());
    let side = |side: usize| match &all[..] {
        [one] => of(&one[side]),
        all => {
            let means = all.iter().map(|sides| Some(of(&sides[side])?.mean));
            Estimate::of_sizes(&means.collect::<Option<Vec<_>>>()?)
        }
    };
    let (shared, per_agent) = (side(0)?, side(1)?);
    let each = all.iter().zip(configs).map(|([shared, own], one)| {
        let location = difference(shared, own, one.paired);
        let centre = location.map_or_else(
            || Some((of(own)?.mean / of(shared)?.mean).ln()),
            |location| Some(location.centre),
        );
        Some((centre?, location))
    });
    let each = each.collect::<Option<Vec<_>>>()?;
    let (centres, locations): (Vec<f64>, Vec<Option<Location>>) = each.into_iter().unzip();
    let location = if over_configs {
        Location::of(&centres)
    } else {
        let locations = locations.into_iter().collect::<Option<Vec<_>>>();
        locations.and_then(|locations| Location::average(&locations))
    };
    let interval = location.map(|l| l.interval(1.0 - level).map(f64::exp));
    let ratio = Estimate {
        mean: location.map_or(mean(&centres)?, |l| l.centre).exp(),
        lo: interval.map(|i| i.lo),
        hi: interval.map(|i| i.hi),
        sd: None,
        n: match configs {
            [one] => repetitions(one),
            all => all.len() as u32,
        },
    };
    let both = BothWays {
        shared,
        per_agent,
        ratio,
    };
    Some((both, location))
}

fn choice(measured: &[Measured<'_>], per_agent_servers: Option<u32>) -> Option<Choice> {
    let all: Vec<&Measured<'_>> = measured.iter().collect();
    let kinds = in_order(measured.iter().map(|one| one.kind.clone()));
    let members = |kind: &Kind| -> Vec<&Measured<'_>> {
        let of = all.iter().copied().filter(|one| one.kind == *kind);
        of.collect()
    };
    let groups = if kinds.len() > 1 { &kinds[..] } else { &[] };
    let repeated = all.iter().map(|one| repetitions(one)).min()?;
    // A kind that three configurations stand for is more than these three; without repetitions, how
    // configurations scatter is all that is known.
    let many = |kind: &Kind| members(kind).len() >= 3;
    let over_configs = if groups.is_empty() {
        repeated < 3 && all.len() >= 3
    } else {
        groups.iter().all(many)
    };
    // Of each group and of the whole something is said.
    let level = LEVEL / (groups.len() + 1) as f64;
    let over = |kind: Option<&Kind>, configs: &[&Measured<'_>]| {
        let both = |value: &dyn Fn(&RunMetrics) -> Option<f64>| {
            both_ways(configs, value, over_configs, level)
        };
        let (wall_s, location) = both(&|run| named(run, "wall_s"))?;
        let found = ChoiceOver {
            kind: kind.cloned(),
            configs: configs.len() as u32,
            faster: Faster::of(&wall_s.ratio),
            p: corrected(location, level),
            wall_s,
            throughput: both(&throughput).map(|both| both.0),
            ttft_s: both(&ttft).map(|both| both.0),
        };
        Some((found, location))
    };
    let by_group = groups
        .iter()
        .map(|kind| over(Some(kind), &members(kind)))
        .collect::<Option<Vec<_>>>()?;
    let (groups, locations): (Vec<_>, Vec<_>) = by_group.into_iter().unzip();
    Some(Choice {
        repetitions: repeated,
        paired: all.iter().all(|one| one.paired),
        per_agent_servers,
        over_configs,
        overall: over(None, &all)?.0,
        groups,
        p_interaction: locations
            .into_iter()
            .collect::<Option<Vec<_>>>()
            .and_then(|groups| interaction(&groups)),
    })
}

/// The chance of such differences between the two groups that differ most, where all are equal.
fn interaction(groups: &[Location]) -> Option<f64> {
    let pairs = groups.iter().enumerate().flat_map(|(at, one)| {
        let others = groups[at + 1..].iter();
        others.map(|other| one.minus(*other))
    });
    pairs
        .map(|pair| match groups.len() {
            2 => pair.p(0.0),
            many => {
                let q = std::f64::consts::SQRT_2 * pair.centre.abs() / pair.error;
                studentized_range_p(q, many, pair.freedom)
            }
        })
        .reduce(f64::min)
}

#[cfg(test)]
mod tests;
