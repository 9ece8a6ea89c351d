//! How often a capacity run errs, on servers whose truth is known exactly: the tables in
//! `docs/capacity.md`.

use domain::plan::{Arm, Topology};
use domain::record::{RequestRecord, RequestTimes, RunKey};
use domain::{Nanos, Outcome, Stamp};
use metrics::capacity::{
    Asked, Budget, Next, Objective, Observed, Rule, Sample, Search, Verdict, Watch, Watched, Window,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Searches of each server, unless told otherwise.
pub(crate) const SEARCHES: u32 = 100;

/// The limit on the first token, and the logarithmic spread of the times to it.
const LIMIT_S: f64 = 0.5;
const SPREAD: f64 = 0.4;

/// From the first token to the end of the answer.
const ANSWER_S: f64 = 0.3;

/// What the times to the first token have in common. Each alone is normal (after its logarithm).
#[derive(Debug, Clone, Copy, PartialEq)]
enum Together {
    /// Nothing.
    Independent,
    /// An agent's next one with its last one: correlation 0.5.
    Agents,
    /// Half of their variance with everybody's of the same two seconds.
    Moments,
    /// Half of their variance with everybody's of the same six seconds.
    Spells,
}

impl Together {
    /// How long everybody's part stays the same, seconds.
    fn lasts(self) -> Option<f64> {
        match self {
            Self::Independent | Self::Agents => None,
            Self::Moments => Some(2.0),
            Self::Spells => Some(6.0),
        }
    }
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    /// A percentile of the time to the first token.
    Percentile(u8),
    /// Its mean.
    Mean,
    /// The share of requests within a limit on it.
    Goodput,
    /// The share of requests that fail: those with the longest times do.
    Failed,
}

impl Limit {
    fn objective(self) -> Objective {
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

/// A server.
#[derive(Debug, Clone, Copy)]
struct Server {
    together: Together,
    limit: Limit,
    /// Where the limit lies, in standard deviations from the middle of the times.
    at: f64,
}

impl Server {
    /// One that just keeps the limit. Agents send less while all are slow, so that the share of slow
    /// requests is less than that of slow times: it is taken of a long run.
    fn at_its_limit(limit: Limit, together: Together) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut server = Self {
            together,
            limit,
            at: 0.0,
        };
        // How much less they send depends on where the limit lies.
        for _ in 0..4 {
            let mut times = Vec::new();
            for _ in 0..64 {
                let mut shared = Vec::new();
                for _ in 0..4 {
                    server.agent(10_000, &mut shared, &mut rng, |_, z, _| times.push(z));
                }
            }
            server.at = limit.of(&mut times);
        }
        server
    }

    /// The same with times so many standard deviations longer.
    fn off(self, by: f64) -> Self {
        Self {
            at: self.at - by,
            ..self
        }
    }

    /// An agent's requests: when each begins, and its time to the first token in standard deviations
    /// from the middle and in seconds. `shared` is everybody's part so far.
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
            let z = if let Some(lasts) = self.together.lasts() {
                let moment = (begins / lasts) as usize;
                while shared.len() <= moment {
                    shared.push(normal(rng));
                }
                0.5_f64.sqrt() * (shared[moment] + own)
            } else if self.together == Together::Agents {
                0.5 * last + 0.75_f64.sqrt() * own
            } else {
                own
            };
            last = z;
            let ttft = LIMIT_S * (SPREAD * (z - self.at)).exp();
            each(begins, z, ttft);
            begins += ttft + ANSWER_S;
        }
    }

    /// The requests of a level in the order of their ends.
    fn level(self, agents: u32, rng: &mut ChaCha8Rng) -> Vec<RequestRecord> {
        // More than are ever taken, also of the agents that are served fastest.
        let each = 2 * BUDGET.requests(agents).div_ceil(agents) + 16;
        let mut shared = Vec::new();
        let mut records = Vec::new();
        for agent in 0..agents {
            self.agent(each, &mut shared, rng, |begins, z, ttft| {
                let at = Stamp::ZERO + Nanos::from_secs_f64(begins);
                let first = at + Nanos::from_secs_f64(ttft);
                let end = first + Nanos::from_secs_f64(ANSWER_S);
                let fails = self.limit == Limit::Failed && z > self.at;
                let times = RequestTimes {
                    scheduled: at,
                    sent: Some(at),
                    first_token: Some(first),
                    last_token: Some(end),
                    done: Some(end),
                    ended: end,
                    outcome: if fails {
                        Outcome::Incomplete
                    } else {
                        Outcome::Completed
                    },
                    tokens: 2,
                    chunks: vec![first, end],
                    ..RequestTimes::default()
                };
                records.push(RequestRecord {
                    agent,
                    ..RequestRecord::new(RunKey::of_load(Topology::Shared), Arm::Together, times)
                });
            });
        }
        records.sort_by_key(|r| r.times.ended);
        records
    }
}

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    StandardNormal.sample(rng)
}

/// The budget when nothing else is said.
const BUDGET: Budget = Budget {
    requests_per_agent: None,
    time_per_level_s: None,
};

/// What `tandem capacity` asks when nothing else is said.
fn asked(objective: &Objective) -> Asked {
    Asked {
        slo: objective.to_string(),
        model: String::new(),
        num_predict: 50,
        prompt: String::new(),
        same_prompt: false,
        think_s: 0.0,
        warmup: 1,
        budget: BUDGET,
        search: Search {
            start: 1,
            max_agents: 512,
            precision: 0.1,
            beyond: 0,
        },
        error: 0.05,
        max_failed: 0.1,
        seed: 1,
    }
}

/// Looks at a level as `tandem capacity` does: the verdict, and the requests it took.
fn decide(records: &[RequestRecord], agents: u32, objective: &Objective) -> (Verdict, u32) {
    let asked = asked(objective);
    let mut watch = Watch::new(&asked, objective, agents);
    for ended in 1..=records.len() {
        let seen = &records[..ended];
        match watch.see(seen) {
            Watched::On => {}
            Watched::Decided(_, decision) => return (decision.verdict, decision.requests),
            Watched::Budget => {
                let window = Window::of(seen, agents, asked.warmup, Nanos::ZERO, None)
                    .expect("it was steady before the budget was used up");
                let rule = Rule { error: asked.error };
                let sample = Sample::of(seen, window);
                let decision = rule.judge(&sample, objective, watch.looks());
                return (decision.verdict, decision.requests);
            }
        }
    }
    panic!("a level of too few requests");
}

fn share(count: u32, of: u32) -> String {
    format!("{:.1}", 100.0 * f64::from(count) / f64::from(of))
}

/// What came of levels of one server.
#[derive(Debug, Default)]
struct Decided {
    passes: u32,
    fails: u32,
    requests: u64,
}

fn levels(server: Server, agents: u32, levels: u32) -> Decided {
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

/// A table with a row for each server and a column for each number of agents and figure.
fn table(names: &[&str], agents: &[u32], figures: &[&str]) {
    let columns = figures
        .iter()
        .flat_map(|figure| agents.iter().map(move |n| format!("{figure}, {n}")));
    let names = names.iter().map(|name| (*name).to_owned());
    let heads: Vec<String> = names.chain(columns).collect();
    println!("| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
}

/// Levels exactly at their limit: either decision is wrong.
fn at_the_limit(limits: &[Limit], agents: &[u32], each: u32) {
    table(&["limit", "together"], agents, &["passes (%)", "fails (%)"]);
    for limit in limits {
        for together in [
            Together::Independent,
            Together::Agents,
            Together::Moments,
            Together::Spells,
        ] {
            let server = Server::at_its_limit(*limit, together);
            let out: Vec<Decided> = agents.iter().map(|n| levels(server, *n, each)).collect();
            let passes = out.iter().map(|d| share(d.passes, each));
            let cells: Vec<String> = passes
                .chain(out.iter().map(|d| share(d.fails, each)))
                .collect();
            println!(
                "| {} | {together:?} | {} |",
                limit.objective(),
                cells.join(" | ")
            );
        }
    }
}

/// Levels within and beyond their limit: how many are decided rightly, and by how many requests.
fn off_the_limit(agents: &[u32], each: u32) {
    table(
        &["percentile / limit (%)", "together"],
        agents,
        &["decided rightly (%)", "requests"],
    );
    for off in [-1.0, -0.5, 0.5] {
        for together in [Together::Independent, Together::Agents, Together::Moments] {
            let server = Server::at_its_limit(Limit::Percentile(95), together).off(off);
            let out: Vec<Decided> = agents.iter().map(|n| levels(server, *n, each)).collect();
            let right = |d: &Decided| share(if off < 0.0 { d.passes } else { d.fails }, each);
            let requests = |d: &Decided| format!("{:.0}", d.requests as f64 / f64::from(each));
            let cells: Vec<String> = out
                .iter()
                .map(right)
                .chain(out.iter().map(requests))
                .collect();
            println!(
                "| {:.0} | {together:?} | {} |",
                100.0 * (SPREAD * off).exp(),
                cells.join(" | ")
            );
        }
    }
}

/// What came of searches of one server.
#[derive(Debug, Default)]
struct Outcomes {
    /// The answer holds the truth: the most agents carried keep the limit, the fewest that break do
    /// not.
    right: u32,
    /// More are said to be carried than are.
    too_many: u32,
    /// A level is said to break the limit that keeps it.
    too_few: u32,
    /// Of the right ones those with a level left open between the two, or without either.
    open: u32,
    levels: u32,
    requests: u64,
}

/// Searches of a server that keeps the limit with up to `holds` agents; the percentile of twice the
/// agents lies `ln 2` times `slope` standard deviations higher.
fn search(server: Server, (holds, slope): (f64, f64), searches: u32) -> Outcomes {
    let objective = server.limit.objective();
    let search = asked(&objective).search;
    let mut rng = ChaCha8Rng::seed_from_u64(113);
    let mut out = Outcomes::default();
    for _ in 0..searches {
        let mut seen: Vec<Observed> = Vec::new();
        while let Next::Level(agents, _) = search.next(&seen) {
            let off = slope * (f64::from(agents) / holds).ln();
            let records = server.off(off).level(agents, &mut rng);
            let (verdict, requests) = decide(&records, agents, &objective);
            seen.push(Observed {
                agents,
                verdict,
                failing: false,
                saturated: false,
            });
            out.levels += 1;
            out.requests += u64::from(requests);
        }
        let carries = Search::carried(&seen);
        let breaks = Search::breaks(&seen);
        let too_many = carries.is_some_and(|n| f64::from(n) > holds);
        let too_few = breaks.is_some_and(|n| f64::from(n) <= holds);
        out.too_many += u32::from(too_many);
        out.too_few += u32::from(too_few);
        if !too_many && !too_few {
            out.right += 1;
            let between = |o: &&Observed| {
                o.verdict == Verdict::Unresolved
                    && carries.is_none_or(|c| o.agents > c)
                    && breaks.is_none_or(|b| o.agents < b)
            };
            let open = carries.is_none() || breaks.is_none() || seen.iter().any(|o| between(&o));
            out.open += u32::from(open);
        }
    }
    out
}

fn searches(each: u32) {
    println!(
        "| holds up to | gets worse | together | right (%) | of these open (%) | carries too many (%) | breaks too few (%) | \
         levels | requests |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for holds in [6.5, 20.5] {
        for (how, slope) in [("steeply", 6.0), ("slowly", 1.5)] {
            for together in [Together::Independent, Together::Agents, Together::Moments] {
                let server = Server::at_its_limit(Limit::Percentile(95), together);
                let out = search(server, (holds, slope), each);
                println!(
                    "| {} | {how} | {together:?} | {} | {} | {} | {} | {:.1} | {:.0} |",
                    f64::floor(holds),
                    share(out.right, each),
                    share(out.open, each),
                    share(out.too_many, each),
                    share(out.too_few, each),
                    f64::from(out.levels) / f64::from(each),
                    out.requests as f64 / f64::from(each),
                );
            }
        }
    }
}

/// All tables, of so many searches of each server.
pub(crate) fn print(each: u32) {
    let limits = [
        Limit::Percentile(90),
        Limit::Percentile(95),
        Limit::Percentile(99),
        Limit::Mean,
        Limit::Goodput,
        Limit::Failed,
    ];
    println!("Levels exactly at their limit, {} each:\n", 5 * each);
    at_the_limit(&limits, &[1, 8, 64], 5 * each);
    println!("\nThe same of many agents:\n");
    at_the_limit(&[Limit::Percentile(95)], &[256], 5 * each);
    println!(
        "\nLevels off their limit, ttft_p95 < {LIMIT_S}s, {} each:\n",
        2 * each
    );
    off_the_limit(&[1, 8, 64], 2 * each);
    println!("\nWhole searches, ttft_p95 < {LIMIT_S}s, {each} each:\n");
    searches(each);
}
