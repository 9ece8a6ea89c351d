//! From the start of the process to its first request on the wire.

use anyhow::{Context as _, Result};
use metrics::stats::{median, percentile};

use crate::kit::{self, Client as _, LEAST, PACE, Server, finish};
use crate::product::Product;
use crate::table::{one, print_goal, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Processes started, one after another.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// `bench startup`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let server = Server::start(PACE)?;
    let (mut first, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let folder = tempfile::tempdir()?;
        let mut command = Product::default().command(&server, LEAST, folder.path())?;
        let started = server.clock.now();
        finish(&mut command, server.client_cpu)?;
        whole.push(kit::ms(server.clock.now().since(started).0));
        let log = server.take_log();
        let asked = log.first().context("no request came")?.asked;
        first.push(kit::ms(asked.since(started).0));
    }
    let rows = [
        (
            "process started to first request read by the server",
            &first,
        ),
        (
            "process started to its end, one request of one token",
            &whole,
        ),
    ];
    let rows = rows.map(|(what, values)| {
        let figures = [50.0, 90.0, 100.0].map(|p| one(percentile(values, p), 1));
        [vec![what.to_owned()], figures.into()].concat()
    });
    let runs = args.runs;
    println!("\n{runs} processes, each looks at the server first.\n");
    println!("{}", table("ms | median | p90 | max", rows));
    let first = median(&first);
    print_goal("start-up to first request", first, Some(50.0), " ms");
    Ok(())
}
