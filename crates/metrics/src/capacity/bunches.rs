//! How much requests go together: moments that are slow for all agents, agents that are slow for a while.
//!
//! Batch means: the window is cut into blocks of time, long enough that one says little of the next
//! (Fishman & Yarberry 1997 lengthen them until their means are not correlated). How long slow moments
//! last is taken from the ranks of all latencies: the few slow ones are too few to show it.

use std::collections::BTreeMap;

use domain::Stamp;
use domain::record::capacity::Window;

use super::bound::Item;
use super::sample::Latency;
use crate::stats::{mean, percentile, t_quantile};

/// Blocks of time that a window is cut into, at most.
pub(super) const BLOCKS: u64 = 10;

/// Requests that a block should hold at least.
const PER_BLOCK: u64 = 8;

/// Stretches of time that the correlation over time is read off, at most.
const STRETCHES: u64 = 64;

/// A block is this many times as long as requests go together.
const APART: u64 = 2;

/// Into how many blocks of time to cut the window, from the autocorrelation of the latencies' ranks over it. Slow
/// moments last about until it is no longer positive; what is left beyond is noise (Geyer 1992 ends there too).
pub(super) fn blocks(values: &[Latency], window: Window) -> u64 {
    let stretches = (requests(values).count() as u64 / PER_BLOCK).min(STRETCHES);
    if stretches < 4 {
        return BLOCKS;
    }
    let sums = rank_sums(values, window, stretches);
    let together = (1..sums.len())
        .find(|lag| {
            let later = sums.iter().skip(*lag);
            sums.iter().zip(later).map(|(a, b)| a * b).sum::<f64>() <= 0.0
        })
        .unwrap_or(sums.len());
    (stretches / (APART * together as u64)).clamp(2, BLOCKS)
}

/// The sums of the latencies' ranks, less the middle one, in equal stretches of the window.
fn rank_sums(values: &[Latency], window: Window, stretches: u64) -> Vec<f64> {
    let mut sums = vec![0.0; stretches as usize];
    let mut sorted: Vec<&Latency> = values.iter().collect();
    sorted.sort_by(|a, b| a.2.total_cmp(&b.2));
    let mut below = 0;
    for equal in sorted.chunk_by(|a, b| a.2.total_cmp(&b.2).is_eq()) {
        let rank = below as f64 + equal.len() as f64 / 2.0 - values.len() as f64 / 2.0;
        below += equal.len();
        for (_, at, _) in equal {
            sums[window.block(*at, stretches)] += rank;
        }
    }
    sums
}

/// The latencies of one request after the other: one each, or all its gaps.
fn requests(values: &[Latency]) -> impl Iterator<Item = &[Latency]> {
    values.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
}

/// Observations, and those within the limit.
pub(super) fn counts(items: &[Item]) -> (f64, f64) {
    let sum = |of: fn(&Item) -> u32| items.iter().map(|i| f64::from(of(i))).sum();
    (sum(|i| i.n), sum(|i| i.ok))
}

/// How many times as many observations it takes to say as much as independent ones would: the larger
/// of what shows between blocks and between one agent's consecutive requests.
pub(super) fn design_effect(items: &[Item], window: Window, blocks: u64) -> f64 {
    let (n, ok) = counts(items);
    let off = |i: &Item| f64::from(i.ok) - ok / n * f64::from(i.n);
    let series = items.iter().map(|i| (i.agent, i.at, off(i)));
    between_blocks(items, window, blocks).max(in_turn(series))
}

/// How much the slowest come in bunches over time: the design effect of lying above the sample's own
/// percentile. It shows correlation even where every value keeps the limit. Agents that are always
/// slower than others do not count here: the same agents are there all the time.
pub(super) fn of_the_slowest(values: &[Latency], p: f64, window: Window, blocks: u64) -> f64 {
    let plain: Vec<f64> = values.iter().map(|(_, _, v)| *v).collect();
    let own = percentile(&plain, p);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let within = |of: &[Latency]| of.iter().filter(|(_, _, v)| Some(*v) <= own).count();
    let items = requests(values).map(|of| Item {
        agent: of[0].0,
        at: of[0].1,
        n: count(of.len()),
        ok: count(within(of)),
    });
    between_blocks(&items.collect::<Vec<_>>(), window, blocks)
}

/// The variance of the share between blocks of time over that of independent observations, at least 1, with the
/// blocks' few degrees of freedom allowed for. 1 when all observations agree, or with too few.
fn between_blocks(items: &[Item], window: Window, blocks: u64) -> f64 {
    let (n, ok) = counts(items);
    let share = ok / n;
    let count = of_so_many(items, blocks);
    if count < 2 || share <= 0.0 || share >= 1.0 {
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
    between.max(1.0) * (t_quantile(0.975, filled - 1.0) / t_quantile(0.975, n - 1.0)).powi(2)
}

/// How many of the blocks the items fill.
fn of_so_many(items: &[Item], blocks: u64) -> u64 {
    (items.len() as u64 / PER_BLOCK).min(blocks)
}

/// How many times as many requests fill all blocks, and what a design effect would be then: few
/// blocks have few degrees of freedom.
pub(super) fn with_all_blocks(effect: f64, items: &[Item], blocks: u64) -> (f64, f64) {
    let count = of_so_many(items, blocks);
    if effect <= 1.0 || count < 2 {
        return (1.0, effect);
    }
    let freer = t_quantile(0.975, BLOCKS as f64 - 1.0) / t_quantile(0.975, count as f64 - 1.0);
    let effect = (effect * freer.powi(2)).max(1.0);
    (BLOCKS as f64 / count as f64, effect)
}

/// Means of equal stretches of the window that hold any.
pub(super) fn block_means(values: &[Latency], window: Window, blocks: u64) -> Vec<f64> {
    let count = (values.len() as u64 / 3).clamp(1, blocks);
    let mut blocks = vec![Vec::new(); count as usize];
    for (_, at, value) in values {
        blocks[window.block(*at, count)].push(*value);
    }
    blocks.iter().filter_map(|b| mean(b)).collect()
}

/// `(1 + ρ) / (1 - ρ)` with the correlation ρ of one agent's consecutive requests, at least 0: what a
/// first-order autoregression makes of the variance of a mean. No more than the requests of an
/// agent, since they cannot say less than one. The values are those less their mean.
pub(super) fn in_turn(values: impl Iterator<Item = Latency>) -> f64 {
    let mut by_agent: BTreeMap<u32, Vec<(Stamp, f64)>> = BTreeMap::new();
    for (agent, at, off) in values {
        by_agent.entry(agent).or_default().push((at, off));
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
