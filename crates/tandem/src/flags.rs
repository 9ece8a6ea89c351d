//! The command line's flags. Nothing here reads files or the network.

mod calibrate;
mod capacity;
mod load;
mod runtime;
mod serve;
mod server;
mod sessions;
mod sweep;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use domain::ModelOptions;
use domain::exit::EXIT_CODES;
use domain::plan::limits;
use domain::record::NonceRoot;
use serde::de::DeserializeOwned;
use serde::de::value::{Error, StringDeserializer};

pub(crate) use self::calibrate::{BudgetFlag, CalibrateArgs};
pub(crate) use self::capacity::CapacityArgs;
pub(crate) use self::load::{ArrivalsArg, LoadArgs};
pub(crate) use self::runtime::{CpuList, RuntimeFlags};
pub(crate) use self::serve::{CalibrateProfileArgs, ServeArgs};
pub(crate) use self::server::{ApiArg, HttpFlags, ServerArgs};
pub(crate) use self::sessions::{ImportArgs, SessionFiles, ShowArgs};
pub(crate) use self::sweep::{Common, DoctorArgs, InitArgs, RunArgs, SweepArgs};

/// Measure whether running LLM agents concurrently pays, on this server, with these options.
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
    /// Write a commented plan file to start from.
    Init(InitArgs),
    /// Run one configuration given by flags.
    Run(RunArgs),
    /// Send a fixed number of requests and report latency and throughput.
    Load(LoadArgs),
    /// Check servers, plan and machine before a sweep, and say how to fix what is wrong.
    Doctor(DoctorArgs),
    /// Find how many agents a server can run within latency limits.
    Capacity(CapacityArgs),
    /// Serve the Ollama simulator on a port, for any client.
    Serve(ServeArgs),
    /// Measure the client's own error at rising load: how late its timestamps are, and its CPU cost.
    Calibrate(CalibrateArgs),
    /// Write recorded agent sessions as a sessions file.
    Import(ImportArgs),
    /// Show what recorded agent sessions hold: a table, and the longest chain of calls.
    Show(ShowArgs),
    /// Fit a simulator profile to recorded runs and print the fit error of each quantity.
    CalibrateProfile(CalibrateProfileArgs),
    /// `report`, `audit` and `compare`, which `tandem-report` runs.
    #[command(external_subcommand)]
    Report(Vec<String>),
}

pub(crate) const DEFAULT_PROMPT: &str =
    "Explain in a few plain paragraphs how a computer runs several programs at once.";

/// Each request of a load.
#[derive(Debug, Clone, Args)]
pub(crate) struct RequestArgs {
    /// The model.
    #[arg(long, value_name = "NAME", default_value = "gemma3:latest")]
    pub(crate) model: String,
    /// Maximum number of tokens in each answer.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..=limits::TOKENS.most_i64()))]
    pub(crate) num_predict: i64,
    /// The prompt of every request.
    #[arg(long, value_name = "TEXT", default_value = DEFAULT_PROMPT)]
    pub(crate) prompt: String,
    /// Send the same prompt every time. By default each prompt begins with a nonce (a unique text), so
    /// that the server's prompt cache cannot answer any part of it.
    #[arg(long, conflicts_with = "nonce")]
    pub(crate) same_prompt: bool,
}

impl RequestArgs {
    pub(crate) fn options(&self) -> ModelOptions {
        ModelOptions {
            num_predict: Some(self.num_predict),
            ..ModelOptions::default()
        }
    }
}

/// The nonces at the start of prompts.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct NonceFlag {
    /// Repeat the prompts of an earlier run: the seed of their nonces (the unique texts they begin with),
    /// which is `nonce` in the header of that run's file. By default each run draws a new one, so that
    /// no prompt is answered from a cache that an earlier run filled; the embedded simulator derives it
    /// from --seed. With `load --repetitions`, each further repetition adds one to it.
    #[arg(long, value_name = "HEX")]
    pub(crate) nonce: Option<NonceRoot>,
}

/// Whether texts of prompts and answers are kept.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct TextFlag {
    /// Keep no text of prompts and answers in the results folder, only hashes and lengths. By default the
    /// recorded command line and a capacity run's file contain --prompt, and agents with the full
    /// workflow keep the files they write.
    #[arg(long)]
    pub(crate) no_text: bool,
}

/// Parses one of several words, each with its help, into the value that serde reads from it.
fn word_of<T, const N: usize>(
    words: [(&'static str, &'static str); N],
) -> impl TypedValueParser<Value = T>
where
    T: DeserializeOwned + Clone + Send + Sync + 'static,
{
    let words = words.map(|(word, help)| PossibleValue::new(word).help(help));
    PossibleValuesParser::new(words)
        .try_map(|word| T::deserialize(StringDeserializer::<Error>::new(word)))
}

/// A number that `make` accepts; `hint` names those.
fn number<T>(text: &str, make: fn(f64) -> Option<T>, hint: &str) -> Result<T, String> {
    let number = text.parse().ok();
    number.and_then(make).ok_or_else(|| hint.to_owned())
}

/// A text that can be the start of a folder's name.
pub(crate) fn folder_name(text: &str) -> Result<String, String> {
    domain::plan::ConfigId::new(text)
        .map(|id| id.as_str().to_owned())
        .ok_or_else(|| "use letters, digits, `.`, `_` and `-`".to_owned())
}
