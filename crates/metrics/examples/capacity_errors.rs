//! How often a capacity run errs, on servers whose truth is known exactly: the tables in
//! `docs/capacity.md`.
//!
//! `cargo run --release -p metrics --example capacity_errors [-- SEARCHES]`

#![expect(clippy::unwrap_used, reason = "nothing is read that was not made here")]

use domain::record::RequestRecord;
use domain::{Nanos, Stamp};
use metrics::capacity::{
    Asked, Budget, Next, Objective, Observed, Rule, Sample, Search, Verdict, Watch, Watched, Window,
};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use statrs::distribution::{ContinuousCDF, Normal};

/// Searches of each server, unless told otherwise.
const SEARCHES: u32 = 100;

/// The limit on the first token, and the logarithmic spread of the times to it.
const LIMIT_S: f64 = 0.5;
const SPREAD: f64 = 0.4;

/// What the times to the first token have in common. Each alone is normal (after its logarithm), so
/// that the share within the limit is known.
#[derive(Debug, Clone, Copy)]
enum Together {
    /// Nothing.
    Independent,
    /// An agent's next one with its last one: correlation 0.5.
    Agents,
    /// Half of their variance with everybody's of the same two seconds.
    Moments,
}

/// A server that keeps the limit with up to this many agents, and how steeply it gets worse.
#[derive(Debug, Clone, Copy)]
struct Server {
    holds: f64,
    slope: f64,
}

impl Server {
    /// Standard deviations by which the percentile lies above the limit.
    fn off(self, agents: u32) -> f64 {
        self.slope * (f64::from(agents) / self.holds).ln()
    }
}

/// The requests of a level in the order of their ends.
fn level(
    agents: u32,
    off: f64,
    percentile: f64,
    together: Together,
    rng: &mut ChaCha8Rng,
) -> Vec<RequestRecord> {
    let quantile = Normal::standard().inverse_cdf(percentile / 100.0);
    let template: RequestRecord = serde_json::from_value(serde_json::json!({
        "config": "load", "topology": "shared", "repetition": 1, "arm": "together", "attempt": 1,
        "role": "main", "agent": 0, "agent_name": "", "step": "load", "call": 0, "endpoint": 0,
        "model": "m", "options": {}, "prompt_sha256": "", "scheduled": 0, "sent": 0, "ended": 0,
        "outcome": { "kind": "completed" }, "tokens": 1, "tokens_from": "server", "counters": {},
        "output_chars": 0,
    }))
    .unwrap();
    let normal = |rng: &mut ChaCha8Rng| -> f64 { StandardNormal.sample(rng) };
    let budget = Budget {
        requests_per_agent: None,
        time_per_level_s: None,
    };
    // More than are ever taken, also of the agents that are served fastest.
    let each = 2 * budget.requests(agents).div_ceil(agents) + 16;
    let mut moments: Vec<f64> = Vec::new();
    let mut records = Vec::new();
    for agent in 0..agents {
        let mut at = Stamp::ZERO;
        let mut last = normal(rng);
        for _ in 0..each {
            let own = normal(rng);
            let z = match together {
                Together::Independent => own,
                Together::Agents => 0.5 * last + 0.75_f64.sqrt() * own,
                Together::Moments => {
                    let moment = (at.0 / 2_000_000_000) as usize;
                    while moments.len() <= moment {
                        moments.push(normal(rng));
                    }
                    0.5_f64.sqrt() * (moments[moment] + own)
                }
            };
            last = z;
            let ttft = LIMIT_S * (SPREAD * (z - quantile + off)).exp();
            let first = at + Nanos::from_secs_f64(ttft);
            let end = first + Nanos::from_millis(300);
            records.push(RequestRecord {
                agent,
                scheduled: at,
                sent: Some(at),
                first_token: Some(first),
                last_token: Some(end),
                done: Some(end),
                ended: end,
                tokens: 2,
                chunk_gaps_ns: RequestRecord::gaps(Some(at), &[first, end]),
                ..template.clone()
            });
            at = end;
        }
    }
    records.sort_by_key(|r| r.ended);
    records
}

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
        budget: Budget {
            requests_per_agent: None,
            time_per_level_s: None,
        },
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
                let window = Window::of(seen, agents, asked.warmup, Nanos::ZERO, None).unwrap();
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

/// Levels whose percentile lies exactly at the limit: either decision is wrong.
fn at_the_limit(levels: u32) {
    println!("| limit | agents | together | passes (%) | fails (%) |");
    println!("|---|---|---|---|---|");
    for percentile in [90_u32, 95] {
        let slo = format!("ttft_p{percentile} < {LIMIT_S}s");
        let objective: Objective = slo.parse().unwrap();
        for agents in [1, 8, 64] {
            for together in [Together::Independent, Together::Agents, Together::Moments] {
                let mut rng = ChaCha8Rng::seed_from_u64(113);
                let mut counts = [0_u32; 2];
                for _ in 0..levels {
                    let records = level(agents, 0.0, f64::from(percentile), together, &mut rng);
                    match decide(&records, agents, &objective).0 {
                        Verdict::Pass => counts[0] += 1,
                        Verdict::Fail => counts[1] += 1,
                        Verdict::Unresolved => {}
                    }
                }
                println!(
                    "| {slo} | {agents} | {together:?} | {} | {} |",
                    share(counts[0], levels),
                    share(counts[1], levels)
                );
            }
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

fn search(server: Server, together: Together, searches: u32) -> Outcomes {
    let objective: Objective = format!("ttft_p95 < {LIMIT_S}s").parse().unwrap();
    let search = asked(&objective).search;
    let mut rng = ChaCha8Rng::seed_from_u64(113);
    let mut out = Outcomes::default();
    for _ in 0..searches {
        let mut seen: Vec<Observed> = Vec::new();
        while let Next::Level(agents, _) = search.next(&seen) {
            let records = level(agents, server.off(agents), 95.0, together, &mut rng);
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
        let too_many = carries.is_some_and(|n| f64::from(n) > server.holds);
        let too_few = breaks.is_some_and(|n| f64::from(n) <= server.holds);
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

fn main() {
    let told = std::env::args().skip(1).find(|a| a != "--bench");
    let searches: u32 = told.map_or(SEARCHES, |n| n.parse().expect("a number of searches"));
    println!("Levels exactly at their limit, {} each:\n", 5 * searches);
    at_the_limit(5 * searches);
    println!("\nWhole searches, ttft_p95 < {LIMIT_S}s, {searches} each:\n");
    println!(
        "| holds up to | gets worse | together | right (%) | of these open (%) | carries too many (%) | breaks too few (%) | \
         levels | requests |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for holds in [6.5, 20.5] {
        for (how, slope) in [("steeply", 6.0), ("slowly", 1.5)] {
            for together in [Together::Independent, Together::Agents, Together::Moments] {
                let out = search(Server { holds, slope }, together, searches);
                println!(
                    "| {} | {how} | {together:?} | {} | {} | {} | {} | {:.1} | {:.0} |",
                    holds.floor(),
                    share(out.right, searches),
                    share(out.open, searches),
                    share(out.too_many, searches),
                    share(out.too_few, searches),
                    f64::from(out.levels) / f64::from(searches),
                    out.requests as f64 / f64::from(searches),
                );
            }
        }
    }
}
