//! What the size of the read buffer changes: 1, 2, 4 and 8 KiB at the socket and in the HTTP layer.

use anyhow::Result;

use crate::kit::{self, Client, PACE, Sample, Work};
use crate::product::{Floor, Layers};
use crate::server::Server;
use crate::table::{Table, spread};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Streams at once.
    #[arg(long, value_delimiter = ',', default_value = "32,256")]
    streams: Vec<u32>,
    /// Requests of each stream, one after another.
    #[arg(long, default_value_t = 3)]
    requests: u32,
    /// Runs of each size, in turn.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Sizes, bytes.
    #[arg(long, value_delimiter = ',', default_value = "1024,2048,4096,8192")]
    sizes: Vec<usize>,
}

/// `bench buffers`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cpus = kit::apart();
    let cpu = cpus.map(|cpus| cpus.client);
    let mut server = Server::start(PACE, cpus.map(|cpus| cpus.server))?;
    let mut clients: Vec<Box<dyn Client>> = Vec::new();
    for &size in &args.sizes {
        let buffer = Some(size);
        clients.push(Box::new(Floor { buffer }));
    }
    // Growing with what arrives, which is what users get.
    clients.push(Box::new(Layers { buffer: None }));
    for &size in &args.sizes {
        let buffer = Some(size);
        clients.push(Box::new(Layers { buffer }));
    }
    let mut starts = Vec::new();
    for client in &clients {
        starts.push(kit::start_up(&**client, &mut server, cpu, 3)?);
    }
    let mut table = Table::new(&[
        "read buffer",
        "streams",
        "CPU us/token",
        "TTFT bias ms mean",
        "p99",
    ]);
    for &streams in &args.streams {
        let work = Work {
            streams,
            requests: args.requests,
            tokens: PACE.tokens,
        };
        let mut samples: Vec<Vec<Sample>> = clients.iter().map(|_| Vec::new()).collect();
        for _ in 0..args.repeats {
            for (client, samples) in clients.iter().zip(&mut samples) {
                samples.push(kit::sample(&**client, &mut server, work, cpu)?);
            }
        }
        for ((client, samples), start) in clients.iter().zip(&samples).zip(&starts) {
            table.row(&[
                client.name(),
                streams.to_string(),
                spread(samples.iter().map(|s| kit::per_token(s, *start)), 2),
                spread(samples.iter().map(|s| s.bias.mean), 2),
                spread(samples.iter().map(|s| s.bias.p99), 2),
            ]);
        }
    }
    println!("\n{}", table.text());
    Ok(())
}
