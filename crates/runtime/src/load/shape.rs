//! When requests are meant to start.

use std::num::NonZeroU32;

use domain::Nanos;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp};

/// Planned starts fall on whole microseconds, which virtual time resolves exactly.
const STEP: u64 = 1_000;

/// What decides when a request starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LoadShape {
    /// So many agents; each sends its next request when its last one has ended and it has thought.
    /// The server's speed sets the rate. Each agent has its share of the requests from the start:
    /// one that is served faster takes none from the others.
    Closed {
        /// The agents.
        agents: NonZeroU32,
        /// From the end of an agent's request to the planned start of its next one.
        think: Nanos,
    },
    /// Requests start when their time has come, whatever became of those before them.
    Open {
        /// When they come.
        arrivals: Arrivals,
        /// Most requests in flight. A request that finds all of them busy waits, first come first
        /// served, and keeps its planned start. `None` sets no limit.
        agents: Option<NonZeroU32>,
    },
}

/// An arrival process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Arrivals {
    /// Equal gaps.
    Constant(Rate),
    /// Independent, exponentially distributed gaps.
    Poisson(Rate),
}

/// Requests per second: finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

impl Rate {
    /// `None` for a number that is not finite and above zero.
    pub fn new(per_second: f64) -> Option<Self> {
        (per_second.is_finite() && per_second > 0.0).then_some(Self(per_second))
    }

    /// Requests per second.
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl Arrivals {
    /// The mean rate.
    pub fn rate(self) -> Rate {
        match self {
            Self::Constant(rate) | Self::Poisson(rate) => rate,
        }
    }

    /// Planned starts, counted from the first one, without end. The same seed gives the same ones.
    pub fn starts(self, seed: u64) -> Starts {
        Starts {
            arrivals: self,
            random: ChaCha8Rng::seed_from_u64(seed),
            begun: 0,
            at: 0.0,
        }
    }
}

/// Planned starts, one after another.
#[derive(Debug, Clone)]
pub struct Starts {
    arrivals: Arrivals,
    random: ChaCha8Rng,
    begun: u64,
    at: f64,
}

impl Iterator for Starts {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        let seconds = match self.arrivals {
            // Multiplied rather than added up, so that no rounding accumulates.
            Arrivals::Constant(rate) => self.begun as f64 / rate.0,
            Arrivals::Poisson(rate) => {
                if self.begun > 0 {
                    let gap = Exp::new(rate.0).expect("a rate is finite and above zero");
                    self.at += gap.sample(&mut self.random);
                }
                self.at
            }
        };
        self.begun += 1;
        let exact = Nanos::from_secs_f64(seconds).0;
        Some(Nanos(exact / STEP * STEP))
    }
}
