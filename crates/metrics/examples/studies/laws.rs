//! Servers whose throughput by number of agents is known, and what is said of their levels.

use metrics::Estimate;
use metrics::capacity::{Course, Located, Scaling};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

/// The levels of a search that ends after 32 agents.
pub(crate) const LEVELS: [u32; 6] = [1, 2, 4, 8, 16, 32];

#[derive(Debug, Clone, Copy)]
pub(crate) enum Server {
    /// Eight slots, and a queue before them.
    Slots,
    /// A batch of eight, in which each agent costs the others 3 %.
    Batch,
    /// One at a time.
    Serial,
    /// It grows without end.
    Linear,
    /// It grows without end, ever less: Amdahl's law, σ = 0.02.
    Amdahl,
    /// It falls by the Universal Scalability Law beyond 12.2 agents.
    Usl,
    /// Eight slots, and each agent that waits costs 1 %: no law of ours.
    Thrashing,
}

impl Server {
    pub(crate) const ALL: [Self; 7] = [
        Self::Slots,
        Self::Batch,
        Self::Serial,
        Self::Linear,
        Self::Amdahl,
        Self::Usl,
        Self::Thrashing,
    ];

    pub(crate) fn throughput(self, agents: u32) -> f64 {
        let n = f64::from(agents);
        let slots = n.min(8.0);
        let x = match self {
            Self::Slots => slots,
            Self::Batch => slots / (1.0 + 0.03 * (slots - 1.0)),
            Self::Serial => 1.0,
            Self::Linear => n,
            Self::Amdahl => n / (1.0 + 0.02 * (n - 1.0)),
            Self::Usl => n / (1.0 + 0.1 * (n - 1.0) + 0.006 * n * (n - 1.0)),
            Self::Thrashing => slots * 0.99_f64.powf(n - slots),
        };
        30.0 * x
    }

    /// From how many agents on throughput is highest, where it does not fall beyond.
    fn saturates(self) -> Option<f64> {
        match self {
            Self::Slots | Self::Batch => Some(8.0),
            Self::Serial => Some(1.0),
            _ => None,
        }
    }

    /// The number with the highest throughput, where it falls beyond.
    fn peak(self) -> Option<f64> {
        match self {
            Self::Usl => Some((0.9_f64 / 0.006).sqrt()),
            Self::Thrashing => Some(8.0),
            _ => None,
        }
    }

    fn highest(self) -> f64 {
        let rates = LEVELS.iter().map(|n| self.throughput(*n));
        rates.fold(0.0, f64::max)
    }
}

/// How often something was said, and how often it was not wrong.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) said: u32,
    pub(crate) right: u32,
}

impl Count {
    fn add(&mut self, right: bool) {
        self.said += 1;
        self.right += u32::from(right);
    }
}

#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) peak: Count,
    pub(crate) flat: Count,
    pub(crate) grows: Count,
    pub(crate) open: u32,
    /// Times that no law fits.
    pub(crate) rejected: u32,
    /// The highest throughput's interval.
    pub(crate) x_max: Count,
    /// Where the law has its bound.
    pub(crate) batch: Count,
    /// Where the law has its peak.
    pub(crate) law_peak: Count,
}

fn holds(place: Located, truth: f64) -> bool {
    let high = place.hi.is_none_or(|hi| truth <= hi);
    place.lo.is_none_or(|lo| lo <= truth) && high
}

/// Looks at the levels `runs` times; the ten stretches of each scatter by the share `noise` of its throughput.
pub(crate) fn runs(server: Server, noise: f64, runs: u32) -> Said {
    let mut rng = ChaCha8Rng::seed_from_u64(113);
    let noise = Normal::new(1.0, noise).expect("a share");
    let mut said = Said::default();
    for _ in 0..runs {
        let levels = LEVELS.map(|n| {
            let stretches: Vec<f64> = (0..10)
                .map(|_| server.throughput(n) * noise.sample(&mut rng))
                .collect();
            let x = Estimate::of_blocks(&stretches).expect("ten finite numbers have a mean");
            (n, x)
        });
        let scaling = Scaling::of_throughputs(levels.into_iter()).expect("there are levels");
        said.add(server, &scaling);
    }
    said
}

impl Said {
    fn add(&mut self, server: Server, scaling: &Scaling) {
        match scaling.course {
            Course::Peak { above, below, .. } => {
                let within = |at: f64| above.is_none_or(|n| f64::from(n) < at) && at < below.into();
                self.peak.add(server.peak().is_some_and(within));
            }
            Course::Flat { from } => {
                let beyond: Vec<f64> = LEVELS
                    .iter()
                    .filter(|n| **n > from)
                    .map(|n| server.throughput(*n))
                    .collect();
                let mean = beyond.iter().sum::<f64>() / beyond.len() as f64;
                self.flat
                    .add((mean / server.throughput(from) - 1.0).abs() < 0.05);
            }
            Course::Grows { from, to } => {
                let grows = server.throughput(to) > server.throughput(from);
                self.grows.add(grows);
            }
            Course::Open { .. } | Course::Single { .. } => self.open += 1,
        }
        self.x_max.add(holds(scaling.x_max, server.highest()));
        self.rejected += u32::from(scaling.law().is_none());
        if scaling.batch.at.is_some() {
            let truth = server.saturates();
            self.batch
                .add(truth.is_some_and(|at| holds(scaling.batch, at)));
        }
        if let Some(place) = scaling.usl_peak() {
            self.law_peak
                .add(server.peak().is_some_and(|at| holds(place, at)));
        }
    }
}
