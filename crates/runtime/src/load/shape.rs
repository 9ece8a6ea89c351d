//! When requests are meant to start.

use std::num::NonZeroU32;
use std::sync::Arc;

use domain::Nanos;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp1, Gamma};

use super::trace::Trace;

/// Planned starts fall on whole microseconds, which virtual time resolves exactly.
const STEP: u64 = 1_000;

/// What decides when a request starts.
#[derive(Debug, Clone, PartialEq)]
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
    /// Requests, or sessions of several turns, start when their time has come, whatever became of
    /// those before them.
    Open {
        /// When they come.
        arrivals: Arrivals,
        /// Most requests (or sessions) at one time. One that finds all of them busy waits, first
        /// come first served, and keeps its planned start. `None` sets no limit.
        agents: Option<NonZeroU32>,
    },
    /// Requests start as they did when they were recorded.
    Replay {
        /// What was recorded.
        trace: Arc<Trace>,
        /// Recorded seconds per second.
        speed: Speed,
        /// As of an open loop.
        agents: Option<NonZeroU32>,
    },
}

/// An arrival process: a rate, and how the gaps around it are spread.
///
/// The process is made at a mean rate of one per unit and then carried over to the rate's own time
/// (time rescaling), so that it is exact for a rate that changes: equal gaps become equal shares of
/// the rate's integral, and a Poisson process becomes the inhomogeneous one of that rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrivals {
    /// Starts per second.
    pub rate: RateCurve,
    /// How gaps are spread.
    pub gaps: Gaps,
}

/// Starts per second over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RateCurve {
    /// Always the same.
    Constant(Rate),
    /// Changes linearly, and stays where it ends.
    Ramp {
        /// Starts per second at its beginning, zero or more.
        from: f64,
        /// At its end.
        to: Rate,
        /// How long it takes; above zero.
        over: Nanos,
    },
}

/// How the gaps between starts are spread around their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gaps {
    /// Not at all.
    Equal,
    /// Independent and exponentially distributed: a Poisson process.
    Exponential,
    /// Independent and gamma distributed.
    Gamma(Variation),
}

/// Requests per second: finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Rate(f64);

/// A coefficient of variation, standard deviation over mean: 0.01 to 100.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Variation(f64);

/// Recorded seconds per second: finite and above zero.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Speed(f64);

fn positive(n: f64) -> bool {
    n.is_finite() && n > 0.0
}

impl Rate {
    /// The greatest rate, requests per second: more than any machine sends.
    pub const MOST: f64 = 1e6;
    /// The least: one request in some hours.
    pub const LEAST: f64 = 1e-4;

    /// `None` out of range.
    pub fn new(per_second: f64) -> Option<Self> {
        (Self::LEAST..=Self::MOST)
            .contains(&per_second)
            .then_some(Self(per_second))
    }

    /// Requests per second.
    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl Variation {
    /// `None` out of range.
    pub fn new(cv: f64) -> Option<Self> {
        (0.01..=100.0).contains(&cv).then_some(Self(cv))
    }

    /// Standard deviation over mean.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Speed {
    /// As fast as it was recorded.
    pub const RECORDED: Self = Self(1.0);

    /// `None` for a number that is not finite and above zero.
    pub fn new(times: f64) -> Option<Self> {
        positive(times).then_some(Self(times))
    }

    /// Recorded seconds per second.
    pub fn get(self) -> f64 {
        self.0
    }

    /// When something that was recorded at `start` is planned.
    pub(super) fn rescale(self, start: Nanos) -> Nanos {
        Nanos((start.0 as f64 / self.0) as u64 / STEP * STEP)
    }
}

impl RateCurve {
    /// Starts per second that it ends at.
    pub fn last(self) -> Rate {
        match self {
            Self::Constant(rate) | Self::Ramp { to: rate, .. } => rate,
        }
    }

    /// The moment, in seconds, at which its integral reaches `starts`.
    fn when(self, starts: f64) -> f64 {
        match self {
            Self::Constant(rate) => starts / rate.0,
            Self::Ramp { from, to, over } => {
                let over = over.as_secs_f64();
                let in_ramp = f64::midpoint(from, to.0) * over;
                if starts >= in_ramp {
                    return over + (starts - in_ramp) / to.0;
                }
                if starts <= 0.0 {
                    return 0.0;
                }
                // The quadratic's root in the form that subtracts nothing.
                let slope = (to.0 - from) / over;
                2.0 * starts / (from + (from * from + 2.0 * slope * starts).max(0.0).sqrt())
            }
        }
    }

    /// Starts that fall into a ramp with equal gaps; none for a constant rate.
    pub fn starts_in_ramp(self) -> Option<u64> {
        match self {
            Self::Constant(_) => None,
            Self::Ramp { from, to, over } => {
                let in_ramp = f64::midpoint(from, to.0) * over.as_secs_f64();
                Some(in_ramp.floor() as u64 + 1)
            }
        }
    }
}

impl Arrivals {
    /// Equal gaps at one rate.
    pub fn constant(rate: Rate) -> Self {
        Self {
            rate: RateCurve::Constant(rate),
            gaps: Gaps::Equal,
        }
    }

    /// A Poisson process at one rate.
    pub fn poisson(rate: Rate) -> Self {
        Self {
            rate: RateCurve::Constant(rate),
            gaps: Gaps::Exponential,
        }
    }

    /// Planned starts, counted from the first one, without end. The same seed gives the same ones.
    pub fn starts(self, seed: u64) -> Starts {
        let gamma = match self.gaps {
            Gaps::Gamma(Variation(cv)) => {
                // Of mean one: shape times scale.
                let shape = 1.0 / (cv * cv);
                Some(Gamma::new(shape, 1.0 / shape).expect("both are finite and above zero"))
            }
            Gaps::Equal | Gaps::Exponential => None,
        };
        Starts {
            arrivals: self,
            gamma,
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
    gamma: Option<Gamma<f64>>,
    random: ChaCha8Rng,
    begun: u64,
    /// In units in which the mean rate is one.
    at: f64,
}

impl Iterator for Starts {
    type Item = Nanos;

    fn next(&mut self) -> Option<Nanos> {
        if self.begun > 0 {
            match (self.arrivals.gaps, &self.gamma) {
                // Counted rather than added up, so that no rounding accumulates.
                (Gaps::Equal, _) => self.at = self.begun as f64,
                (_, Some(gamma)) => self.at += gamma.sample(&mut self.random),
                (_, None) => {
                    let gap: f64 = Exp1.sample(&mut self.random);
                    self.at += gap;
                }
            }
        }
        self.begun += 1;
        Some(on_step(self.arrivals.rate.when(self.at)))
    }
}

fn on_step(seconds: f64) -> Nanos {
    Nanos(Nanos::from_secs_f64(seconds).0 / STEP * STEP)
}
