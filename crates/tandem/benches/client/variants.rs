//! Variants of the client side by side: read buffers of several sizes; flavours of the async runtime,
//! worker counts and pinning.

use anyhow::Result;

use crate::kit::{self, Client, PACE, Sample, Work};
use crate::product::{Floor, Layers, Product};
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

#[derive(Debug, clap::Args)]
pub(crate) struct BufferArgs {
    #[command(flatten)]
    args: Args,
    /// Sizes, bytes.
    #[arg(long, value_delimiter = ',', default_value = "1024,2048,4096,8192")]
    sizes: Vec<usize>,
}

/// A way to run the client.
struct Variant {
    name: String,
    client: Box<dyn Client>,
    /// Held to the client's processor.
    pinned: bool,
}

impl Variant {
    fn pinned(client: impl Client + 'static) -> Self {
        Self {
            name: client.name(),
            client: Box::new(client),
            pinned: true,
        }
    }
}

/// `bench buffers`: what the size of the read buffer changes at the socket and in the HTTP layer.
pub(crate) fn buffers(args: &BufferArgs) -> Result<()> {
    let sizes = || args.sizes.iter().map(|size| Some(*size));
    // Growing with what arrives, which is what users get.
    let layers = std::iter::once(None).chain(sizes());
    let floors = sizes().map(|buffer| Variant::pinned(Floor { buffer }));
    let variants: Vec<_> = floors
        .chain(layers.map(|buffer| Variant::pinned(Layers { buffer })))
        .collect();
    compare("read buffer", &variants, &args.args, 2)
}

/// `bench runtimes`: what the async runtime's flavour, its worker count and pinning change.
pub(crate) fn runtimes(args: &Args) -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut variants = Vec::new();
    for pinned in [true, false] {
        let place = if pinned {
            "held to one CPU, the server on another"
        } else {
            "free to run beside the server"
        };
        let mut add = |name: String, flags: Vec<String>| {
            variants.push(Variant {
                name: format!("{name}, {place}"),
                client: Box::new(Product { flags }),
                pinned,
            });
        };
        add(
            "one thread".to_owned(),
            vec!["--runtime=current".to_owned()],
        );
        let mut workers = vec![1, 2, cores];
        workers.dedup();
        for workers in workers {
            let plural = if workers == 1 { "" } else { "s" };
            let flags = vec!["--runtime=multi".to_owned(), format!("--workers={workers}")];
            add(format!("{workers} worker{plural}"), flags);
        }
    }
    compare("client", &variants, args, 1)
}

/// Runs all variants in turn and prints a row for each; CPU time with so many digits.
fn compare(what: &str, variants: &[Variant], args: &Args, digits: usize) -> Result<()> {
    let cpus = kit::apart();
    let mut server = Server::start(PACE, cpus.map(|cpus| cpus.server))?;
    let cpu = |variant: &Variant| cpus.filter(|_| variant.pinned).map(|cpus| cpus.client);
    let mut starts = Vec::new();
    for variant in variants {
        starts.push(kit::start_up(
            &*variant.client,
            &mut server,
            cpu(variant),
            3,
        )?);
    }
    let heads = [what, "streams", "CPU us/token", "TTFT bias ms mean", "p99"];
    let mut table = Table::new(&heads);
    for &streams in &args.streams {
        let work = Work {
            streams,
            requests: args.requests,
            tokens: PACE.tokens,
        };
        let mut samples: Vec<Vec<Sample>> = variants.iter().map(|_| Vec::new()).collect();
        for _ in 0..args.repeats {
            for (variant, samples) in variants.iter().zip(&mut samples) {
                samples.push(kit::sample(
                    &*variant.client,
                    &mut server,
                    work,
                    cpu(variant),
                )?);
            }
        }
        for ((variant, samples), start) in variants.iter().zip(&samples).zip(&starts) {
            table.row(&[
                variant.name.clone(),
                streams.to_string(),
                spread(samples.iter().map(|s| kit::per_token(s, *start)), digits),
                spread(samples.iter().map(|s| s.bias.mean), 2),
                spread(samples.iter().map(|s| s.bias.p99), 2),
            ]);
        }
    }
    println!("\n{}", table.text());
    Ok(())
}
