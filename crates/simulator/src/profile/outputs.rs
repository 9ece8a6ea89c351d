//! The length of an answer, drawn from the profile's distribution for the kind of prompt and seeded
//! only by the request's content.

use domain::hash::derive;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, LogNormal, Normal};
use serde::{Deserialize, Serialize};

use super::{ModelSpec, Profile};

/// Lengths of the answers to one kind of prompt. Lengths are in tokens.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OutputClass {
    pub name: String,
    /// Words of which the prompt must contain one; empty matches every prompt.
    #[serde(default)]
    pub contains: Vec<String>,
    pub distribution: Distribution,
    /// Mean length before clamping.
    #[serde(rename = "mean")]
    pub mean_tokens: f64,
    /// Standard deviation; a `fixed` length has none.
    #[serde(default, rename = "sd")]
    pub sd_tokens: f64,
    /// Drawn lengths are clamped to `min..=max`, tokens.
    pub min: u32,
    pub max: u32,
}

/// How lengths are distributed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Always the mean.
    Fixed,
    /// Normal with this mean and standard deviation.
    Normal,
    /// Log-normal with this mean and standard deviation.
    LogNormal,
}

impl Profile {
    /// Tokens that the model would generate if nothing stopped it, the end-of-text token included.
    /// `prompt` is the system text and the prompt, or the rendered conversation. `seed` is the
    /// request's, or a number that differs between repeated requests; at a temperature of 0 it has no
    /// effect, as with a real sampler.
    pub fn output_tokens(
        &self,
        model: &ModelSpec,
        prompt: &str,
        seed: i64,
        temperature: f64,
    ) -> u32 {
        let class = model
            .outputs
            .iter()
            .find(|class| {
                class.contains.is_empty()
                    || class.contains.iter().any(|w| prompt.contains(w.as_str()))
            })
            .expect("a checked profile ends with a class that matches everything");
        let sampling = if temperature > 0.0 { seed } else { 0 };
        let seed = derive(&[
            "output",
            &self.seed.to_string(),
            &model.name,
            &sampling.to_string(),
            prompt,
        ]);
        class.draw(&mut ChaCha8Rng::seed_from_u64(seed))
    }
}

impl OutputClass {
    fn draw(&self, rng: &mut ChaCha8Rng) -> u32 {
        let length = match self.distribution {
            Distribution::Fixed => self.mean_tokens,
            Distribution::Normal => Normal::new(self.mean_tokens, self.sd_tokens)
                .expect("the check refuses a standard deviation that is not above zero")
                .sample(rng),
            Distribution::LogNormal => {
                let sigma2 = (1.0 + (self.sd_tokens / self.mean_tokens).powi(2)).ln();
                LogNormal::new(self.mean_tokens.ln() - sigma2 / 2.0, sigma2.sqrt())
                    .expect("the check refuses a standard deviation that is not above zero")
                    .sample(rng)
            }
        };
        (length.round().max(0.0) as u32).clamp(self.min, self.max)
    }
}
