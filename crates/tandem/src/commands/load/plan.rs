//! The plan of a load from the flags, and its description in `load.json`.

use std::num::NonZeroU32;
use std::sync::Arc;

use agents::WorkPool;
use clock::Clock;
use domain::exit::Fatal;
use domain::plan::{CachePolicy, Timeouts, limits};
use domain::record::load::{LoadSettings, RampSettings, Shape, WorkSettings};
use domain::work::Work;
use domain::{ModelOptions, Nanos};
use runtime::load::{
    Arrivals, Gaps, LoadPlan, LoadShape, RateCurve, Speed, Trace, Turns, Variation,
};

use crate::flags::{ArrivalsArg, LoadArgs};

const DEFAULT_AGENTS: NonZeroU32 = NonZeroU32::new(8).expect("eight is not zero");
const DEFAULT_REQUESTS: u32 = 64;

/// Reads the flags, and the trace if there is one; refuses flags that contradict each other.
pub(super) fn plan(args: &LoadArgs) -> Result<LoadPlan, Fatal> {
    let when = &args.when;
    let think = when.think.map_or(Nanos::ZERO, Nanos::from);
    let turns = args.agent.turns.map(|count| Turns {
        count,
        think,
        follow_up: args.agent.follow_up.clone(),
    });
    let each = turns.as_ref().map_or(1, |turns| turns.count.get());
    let rate = match (when.rate, when.ramp, when.over) {
        (Some(rate), _, _) => Some(RateCurve::Constant(rate)),
        (None, Some((from, to)), Some(over)) if !over.is_zero() => Some(RateCurve::Ramp {
            from,
            to,
            over: Nanos::from(over),
        }),
        (None, Some(_), _) => {
            return Err(refused(
                "--over 0s: a ramp needs a duration",
                "give a longer time, or use --rate",
            ));
        }
        (None, None, _) => None,
    };
    if rate.is_none() && (when.arrivals.is_some() || when.cv.is_some()) {
        return Err(refused(
            "--arrivals and --cv apply to an open loop only",
            "add --rate or --ramp",
        ));
    }
    let alone = when.think.is_some() && turns.is_none();
    let (shape, usual) = if let Some(path) = &when.trace {
        if when.think.is_some() {
            return Err(refused(
                "--think does not apply to a trace, which has its own start times",
                "leave --think out",
            ));
        }
        let trace = Trace::read(path).map_err(|error| {
            let fatal = Fatal::usage(error);
            fatal.hint("docs/load.md lists the columns that a trace may have")
        })?;
        let held = u32::try_from(trace.entries.len()).unwrap_or(u32::MAX);
        if let Some(wanted) = args.ask.requests.filter(|n| n.get() > held) {
            let name = &trace.name;
            let what = format!("--requests {wanted}: {name} holds {held} requests to send");
            return Err(refused(
                &what,
                "leave --requests out, or give a smaller number",
            ));
        }
        let shape = LoadShape::Replay {
            trace: Arc::new(trace),
            speed: when.trace_speed.unwrap_or(Speed::RECORDED),
            agents: when.agents,
        };
        (shape, held)
    } else if let Some(rate) = rate {
        if alone {
            return Err(refused(
                "--think has no effect: in an open loop each agent sends one request",
                "add --turns for sessions, or leave --think out",
            ));
        }
        let shape = LoadShape::Open {
            arrivals: Arrivals {
                rate,
                gaps: gaps(when.arrivals, when.cv)?,
            },
            agents: when.agents,
        };
        let in_ramp = rate.starts_in_ramp();
        let usual = in_ramp.map_or(Ok(DEFAULT_REQUESTS), |sessions| {
            let requests = limits::REQUESTS.check(sessions.saturating_mul(u64::from(each)));
            requests.map(NonZeroU32::get).map_err(|most| {
                let what = format!("the ramp starts too many requests; the limit is {most}");
                refused(&what, "limit them with --requests")
            })
        })?;
        (shape, usual)
    } else {
        let shape = LoadShape::Closed {
            agents: when.agents.unwrap_or(DEFAULT_AGENTS),
            think,
        };
        (shape, DEFAULT_REQUESTS)
    };
    let work = Work {
        cpu: args.agent.cpu_work,
        file: args.agent.file_work,
    };
    if work.is_empty() && args.agent.work_threads.is_some() {
        return Err(refused(
            "--work-threads has no effect without work",
            "add --cpu-work or --file-work",
        ));
    }
    Ok(LoadPlan {
        cache: if args.ask.request.same_prompt {
            CachePolicy::Warm
        } else {
            CachePolicy::Nonce
        },
        options: ModelOptions {
            num_predict: Some(args.ask.request.num_predict),
            ..ModelOptions::default()
        },
        seed: args.ask.seed,
        turns,
        work,
        ..LoadPlan::new(
            shape,
            args.ask.requests.map_or(usual, NonZeroU32::get),
            &args.ask.request.model,
            &args.ask.request.prompt,
        )
    })
}

fn refused(what: &str, fix: &str) -> Fatal {
    Fatal::usage(what.to_owned()).hint(fix)
}

fn gaps(arrivals: Option<ArrivalsArg>, cv: Option<Variation>) -> Result<Gaps, Fatal> {
    match (arrivals, cv) {
        (Some(ArrivalsArg::Gamma), Some(cv)) => Ok(Gaps::Gamma(cv)),
        (Some(ArrivalsArg::Gamma), None) => Err(refused(
            "--arrivals gamma needs a coefficient of variation",
            "add --cv, such as --cv 2",
        )),
        (_, Some(_)) => Err(refused(
            "--cv applies to --arrivals gamma only",
            "add --arrivals gamma, or leave --cv out (constant has 0, poisson 1)",
        )),
        (Some(ArrivalsArg::Poisson), None) => Ok(Gaps::Exponential),
        (Some(ArrivalsArg::Constant) | None, None) => Ok(Gaps::Equal),
    }
}

pub(super) fn pool(args: &LoadArgs, clock: &Clock) -> WorkPool {
    match args.agent.work_threads {
        Some(threads) => WorkPool::new(threads, std::env::temp_dir()),
        None => WorkPool::for_clock(clock),
    }
}

/// The plan as `load.json` describes it.
pub(super) fn asked(plan: &LoadPlan, args: &LoadArgs, pool: &WorkPool) -> LoadSettings {
    LoadSettings {
        model: plan.model.clone(),
        shape: shape(plan),
        requests: plan.requests,
        num_predict: args.ask.request.num_predict,
        seed: plan.seed,
        same_prompt: args.ask.request.same_prompt,
        turns: plan.turns.as_ref().map(|turns| turns.count.get()),
        work: (!plan.work.is_empty()).then(|| WorkSettings {
            cpu: plan.work.cpu.map(|cpu| cpu.to_string()),
            file_bytes: plan.work.file.map(|file| u64::from(file.bytes())),
            threads: pool.threads().get(),
        }),
        timeouts: Some(args.limits.timeouts()).filter(|limits| *limits != Timeouts::default()),
        slo: args.output.slo.as_ref().map(|slo| slo.text().to_owned()),
    }
}

fn shape(plan: &LoadPlan) -> Shape {
    match &plan.shape {
        LoadShape::Closed { agents, think } => Shape::Closed {
            agents: agents.get(),
            think_s: think.as_secs_f64(),
        },
        LoadShape::Open { arrivals, agents } => {
            let (name, cv) = match arrivals.gaps {
                Gaps::Equal => ("constant", None),
                Gaps::Exponential => ("poisson", None),
                Gaps::Gamma(cv) => ("gamma", Some(cv.get())),
            };
            let think = plan.turns.as_ref().map_or(Nanos::ZERO, |turns| turns.think);
            Shape::Open {
                arrivals: name.to_owned(),
                cv,
                rate: arrivals.rate.last().per_second(),
                ramp: match arrivals.rate {
                    RateCurve::Constant(_) => None,
                    RateCurve::Ramp { from, over, .. } => Some(RampSettings {
                        from,
                        over_s: over.as_secs_f64(),
                    }),
                },
                agents: agents.map(NonZeroU32::get),
                think_s: think.as_secs_f64(),
            }
        }
        LoadShape::Replay {
            trace,
            speed,
            agents,
        } => Shape::Replay {
            trace: trace.name.clone(),
            sha256: trace.sha256.clone(),
            speed: speed.get(),
            agents: agents.map(NonZeroU32::get),
            starts: Some(trace.starts.clone()),
            skipped: (trace.skipped > 0).then_some(trace.skipped),
            unused: trace.unused.clone(),
        },
    }
}
