//! Flags that select the servers, or the simulator in place of one.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use domain::plan::limits;
use domain::record::{HttpClient, RuntimeFacts, TimeScale};
use openai::Endpoint;

use super::{number, word_of};

pub(super) const HTTP_CLIENTS: [(&str, &str); 2] = [
    ("direct", "Tandem's own sockets"),
    ("reqwest", "The library reqwest"),
];

/// Flags of every command that sends requests to real servers.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct HttpFlags {
    /// The HTTP client that reads measured streams over plain HTTP: Tandem's own sockets (`direct`, the
    /// default), or the library `reqwest`, which reads everything else always. Recorded with the run.
    #[arg(long, value_parser = word_of::<HttpClient, 2>(HTTP_CLIENTS), conflicts_with = "simulate")]
    pub(crate) http: Option<HttpClient>,
    /// Send every request through this HTTP proxy; measured streams are then read by reqwest. Recorded with
    /// the run. No proxy is taken from the environment.
    #[arg(long, value_name = "URL", conflicts_with = "simulate", value_parser = Endpoint::proxy)]
    pub(crate) proxy: Option<Endpoint>,
}

impl HttpFlags {
    /// The flags that select the client of a recorded run.
    pub(crate) fn of(facts: &RuntimeFacts) -> Self {
        let proxy = facts.proxy.as_deref();
        Self {
            http: Some(facts.http),
            proxy: proxy.and_then(|url| Endpoint::proxy(url).ok()),
        }
    }
}

/// The servers, or the simulator in place of one.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// URL of the server; repeat it for one server per agent. By default OLLAMA_HOST, else
    /// 127.0.0.1:11434, else the simulator.
    #[arg(long = "endpoint", value_name = "URL")]
    pub(crate) endpoints: Vec<String>,
    /// Protocol of the servers: once for all of them, or once for each in the order of --endpoint.
    /// `auto`, the default, tries Ollama's own API, then an OpenAI-compatible one (llama.cpp, vLLM,
    /// SGLang, LM Studio); the latter get the key in TANDEM_API_KEY. With `openai`, the model need not
    /// be in the server's list.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) api: Vec<ApiArg>,
    #[command(flatten)]
    pub(crate) http: HttpFlags,
    /// Use the embedded simulator even when a server is running.
    #[arg(long, conflicts_with_all = ["endpoints", "no_simulate"])]
    pub(crate) simulate: bool,
    /// Fail when no server is running, instead of using the simulator.
    #[arg(long)]
    pub(crate) no_simulate: bool,
    /// Simulated seconds per real second; `max` skips every wait. Recorded durations are simulated time
    /// and do not depend on it.
    #[arg(long, value_name = "N|max", default_value = "max", value_parser = time_scale)]
    pub(crate) time_scale: TimeScale,
    /// The simulator's profile: a shipped one (rtx4080-laptop, instant) or a file [default:
    /// rtx4080-laptop].
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) profile: Option<String>,
    /// Slots per loaded model on the simulator (OLLAMA_NUM_PARALLEL), instead of the profile's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=limits::SLOTS.most_i64()))]
    pub(crate) num_parallel: Option<u32>,
    /// Host memory on the simulator for the contexts that lose their slot, MiB per loaded model
    /// (llama.cpp's --cache-ram; 0: none), instead of the profile's.
    #[arg(long = "cache-ram", value_name = "MIB")]
    pub(crate) cache_ram_mib: Option<u32>,
    /// Faults on the simulator: a file of rules, or `KIND=RATE` such as `reset-mid-token=0.05`;
    /// may be repeated.
    #[arg(long = "fault", value_name = "FILE|KIND=RATE")]
    pub(crate) faults: Vec<String>,
    /// Log every request, answer and reload of the simulator to this file, as JSON lines.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["endpoints", "no_simulate"])]
    pub(crate) simulator_log: Option<PathBuf>,
}

const DEFAULT_PROFILE: &str = "rtx4080-laptop";

impl ServerArgs {
    pub(crate) fn profile(&self) -> &str {
        self.profile.as_deref().unwrap_or(DEFAULT_PROFILE)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ApiArg {
    /// Detect it.
    Auto,
    /// Ollama's native API.
    Ollama,
    /// OpenAI-compatible chat completions.
    Openai,
}

fn time_scale(text: &str) -> Result<TimeScale, String> {
    if text == "max" {
        return Ok(TimeScale::Virtual);
    }
    let scaled = |n: f64| (n.is_finite() && n > 0.0).then_some(TimeScale::Scaled(n));
    let hint = "give a number above zero (60 = a simulated minute a second) or `max`";
    number(text, scaled, hint)
}
