//! From the start of the process to its first request on the wire.

use anyhow::{Context as _, Result};
use clock::Clock;
use metrics::stats::{median, percentile};

use crate::cpus;
use crate::kit::{self, LEAST, PACE, finish};
use crate::product::Product;
use crate::table::{Table, one, print_goal};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Processes started, one after another.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

/// `bench startup`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cpus = kit::apart();
    // In this process, so that both moments are read on one clock.
    let clock = Clock::real();
    let any = ([127, 0, 0, 1], 0).into();
    let server = cpus::on(cpus.map(|cpus| cpus.server), || {
        metronome::Server::start(PACE, any, clock.clone())
    })?;
    let (mut first, mut whole) = (Vec::new(), Vec::new());
    for _ in 0..args.runs {
        let folder = tempfile::tempdir()?;
        let mut command = Product::default().command(&server.url(), LEAST);
        command.arg("--out").arg(folder.path().join("load"));
        let begun = clock.now();
        finish(&mut command, cpus.map(|cpus| cpus.client))?;
        whole.push(kit::ms(clock.now().since(begun).0));
        let log = server.take_log();
        let asked = log.first().context("no request came")?.asked;
        first.push(kit::ms(asked.since(begun).0));
    }
    let mut table = Table::new("ms | median | p90 | max");
    for (what, values) in [
        (
            "process started to first request read by the server",
            &first,
        ),
        (
            "process started to its end, one request of one token",
            &whole,
        ),
    ] {
        table.row(&[
            what.to_owned(),
            one(median(values), 1),
            one(percentile(values, 90.0), 1),
            one(percentile(values, 100.0), 1),
        ]);
    }
    println!(
        "\n{} processes, each looks at the server first.\n",
        args.runs
    );
    println!("{}", table.text());
    let middle = median(&first);
    print_goal("start-up to first request", middle, Some(50.0), " ms");
    Ok(())
}
