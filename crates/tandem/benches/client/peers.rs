//! Other tools on the same server, with the same pinning, in the same run.

mod tools;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use domain::Nanos;

use crate::kit::{self, Client, PACE, Sample, Work};
use crate::product::{Floor, Product};
use crate::server::Server;
use crate::table::{Table, one, spread};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Streams at once.
    #[arg(long, value_delimiter = ',', default_value = "32,500")]
    streams: Vec<u32>,
    /// Requests of each stream, one after another.
    #[arg(long, default_value_t = 2)]
    requests: u32,
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

/// `bench peers`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cpus = kit::apart();
    let cpu = cpus.map(|cpus| cpus.client);
    let mut server = Server::start(PACE, cpus.map(|cpus| cpus.server))?;
    let mut clients: Vec<Box<dyn Client>> =
        vec![Box::new(Floor::default()), Box::new(Product::default())];
    let (found, absent) = tools::find(args.httpx.as_deref(), &args.no_httpx);
    clients.extend(found.into_iter().filter(|client| {
        args.only.is_empty() || args.only.iter().any(|name| client.name().contains(name))
    }));
    let mut rows = Vec::new();
    let mut trouble = Vec::new();
    for client in &clients {
        match measure(args, client.as_ref(), &mut server, cpu) {
            Ok(mut measured) => rows.append(&mut measured),
            Err(error) => trouble.push(format!("{}: {error:#}", client.name())),
        }
        eprintln!("{}: done", client.name());
    }
    let text = print(args, rows, &absent, &trouble);
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
    start: Option<Nanos>,
    sample: Sample,
}

fn measure(
    args: &Args,
    client: &dyn Client,
    server: &mut Server,
    cpu: Option<u32>,
) -> Result<Vec<Row>> {
    let start = kit::start_up(client, server, cpu, 1)?;
    args.streams
        .iter()
        .map(|&streams| {
            let work = Work {
                streams,
                requests: args.requests,
                tokens: PACE.tokens,
            };
            Ok(Row {
                client: client.name(),
                streams,
                start,
                sample: kit::sample(client, server, work, cpu)?,
            })
        })
        .collect()
}

fn print(args: &Args, mut rows: Vec<Row>, absent: &[String], trouble: &[String]) -> String {
    // Of one number of streams together, in the order they were run.
    rows.sort_by_key(|row| args.streams.iter().position(|n| *n == row.streams));
    let floors: Vec<_> = rows
        .iter()
        .filter(|row| row.client == "floor")
        .map(|row| (row.streams, kit::per_token(&row.sample, row.start)))
        .collect();
    let mut table = Table::new(&[
        "client",
        "streams",
        "CPU us/token",
        "times the floor",
        "TTFT bias ms mean",
        "p99",
        "start-up CPU ms",
    ]);
    for row in &rows {
        let per_token = kit::per_token(&row.sample, row.start);
        let floor = floors.iter().find(|(streams, _)| *streams == row.streams);
        let ratio = per_token.zip(floor.and_then(|(_, floor)| *floor));
        table.row(&[
            row.client.clone(),
            row.streams.to_string(),
            one(per_token, 1),
            one(ratio.map(|(ours, floor)| ours / floor), 1),
            one(row.sample.bias.mean, 2),
            one(row.sample.bias.p99, 2),
            spread(std::iter::once(row.start.map(Nanos::as_millis_f64)), 0),
        ]);
    }
    let mut text = format!(
        "{} tokens a stream, {} ms apart, the first after {} ms; {} requests of each stream, one \
         after another.\n\n{}",
        PACE.tokens,
        PACE.gap.as_millis_f64(),
        PACE.ttft.as_millis_f64(),
        args.requests,
        table.text()
    );
    for line in absent.iter().chain(trouble) {
        text.push_str("\nLeft out: ");
        text.push_str(line);
        text.push('\n');
    }
    text
}
