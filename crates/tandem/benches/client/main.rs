//! What the client costs and what it adds, against a floor and against other tools.
//!
//! `cargo xtask bench NAME` runs one of these. The server (`metronome`) is a process of its own with
//! a core of its own; every client is a process on another one; all clients of a table are measured
//! in one run, in turn. What counts is the ratio between rows.

mod cpus;
mod floor;
mod kit;
mod layers;
mod memory;
mod peers;
mod product;
mod server;
mod startup;
mod stream;
mod table;
mod variants;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    case: Option<Case>,
    /// Given by `cargo bench`. Without it a small load checks that this works.
    #[arg(long, global = true)]
    bench: bool,
}

#[derive(Debug, Subcommand)]
enum Case {
    /// CPU per token and TTFT bias at 1, 32, 256 and 500 streams, beside the floor.
    Stream(stream::Args),
    /// Memory of each waiting agent.
    Memory(memory::Args),
    /// From the process's start to its first request.
    Startup(startup::Args),
    /// Other tools on the same server in the same run.
    Peers(peers::Args),
    /// Flavours of the async runtime, worker counts and pinning.
    Runtimes(variants::Args),
    /// Read buffers of 1 to 8 KiB.
    Buffers(variants::BufferArgs),
    /// The server, as a process of its own.
    #[command(hide = true)]
    Server(server::Args),
    /// The floor, as a process of its own.
    #[command(hide = true)]
    Floor(floor::Args),
    /// The client's layers alone, as a process of their own.
    #[command(hide = true)]
    Layers(layers::Args),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.case {
        Some(Case::Server(args)) => server::serve(&args),
        Some(Case::Floor(args)) => floor::read(&args),
        Some(Case::Layers(args)) => layers::read(&args),
        Some(Case::Stream(args)) => stream::run(&args),
        Some(Case::Memory(args)) => memory::run(&args),
        Some(Case::Startup(args)) => startup::run(&args),
        Some(Case::Peers(args)) => peers::run(&args),
        Some(Case::Runtimes(args)) => variants::runtimes(&args),
        Some(Case::Buffers(args)) => variants::buffers(&args),
        None if cli.bench => stream::run(&stream::Args::default()),
        // `cargo test --all-targets` runs this too.
        None => {
            stream::run(&stream::Args::small())?;
            startup::run(&startup::Args::small())
        }
    }
}
