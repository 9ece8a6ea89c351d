//! Other tools on the same server, with the same pinning, in the same run.

mod figures;
mod tool;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub(crate) use self::figures::Ttft;
use self::tool::{Installed, tools};
use crate::kit::{self, Client, LEAST, PACE, Sample, Server, Start, TOKENS, Work};
use crate::product::{Floor, Product};
use crate::table::{one, table};

/// Requests in all, when their number is not given: what a tool costs to start differs from run to
/// run by more than a thousand tokens cost.
const ENOUGH: u32 = 1000;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Streams at once.
    #[arg(long, value_delimiter = ',', default_value = "32,500")]
    streams: Vec<u32>,
    /// Requests of each stream, one after another. Without it two, or as many as make 1000 in all.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    requests: Option<u32>,
    /// Runs of each client that only start it and end it; their median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    starts: u32,
    /// A Python that has httpx; `cargo xtask bench peers` makes one.
    #[arg(long, value_name = "PYTHON")]
    httpx: Option<PathBuf>,
    /// Why there is none, for the reader.
    #[arg(long, value_name = "WORDS", default_value = "no --httpx was given")]
    no_httpx: String,
    /// Only clients whose name contains this; may be repeated. The floor and ours always run.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Where to write the table, instead of standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Args {
    fn work(&self, streams: u32) -> Work {
        let requests = self
            .requests
            .unwrap_or_else(|| ENOUGH.div_ceil(streams.max(1)).max(2));
        Work {
            streams,
            requests,
            tokens: TOKENS,
        }
    }
}

/// `bench peers`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let server = Server::start(PACE)?;
    let mut rows = Vec::new();
    for ours in [&Floor::default() as &dyn Client, &Product::default()] {
        rows.extend(measure(args, ours, |_| LEAST, &server));
    }
    for (place, tool) in tools()?.iter().enumerate() {
        let name = &tool.name;
        let installed = match &args.httpx {
            _ if place > 0 => Installed::find(tool, Path::new(name), &["--version"]),
            None => Err(args.no_httpx.clone()),
            Some(python) => {
                let version = ["-c", "import httpx; print(httpx.__version__)"];
                Installed::find(tool, python, &version)
            }
        };
        let full_name = installed.as_ref().map_or(name.clone(), Client::name);
        if !args.only.is_empty() && !args.only.iter().any(|only| full_name.contains(only)) {
            continue;
        }
        match installed {
            Ok(client) => rows.extend(measure(args, &client, |n| client.tool.least(n), &server)),
            Err(why) => rows.extend(args.streams.iter().map(|&streams| Row {
                client: name.clone(),
                streams,
                measured: Err(why.clone()),
            })),
        }
    }
    let text = print(args, rows);
    match &args.out {
        None => println!("\n{text}"),
        Some(path) => {
            std::fs::write(path, text)
                .with_context(|| format!("{} could not be written", path.display()))?;
        }
    }
    Ok(())
}

/// A row of the table.
struct Row {
    client: String,
    streams: u32,
    /// What starting costs and what the load costs, or why there are no figures.
    measured: Result<(Start, Sample), String>,
}

fn measure(
    args: &Args,
    client: &dyn Client,
    least: impl Fn(u32) -> Work,
    server: &Server,
) -> Vec<Row> {
    // Most clients start alike for any number of streams.
    let mut starts: Vec<(Work, Start)> = Vec::new();
    let mut measured = |streams| {
        let least = least(streams);
        let start = match starts.iter().find(|(work, _)| *work == least) {
            Some((_, start)) => *start,
            None => kit::start(client, server, least, args.starts)?,
        };
        starts.push((least, start));
        anyhow::Ok((
            start,
            kit::sample(client, server, args.work(streams), start)?,
        ))
    };
    let row = |&streams: &u32| {
        let (client, measured) = (client.name(), measured(streams));
        match &measured {
            Ok((_, sample)) => eprintln!(
                "{client}, {streams} streams: {} us/token, TTFT bias {} ms",
                one(sample.cpu_us_per_token, 1),
                one(sample.ttft_bias_ms.mean, 2)
            ),
            Err(why) => eprintln!("{client}, {streams} streams: {why:#}"),
        }
        Row {
            client,
            streams,
            measured: measured.map_err(|why| format!("{why:#}")),
        }
    };
    args.streams.iter().map(row).collect()
}

fn print(args: &Args, mut rows: Vec<Row>) -> String {
    // Of one number of streams together, in the order they were run.
    rows.sort_by_key(|row| args.streams.iter().position(|n| *n == row.streams));
    let floors = rows.iter().filter(|row| row.client == "floor");
    let floors = floors
        .filter_map(|row| Some((row.streams, row.measured.as_ref().ok()?.1.cpu_us_per_token?)));
    let floors: Vec<_> = floors.collect();
    let heads = "client | streams | CPU us/token | times the floor | TTFT bias ms mean | p99 | start-up CPU ms";
    let rows = rows.iter().map(|row| {
        let mut cells = vec![row.client.clone(), row.streams.to_string()];
        match &row.measured {
            Ok((start, sample)) => {
                let floor = floors.iter().find(|(streams, _)| *streams == row.streams);
                let ratio = sample.cpu_us_per_token.zip(floor);
                cells.extend([
                    one(sample.cpu_us_per_token, 1),
                    one(ratio.map(|(per_token, (_, floor))| per_token / floor), 1),
                    one(sample.ttft_bias_ms.mean, 2),
                    one(sample.ttft_bias_ms.p99, 2),
                    one(start.cpu_ns.map(|ns| ns / 1e6), 0),
                ]);
            }
            Err(why) => {
                // In a cell, on one line.
                let words: Vec<_> = why.split_whitespace().collect();
                let why = words.join(" ").replace('|', "/");
                cells.push(format!("not measured: {why}"));
                cells.resize(heads.split(" | ").count(), String::new());
            }
        }
        cells
    });
    let requests = args.streams.iter().map(|&streams| {
        let requests = args.work(streams).requests;
        format!("{requests} requests of each at {streams} streams")
    });
    let requests: Vec<_> = requests.collect();
    format!(
        "{} tokens a stream, {} ms apart, the first after {} ms; {}, one after another.\n\n{}",
        TOKENS,
        PACE.gap.as_millis_f64(),
        PACE.ttft.as_millis_f64(),
        requests.join(", "),
        table(heads, rows)
    )
}
