//! Laws of throughput by number of agents: five of them fitted, one chosen, and tested for lack of fit.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StudentT};
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF};
use strum::{IntoStaticStr, VariantArray};

use super::describe::percentile_sorted;
use super::{Interval, Location};

/// Draws behind the intervals.
const DRAWS: u32 = 1000;
/// Their seed: equal data give equal intervals.
const SEED: u64 = 113;
/// A law that misses the levels by as much as chance does less often than this is rejected.
const REJECTED_AT: f64 = 0.01;

/// Which law: what of `X(N) = λ n / (1 + σ (n - 1) + κ n (n - 1))` with `n = min(N, B)` is free.
/// Those with fewer parameters come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "lowercase", const_into_str)]
pub enum LawKind {
    /// `λ N`.
    Linear,
    /// `λ min(N, B)`: `B` slots, and a queue before them.
    Bound,
    /// Amdahl's: `λ N / (1 + σ (N - 1))`.
    #[strum(serialize = "Amdahl's law")]
    Amdahl,
    /// A saturating batch: Amdahl's law up to `B`, no more beyond.
    #[strum(serialize = "saturating batch")]
    Batch,
    /// The Universal Scalability Law (Gunther 1993, 2007): with `κ`, throughput falls beyond its peak.
    #[strum(serialize = "Universal Scalability Law")]
    Usl,
}

/// A law of throughput: `X(N) = λ n / (1 + σ (n - 1) + κ n (n - 1))` with `n = min(N, B)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Law {
    /// Throughput of one, in the unit of the throughputs.
    pub lambda: f64,
    /// Contention: the part that must be done one at a time.
    pub sigma: f64,
    /// Coherency: the cost of each pair.
    pub kappa: f64,
    /// The number `B` beyond which nothing changes; none without a bound.
    pub batch: Option<f64>,
}

/// The law that was chosen for some levels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LawFit {
    pub kind: LawKind,
    pub law: Law,
    /// The chance that levels which follow the law miss it by so much (χ² of the weighted residuals).
    pub p: f64,
    /// The laws fitted to what was drawn, behind the intervals.
    #[serde(skip)]
    drawn: Vec<Law>,
}

/// A number of agents, its throughput, and the standard error of that.
type Point = (f64, f64, f64);

impl LawKind {
    pub const fn name(self) -> &'static str {
        self.into_str()
    }

    const fn has_sigma(self) -> bool {
        matches!(self, Self::Amdahl | Self::Batch | Self::Usl)
    }

    const fn parameters(self) -> usize {
        match self {
            Self::Linear => 1,
            Self::Bound | Self::Amdahl => 2,
            Self::Batch | Self::Usl => 3,
        }
    }

    /// The nearest law of this kind; none when the points do not determine it, or a parameter is out of its range.
    fn fit(self, points: &[Point]) -> Option<Law> {
        let bounds = match self {
            Self::Bound | Self::Batch => self.bounds(points),
            _ => vec![None],
        };
        let laws = bounds
            .into_iter()
            .filter_map(|batch| self.with_bound(points, batch));
        let in_range =
            |law: &Law| (0.0..1.0).contains(&law.sigma) && law.kappa >= 0.0 && law.lambda > 0.0;
        let near = |a: &Law, b: &Law| chi_squared(points, a).total_cmp(&chi_squared(points, b));
        laws.filter(in_range).min_by(near)
    }

    /// Where the bound may lie: at a level, or where the law of the levels below it reaches the mean
    /// throughput of those above.
    fn bounds(self, points: &[Point]) -> Vec<Option<f64>> {
        let mut bounds: Vec<_> = points.iter().map(|(n, ..)| Some(*n)).collect();
        for split in 1..points.len() {
            let (below, above) = points.split_at(split);
            let weight: f64 = above.iter().map(|(.., e)| e.powi(-2)).sum();
            let flat: f64 = above.iter().map(|(_, x, e)| x / (e * e)).sum();
            let flat = flat / weight;
            if let Some(Law { lambda, sigma, .. }) = self.with_bound(below, None) {
                let at = flat * (1.0 - sigma) / (lambda - flat * sigma);
                if (below[split - 1].0..=above[0].0).contains(&at) {
                    bounds.push(Some(at));
                }
            }
        }
        bounds
    }

    /// Weighted least squares of `n / X = a + b (n - 1) + c n (n - 1)`, with weights that make it least
    /// squares of `X`: the second pass knows the law that they need.
    fn with_bound(self, points: &[Point], batch: Option<f64>) -> Option<Law> {
        let mut law: Option<Law> = None;
        for _ in 0..2 {
            let mut rows = [[0.0; 4]; 3];
            for (n, x, error) in points {
                let n = batch.map_or(*n, |b| n.min(b));
                let near = law.map_or(*x, |law| law.at(n));
                let weight = (x * near / n / error).powi(2);
                let columns = [1.0, n - 1.0, n * (n - 1.0), n / x];
                for (row, own) in rows.iter_mut().zip(columns) {
                    for (cell, column) in row.iter_mut().zip(columns) {
                        *cell += weight * own * column;
                    }
                }
            }
            let free = [true, self.has_sigma(), self == Self::Usl];
            let [a, b, c] = solve(rows, free)?;
            law = Some(Law {
                lambda: 1.0 / a,
                sigma: b / a,
                kappa: c / a,
                batch,
            });
        }
        law
    }
}

impl Law {
    /// Throughput of `n`.
    pub fn at(&self, n: f64) -> f64 {
        let n = self.batch.map_or(n, |b| n.min(b));
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    /// The number with the highest throughput, at least 1, where it falls beyond; none otherwise.
    pub fn peak(&self) -> Option<f64> {
        (self.kappa > 0.0).then(|| ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt().max(1.0))
    }

    /// The knee: where throughput over time in the system (Kleinrock's power, 1979) is highest, at least 1. In a closed
    /// loop without thought that time is `N / X(N)`, so the power is `X(N)² / N`; setting its slope to zero gives
    /// `3 κ N² + (σ - κ) N - (1 - σ) = 0`. Beyond a bound it falls. None where more is always better by this too.
    pub fn knee(&self) -> Option<f64> {
        let (a, b, c) = (
            3.0 * self.kappa,
            self.sigma - self.kappa,
            (1.0 - self.sigma).max(0.0),
        );
        let knee = if a > 0.0 {
            Some((-b + (b * b + 4.0 * a * c).sqrt()) / (2.0 * a))
        } else {
            (b > 0.0).then(|| c / b)
        };
        let bounded = self.batch.map(|b| knee.map_or(b, |knee| knee.min(b)));
        bounded.or(knee).map(|knee| knee.max(1.0))
    }
}

impl LawFit {
    /// The law of some levels' throughputs, of which no two have the same number: of the laws that the levels do not
    /// reject at 1 % the one with the least AICc, else, rejected, the one with the least AICc. A law needs two levels
    /// more than it has parameters. Intervals are those of 1,000 seeded draws of each level's throughput from its
    /// Student distribution, the law chosen anew among those not rejected.
    ///
    /// None below three levels, or when a throughput is not positive.
    pub fn of(levels: &[(u32, Location)]) -> Option<Self> {
        let mut levels = levels.to_vec();
        levels.sort_by_key(|(n, _)| *n);
        let point = |(n, x): &(u32, Location)| (f64::from(*n), x.centre, x.standard_error);
        let seen: Vec<Point> = levels.iter().map(point).collect();
        if seen.iter().any(|(_, x, error)| *x <= 0.0 || *error <= 0.0) {
            return None;
        }
        let p = |law: &Law, kind: LawKind| {
            let freedom = (seen.len() - kind.parameters()) as f64;
            let chance = ChiSquared::new(freedom).expect("two levels more than parameters");
            chance.sf(chi_squared(&seen, law))
        };
        let all = LawKind::VARIANTS.iter();
        let all = all.filter_map(|kind| choose(&seen, &[*kind]));
        let (held, rejected): (Vec<_>, Vec<_>) =
            all.partition(|(kind, law)| p(law, *kind) >= REJECTED_AT);
        let kept = if held.is_empty() { rejected } else { held };
        let kinds: Vec<LawKind> = kept.iter().map(|(kind, _)| *kind).collect();
        let (kind, law) = choose(&seen, &kinds)?;
        let mut rng = ChaCha8Rng::seed_from_u64(SEED);
        let draw = |(n, x): &(u32, Location), rng: &mut ChaCha8Rng| {
            let t = StudentT::new(x.freedom).expect("three values leave two degrees");
            let error = x.standard_error;
            (f64::from(*n), x.centre + error * t.sample(rng), error)
        };
        let drawn = (0..DRAWS)
            .filter_map(|_| {
                let mut points: Vec<Point> = levels.iter().map(|l| draw(l, &mut rng)).collect();
                points.retain(|(_, x, _)| *x > 0.0);
                choose(&points, &kinds).map(|(_, law)| law)
            })
            .collect();
        Some(Self {
            p: p(&law, kind),
            kind,
            law,
            drawn,
        })
    }

    /// True when the levels do not follow the law.
    pub fn is_rejected(&self) -> bool {
        self.p < REJECTED_AT
    }

    /// The middle 95 % of a quantity of the drawn laws, which is infinite where a law lacks it. None without draws.
    pub fn interval(&self, of: impl Fn(&Law) -> f64) -> Option<Interval> {
        let mut values: Vec<f64> = self.drawn.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        // Interpolating towards infinity would give no number: take the nearest rank there.
        let at = |p: f64| {
            percentile_sorted(&values, p).map(|v| if v.is_nan() { f64::INFINITY } else { v })
        };
        Some(Interval {
            lo: at(2.5)?,
            hi: at(97.5)?,
        })
    }
}

/// The law with the least AICc of some kinds; none where no kind leaves two levels more than parameters.
fn choose(points: &[Point], kinds: &[LawKind]) -> Option<(LawKind, Law)> {
    let fits = kinds.iter().filter_map(|kind| {
        let free = points.len().checked_sub(kind.parameters() + 2)? as f64 + 1.0;
        let law = kind.fit(points)?;
        let k = kind.parameters() as f64;
        let aicc = chi_squared(points, &law) + 2.0 * k + 2.0 * k * (k + 1.0) / free;
        Some((aicc, (*kind, law)))
    });
    let least = fits.min_by(|a, b| a.0.total_cmp(&b.0));
    least.map(|(_, chosen)| chosen)
}

fn chi_squared(points: &[Point], law: &Law) -> f64 {
    let off = |(n, x, error): &Point| ((x - law.at(*n)) / error).powi(2);
    points.iter().map(off).sum()
}

/// Solves the normal equations `rows` for the free unknowns by Gauss-Jordan elimination, the others being
/// zero; none when they are singular.
fn solve(mut rows: [[f64; 4]; 3], free: [bool; 3]) -> Option<[f64; 3]> {
    let scale = rows[0][0];
    for column in (0..3).filter(|column| free[*column]) {
        let lead = rows[column];
        if lead[column] <= 1e-12 * scale {
            return None;
        }
        for (i, row) in rows.iter_mut().enumerate() {
            let factor = row[column] / lead[column];
            if i != column {
                for (cell, above) in row.iter_mut().zip(&lead) {
                    *cell -= factor * above;
                }
            }
        }
    }
    let unknown = |i: usize| {
        if free[i] {
            rows[i][3] / rows[i][i]
        } else {
            0.0
        }
    };
    Some([0, 1, 2].map(unknown))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: Law = Law {
        lambda: 100.0,
        sigma: 0.05,
        kappa: 0.01,
        batch: None,
    };

    /// Levels of this law, each known to 1 %.
    fn levels<const N: usize>(agents: [u32; N], law: Law) -> Vec<(u32, Location)> {
        let level = |n: u32| {
            let centre = law.at(f64::from(n));
            let location = Location {
                centre,
                standard_error: 0.01 * centre,
                freedom: 9.0,
            };
            (n, location)
        };
        agents.map(level).to_vec()
    }

    #[test]
    fn each_law_is_recovered_from_its_own_levels() {
        let flat = |sigma, batch| Law {
            sigma,
            kappa: 0.0,
            batch,
            ..LAW
        };
        for (kind, law) in [
            (LawKind::Linear, flat(0.0, None)),
            (LawKind::Amdahl, flat(0.05, None)),
            (LawKind::Bound, flat(0.0, Some(9.5))),
            (LawKind::Batch, flat(0.05, Some(9.5))),
            (LawKind::Usl, LAW),
            // A server that serves one at a time.
            (LawKind::Bound, flat(0.0, Some(1.0))),
        ] {
            let found = LawFit::of(&levels([1, 2, 4, 8, 16, 32, 64], law)).unwrap();
            assert_eq!(found.kind, kind, "{found:?}");
            assert!(!found.is_rejected() && found.p > 0.99, "{}", found.p);
            for (n, x) in levels([1, 3, 9, 40], law) {
                let off = found.law.at(f64::from(n)) / x.centre - 1.0;
                assert!(off.abs() < 1e-6, "{kind:?} {n} {off}");
            }
            let knee = |law: &Law| law.knee().unwrap_or(f64::INFINITY);
            let interval = found.interval(knee).unwrap();
            assert!(interval.contains(knee(&law)), "{interval:?}");
        }
        assert!(LawFit::of(&levels([1, 2], LAW)).is_none());
    }

    #[test]
    fn levels_that_follow_no_law_reject_the_nearest() {
        let mut levels = levels([1, 2, 4, 8, 16, 32], LAW);
        levels[2].1.centre *= 0.8;
        assert!(LawFit::of(&levels).unwrap().is_rejected());
    }

    #[test]
    fn the_knee_is_where_power_is_highest() {
        let power = |law: &Law, n: f64| law.at(n).powi(2) / n;
        let amdahl = Law { kappa: 0.0, ..LAW };
        for law in [
            LAW,
            amdahl,
            Law { sigma: 0.0, ..LAW },
            Law {
                batch: Some(6.0),
                ..amdahl
            },
        ] {
            let knee = law.knee().unwrap();
            assert!(power(&law, knee) > power(&law, knee * 1.01), "{law:?}");
            assert!(power(&law, knee) > power(&law, knee * 0.99), "{law:?}");
        }
        // Amdahl's law: (1 - σ) / σ.
        assert!((amdahl.knee().unwrap() - 19.0).abs() < 1e-9);
        let with = |sigma| Law { sigma, ..amdahl };
        assert_eq!((with(1.0).knee(), with(0.0).knee()), (Some(1.0), None));
    }
}
