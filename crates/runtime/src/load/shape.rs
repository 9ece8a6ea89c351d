//! The planned starts of requests.

use std::num::NonZeroU32;
use std::sync::Arc;

use domain::Nanos;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, Exp1, Gamma};
use sessions::trace::Trace;

/// Planned starts are whole microseconds, which virtual time resolves exactly. Nanoseconds.
const STEP: u64 = 1_000;

#[derive(Debug, Clone, PartialEq)]
pub enum LoadShape {
    /// Closed loop: each agent sends its next request when its last one has ended and its pause is over. The
    /// speed of the server sets the rate. Each agent has a fixed share of the requests.
    Closed {
        agents: NonZeroU32,
        /// Pause between the end of an agent's request and the planned start of its next one.
        think: Nanos,
    },
    /// Open loop: requests, or sessions of several turns, start at planned times, whether or not earlier ones have
    /// ended.
    Open {
        arrivals: Arrivals,
        /// Most requests (or sessions) at one time. Further ones wait in order and keep their planned
        /// start. `None` for no limit.
        agents: Option<NonZeroU32>,
    },
    /// Requests start at the recorded times of a trace.
    Replay {
        trace: Arc<Trace>,
        speed: Speed,
        /// Most requests at one time, as in an open loop.
        agents: Option<NonZeroU32>,
    },
}

/// An arrival process: a rate, and the distribution of the gaps between starts.
///
/// Gaps are drawn at a mean rate of one and mapped to the rate's own time (time rescaling), which is exact for a
/// changing rate: equal gaps become equal shares of the rate's integral, and a Poisson process becomes the
/// inhomogeneous one of that rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrivals {
    pub rate: RateCurve,
    pub gaps: Gaps,
}

/// Starts per second over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RateCurve {
    Constant(Rate),
    /// A rate that changes linearly and then stays at its last value.
    Ramp {
        /// Starts per second at the beginning, zero or more.
        from_per_s: f64,
        /// Rate at the end.
        to: Rate,
        /// Duration; above zero.
        over: Nanos,
    },
}

/// The distribution of the gaps between starts around their mean.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gaps {
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

impl Rate {
    /// The greatest rate, requests per second: more than any machine sends.
    pub const MOST_PER_SECOND: f64 = 1e6;
    /// The least: one request in some hours.
    pub const LEAST: f64 = 1e-4;

    /// `None` out of range.
    pub fn new(per_second: f64) -> Option<Self> {
        (Self::LEAST..=Self::MOST_PER_SECOND)
            .contains(&per_second)
            .then_some(Self(per_second))
    }

    pub fn per_second(self) -> f64 {
        self.0
    }
}

impl Variation {
    /// `None` out of range.
    pub fn new(cv: f64) -> Option<Self> {
        (0.01..=100.0).contains(&cv).then_some(Self(cv))
    }

    pub fn get(self) -> f64 {
        self.0
    }
}

impl Speed {
    pub const RECORDED: Self = Self(1.0);

    /// `None` for a number that is not finite and above zero.
    pub fn new(times: f64) -> Option<Self> {
        (times.is_finite() && times > 0.0).then_some(Self(times))
    }

    pub fn get(self) -> f64 {
        self.0
    }

    /// The planned start of a request that was recorded at `start`.
    pub(super) fn rescale(self, start: Nanos) -> Nanos {
        Nanos((start.0 as f64 / self.0) as u64 / STEP * STEP)
    }
}

impl RateCurve {
    /// The rate at the end.
    pub fn last(self) -> Rate {
        match self {
            Self::Constant(rate) | Self::Ramp { to: rate, .. } => rate,
        }
    }

    /// The time, in seconds, at which the integral of the rate reaches `starts`.
    fn when(self, starts: f64) -> f64 {
        match self {
            Self::Constant(rate) => starts / rate.0,
            Self::Ramp {
                from_per_s,
                to,
                over,
            } => {
                let (from, over) = (from_per_s, over.as_secs_f64());
                let in_ramp = f64::midpoint(from, to.0) * over;
                if starts >= in_ramp {
                    return over + (starts - in_ramp) / to.0;
                }
                if starts <= 0.0 {
                    return 0.0;
                }
                // The root of the quadratic in the form without cancellation.
                let slope = (to.0 - from) / over;
                2.0 * starts / (from + (from * from + 2.0 * slope * starts).max(0.0).sqrt())
            }
        }
    }

    /// Number of starts with equal gaps during a ramp; none for a constant rate.
    pub fn starts_in_ramp(self) -> Option<u64> {
        match self {
            Self::Constant(_) => None,
            Self::Ramp {
                from_per_s,
                to,
                over,
            } => {
                let in_ramp = f64::midpoint(from_per_s, to.0) * over.as_secs_f64();
                Some(in_ramp.floor() as u64 + 1)
            }
        }
    }
}

impl Arrivals {
    /// Equal gaps at a constant rate.
    pub fn constant(rate: Rate) -> Self {
        let (rate, gaps) = (RateCurve::Constant(rate), Gaps::Equal);
        Self { rate, gaps }
    }

    /// A Poisson process at a constant rate.
    pub fn poisson(rate: Rate) -> Self {
        let (rate, gaps) = (RateCurve::Constant(rate), Gaps::Exponential);
        Self { rate, gaps }
    }

    /// Planned starts, counted from the first one, without end. The same seed gives the same starts.
    pub fn starts(self, seed: u64) -> impl Iterator<Item = Nanos> + Send {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let gamma = |cv: f64| {
            // The mean, shape times scale, is one.
            let shape = 1.0 / (cv * cv);
            Gamma::new(shape, 1.0 / shape).expect("both are finite and above zero")
        };
        let gamma = match self.gaps {
            Gaps::Gamma(Variation(cv)) => Some(gamma(cv)),
            Gaps::Equal | Gaps::Exponential => None,
        };
        // In units in which the mean rate is one.
        let mut at = 0.0;
        (0_u64..).map(move |number| {
            match (self.gaps, &gamma) {
                // Counted rather than added up, so that no rounding accumulates.
                (Gaps::Equal, _) => at = number as f64,
                _ if number == 0 => {}
                (_, Some(gamma)) => at += gamma.sample(&mut random),
                (_, None) => {
                    let gap: f64 = Exp1.sample(&mut random);
                    at += gap;
                }
            }
            let start = Nanos::from_secs_f64(self.rate.when(at));
            Nanos(start.0 / STEP * STEP)
        })
    }
}
