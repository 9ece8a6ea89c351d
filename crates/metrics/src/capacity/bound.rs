//! What a share of correlated observations says about the true share.
//!
//! Clopper and Pearson's exact binomial bounds with the effective sample size in place of the sample
//! size (Korn & Graubard 1998): correlated requests count for fewer than there are.

use domain::Stamp;
use statrs::function::beta::checked_beta_reg;

/// Some observations of one moment, so many of which are within a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Item {
    /// Whose.
    pub agent: u32,
    /// When their request began.
    pub at: Stamp,
    /// Observations.
    pub n: u32,
    /// Those within the limit.
    pub ok: u32,
}

/// Exact bounds `lo` and `hi` of a share seen in `n` trials, which need not be a whole number. `below`
/// and `above` are the chances that the true share lies below `lo` and above `hi`.
pub(super) fn clopper_pearson(share: f64, n: f64, below: f64, above: f64) -> (f64, f64) {
    let ok = share * n;
    let lo = if ok <= 0.0 {
        0.0
    } else {
        solve(|x| at_least(ok, n, x) - below)
    };
    let hi = if n - ok <= 0.0 {
        1.0
    } else {
        solve(|x| above - at_least(n - ok, n, 1.0 - x))
    };
    (lo, hi)
}

/// True when a share seen in `n` trials tells the true one from `target`, either way, but for the
/// chance `error` each.
pub(super) fn told(share: f64, n: f64, target: f64, error: f64) -> bool {
    let ok = share * n;
    (ok > 0.0 && at_least(ok, n, target) <= error)
        || (n - ok > 0.0 && at_least(n - ok, n, 1.0 - target) < error)
}

/// The chance of at least `ok` successes in `n` trials of chance `x`.
fn at_least(ok: f64, n: f64, x: f64) -> f64 {
    checked_beta_reg(ok, n - ok + 1.0, x.clamp(0.0, 1.0)).unwrap_or(1.0)
}

/// Where a function of 0..=1 that rises from below zero to above it crosses zero.
fn solve(rising: impl Fn(f64) -> f64) -> f64 {
    let (mut lo, mut hi) = (0.0, 1.0);
    for _ in 0..45 {
        let middle = f64::midpoint(lo, hi);
        if rising(middle) < 0.0 {
            lo = middle;
        } else {
            hi = middle;
        }
    }
    f64::midpoint(lo, hi)
}
