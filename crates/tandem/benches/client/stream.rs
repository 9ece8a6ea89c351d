//! The client's cost per token and its error in TTFT, beside the floor.

use anyhow::Result;
use metrics::stats::{median, percentile};

use crate::kit::{self, Client, LEAST, PACE, Sample, Start, Work};
use crate::product::{Api, Floor, Product};
use crate::server::Server;
use crate::table::{Table, one, print_goal, spread};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Streams at once; one table row each.
    #[arg(long, value_delimiter = ',', default_value = "1,32,256,500")]
    streams: Vec<u32>,
    /// Requests of each stream, one after another.
    #[arg(long, default_value_t = 4)]
    requests: u32,
    /// Tokens of each request.
    #[arg(long, default_value_t = PACE.tokens, value_parser = clap::value_parser!(u32).range(2..=50))]
    tokens: u32,
    /// Runs of each client, in turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// What the server speaks.
    #[arg(long, value_enum, default_value_t)]
    api: Api,
    /// Flags for `tandem load`, such as `--flags=--runtime=current`.
    #[arg(long, allow_hyphen_values = true)]
    flags: Vec<String>,
}

/// One row of the table.
struct Case {
    streams: u32,
    floor: Measured,
    ours: Measured,
}

struct Measured {
    samples: Vec<Sample>,
    per_token: Vec<Option<f64>>,
}

impl Measured {
    fn of(samples: Vec<Sample>, start: Start) -> Self {
        Self {
            per_token: samples.iter().map(|s| s.per_token(start)).collect(),
            samples,
        }
    }

    fn spread(&self, of: impl Fn(&Sample) -> Option<f64>) -> String {
        spread(self.samples.iter().map(of), 2)
    }
}

/// `bench stream`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cpus = kit::apart();
    let mut server = Server::start(PACE, cpus.map(|cpus| cpus.server))?;
    let cpu = cpus.map(|cpus| cpus.client);
    let mut flags = args.flags.clone();
    if args.api == Api::Openai {
        flags.push("--api=openai".to_owned());
    }
    let ours = Product { flags };
    let floor = Floor { api: args.api };
    let clients: [&dyn Client; 2] = [&floor, &ours];
    let [floor, client] = clients.map(|client| kit::start(client, &mut server, LEAST, cpu, 5));
    let starts = [floor?, client?];
    let mut cases = Vec::new();
    for &streams in &args.streams {
        let work = Work {
            streams,
            requests: args.requests,
            tokens: args.tokens,
        };
        let mut samples = [Vec::new(), Vec::new()];
        for round in 0..args.repeats {
            // In turn, and not always in the same order.
            let order = if round % 2 == 0 { [0, 1] } else { [1, 0] };
            for who in order {
                samples[who].push(kit::sample(clients[who], &mut server, work, cpu)?);
            }
        }
        let [floor, client] = samples;
        cases.push(Case {
            streams,
            floor: Measured::of(floor, starts[0]),
            ours: Measured::of(client, starts[1]),
        });
        eprintln!("{streams} streams: done");
    }
    print(args, &ours, starts, &cases);
    Ok(())
}

fn print(args: &Args, ours: &Product, starts: [Start; 2], cases: &[Case]) {
    println!(
        "{} tokens a stream, {} ms apart, the first after {} ms; {} requests of each stream, one \
         after another;\nmedian (range) of {} runs. Client: {}.\n",
        args.tokens,
        PACE.gap.as_millis_f64(),
        PACE.ttft.as_millis_f64(),
        args.requests,
        args.repeats,
        ours.name()
    );
    let mut table = Table::new("streams | client CPU us/token | floor | ratio");
    for case in cases {
        table.row(&[
            case.streams.to_string(),
            spread(case.ours.per_token.iter().copied(), 2),
            spread(case.floor.per_token.iter().copied(), 2),
            spread(ratios(case), 2),
        ]);
    }
    println!("{}", table.text());
    let mut table =
        Table::new("streams | TTFT bias ms: client mean | p50 | p99 | floor mean | p50 | p99");
    for case in cases {
        let mut row = vec![case.streams.to_string()];
        for who in [&case.ours, &case.floor] {
            row.push(who.spread(|s| s.bias.mean));
            row.push(who.spread(|s| s.bias.p50));
            row.push(who.spread(|s| s.bias.p99));
        }
        table.row(&row);
    }
    println!("{}", table.text());
    let mut table = Table::new(
        "streams | connect ms: client p50 | max | floor p50 | max | server late ms p50 | p99",
    );
    for case in cases {
        let mut row = vec![case.streams.to_string()];
        for who in [&case.ours, &case.floor] {
            row.push(who.spread(|s| median(&s.connects)));
            row.push(who.spread(|s| percentile(&s.connects, 100.0)));
        }
        row.push(case.ours.spread(|s| median(&s.late)));
        row.push(case.ours.spread(|s| percentile(&s.late, 99.0)));
        table.row(&row);
    }
    println!("{}", table.text());
    let start = |start: Start| one(start.cpu.map(|ns| ns / 1e6), 1);
    println!(
        "CPU of starting and ending, taken away above: client {} ms, floor {} ms.\n",
        start(starts[1]),
        start(starts[0])
    );
    for case in cases {
        goals(case);
    }
}

/// Ratios run by run.
fn ratios(case: &Case) -> impl Iterator<Item = Option<f64>> + '_ {
    let pairs = case.ours.per_token.iter().zip(&case.floor.per_token);
    pairs.map(|(ours, floor)| Some((*ours)? / (*floor)?))
}

fn goals(case: &Case) {
    let streams = case.streams;
    if ![32, 500].contains(&streams) {
        return;
    }
    let ratio = middle(ratios(case));
    let what = format!("CPU per token over the floor's at {streams}");
    print_goal(&what, ratio, Some(1.2), "");
    let mean: fn(&Sample) -> Option<f64> = |sample| sample.bias.mean;
    let p99: fn(&Sample) -> Option<f64> = |sample| sample.bias.p99;
    let goals = match streams {
        32 => vec![("mean", mean, 0.2)],
        _ => vec![("mean", mean, 1.0), ("p99", p99, 3.0)],
    };
    for (what, of, more) in goals {
        let [ours, floor] = [&case.ours, &case.floor].map(|who| middle(who.samples.iter().map(of)));
        let what = format!("TTFT bias at {streams}, {what}");
        print_goal(&what, ours, floor.map(|floor| floor + more), " ms");
    }
}

/// The median; none when one of the values is missing.
fn middle(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    median(&values.collect::<Option<Vec<f64>>>()?)
}
