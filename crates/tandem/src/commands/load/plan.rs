//! The plan of a load from the flags.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;

use domain::Nanos;
use domain::exit::Fatal;
use domain::plan::{CachePolicy, limits};
use domain::work::Work;
use runtime::load::{Arrivals, Gaps, LoadPlan, LoadShape, RateCurve, Speed, Turns};
use sessions::trace::Trace;

use crate::flags::{ArrivalsArg, LoadArgs};

const DEFAULT_AGENTS: NonZeroU32 = NonZeroU32::new(8).expect("eight is not zero");
const DEFAULT_REQUESTS: u32 = 64;

/// Refuses flags that contradict each other.
fn refuse_contradictions(args: &LoadArgs) -> Result<(), Fatal> {
    let (starts, agent) = (&args.starts, &args.agent);
    let is_open = starts.rate.is_some() || starts.ramp.is_some();
    let is_gamma = starts.arrivals == Some(ArrivalsArg::Gamma);
    let has_work = agent.cpu_work.is_some() || agent.file_work.is_some();
    let rules = [
        (
            starts.over.is_some_and(|over| over.is_zero()),
            "--over 0s: a ramp needs a duration",
            "give a longer time, or use --rate",
        ),
        (
            !is_open && (starts.arrivals.is_some() || starts.cv.is_some()),
            "--arrivals and --cv apply to an open loop only",
            "add --rate or --ramp",
        ),
        (
            starts.trace.is_some() && starts.think.is_some(),
            "--think does not apply to a trace, which has its own start times",
            "leave --think out",
        ),
        (
            is_open && starts.think.is_some() && agent.turns.is_none(),
            "--think has no effect: in an open loop each agent sends one request",
            "add --turns for sessions, or leave --think out",
        ),
        (
            is_gamma && starts.cv.is_none(),
            "--arrivals gamma needs a coefficient of variation",
            "add --cv, such as --cv 2",
        ),
        (
            !is_gamma && starts.cv.is_some(),
            "--cv applies to --arrivals gamma only",
            "add --arrivals gamma, or leave --cv out (constant has 0, poisson 1)",
        ),
        (
            agent.work_threads.is_some() && !has_work,
            "--work-threads has no effect without work",
            "add --cpu-work or --file-work",
        ),
    ];
    match rules.into_iter().find(|(is_wrong, ..)| *is_wrong) {
        Some((_, what, fix)) => Err(Fatal::usage(what).hint(fix)),
        None => Ok(()),
    }
}

/// Reads the flags, and the trace if there is one. Fails when flags contradict each other or the trace cannot be
/// read.
pub(super) fn plan(args: &LoadArgs) -> Result<LoadPlan, Fatal> {
    refuse_contradictions(args)?;
    let starts = &args.starts;
    let think = starts.think.map_or(Nanos::ZERO, Nanos::from);
    let turns = args.agent.turns.map(|count| Turns {
        count,
        think,
        follow_up: args.agent.follow_up.clone(),
    });
    let rate = starts.rate.map(RateCurve::Constant);
    let rate = rate.or_else(|| {
        let (from_per_s, to) = starts.ramp?;
        let over = Nanos::from(starts.over?);
        Some(RateCurve::Ramp {
            from_per_s,
            to,
            over,
        })
    });
    let (shape, usual) = if let Some(path) = &starts.trace {
        replay(args, path)?
    } else if let Some(rate) = rate {
        let gaps = match (starts.arrivals, starts.cv) {
            (Some(ArrivalsArg::Gamma), Some(cv)) => Gaps::Gamma(cv),
            (Some(ArrivalsArg::Poisson), _) => Gaps::Exponential,
            _ => Gaps::Equal,
        };
        let each = args.agent.turns.map_or(1, NonZeroU32::get);
        let in_ramp = rate.starts_in_ramp();
        let usual = in_ramp.map_or(Ok(DEFAULT_REQUESTS), |sessions| {
            let requests = limits::REQUESTS.check(sessions.saturating_mul(u64::from(each)));
            requests.map(NonZeroU32::get).map_err(|most| {
                let what = format!("the ramp starts too many requests; the limit is {most}");
                Fatal::usage(what).hint("limit them with --requests")
            })
        })?;
        let arrivals = Arrivals { rate, gaps };
        let agents = starts.agents;
        (LoadShape::Open { arrivals, agents }, usual)
    } else {
        let agents = starts.agents.unwrap_or(DEFAULT_AGENTS);
        (LoadShape::Closed { agents, think }, DEFAULT_REQUESTS)
    };
    let request = &args.workload.request;
    let requests = args.workload.requests.map_or(usual, NonZeroU32::get);
    Ok(LoadPlan {
        cache: if request.same_prompt {
            CachePolicy::Warm
        } else {
            CachePolicy::Nonce
        },
        options: request.options(),
        seed: args.workload.seed,
        turns,
        work: Work {
            cpu: args.agent.cpu_work,
            file: args.agent.file_work,
        },
        ..LoadPlan::new(shape, requests, &request.model, &request.prompt)
    })
}

/// The replay of a trace, and its number of requests.
fn replay(args: &LoadArgs, path: &Path) -> Result<(LoadShape, u32), Fatal> {
    let trace = Trace::read(path).map_err(|error| {
        Fatal::usage(error).hint("docs/load.md lists the columns that a trace may have")
    })?;
    let held = u32::try_from(trace.entries.len()).unwrap_or(u32::MAX);
    if let Some(wanted) = args.workload.requests.filter(|n| n.get() > held) {
        let name = &trace.name;
        let what = format!("--requests {wanted}: {name} holds {held} requests to send");
        return Err(Fatal::usage(what).hint("leave --requests out, or give a smaller number"));
    }
    let shape = LoadShape::Replay {
        trace: Arc::new(trace),
        speed: args.starts.trace_speed.unwrap_or(Speed::RECORDED),
        agents: args.starts.agents,
    };
    Ok((shape, held))
}
