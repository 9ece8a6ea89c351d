//! What the async runtime's flavour, its worker count and pinning change.

use anyhow::Result;

use crate::kit::{self, PACE, Sample, Work};
use crate::product::Product;
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
    /// Runs of each variant, in turn.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
}

/// A way to run the client.
struct Variant {
    name: String,
    client: Product,
    /// Held to the client's processor.
    pinned: bool,
}

fn variants() -> Vec<Variant> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut variants = Vec::new();
    for pinned in [true, false] {
        let place = if pinned {
            "held to one CPU, the server on another"
        } else {
            "free to run beside the server"
        };
        let mut add = |name: String, flags: &[String]| {
            variants.push(Variant {
                name: format!("{name}, {place}"),
                client: Product {
                    flags: flags.to_vec(),
                },
                pinned,
            });
        };
        add("one thread".to_owned(), &["--runtime=current".to_owned()]);
        let mut workers = vec![1, 2, cores];
        workers.dedup();
        for workers in workers {
            let flags = ["--runtime=multi".to_owned(), format!("--workers={workers}")];
            let plural = if workers == 1 { "" } else { "s" };
            add(format!("{workers} worker{plural}"), &flags);
        }
    }
    variants
}

/// `bench runtimes`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cpus = kit::apart();
    let mut server = Server::start(PACE, cpus.map(|cpus| cpus.server))?;
    let variants = variants();
    let cpu = |variant: &Variant| cpus.filter(|_| variant.pinned).map(|cpus| cpus.client);
    let mut starts = Vec::new();
    for variant in &variants {
        starts.push(kit::start_up(
            &variant.client,
            &mut server,
            cpu(variant),
            3,
        )?);
    }
    let mut table = Table::new(&[
        "client",
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
        let mut samples: Vec<Vec<Sample>> = variants.iter().map(|_| Vec::new()).collect();
        for _ in 0..args.repeats {
            for (variant, samples) in variants.iter().zip(&mut samples) {
                let client = &variant.client;
                samples.push(kit::sample(client, &mut server, work, cpu(variant))?);
            }
        }
        for ((variant, samples), start) in variants.iter().zip(&samples).zip(&starts) {
            table.row(&[
                variant.name.clone(),
                streams.to_string(),
                spread(samples.iter().map(|s| kit::per_token(s, *start)), 1),
                spread(samples.iter().map(|s| s.bias.mean), 2),
                spread(samples.iter().map(|s| s.bias.p99), 2),
            ]);
        }
    }
    println!("{}", table.text());
    Ok(())
}
