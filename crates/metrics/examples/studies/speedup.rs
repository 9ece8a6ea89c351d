//! How often intervals hold the truth and verdicts are wrong, on servers whose true speedup is known. Noisy sweeps of
//! them go through the same code as real ones.

use std::collections::BTreeMap;

use itertools::{Itertools as _, iproduct};
use metrics::stats::mean;
use metrics::{Decoding, Estimate, Gain, RunMetrics, Verdict};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::servers::{Lengths, Model};

/// True speedups at which every server is tried.
pub(crate) const TRUTHS: [f64; 6] = [0.85, 1.0, 1.03, 1.1, 1.2, 1.3];
/// By how much an arm's speed scatters.
pub(crate) const NOISES: [f64; 3] = [0.02, 0.05, 0.1];
pub(crate) const REPETITIONS: [u32; 3] = [3, 5, 8];

/// Draws of output lengths over which a model's own speedup is averaged.
const TRUTH_DRAWS: u32 = 1000;

/// What is tried: a server at a true speedup, its own where none is set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Setting {
    pub(crate) model: Model,
    pub(crate) gain: Option<f64>,
    pub(crate) noise: f64,
    pub(crate) repetitions: u32,
}

/// What came of a setting, in speedups.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Case {
    pub(crate) setting: Setting,
    pub(crate) truth: f64,
    pub(crate) mean_estimate: f64,
    pub(crate) mean_width: f64,
    pub(crate) sweeps: u32,
    /// Sweeps whose interval holds the truth.
    pub(crate) covered: u32,
    /// Sweeps whose verdict the truth contradicts.
    pub(crate) wrong: u32,
    /// Sweeps with each word, and in how many of them it was wrong.
    pub(crate) words: BTreeMap<&'static str, [u32; 2]>,
}

impl Case {
    pub(crate) fn undecided(&self) -> u32 {
        self.words.get("undecided").map_or(0, |[given, _]| *given)
    }
}

pub(crate) fn grid() -> impl Iterator<Item = Setting> {
    let settings = iproduct!(NOISES, REPETITIONS, TRUTHS, Model::ALL.iter().copied());
    settings.map(|(noise, repetitions, truth, model)| Setting {
        model,
        gain: Some(truth),
        noise,
        repetitions,
    })
}

/// Every server as it is, where output lengths move the speedup, at the lowest noise.
pub(crate) fn as_they_are() -> impl Iterator<Item = Setting> {
    iproduct!(Model::ALL, [3, 5]).map(|(model, repetitions)| Setting {
        model: *model,
        gain: None,
        noise: NOISES[0],
        repetitions,
    })
}

/// The true speedup of a model as it is: the geometric mean over output lengths.
pub(crate) fn truth(model: Model, rng: &mut ChaCha8Rng) -> f64 {
    let logs = (0..TRUTH_DRAWS).map(|_| model.speedup(Lengths::draw(rng)).ln());
    mean(&logs.collect_vec()).expect("there are draws").exp()
}

/// True when an answer says what is not so of a server with this speedup.
fn contradicts(gain: Gain, truth: f64) -> bool {
    match gain {
        Gain::Pays => truth <= 1.05,
        Gain::Costs => truth >= 0.95,
        Gain::None => !(0.95..=1.05).contains(&truth),
        Gain::NoGain => truth > 1.05,
        Gain::Undecided => false,
        Gain::Unknown => true,
    }
}

pub(crate) fn case(setting: Setting, seed: u64, sweeps: u32) -> Case {
    let Setting {
        model,
        gain,
        noise,
        repetitions,
    } = setting;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let truth = gain.unwrap_or_else(|| truth(model, &mut rng));
    let place = [model as u64, (100.0 * truth) as u64, (100.0 * noise) as u64];
    let stream = place
        .iter()
        .fold(u64::from(repetitions), |all, p| 1000 * all + p);
    rng.set_stream(stream);
    let (mut covered, mut wrong) = (0, 0);
    let mut words: BTreeMap<&str, [u32; 2]> = BTreeMap::new();
    let (mut logs, mut widths) = (Vec::new(), Vec::new());
    for _ in 0..sweeps {
        let mut run = |repetition| RunMetrics::of(&model.run(repetition, gain, noise, &mut rng));
        let runs = (1..=repetitions).map(&mut run).collect_vec();
        let values = |of: fn(&RunMetrics) -> Option<f64>| runs.iter().filter_map(of).collect_vec();
        let speedup = Estimate::of_ratios(&values(|r| r.figures.speedup));
        let verdict = Verdict::of(mean(&values(|r| r.figures.decode_overlap)), speedup);
        let decoding = match verdict.decoding {
            Decoding::InTurn => "decoding in turn",
            Decoding::Overlapping => "decoding overlapping",
            Decoding::Unknown => "decoding unknown",
        };
        let answers = [
            (verdict.word(), contradicts(verdict.gain, truth)),
            (decoding, verdict.decoding != model.decoding()),
        ];
        wrong += u32::from(answers.iter().any(|(_, wrong)| *wrong));
        for (word, wrong) in answers {
            let [given, of_them] = words.entry(word).or_default();
            *given += 1;
            *of_them += u32::from(wrong);
        }
        if let Some(speedup) = speedup {
            logs.push(speedup.mean.ln());
            if let Some(interval) = speedup.interval() {
                covered += u32::from(interval.contains(truth));
                widths.push(interval.hi - interval.lo);
            }
        }
    }
    Case {
        setting,
        truth,
        mean_estimate: mean(&logs).map_or(f64::NAN, f64::exp),
        mean_width: mean(&widths).unwrap_or(f64::NAN),
        sweeps,
        covered,
        wrong,
        words,
    }
}
