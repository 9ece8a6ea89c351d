//! Servers whose throughput by number of agents is known, and what is said of their levels.

use metrics::Estimate;
use metrics::capacity::{Course, Scaling, ScalingEstimate};
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

use Server::{Amdahl, Batch, Linear, Serial, Slots, Thrashing, Usl};

impl Server {
    pub(crate) const ALL: [Self; 7] = [Slots, Batch, Serial, Linear, Amdahl, Usl, Thrashing];

    pub(crate) fn throughput(self, agents: u32) -> f64 {
        let n = f64::from(agents);
        let slots = n.min(8.0);
        let x = match self {
            Slots => slots,
            Batch => slots / (1.0 + 0.03 * (slots - 1.0)),
            Serial => 1.0,
            Linear => n,
            Amdahl => n / (1.0 + 0.02 * (n - 1.0)),
            Usl => n / (1.0 + 0.1 * (n - 1.0) + 0.006 * n * (n - 1.0)),
            Thrashing => slots * 0.99_f64.powf(n - slots),
        };
        30.0 * x
    }

    /// From how many agents on throughput is highest, where it does not fall beyond; and the number with the highest
    /// throughput, where it does.
    fn saturates_and_peaks(self) -> [Option<f64>; 2] {
        match self {
            Slots | Batch => [Some(8.0), None],
            Serial => [Some(1.0), None],
            Usl => [None, Some((0.9_f64 / 0.006).sqrt())],
            Thrashing => [None, Some(8.0)],
            Linear | Amdahl => [None, None],
        }
    }
}

/// How often a claim was made, and how often it was right.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) made: u32,
    pub(crate) right: u32,
}

impl Count {
    fn add(&mut self, right: bool) {
        self.made += 1;
        self.right += u32::from(right);
    }
}

/// What was claimed of a server's throughput.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pub(crate) peak: Count,
    pub(crate) flat: Count,
    pub(crate) grows: Count,
    pub(crate) open: u32,
    /// Times that no law fits.
    pub(crate) rejected: u32,
    /// The highest throughput's interval.
    x_max: Count,
    /// Where the law has its bound.
    batch: Count,
    /// Where the law has its peak.
    law_peak: Count,
}

/// Looks at the levels `runs` times; the ten stretches of each scatter by the share `noise` of its throughput.
pub(crate) fn runs(server: Server, noise: f64, runs: u32) -> Claims {
    let mut rng = ChaCha8Rng::seed_from_u64(113);
    let noise = Normal::new(1.0, noise).expect("a share");
    let mut claims = Claims::default();
    for _ in 0..runs {
        let levels = LEVELS.map(|n| {
            let mut stretch = || server.throughput(n) * noise.sample(&mut rng);
            let stretches: [f64; 10] = std::array::from_fn(|_| stretch());
            let x = Estimate::of_blocks(&stretches).expect("ten finite numbers have a mean");
            (n, x)
        });
        let scaling = Scaling::of_throughputs(levels.into_iter()).expect("there are levels");
        claims.add(server, &scaling);
    }
    claims
}

impl Claims {
    /// Of the course's peak, flat end and growth, and of the highest throughput, the law's bound and its peak.
    pub(crate) fn counts(&self) -> [Count; 6] {
        [
            self.peak,
            self.flat,
            self.grows,
            self.x_max,
            self.batch,
            self.law_peak,
        ]
    }

    fn add(&mut self, server: Server, scaling: &Scaling) {
        let holds = |place: ScalingEstimate, truth: f64| {
            place.lo.is_none_or(|lo| lo <= truth) && place.hi.is_none_or(|hi| truth <= hi)
        };
        let [saturates, peaks] = server.saturates_and_peaks();
        match scaling.course {
            Course::Peak { above, below, .. } => {
                let within = |at: f64| above.is_none_or(|n| f64::from(n) < at) && at < below.into();
                self.peak.add(peaks.is_some_and(within));
            }
            Course::Flat { from } => {
                let beyond = LEVELS.iter().filter(|n| **n > from);
                let beyond: Vec<f64> = beyond.map(|n| server.throughput(*n)).collect();
                let mean = beyond.iter().sum::<f64>() / beyond.len() as f64;
                let change = mean / server.throughput(from) - 1.0;
                self.flat.add(change.abs() < 0.05);
            }
            Course::Grows { from, to } => {
                let grows = server.throughput(to) > server.throughput(from);
                self.grows.add(grows);
            }
            Course::Open { .. } | Course::Single { .. } => self.open += 1,
        }
        let highest = LEVELS.map(|n| server.throughput(n));
        let highest = highest.into_iter().fold(0.0, f64::max);
        self.x_max.add(holds(scaling.x_max, highest));
        self.rejected += u32::from(scaling.law().is_none());
        if scaling.batch.at.is_some() {
            self.batch
                .add(saturates.is_some_and(|at| holds(scaling.batch, at)));
        }
        if let Some(place) = scaling.usl_peak() {
            self.law_peak.add(peaks.is_some_and(|at| holds(place, at)));
        }
    }
}
