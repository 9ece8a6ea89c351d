//! Does a stated interval hold the truth as often as it says? Checked on servers that are known.
//!
//! Each model below is a server whose behaviour is written down here, so its true speedup is known
//! without measuring: the mean over output lengths of the ratio of its noise-free walls. Noisy
//! sweeps of it then go through the same code as real ones.

use metrics::stats::mean;
use metrics::{Estimate, RunMetrics, Verdict};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::servers::{self, Lengths, Model, Noise};

/// Repetitions per sweep that are tried: the defaults on the simulator and on a real server.
const REPETITIONS: [u32; 2] = [3, 5];

/// Draws of output lengths over which a model's true speedup is averaged.
const TRUTH_DRAWS: u32 = 1000;

/// What a validation found.
#[derive(Debug, PartialEq)]
pub(crate) struct Report {
    /// Sweeps of each case.
    pub(crate) sweeps: u32,
    /// One case per model and number of repetitions.
    pub(crate) cases: Vec<Case>,
}

/// One model at one number of repetitions.
#[derive(Debug, PartialEq)]
pub(crate) struct Case {
    pub(crate) model: Model,
    pub(crate) repetitions: u32,
    /// True speedup.
    pub(crate) truth: f64,
    pub(crate) mean_estimate: f64,
    pub(crate) mean_width: f64,
    /// Sweeps whose interval holds the truth.
    pub(crate) covered: u32,
    /// Sweeps whose verdict says nothing untrue ([`Model::allows`]).
    pub(crate) verdict_not_wrong: u32,
}

impl Report {
    /// Share of intervals that hold the truth, over all cases.
    pub(crate) fn share(&self) -> f64 {
        let covered: u32 = self.cases.iter().map(|c| c.covered).sum();
        f64::from(covered) / (f64::from(self.sweeps) * self.cases.len() as f64)
    }
}

/// Runs `sweeps` noisy sweeps of every model at every number of repetitions.
pub(crate) fn validate(seed: u64, sweeps: u32) -> Report {
    let cases = Model::ALL
        .into_iter()
        .flat_map(|model| REPETITIONS.map(|repetitions| case(model, repetitions, seed, sweeps)))
        .collect();
    Report { sweeps, cases }
}

/// The true speedup of a model.
pub(crate) fn truth(model: Model, rng: &mut ChaCha8Rng) -> f64 {
    let ratios: Vec<f64> = (0..TRUTH_DRAWS)
        .map(|_| {
            let lengths = Lengths::draw(rng);
            let together = model.together(&lengths, &mut Noise::none());
            let sequential = model.sequential(&lengths, &mut Noise::none());
            servers::wall(&sequential) / servers::wall(&together)
        })
        .collect();
    mean(&ratios).expect("there are draws")
}

fn case(model: Model, repetitions: u32, seed: u64, sweeps: u32) -> Case {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(model as u64 * 100 + u64::from(repetitions));
    let truth = truth(model, &mut rng);
    let (mut covered, mut verdict_not_wrong) = (0, 0);
    let (mut means, mut widths) = (Vec::new(), Vec::new());
    for _ in 0..sweeps {
        let runs: Vec<RunMetrics> = (1..=repetitions)
            .map(|repetition| RunMetrics::of(&model.run(repetition, &mut rng)))
            .collect();
        let values = |of: fn(&RunMetrics) -> Option<f64>| -> Vec<f64> {
            runs.iter().filter_map(of).collect()
        };
        let speedup = Estimate::of(&values(|r| Some(r.baseline?.speedup)));
        let overlap = mean(&values(|r| r.decode_overlap));
        verdict_not_wrong += u32::from(model.allows(Verdict::of(overlap, speedup)));
        if let Some(speedup) = speedup {
            means.push(speedup.mean);
            if let Some(interval) = speedup.interval() {
                covered += u32::from(interval.contains(truth));
                widths.push(interval.hi - interval.lo);
            }
        }
    }
    Case {
        model,
        repetitions,
        truth,
        mean_estimate: mean(&means).unwrap_or(f64::NAN),
        mean_width: mean(&widths).unwrap_or(f64::NAN),
        covered,
        verdict_not_wrong,
    }
}
