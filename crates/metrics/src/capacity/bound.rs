//! What a share of correlated observations says about the true share.
//!
//! Clopper and Pearson's exact binomial bounds with the effective sample size in place of the sample
//! size (Korn & Graubard 1998): correlated requests count for fewer than there are.

use std::collections::BTreeMap;

use domain::Stamp;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::beta::checked_beta_reg;

use super::Window;

/// Blocks of time that a window is cut into, at most; fewer for few observations.
const BLOCKS: u64 = 10;

/// Observations that a block should hold at least.
const PER_BLOCK: u64 = 8;

/// Some observations of one moment, so many of which are within a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Item {
    /// Whose.
    pub agent: u32,
    /// When their request began.
    pub at: Stamp,
    /// Observations.
    pub n: u32,
    /// Those within the limit.
    pub ok: u32,
}

/// A share with one-sided bounds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ShareBound {
    /// Observations.
    pub n: u64,
    /// Those within the limit.
    pub ok: u64,
    /// `ok / n`.
    pub share: f64,
    /// How many times as many observations it takes to say as much as independent ones would; at
    /// least 1.
    pub design_effect: f64,
    /// Independent observations that would say as much.
    pub n_effective: f64,
    /// The true share lies above this, but for the chance given for it.
    pub lo: f64,
    /// The true share lies below this, but for the chance given for it.
    pub hi: f64,
}

/// The bounds of a share; none of nothing. `below` and `above` are the chances that the true share
/// lies below `lo` and above `hi`. `clumping` is a design effect known from elsewhere: the larger
/// one counts.
pub fn share_bound(
    items: &[Item],
    window: Window,
    (below, above): (f64, f64),
    clumping: f64,
) -> Option<ShareBound> {
    let n: u64 = items.iter().map(|i| u64::from(i.n)).sum();
    let ok: u64 = items.iter().map(|i| u64::from(i.ok)).sum();
    if n == 0 {
        return None;
    }
    let design_effect = between_blocks(items, window) * in_turn(items, ok as f64 / n as f64);
    let design_effect = design_effect.max(clumping).max(1.0);
    let n_effective = n as f64 / design_effect;
    let share = ok as f64 / n as f64;
    let (lo, hi) = clopper_pearson(share, n_effective, below, above);
    Some(ShareBound {
        n,
        ok,
        share,
        design_effect,
        n_effective,
        lo,
        hi,
    })
}

/// Exact bounds of a share seen in `n` trials, which need not be a whole number.
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

/// The variance of the share between blocks of time over that of independent observations, at least
/// 1, with the blocks' few degrees of freedom allowed for: how much it takes that observations come
/// in bunches. 1 when all observations agree, or with too few to tell.
pub(super) fn between_blocks(items: &[Item], window: Window) -> f64 {
    let n: f64 = items.iter().map(|i| f64::from(i.n)).sum();
    let ok: f64 = items.iter().map(|i| f64::from(i.ok)).sum();
    let share = ok / n;
    if items.is_empty() || share <= 0.0 || share >= 1.0 {
        return 1.0;
    }
    let count = (items.len() as u64 / PER_BLOCK).min(BLOCKS);
    if count < 2 {
        return 1.0;
    }
    let mut blocks = vec![(0.0, 0.0); count as usize];
    for item in items {
        let block = &mut blocks[window.block(item.at, count)];
        block.0 += f64::from(item.n);
        block.1 += f64::from(item.ok);
    }
    let filled = blocks.iter().filter(|b| b.0 > 0.0).count() as f64;
    if filled < 2.0 {
        return 1.0;
    }
    let squares: f64 = blocks.iter().map(|(n, ok)| (ok - share * n).powi(2)).sum();
    let variance = filled / (filled - 1.0) * squares / (n * n);
    let between = variance / (share * (1.0 - share) / n);
    between.max(1.0) * (t(filled - 1.0) / t(n - 1.0)).powi(2)
}

/// What a design effect of `items` observations would be with all blocks filled: few blocks have few
/// degrees of freedom, and more observations bring more blocks.
pub(super) fn with_all_blocks(effect: f64, items: usize) -> f64 {
    let count = (items as u64 / PER_BLOCK).min(BLOCKS);
    if effect <= 1.0 || count < 2 {
        return effect;
    }
    (effect * (t(BLOCKS as f64 - 1.0) / t(count as f64 - 1.0)).powi(2)).max(1.0)
}

/// `(1 + ρ) / (1 - ρ)` with the correlation ρ of one agent's consecutive requests, at least 0: what a
/// first-order autoregression makes of the variance of a mean. No more than the requests of an
/// agent, since they cannot say less than one.
fn in_turn(items: &[Item], share: f64) -> f64 {
    let mut by_agent: BTreeMap<u32, Vec<(Stamp, f64)>> = BTreeMap::new();
    for item in items {
        let off = f64::from(item.ok) - share * f64::from(item.n);
        by_agent.entry(item.agent).or_default().push((item.at, off));
    }
    let (mut products, mut pairs, mut squares, mut count) = (0.0, 0.0, 0.0, 0.0);
    for requests in by_agent.values_mut() {
        requests.sort_by_key(|(at, _)| *at);
        for pair in requests.windows(2) {
            products += pair[0].1 * pair[1].1;
            pairs += 1.0;
        }
        squares += requests.iter().map(|(_, off)| off * off).sum::<f64>();
        count += requests.len() as f64;
    }
    if pairs < 1.0 || squares <= 0.0 {
        return 1.0;
    }
    let correlation = ((products / pairs) / (squares / count)).clamp(0.0, 0.999);
    let most = count / by_agent.len() as f64;
    ((1.0 + correlation) / (1.0 - correlation)).min(most.max(1.0))
}

/// The 97.5 % quantile of Student's t.
fn t(freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom.max(1.0)).map_or(f64::INFINITY, |t| t.inverse_cdf(0.975))
}
