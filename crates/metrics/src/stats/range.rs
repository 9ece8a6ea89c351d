//! Tukey's studentized range, for the best of several.

use statrs::distribution::{Continuous, ContinuousCDF, Normal};
use statrs::function::gamma::ln_gamma;

/// Steps of the outer and the inner integral: four digits of the published tables.
const STEPS: [u32; 2] = [100, 120];

/// The chance that of `groups` equal means some two lie `q` standard errors of one mean apart, when that
/// error is estimated with `freedom` degrees of freedom. For two groups this is the two-sided t test
/// at `q / √2`; for more it accounts for having chosen the best one after seeing all.
pub fn studentized_range_p(q: f64, groups: usize, freedom: f64) -> f64 {
    if groups < 2 || q <= 0.0 {
        return 1.0;
    }
    if q.is_infinite() {
        return 0.0;
    }
    // Over the logarithm of the estimated standard error, which is that of `sqrt(χ² / freedom)`.
    let half = freedom / 2.0;
    let scale = half * freedom.ln() - ln_gamma(half) - (half - 1.0) * std::f64::consts::LN_2;
    let spread = 8.0 / (2.0 * freedom).sqrt();
    let beyond = simpson(-2.0 * spread, spread.min(2.5), STEPS[0], |u| {
        let s = u.exp();
        let density = (scale + freedom * u - half * s * s).exp();
        density * (1.0 - range_cdf(q * s, groups))
    });
    beyond.clamp(0.0, 1.0)
}

/// The chance that the range of `groups` standard normal values is at most `width`.
fn range_cdf(width: f64, groups: usize) -> f64 {
    let (normal, groups) = (Normal::standard(), groups as f64);
    let inside = simpson(-8.0, 8.0 + width.min(8.0), STEPS[1], |z| {
        normal.pdf(z) * (normal.cdf(z) - normal.cdf(z - width)).powf(groups - 1.0)
    });
    (groups * inside).min(1.0)
}

/// Simpson's rule over an even number of steps.
fn simpson(from: f64, to: f64, steps: u32, f: impl Fn(f64) -> f64) -> f64 {
    let step = (to - from) / f64::from(steps);
    let weight = |i| match i {
        _ if i == 0 || i == steps => 1.0,
        _ if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let sum: f64 = (0..=steps)
        .map(|i| weight(i) * f(from + f64::from(i) * step))
        .sum();
    sum * step / 3.0
}
