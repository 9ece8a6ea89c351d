//! Levels whose truth is known exactly, and what the rule of `tandem capacity` says of them.

use domain::record::RequestRecord;
use domain::record::capacity::{Budget, CapacitySettings, Search, Verdict};
use domain::{Nanos, Outcome, Stamp};
use metrics::capacity::{Objective, Rule, Sample, Watch, Watched, steady_window};
use metrics::timeline::{of_load, streamed};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// The limit on the first token, and the logarithmic spread of the times to it.
pub(crate) const LIMIT_S: f64 = 0.5;
pub(crate) const SPREAD: f64 = 0.4;

/// From the first token to the end of the answer.
const ANSWER_S: f64 = 0.3;

/// What the times to the first token have in common. Each alone is normal (after its logarithm).
#[derive(Debug, Clone, Copy, PartialEq, strum::VariantArray)]
pub(crate) enum Together {
    Independent,
    /// An agent's next one with its last one: correlation 0.5.
    Agents,
    /// Half of their variance with all requests of the same two seconds.
    Moments,
    /// Half of their variance with all requests of the same six seconds.
    Spells,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit {
    /// A percentile of the time to the first token.
    Percentile(u8),
    Mean,
    /// The share of requests within a limit on it.
    Goodput,
    /// The share of requests that fail: those with the longest times do.
    Failed,
}

impl Limit {
    pub(crate) fn objective(self) -> Objective {
        let slo = match self {
            Self::Percentile(p) => format!("ttft_p{p} < {LIMIT_S}s"),
            Self::Mean => format!("ttft_mean < {LIMIT_S}s"),
            Self::Goodput => format!("goodput >= 95% and ttft_p50 < {LIMIT_S}s"),
            Self::Failed => "failed < 5%".to_owned(),
        };
        slo.parse().expect("a limit of ours")
    }

    /// What of such times is limited, in standard deviations from the middle one.
    fn of(self, times: &mut [f64]) -> f64 {
        let share = match self {
            Self::Percentile(p) => f64::from(p) / 100.0,
            Self::Goodput | Self::Failed => 0.95,
            Self::Mean => {
                let sum: f64 = times.iter().map(|z| (SPREAD * z).exp()).sum();
                return (sum / times.len() as f64).ln() / SPREAD;
            }
        };
        let rank = (times.len() as f64 * share) as usize;
        *times.select_nth_unstable_by(rank, f64::total_cmp).1
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Server {
    together: Together,
    pub(crate) limit: Limit,
    /// Where the limit lies, in standard deviations from the middle of the times.
    limit_at_sd: f64,
}

impl Server {
    /// One that just keeps the limit. Agents send less while all are slow, so that the share of slow
    /// requests is less than that of slow times: it is taken of `runs` long runs.
    pub(crate) fn at_its_limit(limit: Limit, together: Together, runs: u32) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut server = Self {
            together,
            limit,
            limit_at_sd: 0.0,
        };
        // How much less they send depends on where the limit lies.
        for _ in 0..4 {
            let mut times = Vec::new();
            for _ in 0..runs {
                let mut shared = Vec::new();
                for _ in 0..4 {
                    server.agent(10_000, &mut shared, &mut rng, |_, z, _| times.push(z));
                }
            }
            server.limit_at_sd = limit.of(&mut times);
        }
        server
    }

    /// The same with times `by` standard deviations longer.
    pub(crate) fn off(self, by: f64) -> Self {
        Self {
            limit_at_sd: self.limit_at_sd - by,
            ..self
        }
    }

    /// An agent's requests: when each begins, and its time to the first token in standard deviations from the middle
    /// and in seconds. `shared` is the common part so far.
    fn agent(
        self,
        requests: u32,
        shared: &mut Vec<f64>,
        rng: &mut ChaCha8Rng,
        mut each: impl FnMut(f64, f64, f64),
    ) {
        let mut begins = 0.0;
        let mut last = normal(rng);
        for _ in 0..requests {
            let own = normal(rng);
            // The common part stays the same for so many seconds.
            let mut with_others = |seconds: f64| {
                let moment = (begins / seconds) as usize;
                while shared.len() <= moment {
                    shared.push(normal(rng));
                }
                0.5_f64.sqrt() * (shared[moment] + own)
            };
            let z = match self.together {
                Together::Independent => own,
                Together::Agents => 0.5 * last + 0.75_f64.sqrt() * own,
                Together::Moments => with_others(2.0),
                Together::Spells => with_others(6.0),
            };
            last = z;
            let ttft = LIMIT_S * (SPREAD * (z - self.limit_at_sd)).exp();
            each(begins, z, ttft);
            begins += ttft + ANSWER_S;
        }
    }

    /// In the order of their ends.
    pub(crate) fn level(self, agents: u32, rng: &mut ChaCha8Rng) -> Vec<RequestRecord> {
        // More than are ever taken, also of the agents that are served fastest.
        let each = 2 * Budget::default().requests(agents).div_ceil(agents) + 16;
        let mut shared = Vec::new();
        let mut records = Vec::new();
        for agent in 0..agents {
            self.agent(each, &mut shared, rng, |begins, z, ttft| {
                let at = Stamp::ZERO + Nanos::from_secs_f64(begins);
                let first = at + Nanos::from_secs_f64(ttft);
                let end = first + Nanos::from_secs_f64(ANSWER_S);
                let mut times = streamed(at, [first, end]);
                if self.limit == Limit::Failed && z > self.limit_at_sd {
                    times.outcome = Outcome::Incomplete;
                }
                records.push(of_load(agent, times));
            });
        }
        records.sort_by_key(|r| r.times.ended);
        records
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// The defaults of `tandem capacity`, as far as they decide.
pub(crate) fn asked(objective: &Objective) -> CapacitySettings {
    CapacitySettings {
        slo: objective.to_string(),
        warmup: 1,
        search: Search {
            start: 1,
            max_agents: 512,
            precision_share: 0.1,
            beyond: 0,
        },
        error_probability: 0.05,
        ..CapacitySettings::default()
    }
}

/// Looks at a level as `tandem capacity` does: the verdict, and the requests it took.
pub(crate) fn decide(
    records: &[RequestRecord],
    agents: u32,
    objective: &Objective,
) -> (Verdict, u32) {
    let asked = asked(objective);
    let mut watch = Watch::new(&asked, objective, agents);
    for ended in 1..=records.len() {
        let seen = &records[..ended];
        let decision = match watch.see(seen) {
            Watched::On => continue,
            Watched::Decided(_, decision) => decision,
            Watched::Budget => {
                let window = steady_window(seen, agents, asked.warmup, Nanos::ZERO, None)
                    .expect("it was steady before the budget was used up");
                let sample = Sample::of(seen, window);
                Rule::default().judge(&sample, objective, watch.looks())
            }
        };
        return (decision.verdict, decision.requests);
    }
    panic!("a level of too few requests");
}

#[derive(Debug, Default)]
pub(crate) struct Decided {
    pub(crate) passes: u32,
    pub(crate) fails: u32,
    pub(crate) requests: u64,
}

pub(crate) fn levels(server: Server, agents: u32, levels: u32) -> Decided {
    let objective = server.limit.objective();
    let mut rng = ChaCha8Rng::seed_from_u64(113);
    let mut out = Decided::default();
    for _ in 0..levels {
        let records = server.level(agents, &mut rng);
        let (verdict, requests) = decide(&records, agents, &objective);
        out.passes += u32::from(verdict == Verdict::Pass);
        out.fails += u32::from(verdict == Verdict::Fail);
        out.requests += u64::from(requests);
    }
    out
}
