//! The Universal Scalability Law (Gunther 1993, 2007) fitted to throughput by number of agents.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StudentT};
use serde::Serialize;

use super::describe::percentile_sorted;
use super::{Interval, mean, sample_sd};

/// Draws behind the intervals.
const DRAWS: u32 = 2000;
/// Their seed: equal data give equal intervals.
const SEED: u64 = 113;

/// `X(N) = λ N / (1 + σ (N - 1) + κ N (N - 1))`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Usl {
    /// Throughput of one.
    pub lambda: f64,
    /// Contention: the part that must be done one at a time.
    pub sigma: f64,
    /// Coherency: the cost of each pair.
    pub kappa: f64,
}

/// A fitted law.
#[derive(Debug, Clone, PartialEq)]
pub struct UslFit {
    /// The law.
    pub law: Usl,
    /// The laws fitted to what was drawn, behind the intervals; empty where a level has fewer than
    /// three observations.
    drawn: Vec<Usl>,
}

impl Usl {
    /// Throughput of `n`.
    pub fn at(&self, n: f64) -> f64 {
        self.lambda * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    /// The number with the highest throughput, at least 1; none when more is always better.
    pub fn best(&self) -> Option<f64> {
        (self.kappa > 0.0).then(|| ((1.0 - self.sigma).max(0.0) / self.kappa).sqrt().max(1.0))
    }

    /// The knee: the number that makes the most of throughput and of latency alike, where
    /// throughput over time in the system (Kleinrock's power, 1979) is highest, at least 1. In a
    /// closed loop without thought that time is `N / X(N)`, so the power is `X(N)² / N`; setting its
    /// slope to zero gives `3 κ N² + (σ - κ) N - (1 - σ) = 0`. None where more is always better by
    /// this too.
    pub fn knee(&self) -> Option<f64> {
        let (a, b, c) = (
            3.0 * self.kappa,
            self.sigma - self.kappa,
            (1.0 - self.sigma).max(0.0),
        );
        let knee = if a > 0.0 {
            (-b + (b * b + 4.0 * a * c).sqrt()) / (2.0 * a)
        } else if b > 0.0 {
            c / b
        } else {
            return None;
        };
        Some(knee.max(1.0))
    }
}

impl UslFit {
    /// The middle 95 % of a quantity of the drawn laws. Where the laws need not have the quantity, it
    /// is infinite. None without intervals.
    pub fn interval(&self, of: impl Fn(&Usl) -> f64) -> Option<Interval> {
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

/// Fits the law to throughputs observed at several numbers of agents: weighted least squares of
/// `N / X` on `N - 1` and `N (N - 1)`, with weights that make it least squares of `X` to first
/// order, and neither parameter below zero. Intervals are those of 2,000 seeded draws of each
/// level's mean from its Student distribution, widened by what the levels lie off the law beyond
/// that, from four levels on: a law that does not fit is not known well. None below three different numbers, or when a
/// throughput is not positive.
pub fn fit_usl(levels: &[(u32, Vec<f64>)]) -> Option<UslFit> {
    let means = levels
        .iter()
        .map(|(n, x)| Some((f64::from(*n), mean(x).filter(|x| *x > 0.0)?)))
        .collect::<Option<Vec<_>>>()?;
    let law = fit(&means)?;
    let errors: Option<Vec<(f64, f64)>> = levels
        .iter()
        .map(|(_, x)| {
            let n = x.len() as f64;
            (x.len() >= 3).then(|| Some((sample_sd(x)? / n.sqrt(), n - 1.0)))?
        })
        .collect();
    let Some(errors) = errors else {
        let drawn = Vec::new();
        return Some(UslFit { law, drawn });
    };
    let misfit = misfit(&means, &errors, &law);
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let drawn = (0..DRAWS)
        .filter_map(|_| {
            let points: Vec<(f64, f64)> = means
                .iter()
                .zip(&errors)
                .map(|((n, x), (error, freedom))| {
                    let t = StudentT::new(*freedom).expect("three values leave two degrees");
                    (*n, x + error.hypot(misfit) * t.sample(&mut rng))
                })
                .filter(|(_, x)| *x > 0.0)
                .collect();
            fit(&points)
        })
        .collect();
    Some(UslFit { law, drawn })
}

/// The standard deviation of the levels about the law, beyond what their means scatter by.
fn misfit(points: &[(f64, f64)], errors: &[(f64, f64)], law: &Usl) -> f64 {
    let freedom = points.len() as f64 - 3.0;
    if freedom < 1.0 {
        return 0.0;
    }
    let scatter: f64 = errors.iter().map(|(error, _)| error * error).sum();
    let about = residual(points, law) / freedom;
    (about - scatter / points.len() as f64).max(0.0).sqrt()
}

fn fit(points: &[(f64, f64)]) -> Option<Usl> {
    let mut numbers: Vec<f64> = points.iter().map(|p| p.0).collect();
    numbers.sort_by(f64::total_cmp);
    numbers.dedup();
    if numbers.len() < 3 {
        return None;
    }
    // Of the fits with both, one or no slowdown the best one without a negative parameter.
    [[true, true], [true, false], [false, true], [false, false]]
        .into_iter()
        .filter_map(|[sigma, kappa]| least_squares(points, sigma, kappa))
        .filter(|law| law.sigma >= 0.0 && law.kappa >= 0.0 && law.lambda > 0.0)
        .min_by(|a, b| residual(points, a).total_cmp(&residual(points, b)))
}

fn residual(points: &[(f64, f64)], law: &Usl) -> f64 {
    points.iter().map(|(n, x)| (x - law.at(*n)).powi(2)).sum()
}

/// Solves the weighted normal equations of `N / X = a + b (N - 1) + c N (N - 1)`.
fn least_squares(points: &[(f64, f64)], with_sigma: bool, with_kappa: bool) -> Option<Usl> {
    let mut columns: Vec<fn(f64) -> f64> = vec![|_| 1.0];
    if with_sigma {
        columns.push(|n| n - 1.0);
    }
    if with_kappa {
        columns.push(|n| n * (n - 1.0));
    }
    let size = columns.len();
    let mut rows = vec![vec![0.0; size + 1]; size];
    for (n, x) in points {
        let weight = (x * x / n).powi(2);
        for i in 0..size {
            for j in 0..size {
                rows[i][j] += weight * columns[i](*n) * columns[j](*n);
            }
            rows[i][size] += weight * columns[i](*n) * n / x;
        }
    }
    let solved = eliminate(rows)?;
    let mut rest = solved[1..].iter();
    let a = solved[0];
    let sigma = if with_sigma { rest.next()? / a } else { 0.0 };
    let kappa = if with_kappa { rest.next()? / a } else { 0.0 };
    Some(Usl {
        lambda: 1.0 / a,
        sigma,
        kappa,
    })
}

/// Gauss-Jordan elimination with pivoting; none for a singular system.
fn eliminate(mut rows: Vec<Vec<f64>>) -> Option<Vec<f64>> {
    let size = rows.len();
    for column in 0..size {
        let pivot = (column..size)
            .max_by(|a, b| rows[*a][column].abs().total_cmp(&rows[*b][column].abs()))?;
        rows.swap(column, pivot);
        let lead = rows[column].clone();
        if lead[column].abs() < f64::MIN_POSITIVE {
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
    Some((0..size).map(|i| rows[i][size] / rows[i][i]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAW: Usl = Usl {
        lambda: 100.0,
        sigma: 0.05,
        kappa: 0.01,
    };

    #[test]
    fn an_exact_law_is_recovered() {
        let levels: Vec<_> = [1, 2, 4, 8, 16]
            .map(|n| (n, vec![LAW.at(f64::from(n)); 3]))
            .to_vec();
        let found = fit_usl(&levels).unwrap();
        assert!((found.law.lambda - 100.0).abs() < 1e-6);
        assert!((found.law.sigma - 0.05).abs() < 1e-9);
        assert!((found.law.kappa - 0.01).abs() < 1e-9);
        // sqrt(0.95 / 0.01) agents.
        assert!((found.law.best().unwrap() - 95.0_f64.sqrt()).abs() < 1e-6);
        let best = found.interval(|law| law.best().unwrap()).unwrap();
        assert!((best.hi - 95.0_f64.sqrt()).abs() < 1e-4);
    }

    #[test]
    fn the_knee_is_where_power_is_highest() {
        let power = |law: &Usl, n: f64| law.at(n).powi(2) / n;
        for law in [LAW, Usl { kappa: 0.0, ..LAW }, Usl { sigma: 0.0, ..LAW }] {
            let knee = law.knee().unwrap();
            assert!(power(&law, knee) > power(&law, knee * 1.01), "{law:?}");
            assert!(power(&law, knee) > power(&law, knee * 0.99), "{law:?}");
        }
        // Amdahl's law: (1 - σ) / σ.
        let amdahl = Usl { kappa: 0.0, ..LAW };
        assert!((amdahl.knee().unwrap() - 19.0).abs() < 1e-9);
        let with = |sigma| Usl { sigma, ..amdahl };
        assert_eq!((with(1.0).knee(), with(0.0).knee()), (Some(1.0), None));
    }

    #[test]
    fn a_serial_server_is_all_contention() {
        // The same throughput for any number: sigma 1, no best number.
        let levels: Vec<_> = [1, 2, 3].map(|n| (n, vec![50.0])).to_vec();
        let found = fit_usl(&levels).unwrap();
        assert!((found.law.sigma - 1.0).abs() < 1e-9);
        assert!(found.law.kappa.abs() < 1e-9);
        assert_eq!(found.interval(|law| law.sigma), None);
    }

    #[test]
    fn perfect_scaling_has_no_peak_and_too_few_numbers_no_law() {
        let levels: Vec<_> = [1, 2, 4]
            .map(|n| (n, vec![10.0 * f64::from(n); 3]))
            .to_vec();
        let found = fit_usl(&levels).unwrap();
        assert!(found.law.sigma.abs() < 1e-9 && found.law.kappa.abs() < 1e-9);
        assert!(fit_usl(&levels[..2]).is_none());
        assert!(fit_usl(&[(1, vec![0.0]), (2, vec![1.0]), (3, vec![1.0])]).is_none());
    }

    #[test]
    fn intervals_hold_the_law() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let noise = rand_distr::Normal::new(1.0, 0.03).unwrap();
        let mut held = [0, 0];
        for _ in 0..30 {
            let levels: Vec<_> = [1, 2, 4, 8, 16]
                .map(|n| {
                    let x = LAW.at(f64::from(n));
                    (n, (0..5).map(|_| x * noise.sample(&mut rng)).collect())
                })
                .to_vec();
            let found = fit_usl(&levels).unwrap();
            for (held, of) in held.iter_mut().zip([|u: &Usl| u.sigma, |u: &Usl| u.kappa]) {
                *held += u32::from(found.interval(of).unwrap().contains(of(&LAW)));
            }
        }
        assert!(held.iter().all(|h| *h >= 26), "{held:?}");
    }
}
