//! What the levels say together: throughput's course, bounds and law, and from which level on more agents only wait.

use domain::record::capacity::Saturation;
use serde::{Deserialize, Serialize};

use super::LevelFigures;
use crate::Estimate;
use crate::stats::{
    CONFIDENCE, Interval, Law, LawFit, LawKind, Location, studentized_range_p, t_quantile,
};

/// Throughput that differs by less than this share from a level to a higher one is the same.
const SAME: f64 = 0.05;

/// No level's throughput is known better than to this share: levels differ by more than their own scatter.
const FLOOR: f64 = 0.01;

/// Degrees of freedom beyond which Student's distribution is the normal one.
const NORMAL: f64 = 1e4;

/// A number of agents, a throughput, or another parameter of the law, with its 95 % interval in the unit of the values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ScalingEstimate {
    /// None where there is no such place.
    pub at: Option<f64>,
    pub lo: Option<f64>,
    /// Upper end; none without an interval or without a bound.
    pub hi: Option<f64>,
    /// The data do not exclude that there is none: the interval has no upper end.
    pub unbounded: bool,
}

impl ScalingEstimate {
    pub const NOWHERE: Self = Self {
        at: None,
        lo: None,
        hi: None,
        unbounded: true,
    };

    fn new(at: Option<f64>, interval: Option<Interval>) -> Self {
        let finite = |v: f64| Some(v).filter(|v| v.is_finite());
        Self {
            at,
            lo: interval.and_then(|i| finite(i.lo)),
            hi: interval.and_then(|i| finite(i.hi)),
            unbounded: at.is_none() || interval.is_some_and(|i| !i.hi.is_finite()),
        }
    }

    /// The place of a centre of logarithms.
    fn of_log(log: Location, confidence: f64) -> Self {
        let interval = log.interval(confidence).map(f64::exp);
        Self::new(Some(log.centre.exp()), Some(interval))
    }
}

/// What throughput does over the levels, as far as they show it at 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Course {
    Single {
        agents: u32,
    },
    /// A level with more agents than the best one has less throughput, chosen as they are after seeing all.
    Peak {
        /// The level with the highest throughput.
        top: u32,
        /// The most agents below it with less throughput; none where no level shows that.
        above: Option<u32>,
        /// The fewest agents beyond it with less throughput.
        below: u32,
    },
    /// The mean of the levels beyond one differs from its throughput by less than 5 %.
    Flat {
        /// That level, the lowest such.
        from: u32,
    },
    /// The highest level has more throughput than a lower one, the next with at most half of its agents.
    Grows {
        from: u32,
        to: u32,
    },
    /// The levels do not show whether throughput still grows.
    Open {
        from: u32,
        to: u32,
        /// The highest level's throughput over the lower one's.
        ratio: ScalingEstimate,
    },
}

/// The course of the levels' throughputs, its asymptotic bounds and its law. A level's throughput is taken
/// to be known as well as its stretches of time scatter, and no better than to 1 %.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaling {
    pub course: Course,
    /// The highest throughput, tok/s: the mean of the levels where it is flat, else the best level's. Without
    /// an upper bound where it may still grow.
    pub x_max: ScalingEstimate,
    /// Agents at which `x_max` would be reached if each added as much as the first: `x_max` over one's throughput.
    pub n_star: ScalingEstimate,
    /// The chosen law; none where there are too few levels.
    pub fit: Option<LawFit>,
    /// Throughput of one agent by the law, tok/s.
    pub lambda: ScalingEstimate,
    pub sigma: ScalingEstimate,
    pub kappa: ScalingEstimate,
    /// Agents from which on more only wait; where throughput is flat and a law with such a bound is not rejected.
    pub batch: ScalingEstimate,
    /// The knee of a law that is not rejected, where Kleinrock's power is highest, agents; none where its
    /// interval reaches beyond the levels.
    pub knee: ScalingEstimate,
    /// The number of agents with the highest throughput by a law that is not rejected and has one, where a
    /// higher level has less throughput.
    pub peak: ScalingEstimate,
}

/// A level's agents and its throughput or the logarithm of that.
type Level = (u32, Location);

impl Scaling {
    /// Of the levels at which tokens arrived; none without any.
    pub fn of(levels: &[LevelFigures]) -> Option<Self> {
        Self::of_throughputs(levels.iter().map(|l| (l.agents, l.tokens_per_s)))
    }

    /// Of numbers of agents and throughputs, tok/s.
    pub fn of_throughputs(levels: impl Iterator<Item = (u32, Estimate)>) -> Option<Self> {
        let mut known: Vec<Level> = levels
            .filter_map(|(agents, x)| Some((agents, throughput(&x)?)))
            .collect();
        known.sort_by_key(|(agents, _)| *agents);
        let logs: Vec<Level> = known.iter().map(|(n, x)| (*n, log(*x))).collect();
        let (course, [x_max, n_star]) = course(&logs)?;
        let fit = LawFit::of(&known);
        let place = |fit: Option<&LawFit>, of: fn(&Law) -> Option<f64>| {
            let interval = |fit: &LawFit| fit.interval(|law| of(law).unwrap_or(f64::INFINITY));
            let at = fit.and_then(|fit| of(&fit.law));
            ScalingEstimate::new(at, fit.and_then(interval))
        };
        let found = fit.as_ref();
        let held =
            |is_shown: bool, of| place(found.filter(|fit| is_shown && !fit.is_rejected()), of);
        let highest = f64::from(known.last()?.0);
        let knee = Some(held(true, Law::knee)).filter(|k| k.hi.is_some_and(|hi| hi <= highest));
        Some(Self {
            course,
            x_max,
            n_star,
            lambda: place(found, |law| Some(law.lambda)),
            sigma: place(found, |law| Some(law.sigma)),
            kappa: place(found, |law| Some(law.kappa)),
            batch: held(matches!(course, Course::Flat { .. }), |law| law.batch),
            knee: knee.unwrap_or(ScalingEstimate::NOWHERE),
            peak: held(matches!(course, Course::Peak { .. }), Law::peak),
            fit,
        })
    }

    /// The law, where the levels do not reject it.
    pub fn law(&self) -> Option<&LawFit> {
        self.fit.as_ref().filter(|fit| !fit.is_rejected())
    }

    /// The law, where it is the Universal Scalability Law, and its peak lies where the levels have it.
    pub fn usl_peak(&self) -> Option<ScalingEstimate> {
        let Course::Peak { above, below, .. } = self.course else {
            return None;
        };
        let usl = self.law()?.kind == LawKind::Usl;
        let at = self.peak.at.filter(|_| usl && !self.peak.unbounded)?;
        let within = at > above.map_or(0.0, f64::from) && at < f64::from(below);
        within.then_some(self.peak)
    }
}

/// A level's throughput with its error from the interval of its stretches, at least the floor; none where
/// no token arrived.
fn throughput(seen: &Estimate) -> Option<Location> {
    let freedom = f64::from(seen.n) - 1.0;
    let own = (seen.hi? - seen.mean) / t_quantile(f64::midpoint(1.0, CONFIDENCE), freedom);
    let error = own.hypot(FLOOR * seen.mean);
    (seen.mean > 0.0).then_some(Location {
        centre: seen.mean,
        standard_error: error,
        freedom: (freedom * (error / own).powi(4)).min(NORMAL),
    })
}

/// The logarithm of a throughput, to first order.
fn log(x: Location) -> Location {
    Location {
        centre: x.centre.ln(),
        standard_error: x.standard_error / x.centre,
        ..x
    }
}

/// The course, the highest throughput and the number of agents that could reach it; `levels` by their agents.
fn course(levels: &[Level]) -> Option<(Course, [ScalingEstimate; 2])> {
    let (first, x_first) = *levels.first()?;
    let one = Location {
        centre: x_first.centre - f64::from(first).ln(),
        ..x_first
    };
    let bounds = |x: Location, confidence: f64| {
        [x, x.minus(one)].map(|log| ScalingEstimate::of_log(log, confidence))
    };
    let top =
        (0..levels.len()).max_by(|a, b| levels[*a].1.centre.total_cmp(&levels[*b].1.centre))?;
    let (best, x_best) = levels[top];
    // The best one was chosen after seeing all.
    let chosen = bounds(x_best, 1.0 - (1.0 - CONFIDENCE) / levels.len() as f64);
    let less = |(_, x): &&Level| is_less(*x, x_best, levels.len());
    let (below, above) = (&levels[..top], &levels[top + 1..]);
    if let Some((falls, _)) = above.iter().find(less) {
        let course = Course::Peak {
            top: best,
            above: below.iter().rev().find(less).map(|(n, _)| *n),
            below: *falls,
        };
        return Some((course, chosen));
    }
    let open = chosen.map(|place| ScalingEstimate {
        hi: None,
        unbounded: true,
        ..place
    });
    let ((to, x_to), lower) = levels.split_last()?;
    let half = lower.iter().rfind(|(n, _)| *n <= to / 2);
    let Some((from, x_from)) = half.or(lower.last()) else {
        return Some((Course::Single { agents: first }, open));
    };
    let mean = |levels: &[Level]| {
        let throughputs: Vec<Location> = levels.iter().map(|(_, x)| *x).collect();
        Location::average(&throughputs).expect("there are levels")
    };
    let same = |i: &usize| {
        let change = mean(&levels[i + 1..]).minus(levels[*i].1);
        let Interval { lo, hi } = change.interval(CONFIDENCE).map(f64::exp);
        lo > 1.0 - SAME && hi < 1.0 + SAME
    };
    // Downwards, so that the first level that differs ends it.
    let candidates = (0..lower.len()).rev().skip_while(|i| levels[*i].0 > *from);
    if let Some(i) = candidates.take_while(same).last() {
        let bounds = bounds(mean(&levels[i..]), CONFIDENCE);
        return Some((Course::Flat { from: levels[i].0 }, bounds));
    }
    let (from, to) = (*from, *to);
    let ratio = ScalingEstimate::of_log(x_to.minus(*x_from), CONFIDENCE);
    let course = if ratio.lo.is_some_and(|lo| lo > 1.0) {
        Course::Grows { from, to }
    } else {
        Course::Open { from, to, ratio }
    };
    Some((course, open))
}

/// True when throughput is less than the best one's at 95 %, the best of `levels` chosen after seeing all.
fn is_less(x: Location, best: Location, levels: usize) -> bool {
    let difference = best.minus(x);
    // Fewer than two are compared by Student's t, and more need a greater difference.
    let q = std::f64::consts::SQRT_2 * difference.centre / difference.standard_error;
    difference.p(0.0) < 1.0 - CONFIDENCE
        && studentized_range_p(q, levels, difference.freedom) < 1.0 - CONFIDENCE
}

/// Compares a level with the next lower one that has at most half of its agents, else the next lower one: saturated
/// when throughput does not grow by 5 % and the time a request takes does grow, both at 95 %.
pub fn saturation(level: &LevelFigures, others: &[LevelFigures]) -> Option<Saturation> {
    let lower = |most: u32| {
        let lower = others.iter().filter(|o| o.agents <= most);
        lower.max_by_key(|o| o.agents)
    };
    let from = lower(level.agents / 2).or_else(|| lower(level.agents - 1))?;
    let (throughput_ratio, _, throughput_ratio_hi) =
        ratio(&level.tokens_per_s, &from.tokens_per_s)?;
    let (e2e_ratio, e2e_ratio_lo, _) = ratio(level.e2e_s.as_ref()?, from.e2e_s.as_ref()?)?;
    (throughput_ratio_hi < 1.0 + SAME && e2e_ratio_lo > 1.0).then_some(Saturation {
        from: from.agents,
        agents: level.agents,
        throughput_ratio,
        throughput_ratio_hi,
        e2e_ratio,
        e2e_ratio_lo,
    })
}

/// A ratio of two means with its 95 % interval, on the logarithm to first order.
fn ratio(above: &Estimate, below: &Estimate) -> Option<(f64, f64, f64)> {
    if above.mean <= 0.0 || below.mean <= 0.0 {
        return None;
    }
    let relative = |e: &Estimate| Some((e.hi? - e.lo?) / 2.0 / e.mean);
    let half = relative(above)?.hypot(relative(below)?);
    let ratio = above.mean / below.mean;
    Some((ratio, ratio * (-half).exp(), ratio * half.exp()))
}
