//! What was typed. Nothing here reads files or the network.

mod calibrate;
mod capacity;
mod doctor;
mod load;
mod runtime;
mod serve;
mod server;
mod sweep;

use clap::{Args, Parser, Subcommand};
use domain::exit::EXIT_CODES;
use domain::plan::limits;
use domain::record::NonceRoot;

pub(crate) use self::calibrate::{BudgetFlag, CalibrateApi, CalibrateArgs};
pub(crate) use self::capacity::CapacityArgs;
pub(crate) use self::doctor::DoctorArgs;
pub(crate) use self::load::{ArrivalsArg, LoadArgs};
pub(crate) use self::runtime::{CpuList, MOST_CPUS, RuntimeArg, RuntimeFlags};
pub(crate) use self::serve::{CalibrateProfileArgs, ServeArgs};
pub(crate) use self::server::{ApiArg, ServerArgs, TimeScaleArg};
pub(crate) use self::sweep::{Common, ProtocolArg, RunArgs, SweepArgs};

/// Does running agents concurrently really pay, on this server, with these options?
#[derive(Debug, Parser)]
#[command(name = "tandem", version, propagate_version = true)]
#[command(after_help = format!("{EXIT_CODES}\n\nreport, export, audit and compare are passed on to tandem-report"))]
pub(crate) struct Cli {
    /// More log lines: -v info, -vv debug, -vvv trace. RUST_LOG overrides.
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub(crate) verbose: u8,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a plan: the 19 configurations of TR113 by default.
    Sweep(SweepArgs),
    /// Run one configuration given by flags.
    Run(RunArgs),
    /// Send a fixed number of requests to a server and print how it carried them.
    Load(LoadArgs),
    /// Look at servers, plan and machine before a sweep, and say what is in the way.
    Doctor(DoctorArgs),
    /// Find how many agents a server carries under limits on its latencies.
    Capacity(CapacityArgs),
    /// Serve the Ollama simulator on a port, for any client.
    Serve(ServeArgs),
    /// Measure the client's own error: how late its stamps are, at rising load, and what it costs.
    Calibrate(CalibrateArgs),
    /// Fit a simulator profile to recorded runs and print the fit error of each quantity.
    CalibrateProfile(CalibrateProfileArgs),
    /// Reports, audits and comparisons are `tandem-report`'s; this passes them on.
    #[command(external_subcommand)]
    Report(Vec<String>),
}

/// The prompt when none is given.
pub(crate) const DEFAULT_PROMPT: &str =
    "Explain in a few plain paragraphs how a computer runs several programs at once.";

/// What each request of a load asks for.
#[derive(Debug, Clone, Args)]
pub(crate) struct RequestArgs {
    /// The model.
    #[arg(long, value_name = "NAME", default_value = "gemma3:latest")]
    pub(crate) model: String,
    /// Most tokens of each answer.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=limits::TOKENS.most_i64()))]
    pub(crate) num_predict: i64,
    /// The prompt of every request.
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PROMPT)]
    pub(crate) prompt: String,
    /// Send the same prompt every time. Without it each begins with a nonce, so that a prefix
    /// cache helps none of them.
    #[arg(long, conflicts_with = "nonce")]
    pub(crate) same_prompt: bool,
}

/// The nonces that prompts begin with.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct NonceFlag {
    /// Repeat a run's prompts: the root of their nonces, as `nonce` in the header of its file. Without
    /// it each run of the command draws another one, so that no prompt is answered from the cache that
    /// an earlier run left; the embedded simulator takes it from the seed. With `load --repetitions` it
    /// is the first one's, and each further repetition takes the next number.
    #[arg(long, value_name = "HEX")]
    pub(crate) nonce: Option<NonceRoot>,
}

/// What is kept of prompts and answers.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct TextFlag {
    /// Keep no text of prompts and answers in the results folder, only hashes and lengths. Without it
    /// the recorded command line and a capacity run's file have --prompt, and agents with the full
    /// workflow leave what they wrote.
    #[arg(long)]
    pub(crate) no_text: bool,
}

/// A name that can begin a folder's.
pub(crate) fn folder_name(text: &str) -> Result<String, String> {
    domain::plan::ConfigId::new(text)
        .map(|id| id.as_str().to_owned())
        .ok_or_else(|| "use letters, digits, `.`, `_` and `-`".to_owned())
}
