//! What the client costs and what it adds, against a floor and against other tools.
//!
//! `cargo xtask bench NAME` runs one of these. The server (`metronome`) has a thread with a core of its own; every
//! client is a process on another one; all clients of a table are measured in one run, in turn. What counts is the
//! ratio between rows.

#[path = "../../src/cpus.rs"]
mod cpus;
#[path = "../../src/descriptors.rs"]
#[expect(dead_code, unused_imports, reason = "the binary uses more of it")]
mod descriptors;
mod floor;
mod kit;
mod memory;
mod peers;
#[path = "../../src/process.rs"]
#[expect(dead_code, unused_imports, reason = "the binary uses more of it")]
mod process;
mod product;
mod startup;
mod stream;
mod table;

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
    /// The floor, as a process of its own.
    #[command(hide = true)]
    Floor(floor::Args),
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match cli.case {
        Some(case) => run(case),
        None if cli.bench => run_line("stream"),
        // `cargo test --all-targets` runs this too.
        None => {
            run_line("stream --streams 3 --requests 2 --tokens 3 --repeats 1")?;
            run_line(
                "stream --streams 3 --requests 2 --tokens 3 --repeats 1 --api openai --flags=--http=reqwest",
            )?;
            run_line("startup --runs 2")
        }
    }
}

/// Runs a case from its command line.
fn run_line(line: &str) -> Result<()> {
    let cli = Cli::try_parse_from(std::iter::once("client").chain(line.split(' ')))?;
    cli.case.map_or(Ok(()), run)
}

fn run(case: Case) -> Result<()> {
    match case {
        Case::Floor(args) => floor::read(&args),
        Case::Stream(args) => stream::run(&args),
        Case::Memory(args) => memory::run(&args),
        Case::Startup(args) => startup::run(&args),
        Case::Peers(args) => peers::run(&args),
    }
}
