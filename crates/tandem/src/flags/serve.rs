//! Flags of `tandem serve` and `tandem calibrate-profile`.

use std::path::PathBuf;

use clap::Args;
use domain::plan::limits;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A shipped profile (rtx4080-laptop, instant) or a file.
    #[arg(long, value_name = "NAME|FILE", default_value = "rtx4080-laptop")]
    pub(crate) profile: String,
    /// Port of the first server; 0 selects a free one.
    #[arg(long, value_name = "N", default_value_t = 11434)]
    pub(crate) port: u16,
    /// Address to listen on.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub(crate) host: std::net::IpAddr,
    /// Servers on one simulated GPU, on consecutive ports.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=limits::SERVERS.most_i64()))]
    pub(crate) servers: u16,
    /// Random seed, instead of the profile's.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Slots per loaded model (OLLAMA_NUM_PARALLEL), instead of the profile's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=limits::SLOTS.most_i64()))]
    pub(crate) num_parallel: Option<u32>,
    /// Host memory for the contexts that lose their slot, MiB per loaded model (llama.cpp's --cache-ram;
    /// 0: none), instead of the profile's.
    #[arg(long = "cache-ram", value_name = "MIB")]
    pub(crate) cache_ram_mib: Option<u32>,
    /// Behave like this Ollama release (0.11.4 and before: every request queues in one FIFO).
    #[arg(long, value_name = "X.Y.Z")]
    pub(crate) ollama_version: Option<String>,
    /// Simulated seconds per real second.
    #[arg(long, value_name = "N", default_value_t = 1.0)]
    pub(crate) time_scale: f64,
    /// Faults: a file of rules, or `KIND=RATE` such as `reset-mid-token=0.05`; may be repeated.
    #[arg(long = "fault", value_name = "FILE|KIND=RATE")]
    pub(crate) faults: Vec<String>,
    /// Also log every request and scheduler event of the simulator to this file, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct CalibrateProfileArgs {
    /// Recorded runs: a figures table (CSV) such as fixtures/tr113/recorded.csv, or a results
    /// folder; may be repeated. Runs with a server for each agent fit the cost of sharing a device.
    #[arg(long, value_name = "PATH", required = true)]
    pub(crate) input: Vec<PathBuf>,
    /// The model, instead of the profile's first.
    #[arg(long, value_name = "NAME")]
    pub(crate) model: Option<String>,
    /// The profile to start from.
    #[arg(long, value_name = "NAME|FILE", default_value = "rtx4080-laptop")]
    pub(crate) profile: String,
    /// Write the fitted profile here.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}
