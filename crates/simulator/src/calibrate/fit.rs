//! Fits a profile's constants to recorded durations.

use super::figures::{AgentRun, CalibrateError, RecordedRun};
use super::replay::{ReplayedRun, Service, Start, replay};
use crate::profile::{ModelSpec, Profile, with_tag};

#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    pub profile: Profile,
    /// Constant, fitted value, figures it rests on.
    pub constants: Vec<(&'static str, f64, usize)>,
}

struct Case<'a> {
    recorded: &'a AgentRun,
    /// The load that the replay reported, ms.
    replayed_load_ms: f64,
    replayed: &'a Service,
    /// Execution time of the agent served before it in the same run, seconds.
    after_s: Option<f64>,
}

/// Fits the constants of `model` to recorded runs.
///
/// `shared` are runs of all agents on one server. A replay on `base` shows which of their requests
/// needed a load, waited for another agent, or had their prompt cached, which depends only on
/// options and order. `apart`, which may be empty, are runs with a server for each agent on one
/// device; they give the loss of sharing it. Fails when the profile lacks the model, or the recording
/// lacks figures for a constant.
pub fn fit(
    base: &Profile,
    model: &str,
    shared: &[RecordedRun],
    apart: &[RecordedRun],
) -> Result<Fitted, CalibrateError> {
    let full = with_tag(model);
    let index = base.models.iter().position(|m| m.name == full);
    let index = index.ok_or_else(|| CalibrateError::NoModel(model.to_owned()))?;
    let replayed = replay(base, model, shared, Start::Cold)?;
    let mut fit = Fit {
        base,
        spec: base.models[index].clone(),
        cases: cases(shared, &replayed),
        constants: Vec::new(),
    };
    fit.decode()?;
    fit.prefill()?;
    fit.load()?;
    fit.lengths(shared);
    let mut profile = base.clone();
    if !apart.is_empty() {
        let loss = fit.sharing(apart)?;
        for device in &mut profile.devices {
            device.sharing_loss_factor = loss;
        }
    }
    profile.models[index] = fit.spec;
    Ok(Fitted {
        profile,
        constants: fit.constants,
    })
}

fn cases<'a>(recorded: &'a [RecordedRun], replayed: &'a [ReplayedRun]) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for (run, again) in recorded.iter().zip(replayed) {
        let mut after_s = None;
        for agent in run.served() {
            cases.push(Case {
                recorded: &run.agents[agent],
                replayed_load_ms: again.run.agents[agent].load_ms,
                replayed: &again.services[agent],
                after_s,
            });
            after_s = Some(run.agents[agent].execution_s);
        }
    }
    cases
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = values[(values.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

/// Milliseconds to seconds, and never below zero.
fn to_seconds(ms: f64) -> f64 {
    ms.max(0.0) / 1e3
}

struct Fit<'a> {
    base: &'a Profile,
    /// The model, with the constants that are fitted so far.
    spec: ModelSpec,
    cases: Vec<Case<'a>>,
    /// See [`Fitted::constants`].
    constants: Vec<(&'static str, f64, usize)>,
}

impl Fit<'_> {
    fn push(&mut self, name: &'static str, value: f64, n: usize) -> f64 {
        self.constants.push((name, value, n));
        value
    }

    /// A figure of each case that has it.
    fn figures(&self, figure: impl FnMut(&Case<'_>) -> Option<f64>) -> Vec<f64> {
        self.cases.iter().filter_map(figure).collect()
    }

    /// A constant from the median of figures; none without figures.
    fn fit(
        &mut self,
        name: &'static str,
        figures: Vec<f64>,
        from_median: fn(f64) -> f64,
    ) -> Option<f64> {
        let n = figures.len();
        median(figures).map(|median| self.push(name, from_median(median), n))
    }

    /// As above for a constant that the fit needs; without figures an error names `what` and `fix`.
    fn need(
        &mut self,
        name: &'static str,
        figures: Vec<f64>,
        from_median: fn(f64) -> f64,
        [what, fix]: [&'static str; 2],
    ) -> Result<f64, CalibrateError> {
        let missing = CalibrateError::Missing {
            what,
            parameter: name,
            fix,
        };
        self.fit(name, figures, from_median).ok_or(missing)
    }

    fn decode(&mut self) -> Result<(), CalibrateError> {
        let tps = self.figures(|case| {
            let (tokens, eval_ms) = (case.recorded.tokens, case.recorded.eval_ms);
            (tokens > 1).then(|| f64::from(tokens - 1) / eval_ms * 1e3)
        });
        let missing = [
            "generation of two tokens or more",
            "record longer generations",
        ];
        self.spec.rates.decode_tps = self.need("rates.decode_tps", tps, |tps| tps, missing)?;
        Ok(())
    }

    /// A fully cached prompt costs one step and the overhead; the rest of a cold one is its rate.
    fn prefill(&mut self) -> Result<(), CalibrateError> {
        let step_ms = 1e3 / self.spec.rates.decode_tps;
        let cached = self.figures(|case| {
            let is_cached = !case.replayed.loaded && case.replayed.evaluated == 1;
            is_cached.then_some(case.recorded.prompt_eval_ms)
        });
        let n = cached.len();
        if let Some(cached_ms) = median(cached) {
            let rates = self.figures(|case| {
                let more_ms = case.recorded.prompt_eval_ms - cached_ms;
                let evaluated = case.replayed.evaluated;
                let is_cold = !case.replayed.loaded && evaluated > 16 && more_ms > 0.0;
                is_cold.then(|| f64::from(evaluated - 1) / more_ms * 1e3)
            });
            if let Some(tps) = self.fit("rates.prefill_tps", rates, |tps| tps) {
                self.spec.rates.prefill_tps = tps;
            }
            let overhead_ms = cached_ms - step_ms - 1e3 / self.spec.rates.prefill_tps;
            self.spec.rates.prefill_overhead_s =
                self.push("rates.prefill_overhead_s", to_seconds(overhead_ms), n);
        }
        let fixed_ms = step_ms + self.spec.rates.prefill_overhead_s * 1e3;
        let warm_up = self.figures(|case| {
            let prompt_ms = f64::from(case.replayed.evaluated) / self.spec.rates.prefill_tps * 1e3;
            let warm_up_ms = case.recorded.prompt_eval_ms - fixed_ms - prompt_ms;
            case.replayed.loaded.then_some(warm_up_ms)
        });
        let missing = [
            "request that loaded its model",
            "record a run that starts with the model unloaded or with other options",
        ];
        self.spec.load.warm_up_s = self.need("load.warm_up_s", warm_up, to_seconds, missing)?;
        Ok(())
    }

    fn load(&mut self) -> Result<(), CalibrateError> {
        // A request behind another one's load reports that load, which does not measure readiness.
        let warm = self.figures(|case| {
            let behind_load = case.replayed_load_ms > 1e3;
            let is_warm = !case.replayed.loaded && !behind_load;
            is_warm.then_some(case.recorded.load_ms / 1e3)
        });
        let missing = [
            "request that found its model ready",
            "record two runs with equal options in a row",
        ];
        let resolve_s = self.need("load.resolve_s", warm, |s| s, missing)?;
        self.spec.load.resolve_s = resolve_s;

        let mut loaded = self.cases.iter().filter(|case| case.replayed.loaded);
        // The very first load may have had to read the disk.
        let first_s = loaded.next().map(|case| case.recorded.load_ms / 1e3);
        // From the end of earlier requests: unload, recovery, load.
        let reload_s = |case: &Case<'_>| match (case.replayed.waited, case.after_s) {
            (true, Some(after_s)) => case.recorded.load_ms / 1e3 - after_s,
            _ => case.recorded.load_ms / 1e3 - resolve_s,
        };
        let (reloads, fresh): (Vec<_>, Vec<_>) = loaded.partition(|case| case.replayed.evicted);
        let n = reloads.len() + fresh.len();
        let total_s = median(reloads.into_iter().map(reload_s).collect());
        let alone_s = median(fresh.into_iter().map(reload_s).collect());
        let settings = &self.base.server;
        let load = &mut self.spec.load;
        let recovery_s = polls(load.recovery_s, settings.recovery_poll_s, f64::ceil);
        let poll_s = settings.ready_poll_s;
        let rest_s = total_s.map(|total_s| (total_s - recovery_s).max(0.0));
        load.load_s = match (alone_s, rest_s) {
            (Some(alone_s), _) => polls(alone_s, poll_s, f64::round),
            (None, Some(rest_s)) => polls(rest_s, poll_s, f64::floor),
            (None, None) => {
                return Err(CalibrateError::Missing {
                    what: "load beyond the first one",
                    parameter: "load.load_s",
                    fix: "record runs that start unloaded, or whose agents differ in num_ctx or num_gpu",
                });
            }
        };
        // Recovery and load take whole polls; the rest is the time that the process takes to die.
        if let Some(rest_s) = rest_s {
            load.unload_s = (rest_s - load.load_s).max(0.0);
        }
        let (load_s, unload_s) = (load.load_s, load.unload_s);
        self.push("load.load_s", load_s, n);
        self.push("load.unload_s", unload_s, n);
        if let Some(first_s) = first_s {
            let extra_s = (first_s - resolve_s - load_s).max(0.0);
            self.spec.load.first_load_s = self.push("load.first_load_s", extra_s, 1);
        }
        let net = &self.base.network;
        let latency_ms = f64::midpoint(net.latency_min_ms, net.latency_max_ms);
        let prepare = self.figures(|case| {
            let r = case.recorded;
            let prepare_ms = r.ttft_ms - r.load_ms - r.prompt_eval_ms - latency_ms;
            case.after_s.is_none().then_some(prepare_ms)
        });
        if let Some(prepare_s) = self.fit("load.prepare_s", prepare, to_seconds) {
            self.spec.load.prepare_s = prepare_s;
        }
        Ok(())
    }

    /// Mean and standard deviation of each agent's output, into the classes in order.
    fn lengths(&mut self, runs: &[RecordedRun]) {
        const NAMES: [[&str; 2]; 2] = [
            ["outputs[0].mean", "outputs[0].sd"],
            ["outputs[1].mean", "outputs[1].sd"],
        ];
        for (agent, [mean_name, sd_name]) in NAMES.into_iter().enumerate() {
            let agents = runs.iter().filter_map(|run| run.agents.get(agent));
            let mut lengths: Vec<f64> = agents.map(|agent| f64::from(agent.tokens)).collect();
            let Some(centre) = median(lengths.clone()) else {
                continue;
            };
            let spread = median(lengths.iter().map(|l| (l - centre).abs()).collect());
            // A single answer that stopped early does not make a spread.
            let usual = OUTLIER * MAD_TO_SD * spread.unwrap_or_default();
            lengths.retain(|l| (l - centre).abs() <= usual);
            let n = lengths.len();
            let mean = lengths.iter().sum::<f64>() / n as f64;
            let squares: f64 = lengths.iter().map(|l| (l - mean).powi(2)).sum();
            let sd = (squares / (n as f64 - 1.0)).sqrt();
            if n > 1
                && sd > 0.0
                && let Some(class) = self.spec.outputs.get_mut(agent)
            {
                (class.mean_tokens, class.sd_tokens) = (mean, sd);
                self.push(mean_name, mean, n);
                self.push(sd_name, sd, n);
            }
        }
    }

    /// While both agents decode, each step takes `2 (1 + loss)` times a step alone. The agent that
    /// ends first shares the device all the time.
    fn sharing(&mut self, apart: &[RecordedRun]) -> Result<f64, CalibrateError> {
        let both = apart
            .iter()
            .filter(|run| run.agents.len() == 2 && !run.never_overlapped());
        let losses = both.filter_map(|run| {
            let agents = run.agents.iter();
            let first = agents.min_by(|a, b| a.execution_s.total_cmp(&b.execution_s))?;
            // From the client's stamps: the server's own counter omits part of a shared step.
            let decode_s = first.execution_s - first.ttft_ms / 1e3;
            let step_s = decode_s / f64::from(first.tokens.saturating_sub(1).max(1));
            Some(step_s * self.spec.rates.decode_tps / 2.0 - 1.0)
        });
        let losses = losses.collect();
        let missing = [
            "run whose two agents overlapped",
            "record runs with a server for each agent",
        ];
        self.need(
            "devices.sharing_loss",
            losses,
            |loss| loss.max(0.0),
            missing,
        )
    }
}

/// A time in whole polls, at least one; unchanged without polling.
fn polls(seconds: f64, poll_s: f64, round: fn(f64) -> f64) -> f64 {
    if poll_s > 0.0 {
        round(seconds / poll_s).max(1.0) * poll_s
    } else {
        seconds
    }
}

/// From a median absolute deviation to the standard deviation of a normal distribution.
const MAD_TO_SD: f64 = 1.4826;
/// Lengths at least this many standard deviations from the median are left out.
const OUTLIER: f64 = 5.0;
