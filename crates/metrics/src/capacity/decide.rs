//! The decision whether a level keeps its limits: pass, fail, or unresolved so far.

use domain::record::capacity::{Decision, Judged, Verdict};
use itertools::Itertools as _;

use super::bound::{Item, clopper_pearson, is_distinct, ranks};
use super::bunches::{
    BLOCKS, block_means, blocks, design_effect, in_turn, of_the_slowest, with_all_blocks,
};
use super::sample::{Latency, Sample};
use crate::limit::{Criterion, Objective, Statistic};
use crate::request::LatencyFigure;
use crate::stats::{least, mean, percentile, sample_sd, t_quantile};

/// Requests of each agent, on average, before a level passes: a single good moment is not enough.
const ROUNDS: f64 = 12.0;

/// Values are far inside their limit when each is less than the limit over this.
const FAR_INSIDE: f64 = 3.0;

/// More observations than a run takes: a level that needs more is too close to its limit.
const TOO_MANY: f64 = 1e5;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    /// The chance that a level is decided wrongly, over all looks at it: half of it for a level that
    /// does not keep its limits and passes, half for one that keeps them and fails.
    pub error_probability: f64,
}

impl Default for Rule {
    fn default() -> Self {
        Self {
            error_probability: 0.05,
        }
    }
}

fn unresolved(criterion: &Criterion, target: f64, n: u64) -> Judged {
    Judged {
        limit: criterion.to_string(),
        target,
        n,
        design_effect: 1.0,
        ..Judged::default()
    }
}

impl Rule {
    /// Judges a sample. `before` are the requests that counted at earlier looks at this level's growing data: look
    /// `j` spends `1 / (j (j + 1))` of the error, which adds up to all of it over however many looks.
    pub fn judge(&self, sample: &Sample<'_>, objective: &Objective, before: &[u32]) -> Decision {
        let look = u32::try_from(before.len() + 1).unwrap_or(u32::MAX);
        let half = self.error_probability / 2.0;
        let judge = Judge {
            sample,
            objective,
            half_probability: half,
            // To fail, any one limit suffices, so each may err only a part as often.
            fail_probability: half / objective.criteria().len().max(1) as f64 * spent(look),
            before,
        };
        let judged = objective.criteria().iter();
        let judged = judged.map(|limit| judge.one(limit)).collect_vec();
        let any = |verdict| judged.iter().any(|j| j.verdict == verdict);
        let verdict = if any(Verdict::Fail) {
            Verdict::Fail
        } else if any(Verdict::Unresolved) || sample.is_empty() {
            Verdict::Unresolved
        } else {
            Verdict::Pass
        };
        // All open limits must pass for the level to pass, and each has its own need.
        let open = judged.iter().filter(|j| j.verdict == Verdict::Unresolved);
        let needs = open.map(|j| j.needs).collect::<Option<Vec<_>>>();
        let needs = needs.filter(|_| verdict == Verdict::Unresolved);
        Decision {
            verdict,
            look,
            requests: u32::try_from(sample.len()).unwrap_or(u32::MAX),
            needs: needs.and_then(|needs| needs.into_iter().max()),
            judged,
        }
    }
}

/// The part of the error that look `j` spends.
fn spent(look: u32) -> f64 {
    let j = f64::from(look.max(1));
    1.0 / (j * (j + 1.0))
}

struct Judge<'a, 'r> {
    sample: &'a Sample<'r>,
    objective: &'a Objective,
    /// Half of the error probability: what all looks may spend on a wrong pass.
    half_probability: f64,
    /// What one limit may spend on a wrong fail at this look.
    fail_probability: f64,
    before: &'a [u32],
}

impl Judge<'_, '_> {
    fn one(&self, criterion: &Criterion) -> Judged {
        match *criterion {
            Criterion::Latency {
                figure,
                statistic: Statistic::Percentile(p),
                below,
            } => {
                let (below, p) = (below.as_secs_f64(), f64::from(p));
                let items = self.sample.within(figure, below);
                let mut judged = self.share(criterion, &items, p / 100.0, &[(figure, Some(below))]);
                self.put_percentile(&mut judged, figure, p);
                judged
            }
            Criterion::Latency {
                figure,
                statistic: Statistic::Mean,
                below,
            } => self.mean(criterion, figure, below.as_secs_f64()),
            Criterion::Goodput { at_least } => {
                let items = self.sample.good(self.objective);
                let figures = self.objective.per_request();
                let figures = figures.map(|(figure, below)| (figure, Some(below.as_secs_f64())));
                let mut judged = self.share(criterion, &items, at_least, &figures.collect_vec());
                [judged.seen, judged.seen_lo, judged.seen_hi] =
                    [judged.statistic, judged.lo, judged.hi];
                judged
            }
            Criterion::Failed { below } => {
                let items = self.sample.completed();
                let figures = [(LatencyFigure::E2e, None)];
                let mut judged = self.share(criterion, &items, 1.0 - below, &figures);
                [judged.seen, judged.seen_lo, judged.seen_hi] =
                    [judged.statistic, judged.hi, judged.lo].map(|share| Some(1.0 - share?));
                judged
            }
        }
    }

    /// The error that a pass may make now. Looks at which even a sample all within the limit could
    /// not have passed have spent nothing: whether they could depends on their size alone.
    fn pass(&self, n: u64, target: f64) -> f64 {
        let needed = self.half_probability.ln() / target.ln();
        let of_a_request = n as f64 / self.sample.len().max(1) as f64;
        let could = |requests: &&u32| f64::from(**requests) * of_a_request >= needed;
        let could_before = self.before.iter().filter(could).count();
        self.half_probability * spent(u32::try_from(could_before + 1).unwrap_or(u32::MAX))
    }

    /// Requests that a level still lacks to pass, independent of their values.
    fn missing(&self) -> f64 {
        let needed = ROUNDS * self.sample.agents() as f64;
        (needed - self.sample.len() as f64).max(0.0)
    }

    /// Judges a share. `figures` are the latencies that it follows from, or goes with, and their limits,
    /// seconds: how these come in bunches counts too, unless they are far inside.
    fn share(
        &self,
        criterion: &Criterion,
        items: &[Item],
        target: f64,
        figures: &[(LatencyFigure, Option<f64>)],
    ) -> Judged {
        let n: u64 = items.iter().map(|i| u64::from(i.n)).sum();
        let pass = self.pass(n, target);
        let window = self.sample.window;
        let latencies = figures.iter().filter_map(|(figure, below)| {
            let values = self.sample.latencies(*figure);
            let is_far = below.is_some_and(|below| far_inside(&values, below));
            (!is_far).then_some(values)
        });
        let latencies = latencies.collect_vec();
        let blocks = latencies.iter().map(|values| blocks(values, window)).min();
        let blocks = blocks.unwrap_or(BLOCKS);
        let slowest = latencies.iter();
        let slowest = slowest.map(|of| of_the_slowest(of, 100.0 * target, window, blocks));
        let effect = slowest.fold(design_effect(items, window, blocks).max(1.0), f64::max);
        let mut judged = Judged {
            design_effect: effect,
            ..unresolved(criterion, target, n)
        };
        if n == 0 {
            return judged;
        }
        let ok: u64 = items.iter().map(|i| u64::from(i.ok)).sum();
        let share = ok as f64 / n as f64;
        let (lo, hi) = clopper_pearson(share, n as f64 / effect, pass, self.fail_probability);
        judged.statistic = Some(share);
        judged.lo = Some(lo);
        judged.hi = Some(hi);
        let missing = self.missing();
        if lo >= target && missing <= 0.0 {
            judged.verdict = Verdict::Pass;
        } else if hi < target {
            judged.verdict = Verdict::Fail;
        } else {
            let requests = items.len() as f64 / n as f64;
            // The next look spends less.
            let error = (pass.min(self.fail_probability)) / 3.0;
            let (times, effect) = with_all_blocks(effect, items, blocks);
            let more = if lo >= target {
                Some(0.0)
            } else {
                enough(share, target, error)
                    .map(|effective| (effective * effect).max(n as f64 * times) - n as f64)
            };
            let more = more.filter(|more| *more < TOO_MANY);
            judged.needs = more.map(|more| at_least_one((more * requests).max(missing)));
        }
        judged
    }

    /// The percentile of completed requests, with the interval that the verdict follows from: the level
    /// passes when the upper end lies below the limit, and fails when the lower one does not. A request
    /// that did not complete takes longer than any limit.
    fn put_percentile(&self, judged: &mut Judged, figure: LatencyFigure, p: f64) {
        let values = self.sample.latencies(figure);
        let sorted = values.iter().map(|(_, _, v)| *v);
        let sorted = sorted.sorted_by(f64::total_cmp).collect_vec();
        judged.seen = percentile(&sorted, p);
        if judged.n == 0 {
            return;
        }
        let errors = (self.pass(judged.n, judged.target), self.fail_probability);
        let effective = judged.n as f64 / judged.design_effect;
        let (lo, hi) = ranks(judged.n, effective, judged.target, errors);
        let ranked = |rank: u64| {
            sorted
                .get(usize::try_from(rank.checked_sub(1)?).ok()?)
                .copied()
        };
        [judged.seen_lo, judged.seen_hi] = [lo, hi].map(ranked);
    }

    fn mean(&self, criterion: &Criterion, figure: LatencyFigure, below: f64) -> Judged {
        let values = self.sample.latencies(figure);
        let plain: Vec<f64> = values.iter().map(|(_, _, v)| *v).collect();
        let window = self.sample.window;
        let count = if far_inside(&values, below) {
            BLOCKS
        } else {
            blocks(&values, window)
        };
        let blocks = block_means(&values, window, count);
        let look = u32::try_from(self.before.len() + 1).unwrap_or(u32::MAX);
        let pass = self.half_probability * spent(look);
        let seen = mean(&plain);
        let mut judged = Judged {
            seen,
            statistic: seen,
            ..unresolved(criterion, below, plain.len() as u64)
        };
        let (Some(centre), Some(sd), true) = (seen, sample_sd(&blocks), blocks.len() >= 3) else {
            return judged;
        };
        let count = blocks.len() as f64;
        let scatter = sample_sd(&plain).unwrap_or(0.0) / (plain.len() as f64).sqrt();
        let off = values
            .iter()
            .map(|(agent, at, v)| (*agent, *at, v - centre));
        let error = (sd / count.sqrt()).max(scatter * in_turn(off).sqrt());
        let t = |tail: f64| t_quantile(1.0 - tail, count - 1.0);
        if scatter > 0.0 {
            judged.design_effect = (error / scatter).powi(2);
        }
        let lo = centre - t(self.fail_probability) * error;
        let hi = centre + t(pass) * error;
        [judged.lo, judged.hi] = [Some(lo), Some(hi)];
        [judged.seen_lo, judged.seen_hi] = [judged.lo, judged.hi];
        let missing = self.missing();
        if hi < below && missing <= 0.0 {
            judged.verdict = Verdict::Pass;
        } else if lo >= below {
            judged.verdict = Verdict::Fail;
        } else {
            let ratio = (hi - centre).max(centre - lo) / (below - centre).abs();
            let more = plain.len() as f64 * (ratio.powi(2) - 1.0);
            judged.needs = (more < TOO_MANY).then(|| at_least_one(more.max(missing)));
        }
        judged
    }
}

fn at_least_one(requests: f64) -> u64 {
    requests.ceil().max(1.0) as u64
}

/// True when every value lies far inside its limit. How the slowest of them come in bunches says nothing of
/// what lies beyond the limit then: a machine that drifts from 150 to 194 ms keeps 3 s at all times.
fn far_inside(values: &[Latency], below: f64) -> bool {
    !values.is_empty() && values.iter().all(|(_, _, v)| *v < below / FAR_INSIDE)
}

/// The least number of independent observations, five or more, of this share that distinguishes it from the target.
fn enough(share: f64, target: f64, error: f64) -> Option<f64> {
    const MOST: u64 = 1 << 16;
    let enough = least(5, MOST + 1, |n| is_distinct(share, n as f64, target, error));
    (enough <= MOST).then_some(enough as f64)
}
