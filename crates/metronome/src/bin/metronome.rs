//! The server on a port, for clients in other processes: benchmarks start it, pin it and talk to
//! it over its standard input and output.

use std::io::{BufRead as _, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use clock::Clock;
use domain::Nanos;
use metronome::{MODEL, Pace, Server, StreamLog};
use serde::Serialize;

/// Serve token streams at an exact pace, in Ollama's and OpenAI's shape.
///
/// Prints one JSON line with its address, then answers each line of standard input with one JSON
/// line: `log` gives every stream ended since the last one, `summary` counts them, `cpu` tells the
/// server's CPU time so far. Ends with its standard input.
#[derive(Debug, Parser)]
#[command(name = "metronome")]
struct Cli {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR:PORT")]
    listen: SocketAddr,
    /// From a request to its first token.
    #[arg(long, default_value = "51ms", value_name = "TIME", value_parser = humantime::parse_duration)]
    ttft: Duration,
    /// From one token to the next.
    #[arg(long, default_value = "20ms", value_name = "TIME", value_parser = humantime::parse_duration)]
    gap: Duration,
    /// Tokens of each stream; requests may ask for fewer.
    #[arg(long, default_value_t = 50, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    tokens: u32,
}

#[derive(Debug, Serialize)]
struct Listening {
    url: String,
    model: &'static str,
    pace: Pace,
}

/// What many streams come to.
#[derive(Debug, Default, Serialize)]
struct Summary {
    streams: usize,
    complete: usize,
    tokens: usize,
    connections: usize,
    /// Mean of true TTFT: from the request read to the first token begun, ns.
    ttft_mean_ns: Option<u64>,
    /// How late the server itself was, ns.
    late_mean_ns: Option<u64>,
    late_max_ns: Option<u64>,
    cpu_ns: Option<Nanos>,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let pace = Pace {
        ttft: Nanos::from(cli.ttft),
        gap: Nanos::from(cli.gap),
        tokens: cli.tokens,
    };
    let server = Server::start(pace, cli.listen, Clock::real())
        .with_context(|| format!("{} could not be listened on", cli.listen))?;
    say(&Listening {
        url: server.url(),
        model: MODEL,
        pace,
    })?;
    for line in std::io::stdin().lock().lines() {
        match line.context("standard input could not be read")?.trim() {
            "log" => say(&server.take_log())?,
            "summary" => say(&summary(&server, pace))?,
            "cpu" => say(&server.cpu_time())?,
            "" => {}
            other => eprintln!("metronome: `{other}` is none of log, summary, cpu"),
        }
    }
    Ok(())
}

fn say(what: &impl Serialize) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, what)?;
    out.write_all(b"\n")?;
    out.flush().context("standard output could not be written")
}

fn summary(server: &Server, pace: Pace) -> Summary {
    let log = server.take_log();
    let mut connections: Vec<u64> = log.iter().map(|stream| stream.connection).collect();
    connections.sort_unstable();
    connections.dedup();
    let ttfts = log.iter().filter_map(|stream| {
        let first = stream.writes.first()?;
        Some(first.begun.since(stream.asked).0)
    });
    let late: Vec<u64> = log.iter().flat_map(|stream| late(stream, pace)).collect();
    Summary {
        streams: log.len(),
        complete: log.iter().filter(|stream| stream.complete).count(),
        tokens: late.len(),
        connections: connections.len(),
        ttft_mean_ns: mean(ttfts),
        late_mean_ns: mean(late.iter().copied()),
        late_max_ns: late.iter().copied().max(),
        cpu_ns: server.cpu_time(),
    }
}

fn late(stream: &StreamLog, pace: Pace) -> impl Iterator<Item = u64> + '_ {
    (0..)
        .zip(&stream.writes)
        .map(move |(token, write)| write.begun.since(stream.due(pace, token)).0)
}

fn mean(values: impl Iterator<Item = u64>) -> Option<u64> {
    let (mut sum, mut n) = (0_u128, 0_u128);
    for value in values {
        sum += u128::from(value);
        n += 1;
    }
    sum.checked_div(n).and_then(|mean| u64::try_from(mean).ok())
}
