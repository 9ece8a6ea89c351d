//! What the levels say together: the law of their throughput, its knee and peak, and the level from
//! which more agents only wait.

use domain::record::capacity::Saturation;
use serde::{Deserialize, Serialize};

use super::LevelFigures;
use crate::Estimate;
use crate::stats::{Interval, Usl, UslFit, fit_usl};

/// Throughput that grows by less than this share from a level to a higher one does not grow.
const NO_GROWTH: f64 = 0.05;

/// A place on the axis of agents, or in the law, with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Located {
    /// Where; none where the law has no such place.
    pub at: Option<f64>,
    /// Lower end.
    pub lo: Option<f64>,
    /// Upper end; none without an interval or without a bound.
    pub hi: Option<f64>,
    /// The data do not exclude that there is none: the interval has no upper end.
    pub unbounded: bool,
}

impl Located {
    fn new(at: Option<f64>, interval: Option<Interval>) -> Self {
        let finite = |v: f64| Some(v).filter(|v| v.is_finite());
        Self {
            at,
            lo: interval.and_then(|i| finite(i.lo)),
            hi: interval.and_then(|i| finite(i.hi)),
            unbounded: at.is_none() || interval.is_some_and(|i| !i.hi.is_finite()),
        }
    }
}

/// The Universal Scalability Law of the levels' throughputs, with intervals of what the levels scatter
/// by and of what the law misses.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scaling {
    /// The fit.
    #[serde(skip)]
    pub fit: UslFit,
    /// Throughput of one agent, tok/s.
    pub lambda: Located,
    /// Contention: the part that must be done one at a time.
    pub sigma: Located,
    /// Coherency: the cost of each pair.
    pub kappa: Located,
    /// The knee, where Kleinrock's power is highest, agents.
    pub knee: Located,
    /// The number of agents with the highest throughput. Without a bound when the interval of kappa
    /// contains zero.
    pub peak: Located,
    /// The whole number of agents with the highest predicted throughput; none without a bound.
    pub best: Option<u32>,
    /// The largest difference of a level's throughput from the law's, as a share of the former.
    pub misfit: f64,
}

impl Scaling {
    /// Fits the levels; none below three different numbers of agents, or when no token arrived at
    /// one.
    pub fn of(levels: &[LevelFigures]) -> Option<Self> {
        let points: Vec<(u32, Vec<f64>)> = levels
            .iter()
            .map(|l| (l.agents, l.block_tokens_per_s.clone()))
            .collect();
        let fit = fit_usl(&points)?;
        let law = fit.law;
        let place = |of: fn(&Usl) -> Option<f64>| {
            let interval = fit.interval(|law| of(law).unwrap_or(f64::INFINITY));
            Located::new(of(&law), interval)
        };
        let kappa = place(|law| Some(law.kappa));
        let mut peak = place(Usl::best);
        // A kappa that may be zero leaves the peak without a bound, whatever was drawn.
        if kappa.lo.is_none_or(|lo| lo <= 0.0) {
            peak.unbounded = true;
            peak.hi = None;
        }
        let best = law
            .best()
            .filter(|_| !peak.unbounded)
            .map(|at| best(&law, at));
        let misfit = levels
            .iter()
            .map(|l| {
                let seen = l.tokens_per_s.mean;
                (law.at(f64::from(l.agents)) - seen).abs() / seen
            })
            .fold(0.0, f64::max);
        Some(Self {
            lambda: place(|law| Some(law.lambda)),
            sigma: place(|law| Some(law.sigma)),
            kappa,
            knee: place(Usl::knee),
            fit,
            peak,
            best,
            misfit,
        })
    }
}

/// The better one of the whole numbers around the peak.
fn best(law: &Usl, at: f64) -> u32 {
    let (low, high) = (at.floor().max(1.0), at.ceil().max(1.0));
    if law.at(low) >= law.at(high) {
        low as u32
    } else {
        high as u32
    }
}

/// Compares a level with the next lower one that has at most half of its agents, else the next
/// lower one: saturated when throughput does not grow by 5 % and the time a request takes does
/// grow, both at 95 %.
pub fn saturation(level: &LevelFigures, others: &[LevelFigures]) -> Option<Saturation> {
    let lower = |most: u32| {
        others
            .iter()
            .filter(|o| o.agents <= most)
            .max_by_key(|o| o.agents)
    };
    let from = lower(level.agents / 2).or_else(|| lower(level.agents - 1))?;
    let (throughput, _, throughput_hi) = ratio(&level.tokens_per_s, &from.tokens_per_s)?;
    let (e2e, e2e_lo, _) = ratio(level.e2e_s.as_ref()?, from.e2e_s.as_ref()?)?;
    (throughput_hi < 1.0 + NO_GROWTH && e2e_lo > 1.0).then_some(Saturation {
        from: from.agents,
        agents: level.agents,
        throughput,
        throughput_hi,
        e2e,
        e2e_lo,
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
