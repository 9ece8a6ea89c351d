//! Fits a profile's constants to recorded durations.

use super::figures::{AgentRun, CalibrateError, RecordedRun};
use super::replay::{ReplayedAgent, ReplayedRun, Start, replay};
use crate::profile::{ModelSpec, Profile};

#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    pub profile: Profile,
    /// Constant, fitted value, figures it rests on.
    pub constants: Vec<(&'static str, f64, usize)>,
}

struct Case<'a> {
    recorded: &'a AgentRun,
    replayed: &'a ReplayedAgent,
    /// Execution time of the agent served before it in the same run, seconds.
    after_s: Option<f64>,
}

/// Fits the constants of `model` to recorded runs.
///
/// `shared` are runs of all agents on one server. A replay on `base` shows which of their requests
/// needed a load, waited for another agent, or had their prompt cached, which depends only on
/// options and order. `apart`, which may be empty, are runs with a server for each agent on one
/// device; they give the loss of sharing it.
pub fn fit(
    base: &Profile,
    model: &str,
    shared: &[RecordedRun],
    apart: &[RecordedRun],
) -> Result<Fitted, CalibrateError> {
    let index = base
        .find_model(model)
        .and_then(|found| base.models.iter().position(|m| m.name == found.name))
        .ok_or_else(|| CalibrateError::NoModel(model.to_owned()))?;
    let replayed = replay(base, model, shared, Start::Cold)?;
    let cases = cases(shared, &replayed);
    let mut profile = base.clone();
    let mut constants = Constants::default();
    let spec = &mut profile.models[index];
    fit_decode(spec, &cases, &mut constants)?;
    fit_prefill(spec, &cases, &mut constants)?;
    fit_load(base, spec, &cases, &mut constants)?;
    fit_lengths(spec, shared, &mut constants);
    if !apart.is_empty() {
        let decode_tps = spec.rates.decode_tps;
        fit_sharing(&mut profile, apart, decode_tps, &mut constants)?;
    }
    let constants = constants.0;
    Ok(Fitted { profile, constants })
}

fn cases<'a>(recorded: &'a [RecordedRun], replayed: &'a [ReplayedRun]) -> Vec<Case<'a>> {
    let mut cases = Vec::new();
    for (run, again) in recorded.iter().zip(replayed) {
        let mut after_s = None;
        for agent in run.served() {
            cases.push(Case {
                recorded: &run.agents[agent],
                replayed: &again.agents[agent],
                after_s,
            });
            after_s = Some(run.agents[agent].execution_s);
        }
    }
    cases
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    if values.is_empty() {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    Some(if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    })
}

#[derive(Default)]
struct Constants(Vec<(&'static str, f64, usize)>);

impl Constants {
    fn push(&mut self, name: &'static str, value: f64, n: usize) -> f64 {
        self.0.push((name, value, n));
        value
    }

    /// A constant from the median of figures; none without figures.
    fn fit(
        &mut self,
        name: &'static str,
        figures: impl Iterator<Item = f64>,
        from_median: impl Fn(f64) -> f64,
    ) -> Option<f64> {
        let figures: Vec<f64> = figures.collect();
        let n = figures.len();
        median(figures).map(|median| self.push(name, from_median(median), n))
    }

    /// As above for a constant that the fit needs; without figures an error names `what` and `fix`.
    fn need(
        &mut self,
        name: &'static str,
        figures: impl Iterator<Item = f64>,
        from_median: impl Fn(f64) -> f64,
        [what, fix]: [&'static str; 2],
    ) -> Result<f64, CalibrateError> {
        let missing = CalibrateError::Missing {
            what,
            parameter: name,
            fix,
        };
        self.fit(name, figures, from_median).ok_or(missing)
    }
}

/// Milliseconds to seconds, and never below zero.
fn to_seconds(ms: f64) -> f64 {
    ms.max(0.0) / 1e3
}

fn fit_decode(
    spec: &mut ModelSpec,
    cases: &[Case<'_>],
    constants: &mut Constants,
) -> Result<(), CalibrateError> {
    let tps = cases
        .iter()
        .filter(|case| case.recorded.tokens > 1)
        .map(|case| f64::from(case.recorded.tokens - 1) / case.recorded.eval_ms * 1e3);
    let missing = [
        "generation of two tokens or more",
        "record longer generations",
    ];
    spec.rates.decode_tps = constants.need("rates.decode_tps", tps, |tps| tps, missing)?;
    Ok(())
}

/// A fully cached prompt costs one step and the overhead; the rest of a cold one is its rate.
fn fit_prefill(
    spec: &mut ModelSpec,
    cases: &[Case<'_>],
    constants: &mut Constants,
) -> Result<(), CalibrateError> {
    let step_ms = 1e3 / spec.rates.decode_tps;
    let ready = || cases.iter().filter(|case| !case.replayed.loaded);
    let cached: Vec<f64> = ready()
        .filter(|case| case.replayed.evaluated == 1)
        .map(|case| case.recorded.prompt_eval_ms)
        .collect();
    let n = cached.len();
    if let Some(cached_ms) = median(cached) {
        let rates = ready()
            .filter(|case| case.replayed.evaluated > 16)
            .filter(|case| case.recorded.prompt_eval_ms > cached_ms)
            .map(|case| {
                let more = f64::from(case.replayed.evaluated - 1);
                more / (case.recorded.prompt_eval_ms - cached_ms) * 1e3
            });
        if let Some(tps) = constants.fit("rates.prefill_tps", rates, |tps| tps) {
            spec.rates.prefill_tps = tps;
        }
        let overhead_ms = cached_ms - step_ms - 1e3 / spec.rates.prefill_tps;
        spec.rates.prefill_overhead_s =
            constants.push("rates.prefill_overhead_s", to_seconds(overhead_ms), n);
    }
    let fixed_ms = step_ms + spec.rates.prefill_overhead_s * 1e3;
    let prefill_tps = spec.rates.prefill_tps;
    let loaded = cases.iter().filter(|case| case.replayed.loaded);
    let warm_up = loaded.map(|case| {
        let prompt_ms = f64::from(case.replayed.evaluated) / prefill_tps * 1e3;
        case.recorded.prompt_eval_ms - fixed_ms - prompt_ms
    });
    let missing = [
        "request that loaded its model",
        "record a run that starts with the model unloaded or with other options",
    ];
    spec.load.warm_up_s = constants.need("load.warm_up_s", warm_up, to_seconds, missing)?;
    Ok(())
}

fn fit_load(
    base: &Profile,
    spec: &mut ModelSpec,
    cases: &[Case<'_>],
    constants: &mut Constants,
) -> Result<(), CalibrateError> {
    // A request behind another one's load reports that load, which does not measure readiness.
    let behind_load = |case: &Case<'_>| case.replayed.timings.load.as_millis_f64() > 1e3;
    let warm = cases
        .iter()
        .filter(|case| !case.replayed.loaded && !behind_load(case))
        .map(|case| case.recorded.load_ms / 1e3);
    let missing = [
        "request that found its model ready",
        "record two runs with equal options in a row",
    ];
    let resolve_s = constants.need("load.resolve_s", warm, |s| s, missing)?;
    spec.load.resolve_s = resolve_s;

    // From the end of earlier requests: unload, recovery, load.
    let reload_s = |case: &Case<'_>| match (case.replayed.waited, case.after_s) {
        (true, Some(after_s)) => case.recorded.load_ms / 1e3 - after_s,
        _ => case.recorded.load_ms / 1e3 - resolve_s,
    };
    let loaded: Vec<&Case<'_>> = cases.iter().filter(|case| case.replayed.loaded).collect();
    // The very first load may have had to read the disk.
    let (reloads, fresh): (Vec<&Case<'_>>, Vec<&Case<'_>>) = loaded
        .iter()
        .skip(1)
        .partition(|case| case.replayed.evicted);
    let n = reloads.len() + fresh.len();
    let total_s = median(reloads.iter().map(|case| reload_s(case)).collect());
    let alone_s = median(fresh.iter().map(|case| reload_s(case)).collect());
    let settings = &base.server;
    let recovery_s = polls(spec.load.recovery_s, settings.recovery_poll_s, f64::ceil);
    let poll_s = settings.ready_poll_s;
    match (total_s, alone_s) {
        (Some(total_s), Some(alone_s)) => {
            spec.load.load_s = polls(alone_s, poll_s, f64::round);
            spec.load.unload_s = (total_s - recovery_s - spec.load.load_s).max(0.0);
        }
        (None, Some(alone_s)) => spec.load.load_s = polls(alone_s, poll_s, f64::round),
        // Recovery and load take whole polls; the rest is the time that the process takes to die.
        (Some(total_s), None) => {
            let rest_s = (total_s - recovery_s).max(0.0);
            spec.load.load_s = polls(rest_s, poll_s, f64::floor);
            spec.load.unload_s = (rest_s - spec.load.load_s).max(0.0);
        }
        (None, None) => {
            return Err(CalibrateError::Missing {
                what: "load beyond the first one",
                parameter: "load.load_s",
                fix: "record runs that start unloaded, or whose agents differ in num_ctx or num_gpu",
            });
        }
    }
    constants.push("load.load_s", spec.load.load_s, n);
    constants.push("load.unload_s", spec.load.unload_s, n);
    if let Some(first) = loaded.first() {
        let extra_s = first.recorded.load_ms / 1e3 - resolve_s - spec.load.load_s;
        spec.load.first_load_s = constants.push("load.first_load_s", extra_s.max(0.0), 1);
    }
    let latency_ms = f64::midpoint(base.network.latency_min_ms, base.network.latency_max_ms);
    let first_served = cases.iter().filter(|case| case.after_s.is_none());
    let prepare = first_served.map(|case| {
        let r = case.recorded;
        r.ttft_ms - r.load_ms - r.prompt_eval_ms - latency_ms
    });
    if let Some(prepare_s) = constants.fit("load.prepare_s", prepare, to_seconds) {
        spec.load.prepare_s = prepare_s;
    }
    Ok(())
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

/// Mean and standard deviation of each agent's output, into the classes in order.
fn fit_lengths(spec: &mut ModelSpec, runs: &[RecordedRun], constants: &mut Constants) {
    const NAMES: [[&str; 2]; 2] = [
        ["outputs[0].mean", "outputs[0].sd"],
        ["outputs[1].mean", "outputs[1].sd"],
    ];
    for (agent, names) in NAMES.iter().enumerate() {
        let lengths: Vec<f64> = runs
            .iter()
            .filter_map(|run| run.agents.get(agent))
            .map(|agent| f64::from(agent.tokens))
            .collect();
        let Some(centre) = median(lengths.clone()) else {
            continue;
        };
        let Some(spread) = median(lengths.iter().map(|l| (l - centre).abs()).collect()) else {
            continue;
        };
        // A single answer that stopped early does not make a spread.
        let usual: Vec<f64> = lengths
            .into_iter()
            .filter(|l| (l - centre).abs() <= OUTLIER * MAD_TO_SD * spread)
            .collect();
        let n = usual.len();
        if n < 2 {
            continue;
        }
        let mean = usual.iter().sum::<f64>() / n as f64;
        let squares: f64 = usual.iter().map(|l| (l - mean).powi(2)).sum();
        let sd = (squares / (n - 1) as f64).sqrt();
        if let Some(class) = spec.outputs.get_mut(agent).filter(|_| sd > 0.0) {
            class.mean = mean;
            class.sd = sd;
            constants.push(names[0], mean, n);
            constants.push(names[1], sd, n);
        }
    }
}

/// While both agents decode, each step takes `2 (1 + loss)` times a step alone. The agent that
/// ends first shares the device all the time.
fn fit_sharing(
    profile: &mut Profile,
    apart: &[RecordedRun],
    decode_tps: f64,
    constants: &mut Constants,
) -> Result<(), CalibrateError> {
    let losses = apart
        .iter()
        .filter(|run| run.agents.len() == 2 && !run.never_overlapped())
        .filter_map(|run| {
            let first = run
                .agents
                .iter()
                .min_by(|a, b| a.execution_s.total_cmp(&b.execution_s))?;
            // From the client's stamps: the server's own counter omits part of a shared step.
            let decode_s = first.execution_s - first.ttft_ms / 1e3;
            let step_s = decode_s / f64::from(first.tokens.saturating_sub(1).max(1));
            Some(step_s * decode_tps / 2.0 - 1.0)
        });
    let missing = [
        "run whose two agents overlapped",
        "record runs with a server for each agent",
    ];
    let least = |loss: f64| loss.max(0.0);
    let loss = constants.need("devices.sharing_loss", losses, least, missing)?;
    for device in &mut profile.devices {
        device.sharing_loss = loss;
    }
    Ok(())
}
