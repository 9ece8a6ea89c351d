//! From an observed run to its figures.

use crate::notes::RunWarning;
use domain::{Nanos, OutcomeCounts};

use super::{AgentMetrics, Contention, RunFigures, RunMetrics};
use crate::arms::{Arms, WarmLoads, decode_overlap, warm_loads};
use crate::cause::RunCause;
use crate::observation::{AgentObservation, ArmObservation, RunObservation};
use crate::request::RequestMetrics;
use crate::stats;

/// A TTFT this much above the solo TTFT is contention by TR113's rule, seconds.
const TTFT_RULE_S: f64 = 3.0;
/// A `speedup_est` below this is contention by TR113's other rule.
const SPEEDUP_RULE: f64 = 1.5;
/// A share of the wall lost to others above this is contention by cause.
const CAUSE_RULE: f64 = 0.05;

impl RunMetrics {
    /// The figures of a run, with warm loads from this run alone.
    pub fn of(run: &RunObservation) -> Self {
        Self::with_warm_loads(run, &WarmLoads::new())
    }

    /// `fallback` holds warm loads for agents without any in this run, usually from the configuration's other runs.
    pub(crate) fn with_warm_loads(run: &RunObservation, fallback: &WarmLoads) -> Self {
        let mut warm = warm_loads([run]);
        for (agent, load) in fallback {
            warm.entry(*agent).or_insert(*load);
        }
        let mut warnings = Vec::new();
        let arms = Arms::of(run, &warm, &mut warnings);
        let observed = run.together.as_ref().or(run.sequential.as_ref());
        let mut metrics = Self {
            config: run.config.clone(),
            scenario: run.scenario.clone(),
            topology: run.topology,
            repetition: run.repetition,
            agents: observed.map_or(0, |arm| arm.agents.len() as u32),
            excluded: None,
            outcomes: run.together.as_ref().map(outcomes).unwrap_or_default(),
            outcomes_sequential: run.sequential.as_ref().map(outcomes),
            figures: RunFigures::default(),
            per_agent: Vec::new(),
            contention: Contention {
                published: run.contention_recorded,
                ..Contention::default()
            },
            cause: RunCause::default(),
            memory_peak_bytes: None,
            warnings: Vec::new(),
        };
        match arms {
            Err(reason) => metrics.excluded = Some(reason),
            Ok(arms) => metrics.fill(run, &arms, &warm),
        }
        warnings.extend(run.arms().filter_map(clock_warning));
        metrics.warnings = warnings;
        metrics
    }

    fn fill(&mut self, run: &RunObservation, arms: &Arms<'_>, warm: &WarmLoads) {
        let together = arms.together;
        let recorded = run.wall_recorded_s;
        let recorded = recorded.filter(|wall| together.is_rebuilt() && *wall > 0.0);
        let wall = recorded.unwrap_or(arms.times.wall.as_secs_f64());
        let agents = together.agents.len() as f64;
        self.per_agent = (0..together.agents.len())
            .map(|i| agent_metrics(arms, i, warm))
            .collect();

        let sum: f64 = self.per_agent.iter().filter_map(|a| a.time_s).sum();
        let [ttft_delta_ms, tp_delta_tokens_per_s] = match self.per_agent.as_slice() {
            [a, b] => [
                a.ttft_s.zip(b.ttft_s).map(|(a, b)| 1e3 * a - 1e3 * b),
                a.decode_tokens_per_s
                    .zip(b.decode_tokens_per_s)
                    .map(|(a, b)| b - a),
            ],
            _ => [None, None],
        };
        let speedup_est = sum / wall;
        let all = together.tokens();
        self.figures = RunFigures {
            wall_s: Some(wall),
            sequential_estimated_s: Some(sum),
            speedup_est: Some(speedup_est),
            efficiency_est_percent: Some(100.0 * speedup_est / agents),
            ttft_delta_ms,
            tp_delta_tokens_per_s,
            decode_overlap: decode_overlap(together),
            throughput_together_tokens_per_s: (all > 0).then(|| all as f64 / wall),
            ..self.against_in_turn(arms, wall).unwrap_or_default()
        };
        self.cause = RunCause::of(arms, self.figures.decode_overlap, warm);
        if self.figures.speedup.is_none() {
            self.figures.speedup_upper_bound = self.cause.upper_bound(arms, wall);
        }
        self.contention = Contention {
            ttft_rule: self.ttft_rule(),
            speedup_rule: Some(speedup_est < SPEEDUP_RULE),
            cause: self.cause.share_of_wall(wall).and_then(|(share, exact)| {
                (exact || share > CAUSE_RULE).then_some(share > CAUSE_RULE)
            }),
            published: run.contention_recorded,
        };
    }

    /// Mean of a figure over the agents; none unless all have it.
    pub(crate) fn over_agents(&self, value: fn(&AgentMetrics) -> Option<f64>) -> Option<f64> {
        let all = self.per_agent.iter().map(value);
        stats::mean(&all.collect::<Option<Vec<_>>>()?)
    }

    fn ttft_rule(&self) -> Option<bool> {
        let agents = self.per_agent.iter();
        let excess = agents.map(|a| Some(a.ttft_s? - a.ttft_solo_s?));
        let excess = excess.collect::<Option<Vec<_>>>()?;
        Some(excess.iter().any(|s| *s > TTFT_RULE_S))
    }

    /// The measurement against running in turn (section 3b); none without a usable sequential arm.
    fn against_in_turn(&self, arms: &Arms<'_>, wall: f64) -> Option<RunFigures> {
        let (sequential, times) = arms.sequential.as_ref()?;
        let baselines = arms.baselines.as_ref()?;
        let raw = times.wall.as_secs_f64();
        let delta: i64 = baselines.iter().map(|b| b.work_delta).sum();
        let normalised = raw + delta as f64 / 1e9;
        let progress = self.per_agent.iter().map(|a| a.np.filter(|np| *np > 0.0));
        let progress = progress.collect::<Option<Vec<f64>>>();
        let progress = progress.as_deref();
        let all = sequential.tokens();
        let speedup = normalised / wall;
        Some(RunFigures {
            wall_sequential_raw_s: Some(raw),
            wall_sequential_s: Some(normalised),
            speedup: Some(speedup),
            speedup_raw: Some(raw / wall),
            efficiency_percent: Some(100.0 * speedup / self.per_agent.len() as f64),
            stp: progress.map(|np| np.iter().sum()),
            antt: progress.and_then(|np| {
                let slowed: Vec<f64> = np.iter().map(|np| 1.0 / np).collect();
                stats::mean(&slowed)
            }),
            fairness: (progress.and_then(stats::bounds)).map(|(least, most)| least / most),
            jain: progress.and_then(stats::jain),
            throughput_sequential_tokens_per_s: (all > 0).then(|| all as f64 / raw),
            ..RunFigures::default()
        })
    }
}

fn first_ttft(agent: &AgentObservation) -> Option<f64> {
    let first = agent.requests.first()?;
    RequestMetrics::of(first).ttft.map(Nanos::as_secs_f64)
}

fn agent_metrics(arms: &Arms<'_>, i: usize, warm: &WarmLoads) -> AgentMetrics {
    let agent = &arms.together.agents[i];
    let alone = arms.sequential.as_ref().map(|(arm, _)| &arm.agents[i]);
    let time_s = arms.times.time(i).as_secs_f64();
    let solo_s = arms.baselines.as_ref().and_then(|b| b[i].solo);
    let solo_s = solo_s.map(|ns| ns as f64 / 1e9);
    let warm_load_s = warm.get(&agent.agent).map(|w| w.as_secs_f64());
    let ttft_solo_s = alone.and_then(|alone| {
        let load = alone.requests.first()?.counters.load?.as_secs_f64();
        Some(first_ttft(alone)? - (load - warm_load_s?).max(0.0))
    });
    AgentMetrics {
        agent: agent.agent,
        name: agent.name.clone(),
        time_s: Some(time_s),
        solo_s,
        np: solo_s.filter(|_| time_s > 0.0).map(|solo| solo / time_s),
        warm_load_s,
        ttft_s: first_ttft(agent),
        ttft_solo_s,
        decode_tokens_per_s: agent.rate(),
        decode_sequential_tokens_per_s: alone.and_then(AgentObservation::rate),
        tokens: agent.tokens(),
    }
}

fn outcomes(arm: &ArmObservation) -> OutcomeCounts {
    OutcomeCounts::of(arm.requests().map(|r| &r.outcome))
}

/// One warning of all contradicting stamps of an arm.
fn clock_warning(arm: &ArmObservation) -> Option<RunWarning> {
    let warnings = arm.requests().map(|r| RequestMetrics::of(r).clock_warnings);
    let found: Vec<_> = warnings.filter(|w| !w.is_empty()).collect();
    let worst = found.iter().flatten().min_by_key(|w| w.by_ns)?;
    let counts = [found.len(), arm.requests().count()];
    let (figure, by_ns) = (worst.figure, worst.by_ns);
    Some(RunWarning::Clocks(arm.arm, counts, figure, by_ns))
}
