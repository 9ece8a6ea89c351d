//! Flags of `tandem load`.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use domain::Nanos;
use domain::plan::{PlanErrorKind, Timeouts, limits, time_limit};
use domain::work::{CpuWork, FileWork};
use metrics::limit::Objective;
use runtime::load::{Rate, Speed, Variation};

use super::{
    BudgetFlag, NonceFlag, RequestArgs, RuntimeFlags, ServerArgs, TextFlag, folder_name, number,
};

#[derive(Debug, Args)]
#[command(after_help = "docs/load.md describes the load shapes and every figure.")]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(crate) workload: WorkloadArgs,
    #[command(flatten)]
    pub(crate) starts: StartArgs,
    #[command(flatten)]
    pub(crate) agent: AgentArgs,
    #[command(flatten)]
    pub(crate) timeouts: TimeoutArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    #[command(flatten, next_help_heading = "Server and client")]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) budget: BudgetFlag,
    #[command(flatten)]
    pub(crate) runtime: RuntimeFlags,
}

/// Model, prompt and number of requests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Requests")]
pub(crate) struct WorkloadArgs {
    #[command(flatten)]
    pub(crate) request: RequestArgs,
    /// Number of requests: 64 by default; with --ramp those that start within the ramp, with --trace
    /// all of the trace.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::REQUESTS.parse(text))]
    pub(crate) requests: Option<NonZeroU32>,
    /// Run the load N times with different seeds, each in its own subfolder. `compare` needs three
    /// repetitions of each side.
    #[arg(long, value_name = "N", default_value = "1", value_parser = |text: &str| limits::REPETITIONS.parse(text))]
    pub(crate) repetitions: NonZeroU32,
    /// Do not load the model first: the first requests wait for it.
    #[arg(long)]
    pub(crate) no_preload: bool,
    /// Seed of arrival times and sampling seeds.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    #[command(flatten)]
    pub(crate) nonce: NonceFlag,
}

/// When requests start.
#[derive(Debug, Args)]
#[command(next_help_heading = "When requests start")]
pub(crate) struct StartArgs {
    /// Number of agents. Closed loop (the default): each sends its next request when its last one has
    /// ended; 8 by default. With --rate, --ramp or --trace: the maximum in flight; unlimited by default.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::AGENTS.parse(text))]
    pub(crate) agents: Option<NonZeroU32>,
    /// Pause between an answer and the agent's next request, such as 200ms; with --rate, between the
    /// turns of a session (--turns).
    #[arg(long, value_name = "TIME", value_parser = limits::wait)]
    pub(crate) think: Option<Duration>,
    /// Open loop: start this many requests per second, whether or not earlier ones have finished.
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, conflicts_with_all = ["ramp", "trace"])]
    pub(crate) rate: Option<Rate>,
    /// Open loop whose rate changes linearly, such as 1..20, during the time of --over.
    #[arg(long, value_name = "FROM..TO", value_parser = ramp, requires = "over", conflicts_with = "trace")]
    pub(crate) ramp: Option<(f64, Rate)>,
    /// Duration of the ramp, such as 60s; afterwards the rate stays at its last value.
    #[arg(long, value_name = "TIME", value_parser = limits::wait, requires = "ramp")]
    pub(crate) over: Option<Duration>,
    /// Distribution of the gaps between the starts of an open loop; constant by default.
    #[arg(long, value_enum, value_name = "DISTRIBUTION")]
    pub(crate) arrivals: Option<ArrivalsArg>,
    /// Coefficient of variation of the gaps of --arrivals gamma: 1 is Poisson, higher values are burstier.
    #[arg(long, value_name = "N", value_parser = |text: &str| number(text, Variation::new, "give a number from 0.01 to 100"))]
    pub(crate) cv: Option<Variation>,
    /// Replay a recorded trace: JSON lines or CSV with start times and lengths, as Azure and Mooncake
    /// publish them, or the folder of a load or a sweep.
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) trace: Option<PathBuf>,
    /// Speed of the replay: 2 replays twice as fast as recorded.
    #[arg(long, value_name = "N", value_parser = speed, requires = "trace")]
    pub(crate) trace_speed: Option<Speed>,
}

/// Sessions and work of each agent.
#[derive(Debug, Args)]
#[command(next_help_heading = "Agents")]
pub(crate) struct AgentArgs {
    /// Run sessions of N turns, each turn with the conversation so far; --rate then counts sessions.
    #[arg(long, value_name = "N", conflicts_with = "trace", value_parser = |text: &str| limits::TURNS.parse(text))]
    pub(crate) turns: Option<NonZeroU32>,
    /// The prompt of the second and later turns.
    #[arg(
        long,
        value_name = "TEXT",
        requires = "turns",
        default_value = "Explain your last point in more detail, with an example."
    )]
    pub(crate) follow_up: String,
    /// CPU work before each request: primes:N sums the primes below N.
    #[arg(long, value_name = "primes:N")]
    pub(crate) cpu_work: Option<CpuWork>,
    /// File work before each request: write, read back and delete a file of this size, such as 64KiB.
    #[arg(long, value_name = "SIZE")]
    pub(crate) file_work: Option<FileWork>,
    /// Threads that all agents share for the work; by default the number of cores less one, and 4 in
    /// simulated time.
    #[arg(long, value_name = "N", value_parser = |text: &str| limits::THREADS.parse(text))]
    pub(crate) work_threads: Option<NonZeroU32>,
}

/// Timeouts of a request: the keys of a plan's `[timeouts]`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Timeouts of a request")]
pub(crate) struct TimeoutArgs {
    /// Opening the connection.
    #[arg(long = "timeout-connect", value_name = "TIME", value_parser = timeout, default_value_t = default_timeout(|t| t.connect))]
    pub(crate) connect: humantime::Duration,
    /// From sending the request to the first byte; includes queueing, loading and prefill.
    #[arg(long = "timeout-first-byte", value_name = "TIME", value_parser = timeout, default_value_t = default_timeout(|t| t.first_byte))]
    pub(crate) first_byte: humantime::Duration,
    /// Between two chunks.
    #[arg(long = "timeout-between-chunks", value_name = "TIME", value_parser = timeout, default_value_t = default_timeout(|t| t.between_chunks))]
    pub(crate) between_chunks: humantime::Duration,
    /// The whole request.
    #[arg(long = "timeout-total", value_name = "TIME", value_parser = timeout, default_value_t = default_timeout(|t| t.total))]
    pub(crate) total: humantime::Duration,
}

impl TimeoutArgs {
    pub(crate) fn timeouts(&self) -> Timeouts {
        Timeouts {
            connect: Nanos::from(*self.connect),
            first_byte: Nanos::from(*self.first_byte),
            between_chunks: Nanos::from(*self.between_chunks),
            total: Nanos::from(*self.total),
        }
    }
}

fn timeout(text: &str) -> Result<humantime::Duration, PlanErrorKind> {
    Ok(time_limit(text)?.as_duration().into())
}

fn default_timeout(of: impl Fn(Timeouts) -> Nanos) -> humantime::Duration {
    of(Timeouts::default()).as_duration().into()
}

/// Printed and recorded results.
#[derive(Debug, Args)]
#[command(next_help_heading = "Results")]
pub(crate) struct OutputArgs {
    /// Limits that a request must keep to count towards goodput, such as `ttft < 2s and tpot < 80ms`; on
    /// ttft, ttft_scheduled, tpot and e2e. docs/limits.md has the grammar.
    #[arg(long, value_name = "LIMITS", value_parser = Objective::of_requests)]
    pub(crate) slo: Option<Objective>,
    /// Where to write each request and the figures; a new folder under results/ by default.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Start of the new folder's name.
    #[arg(long, value_name = "NAME", default_value = "load", conflicts_with = "out", value_parser = folder_name)]
    pub(crate) name: String,
    /// Print the figures and write nothing.
    #[arg(long, conflicts_with_all = ["out", "name"])]
    pub(crate) no_record: bool,
    #[command(flatten)]
    pub(crate) text: TextFlag,
    /// Print one JSON object on standard output. docs/load.md describes its keys.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ArrivalsArg {
    /// Equal gaps.
    Constant,
    /// Independent, exponentially distributed gaps.
    Poisson,
    /// Independent, gamma distributed gaps whose coefficient of variation is --cv.
    Gamma,
}

/// Parses requests per second.
fn rate(text: &str) -> Result<Rate, String> {
    let hint = "give 0.0001 to 1000000 requests per second";
    number(text, Rate::new, hint)
}

/// Parses `FROM..TO`, both in requests per second; the first may be 0.
fn ramp(text: &str) -> Result<(f64, Rate), String> {
    let ends = text.split_once("..").and_then(|(from, to)| {
        let from = from.trim().parse().ok()?;
        let is_in_range = (0.0..=Rate::MOST_PER_SECOND).contains(&from);
        is_in_range.then_some((from, rate(to.trim()).ok()?))
    });
    let hint = "give two rates of at most 1000000, such as 1..20; the last is 0.0001 or more";
    ends.ok_or_else(|| hint.to_owned())
}

fn speed(text: &str) -> Result<Speed, String> {
    let hint = "give a number above zero; 2 replays twice as fast";
    number(text, Speed::new, hint)
}
