//! One server against one per agent: for each configuration, and over all of them the choice that the plan offers.

use domain::plan::{ConfigId, Topology};
use domain::record::Provenance;
use itertools::Itertools as _;
use serde::Serialize;

use super::Quantity;
use super::best::{LEVEL, Values, difference};
use crate::observation::Dataset;
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
    /// Tokens over wall.
    pub throughput_tokens_per_s: Option<BothWays>,
    /// Mean TTFT over the agents, s.
    pub ttft_s: Option<BothWays>,
    /// Mean decode rate over the agents.
    pub decode_tokens_per_s: Option<BothWays>,
    /// TR113's speedup.
    pub speedup_est: Option<BothWays>,
    pub speedup: Option<BothWays>,
    pub memory_peak_bytes: Option<BothWays>,
}

/// The configurations whose answers may differ from the others'.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
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
    /// Tokens over wall.
    pub throughput_tokens_per_s: Option<BothWays>,
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

/// A figure of a run.
type Figure = fn(&RunMetrics) -> Option<f64>;

const WALL: Figure = |run| named(run, "wall_s");
const THROUGHPUT: Figure = |run| named(run, "throughput_together");
const TTFT: Figure = |run| run.over_agents(|agent| agent.ttft_s);

fn named(run: &RunMetrics, quantity: &str) -> Option<f64> {
    Quantity::named(quantity)?.of_run(run)
}

/// A configuration measured both ways.
struct Measured<'r> {
    id: ConfigId,
    kind: Kind,
    runs: Vec<(usize, &'r RunMetrics)>,
    paired: bool,
}

impl Measured<'_> {
    /// The values on one server and on a server per agent.
    fn sides(&self, figure: Figure) -> [Values; 2] {
        let mut sides = [Values::new(), Values::new()];
        for (side, run) in &self.runs {
            if let Some(value) = figure(run).filter(|v| *v > 0.0) {
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

    fn repetitions(&self) -> u32 {
        let [shared, own] = self.sides(WALL).map(|side| side.len() as u32);
        shared.min(own)
    }
}

/// Each configuration that was measured both ways, and the choice over all of them.
pub(super) fn comparisons(
    data: &Dataset,
    runs: &[RunMetrics],
) -> (Vec<TopologyComparison>, Option<Choice>) {
    let ids = runs.iter().map(|r| &r.config).unique();
    let all = ids.map(|id| measured(data, runs, id.clone()));
    let measured = all.filter(|one| one.repetitions() > 0).collect_vec();
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
    let mut configs = data.manifest.iter().flat_map(|m| &m.plan.configs);
    if configs.clone().any(|config| config.group.is_some()) {
        let own = configs.find(|config| config.id == *id);
        let group = own.and_then(|config| config.group.clone());
        return Kind::Declared(group.unwrap_or_default());
    }
    let mut runs = data.runs.iter().filter(|run| run.config == *id);
    let agents = runs.find_map(|run| Some(&run.together.as_ref()?.agents));
    let differ = agents.is_some_and(|all| {
        let mut agents = all.iter();
        agents.any(|agent| !agent.shares_runner(&all[0]))
    });
    if differ {
        Kind::DifferentOptions
    } else {
        Kind::EqualOptions
    }
}

fn comparison(one: &Measured<'_>, level: f64) -> Option<TopologyComparison> {
    let both = |figure| both_ways(&[one], figure, false, level);
    let other = |figure| Some(both(figure)?.0);
    let (wall_s, location) = both(WALL)?;
    Some(TopologyComparison {
        id: one.id.clone(),
        repetitions: one.repetitions(),
        paired: one.paired,
        faster: Faster::of(&wall_s.ratio),
        p: corrected(location, level),
        wall_s,
        throughput_tokens_per_s: other(THROUGHPUT),
        ttft_s: other(TTFT),
        decode_tokens_per_s: other(|run| run.over_agents(|agent| agent.decode_tokens_per_s)),
        speedup_est: other(|run| named(run, "speedup_est")),
        speedup: other(|run| named(run, "speedup")),
        memory_peak_bytes: other(|run| run.memory_peak_bytes),
    })
}

/// The p value of a difference of none, corrected so that [`LEVEL`] takes the place of `level`.
fn corrected(location: Option<Location>, level: f64) -> Option<f64> {
    location.map(|location| (location.p(0.0) * LEVEL / level).min(1.0))
}

/// A quantity both ways over configurations, each counted once, and where the logarithm of its ratio lies.
/// None where one of them lacks the quantity.
fn both_ways(
    configs: &[&Measured<'_>],
    figure: Figure,
    over_configs: bool,
    level: f64,
) -> Option<(BothWays, Option<Location>)> {
    let of = |values: &Values| Estimate::of_sizes(&values.values().copied().collect_vec());
    let (mut estimates, mut centres, mut locations) = (Vec::new(), Vec::new(), Vec::new());
    for one in configs {
        let [shared, own] = one.sides(figure);
        let location = difference(&shared, &own, one.paired);
        let (shared, own) = (of(&shared)?, of(&own)?);
        let ratio = (own.mean / shared.mean).ln();
        centres.push(location.map_or(ratio, |location| location.centre));
        locations.push(location);
        estimates.push([shared, own]);
    }
    let side = |side: usize| match &estimates[..] {
        [one] => Some(one[side]),
        all => Estimate::of_sizes(&all.iter().map(|sides| sides[side].mean).collect_vec()),
    };
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
            [one] => one.repetitions(),
            all => all.len() as u32,
        },
    };
    let (shared, per_agent) = (side(0)?, side(1)?);
    let both = BothWays {
        shared,
        per_agent,
        ratio,
    };
    Some((both, location))
}

fn choice(measured: &[Measured<'_>], per_agent_servers: Option<u32>) -> Option<Choice> {
    let all = measured.iter().collect_vec();
    let kinds = measured.iter().map(|one| one.kind.clone());
    let kinds = kinds.unique().collect_vec();
    let groups = if kinds.len() > 1 { &kinds[..] } else { &[] };
    let groups = groups.iter().map(|kind| {
        let members = all.iter().copied().filter(|one| one.kind == *kind);
        (kind, members.collect_vec())
    });
    let groups = groups.collect_vec();
    let repeated = all.iter().map(|one| one.repetitions()).min()?;
    // A kind that three configurations stand for is more than these three; without repetitions, how
    // configurations scatter is all that is known.
    let over_configs = if groups.is_empty() {
        repeated < 3 && all.len() >= 3
    } else {
        groups.iter().all(|(_, members)| members.len() >= 3)
    };
    // Of each group and of the whole something is said.
    let level = LEVEL / (groups.len() + 1) as f64;
    let over = |kind: Option<&Kind>, configs: &[&Measured<'_>]| {
        let both = |figure| both_ways(configs, figure, over_configs, level);
        let (wall_s, location) = both(WALL)?;
        let found = ChoiceOver {
            kind: kind.cloned(),
            configs: configs.len() as u32,
            faster: Faster::of(&wall_s.ratio),
            p: corrected(location, level),
            wall_s,
            throughput_tokens_per_s: both(THROUGHPUT).map(|both| both.0),
            ttft_s: both(TTFT).map(|both| both.0),
        };
        Some((found, location))
    };
    let by_group = groups
        .iter()
        .map(|(kind, members)| over(Some(kind), members));
    let by_group = by_group.collect::<Option<Vec<_>>>()?;
    let (groups, locations): (Vec<_>, Vec<_>) = by_group.into_iter().unzip();
    let locations = locations.into_iter().collect::<Option<Vec<_>>>();
    Some(Choice {
        repetitions: repeated,
        paired: all.iter().all(|one| one.paired),
        per_agent_servers,
        over_configs,
        overall: over(None, &all)?.0,
        groups,
        p_interaction: locations.and_then(|groups| interaction(&groups)),
    })
}

/// The chance of such differences between the two groups that differ most, where all are equal.
fn interaction(groups: &[Location]) -> Option<f64> {
    let pairs = groups.iter().tuple_combinations();
    let p = pairs.map(|(one, other)| {
        let pair = one.minus(*other);
        if groups.len() == 2 {
            return pair.p(0.0);
        }
        let q = std::f64::consts::SQRT_2 * pair.centre.abs() / pair.standard_error;
        studentized_range_p(q, groups.len(), pair.freedom)
    });
    p.reduce(f64::min)
}

#[cfg(test)]
mod tests;
