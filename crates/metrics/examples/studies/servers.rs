//! Servers whose behaviour is known, and noisy runs of them.

use domain::Nanos;
use metrics::timeline::{Calls, RequestBuilder, two_arms};
use metrics::{Decoding, RunObservation, WarmLoad};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use strum::VariantArray;

/// A ready model's `load`, s.
const WARM_LOAD: f64 = 0.12;
/// Unloading and loading with other options, s.
const RELOAD: f64 = 3.0;
/// Prefill, s.
const PREFILL: f64 = 0.05;
/// Prefill of the agent with the long prompt: longer than the other agent takes for all of its call.
const LONG_PREFILL: f64 = 2.0;
/// A token alone, s.
const TOKEN: f64 = 0.01;
/// What two decoding at once get done against one alone, on the batching server.
const BATCH_GAIN: f64 = 1.6;
/// Mean output lengths of the two agents.
const TOKENS: [f64; 2] = [100.0, 160.0];

/// A server, with two agents on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, VariantArray)]
pub(crate) enum Model {
    /// One slot: strictly one after another.
    Serial,
    /// Two decode at once, each at half its speed.
    FairShared,
    /// A device each.
    TwoDevices,
    /// Two decode at once and get 1.6 times as much done as one.
    Batched,
    /// Options differ and each agent makes two calls: the model is reloaded at every switch.
    ReloadEachSwitch,
    /// A device each, and one agent reads a long prompt: it begins to decode when the other has ended.
    LongPrefill,
}

use Model::{Batched, FairShared, LongPrefill, ReloadEachSwitch, Serial, TwoDevices};

/// Output lengths of each agent's calls, tokens.
#[derive(Clone, Copy)]
pub(crate) struct Lengths([[u64; 2]; 2]);

impl Lengths {
    pub(crate) fn draw(rng: &mut ChaCha8Rng) -> Self {
        Self(TOKENS.map(|mean| [0; 2].map(|_| length(mean, 0.1, rng))))
    }

    /// Nearly the same lengths: what the other arm's answers might be.
    fn varied(self, rng: &mut ChaCha8Rng) -> Self {
        Self(
            self.0
                .map(|calls| calls.map(|tokens| length(tokens as f64, 0.05, rng))),
        )
    }
}

fn length(mean: f64, spread: f64, rng: &mut ChaCha8Rng) -> u64 {
    scaled(mean, spread, rng).round().max(2.0) as u64
}

/// A value times a lognormal factor.
fn scaled(value: f64, spread: f64, rng: &mut ChaCha8Rng) -> f64 {
    let z: f64 = StandardNormal.sample(rng);
    value * (spread * z).exp()
}

/// What disturbs an arm: a speed of the whole arm, and jitter of every phase.
struct Noise<'a> {
    rng: Option<&'a mut ChaCha8Rng>,
    /// How much longer every phase takes.
    pace_factor: f64,
    jitter_share: f64,
}

impl<'a> Noise<'a> {
    fn none() -> Self {
        Self {
            rng: None,
            pace_factor: 1.0,
            jitter_share: 0.0,
        }
    }

    /// Phases take `pace` times as long, by a factor that scatters by `noise`; each scatters by half of that besides.
    fn of_an_arm(rng: &'a mut ChaCha8Rng, pace: f64, noise: f64) -> Self {
        let pace = scaled(pace, noise, rng);
        Self {
            rng: Some(rng),
            pace_factor: pace,
            jitter_share: noise / 2.0,
        }
    }

    fn phase(&mut self, seconds: f64) -> Nanos {
        let seconds = seconds * self.pace_factor;
        Nanos::from_secs_f64(match &mut self.rng {
            Some(rng) => scaled(seconds, self.jitter_share, rng),
            None => seconds,
        })
    }

    /// A call that waits for no slot.
    fn call(&mut self, sent: Nanos, load: Nanos, prefill: f64, tokens: u64) -> RequestBuilder {
        RequestBuilder {
            sent,
            load,
            prefill: self.phase(prefill),
            tokens,
            per_token: self.phase(TOKEN),
            ..RequestBuilder::default()
        }
    }
}

/// The calls of two agents.
type BothCalls = [Vec<RequestBuilder>; 2];

/// An arm's wall, s: its first call is sent at zero.
fn wall(calls: &BothCalls) -> f64 {
    let ends = calls.iter().flatten().map(RequestBuilder::end);
    ends.max().expect("both agents make calls").as_secs_f64()
}

impl Model {
    pub(crate) const ALL: &[Self] = Self::VARIANTS;

    pub(crate) const fn decoding(self) -> Decoding {
        match self {
            FairShared | TwoDevices | Batched => Decoding::Overlapping,
            Serial | ReloadEachSwitch | LongPrefill => Decoding::InTurn,
        }
    }

    /// An agent's prefill, s.
    const fn prefill(self, agent: usize) -> f64 {
        match (self, agent) {
            (LongPrefill, 1) => LONG_PREFILL,
            _ => PREFILL,
        }
    }

    /// The calls of the agents one after another.
    fn in_turn(self, lengths: Lengths, noise: &mut Noise<'_>) -> BothCalls {
        let count = if self == ReloadEachSwitch { 2 } else { 1 };
        let mut at = Nanos::ZERO;
        [0, 1].map(|i| {
            let calls = lengths.0[i].into_iter().take(count).enumerate();
            let calls = calls.map(|(k, tokens)| {
                let reloads = self == ReloadEachSwitch && k == 0;
                let load = noise.phase(if reloads { RELOAD } else { WARM_LOAD });
                let call = noise.call(at, load, self.prefill(i), tokens);
                at = call.end();
                call
            });
            calls.collect()
        })
    }

    /// The calls of the agents all at once.
    fn together(self, lengths: Lengths, noise: &mut Noise<'_>) -> BothCalls {
        let [[a, _], [b, _]] = lengths.0;
        match self {
            Serial => {
                let [load_a, load_b] = [0; 2].map(|_| noise.phase(WARM_LOAD));
                let first = noise.call(Nanos::ZERO, load_a, PREFILL, a);
                let mut second = noise.call(Nanos::ZERO, load_b, PREFILL, b);
                second.slot = first.end().saturating_sub(second.load);
                [vec![first], vec![second]]
            }
            TwoDevices | LongPrefill => [(0, a), (1, b)].map(|(i, tokens)| {
                let load = noise.phase(WARM_LOAD);
                vec![noise.call(Nanos::ZERO, load, self.prefill(i), tokens)]
            }),
            FairShared | Batched => {
                let gain = if self == Batched { BATCH_GAIN } else { 1.0 };
                // One batch: both begin to decode together and step together.
                let load = noise.phase(WARM_LOAD);
                let call = noise.call(Nanos::ZERO, load, PREFILL, 0);
                let slow = Nanos::from_secs_f64(2.0 * call.per_token.as_secs_f64() / gain);
                let slow = (a.min(b), slow);
                [a, b].map(|tokens| {
                    vec![RequestBuilder {
                        tokens,
                        slow,
                        ..call
                    }]
                })
            }
            // A, B, A, B, each after a reload that begins when the one before has ended.
            ReloadEachSwitch => {
                let mut calls = BothCalls::default();
                let mut free = Nanos::ZERO;
                for (k, i) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                    let sent = calls[i].last().map_or(Nanos::ZERO, RequestBuilder::end);
                    let load = (free + noise.phase(RELOAD)).saturating_sub(sent);
                    let call = noise.call(sent, load, PREFILL, lengths.0[i][k]);
                    free = call.end();
                    calls[i].push(call);
                }
                calls
            }
        }
    }

    /// The speedup without noise.
    pub(crate) fn speedup(self, lengths: Lengths) -> f64 {
        let [together, in_turn] = [Self::together, Self::in_turn]
            .map(|arm| wall(&arm(self, lengths, &mut Noise::none())));
        in_turn / together
    }

    /// A noisy run of both arms, with output lengths that differ a little between them. With a `gain` the server is
    /// so much faster or slower together that this is the speedup without noise for all lengths.
    pub(crate) fn run(
        self,
        repetition: u32,
        gain: Option<f64>,
        noise: f64,
        rng: &mut ChaCha8Rng,
    ) -> RunObservation {
        let lengths = Lengths::draw(rng);
        let other = lengths.varied(rng);
        let pace = gain.map_or(1.0, |gain| self.speedup(lengths) / gain);
        let together = self.together(lengths, &mut Noise::of_an_arm(rng, pace, noise));
        let alone = self.in_turn(other, &mut Noise::of_an_arm(rng, 1.0, noise));
        let agents = [0, 1].map(|i| {
            let calls = Calls::new(&together[i], &alone[i]);
            match self {
                TwoDevices | LongPrefill => calls.on(i as u32),
                ReloadEachSwitch => calls.context(512 << i),
                _ => calls,
            }
        });
        let mut observed = two_arms("model", repetition, "unloaded", &agents);
        let probes = [0, 1].map(|agent| {
            let load = Nanos::from_secs_f64(scaled(WARM_LOAD, noise, rng));
            WarmLoad { agent, load }
        });
        observed.probes = probes.to_vec();
        observed
    }
}
