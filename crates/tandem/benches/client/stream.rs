//! The client's cost per token and its error in TTFT, beside the floor.

use anyhow::Result;
use domain::Nanos;

use crate::kit::{self, Client, PACE, Sample, Work};
use crate::product::{Floor, Product};
use crate::server::Server;
use crate::table::{Table, goal, median, spread};

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
    /// Flags for `tandem load`, such as `--flags=--runtime=current`.
    #[arg(long, allow_hyphen_values = true)]
    flags: Vec<String>,
}

impl Default for Args {
    fn default() -> Self {
        Self {
            streams: vec![1, 32, 256, 500],
            requests: 4,
            tokens: PACE.tokens,
            repeats: 3,
            flags: Vec::new(),
        }
    }
}

impl Args {
    /// Enough to see that it works.
    pub(crate) fn small() -> Self {
        Self {
            streams: vec![3],
            requests: 2,
            tokens: 3,
            repeats: 1,
            flags: Vec::new(),
        }
    }
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
    fn middle(&self, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let values: Option<Vec<f64>> = self.samples.iter().map(of).collect();
        values
            .map(|values| kit::sorted(values.into_iter()))
            .filter(|values| !values.is_empty())
            .map(|values| median(&values))
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
    let ours = Product {
        flags: args.flags.clone(),
    };
    let floor = Floor::default();
    let clients: [&dyn Client; 2] = [&floor, &ours];
    let starts = clients.map(|client| kit::start_up(client, &mut server, cpu, 5));
    let [floor_start, our_start] = starts;
    let (floor_start, our_start) = (floor_start?, our_start?);
    let mut cases = Vec::new();
    for &streams in &args.streams {
        let work = Work {
            streams,
            requests: args.requests,
            tokens: args.tokens,
        };
        let (mut floors, mut oursamples) = (Vec::new(), Vec::new());
        for round in 0..args.repeats {
            // In turn, and not always in the same order.
            if round % 2 == 0 {
                floors.push(kit::sample(&floor, &mut server, work, cpu)?);
                oursamples.push(kit::sample(&ours, &mut server, work, cpu)?);
            } else {
                oursamples.push(kit::sample(&ours, &mut server, work, cpu)?);
                floors.push(kit::sample(&floor, &mut server, work, cpu)?);
            }
        }
        cases.push(Case {
            streams,
            floor: measured(floors, floor_start),
            ours: measured(oursamples, our_start),
        });
        eprintln!("{streams} streams: done");
    }
    print(args, &ours, [floor_start, our_start], &cases);
    Ok(())
}

fn measured(samples: Vec<Sample>, start: Option<Nanos>) -> Measured {
    Measured {
        per_token: samples.iter().map(|s| kit::per_token(s, start)).collect(),
        samples,
    }
}

fn print(args: &Args, ours: &Product, starts: [Option<Nanos>; 2], cases: &[Case]) {
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
    let mut table = Table::new(&["streams", "client CPU us/token", "floor", "ratio"]);
    for case in cases {
        table.row(&[
            case.streams.to_string(),
            spread(case.ours.per_token.iter().copied(), 2),
            spread(case.floor.per_token.iter().copied(), 2),
            spread(ratios(case), 2),
        ]);
    }
    println!("{}", table.text());
    let mut table = Table::new(&[
        "streams",
        "TTFT bias ms: client mean",
        "p50",
        "p99",
        "floor mean",
        "p50",
        "p99",
    ]);
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
    let mut table = Table::new(&[
        "streams",
        "connect ms: client p50",
        "max",
        "floor p50",
        "max",
        "server late ms p50",
        "p99",
    ]);
    for case in cases {
        let mut row = vec![case.streams.to_string()];
        for who in [&case.ours, &case.floor] {
            row.push(who.spread(|s| kit::quantile(&s.connects, 0.5)));
            row.push(who.spread(|s| s.connects.last().copied()));
        }
        row.push(case.ours.spread(|s| kit::quantile(&s.late, 0.5)));
        row.push(case.ours.spread(|s| kit::quantile(&s.late, 0.99)));
        table.row(&row);
    }
    println!("{}", table.text());
    let start = |cost: Option<Nanos>| {
        cost.map_or_else(
            || "unknown".to_owned(),
            |cost| format!("{:.1} ms", cost.as_millis_f64()),
        )
    };
    println!(
        "CPU of starting and ending, taken away above: client {}, floor {}.\n",
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
    let ratios: Option<Vec<f64>> = ratios(case).collect();
    let ratio = ratios.map(|ratios| median(&kit::sorted(ratios.into_iter())));
    println!(
        "{}",
        goal(
            &format!("CPU per token over the floor's at {streams}"),
            ratio,
            Some(1.5),
            ""
        )
    );
    let beside = |of: fn(&Sample) -> Option<f64>, more: f64| {
        let floor = case.floor.middle(of).map(|floor| floor + more);
        (case.ours.middle(of), floor)
    };
    let mean = |sample: &Sample| sample.bias.mean;
    let p99 = |sample: &Sample| sample.bias.p99;
    let say = |what: &str, (ours, most): (Option<f64>, Option<f64>)| {
        println!(
            "{}",
            goal(
                &format!("TTFT bias at {streams}, {what}"),
                ours,
                most,
                " ms"
            )
        );
    };
    if streams == 32 {
        say("mean", beside(mean, 0.2));
    } else {
        say("mean", beside(mean, 1.0));
        say("p99", beside(p99, 3.0));
    }
}
