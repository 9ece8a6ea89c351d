//! What a share of correlated observations says about the true share.
//!
//! Clopper and Pearson's exact binomial bounds with the effective sample size in place of the sample
//! size (Korn & Graubard 1998): correlated requests count for fewer than there are.

use domain::Stamp;
use statrs::function::beta::checked_beta_reg;

use crate::stats::least;

/// The observations of one request, and how many of them are within a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Item {
    pub agent: u32,
    /// When the request began.
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

/// True if a share seen in `n` trials shows on which side of `target` the true one lies, but for the chance `error`.
pub(super) fn is_distinct(share: f64, n: f64, target: f64, error: f64) -> bool {
    let ok = share * n;
    (ok > 0.0 && at_least(ok, n, target) <= error)
        || (n - ok > 0.0 && at_least(n - ok, n, 1.0 - target) < error)
}

/// The ranks of the ends of a percentile's interval among `n` observations that say as much as
/// `effective` independent ones, from 1: the true percentile lies above the value of the upper rank with a
/// chance of `errors.0`, and below that of the lower rank with a chance of `errors.1`. These are the bounds of
/// [`clopper_pearson`], seen from the other side (Woodruff 1952). The lower rank is 0, and the upper one above
/// `n`, where no value is known to be so low or so high.
pub(super) fn ranks(n: u64, effective: f64, target: f64, errors: (f64, f64)) -> (u64, u64) {
    let of = |count: u64| effective * count as f64 / n as f64;
    let not_less = |ok: f64| at_least(effective - ok, effective, 1.0 - target) >= errors.1;
    let reaches = |ok: f64| at_least(ok, effective, target) <= errors.0;
    let lower = least(0, n + 1, |count| not_less(of(count)));
    (lower, least(0, n + 1, |count| reaches(of(count))))
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
