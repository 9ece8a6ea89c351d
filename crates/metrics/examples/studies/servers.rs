//! Servers whose behaviour is known, and noisy runs of them.

use domain::plan::Arm;
use domain::{ModelOptions, Nanos};
use metrics::timeline::{RequestBuilder, agent, arm, context, run};
use metrics::{AgentObservation, ArmObservation, Decoding, RunObservation, WarmLoad};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Output lengths of each agent's calls, tokens.
pub(crate) struct Lengths([[u64; 2]; 2]);

impl Lengths {
    pub(crate) fn draw(rng: &mut ChaCha8Rng) -> Self {
        let one = |mean: f64, rng: &mut ChaCha8Rng| scaled(mean, 0.1, rng).round().max(2.0) as u64;
        Self(TOKENS.map(|mean| [one(mean, rng), one(mean, rng)]))
    }

    /// Nearly the same lengths: what the other arm's answers might be.
    fn varied(&self, rng: &mut ChaCha8Rng) -> Self {
        Self(self.0.map(|calls| {
            calls.map(|tokens| scaled(tokens as f64, 0.05, rng).round().max(2.0) as u64)
        }))
    }
}

/// A value times a lognormal factor.
fn scaled(value: f64, spread: f64, rng: &mut ChaCha8Rng) -> f64 {
    let z: f64 = StandardNormal.sample(rng);
    value * (spread * z).exp()
}

/// What disturbs an arm: a speed of the whole arm, and jitter of every phase.
pub(crate) struct Noise<'a> {
    rng: Option<&'a mut ChaCha8Rng>,
    /// How much longer every phase takes.
    pace: f64,
    jitter: f64,
}

impl<'a> Noise<'a> {
    pub(crate) fn none() -> Self {
        Self {
            rng: None,
            pace: 1.0,
            jitter: 0.0,
        }
    }

    /// Phases take `pace` times as long, by a factor that scatters by `noise`; each scatters by half of that besides.
    fn of_an_arm(rng: &'a mut ChaCha8Rng, pace: f64, noise: f64) -> Self {
        let pace = scaled(pace, noise, rng);
        Self {
            rng: Some(rng),
            pace,
            jitter: noise / 2.0,
        }
    }

    fn phase(&mut self, seconds: f64) -> Nanos {
        let seconds = seconds * self.pace;
        Nanos::from_secs_f64(match &mut self.rng {
            Some(rng) => scaled(seconds, self.jitter, rng),
            None => seconds,
        })
    }

    fn load(&mut self) -> Nanos {
        self.phase(WARM_LOAD)
    }

    fn reload(&mut self) -> Nanos {
        self.phase(RELOAD)
    }

    fn token(&mut self) -> Nanos {
        self.phase(TOKEN)
    }
}

/// A call that waits for no slot.
fn call(
    sent: Nanos,
    load: Nanos,
    prefill: f64,
    tokens: u64,
    noise: &mut Noise<'_>,
) -> RequestBuilder {
    RequestBuilder {
        sent,
        load,
        prefill: noise.phase(prefill),
        tokens,
        per_token: noise.token(),
        ..RequestBuilder::default()
    }
}

/// An arm's wall, s.
pub(crate) fn wall(arm: &ArmObservation) -> f64 {
    let requests = || arm.agents.iter().flat_map(|agent| &agent.requests);
    let begin = requests().filter_map(|r| r.sent).min();
    let end = requests().filter_map(|r| r.done).max();
    let whole = begin.zip(end).map(|(begin, end)| end.since(begin));
    whole.expect("models build whole arms").as_secs_f64()
}

impl Model {
    pub(crate) const ALL: [Self; 6] = [
        Self::Serial,
        Self::FairShared,
        Self::TwoDevices,
        Self::Batched,
        Self::ReloadEachSwitch,
        Self::LongPrefill,
    ];

    pub(crate) const fn decoding(self) -> Decoding {
        match self {
            Self::FairShared | Self::TwoDevices | Self::Batched => Decoding::Overlapping,
            Self::Serial | Self::ReloadEachSwitch | Self::LongPrefill => Decoding::InTurn,
        }
    }

    /// An agent's prefill, s.
    const fn prefill(self, agent: usize) -> f64 {
        match (self, agent) {
            (Self::LongPrefill, 1) => LONG_PREFILL,
            _ => PREFILL,
        }
    }

    fn place(self, calls: &[Vec<RequestBuilder>; 2], which: Arm) -> ArmObservation {
        let agents: Vec<AgentObservation> = calls
            .iter()
            .zip(0..)
            .map(|(calls, i)| {
                let own = matches!(self, Self::TwoDevices | Self::LongPrefill);
                let server = if own { i } else { 0 };
                let options = match self {
                    Self::ReloadEachSwitch => context(512 << i),
                    _ => ModelOptions::default(),
                };
                let requests = calls.iter().map(|call| call.build()).collect();
                agent(i, server, options, requests)
            })
            .collect();
        arm(which, "unloaded", agents)
    }

    pub(crate) fn sequential(self, lengths: &Lengths, noise: &mut Noise<'_>) -> ArmObservation {
        let mut at = Nanos::ZERO;
        let calls = [0, 1].map(|i| {
            let mut own = Vec::new();
            for (k, tokens) in lengths.0[i].into_iter().take(self.calls()).enumerate() {
                let load = if self == Self::ReloadEachSwitch && k == 0 {
                    noise.reload()
                } else {
                    noise.load()
                };
                let call = call(at, load, self.prefill(i), tokens, noise);
                at = call.end();
                own.push(call);
            }
            own
        });
        self.place(&calls, Arm::Sequential)
    }

    const fn calls(self) -> usize {
        match self {
            Self::ReloadEachSwitch => 2,
            _ => 1,
        }
    }

    pub(crate) fn together(self, lengths: &Lengths, noise: &mut Noise<'_>) -> ArmObservation {
        let [[a, _], [b, _]] = lengths.0;
        let calls = match self {
            Self::Serial => {
                let (load_a, load_b) = (noise.load(), noise.load());
                let first = call(Nanos::ZERO, load_a, PREFILL, a, noise);
                let mut second = call(Nanos::ZERO, load_b, PREFILL, b, noise);
                second.slot = first.end().saturating_sub(second.load);
                [vec![first], vec![second]]
            }
            Self::TwoDevices | Self::LongPrefill => [(0, a), (1, b)].map(|(i, tokens)| {
                let load = noise.load();
                vec![call(Nanos::ZERO, load, self.prefill(i), tokens, noise)]
            }),
            Self::FairShared | Self::Batched => {
                let gain = if self == Self::Batched {
                    BATCH_GAIN
                } else {
                    1.0
                };
                // One batch: both begin to decode together and step together.
                let (load, prefill, token) = (noise.load(), noise.phase(PREFILL), noise.token());
                let slow = Nanos::from_secs_f64(2.0 * token.as_secs_f64() / gain);
                [a, b].map(|tokens| {
                    vec![RequestBuilder {
                        load,
                        prefill,
                        tokens,
                        per_token: token,
                        slow: (a.min(b), slow),
                        ..RequestBuilder::default()
                    }]
                })
            }
            Self::ReloadEachSwitch => self.alternating(lengths, noise),
        };
        self.place(&calls, Arm::Together)
    }

    /// A, B, A, B, each after a reload that begins when the one before has ended.
    fn alternating(self, lengths: &Lengths, noise: &mut Noise<'_>) -> [Vec<RequestBuilder>; 2] {
        let mut calls = [Vec::new(), Vec::new()];
        let mut free = Nanos::ZERO;
        let mut sent = [Nanos::ZERO; 2];
        for k in 0..self.calls() {
            for i in 0..2 {
                let load = (free + noise.reload()).saturating_sub(sent[i]);
                let call = call(sent[i], load, PREFILL, lengths.0[i][k], noise);
                free = call.end();
                sent[i] = free;
                calls[i].push(call);
            }
        }
        calls
    }

    /// The speedup without noise.
    pub(crate) fn speedup(self, lengths: &Lengths) -> f64 {
        let together = self.together(lengths, &mut Noise::none());
        wall(&self.sequential(lengths, &mut Noise::none())) / wall(&together)
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
        let pace = gain.map_or(1.0, |gain| self.speedup(&lengths) / gain);
        let together = self.together(&lengths, &mut Noise::of_an_arm(rng, pace, noise));
        let sequential = self.sequential(&other, &mut Noise::of_an_arm(rng, 1.0, noise));
        let mut observed = run("model", repetition, Some(together), Some(sequential));
        observed.probes = [0, 1]
            .map(|agent| WarmLoad {
                agent,
                load: Nanos::from_secs_f64(scaled(WARM_LOAD, noise, rng)),
            })
            .to_vec();
        observed
    }
}
