//! The client's cost per token and its error in TTFT, beside the floor.

use anyhow::Result;
use metrics::stats::{median, percentile};

use crate::kit::{self, Client, LEAST, PACE, Sample, Server, TOKENS, Work};
use crate::product::{Api, Floor, Product};
use crate::table::{one, print_goal, spread, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Streams at once; one table row each.
    #[arg(long, value_delimiter = ',', default_value = "1,32,256,500")]
    streams: Vec<u32>,
    /// Requests of each stream, one after another.
    #[arg(long, default_value_t = 4)]
    requests: u32,
    /// Tokens of each request.
    #[arg(long, default_value_t = TOKENS, value_parser = clap::value_parser!(u32).range(2..=2000))]
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

/// The floor and the client at one number of streams: their runs, in turn.
struct Case {
    streams: u32,
    floor: Vec<Sample>,
    client: Vec<Sample>,
}

impl Case {
    /// The client's CPU per token over the floor's, run by run.
    fn ratios(&self) -> impl Iterator<Item = Option<f64>> {
        let pairs = self.client.iter().zip(&self.floor);
        pairs.map(|(client, floor)| Some(client.cpu_us_per_token? / floor.cpu_us_per_token?))
    }
}

/// `bench stream`.
pub(crate) fn run(args: &Args) -> Result<()> {
    let server = Server::start(PACE)?;
    let mut flags = args.flags.clone();
    if args.api == Api::Openai {
        flags.push("--api=openai".to_owned());
    }
    let client = Product { flags };
    let floor = Floor { api: args.api };
    let clients: [&dyn Client; 2] = [&floor, &client];
    let [of_floor, of_client] = clients.map(|client| kit::start(client, &server, LEAST, 5));
    let starts = [of_floor?, of_client?];
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
                samples[who].push(kit::sample(clients[who], &server, work, starts[who])?);
            }
        }
        let [floor, client] = samples;
        cases.push(Case {
            streams,
            floor,
            client,
        });
        eprintln!("{streams} streams: done");
    }
    println!(
        "{} tokens a stream, {} ms apart, the first after {} ms; {} requests of each stream, one \
         after another;\nmedian (range) of {} runs. Client: {}.\n",
        args.tokens,
        PACE.gap.as_millis_f64(),
        PACE.ttft.as_millis_f64(),
        args.requests,
        args.repeats,
        client.name()
    );
    print_tables(&cases);
    let [floor, client] = starts.map(|start| one(start.cpu_ns.map(|ns| ns / 1e6), 1));
    println!(
        "CPU of starting and ending, taken away above: client {client} ms, floor {floor} ms.\n"
    );
    cases.iter().for_each(print_goals);
    Ok(())
}

/// A figure of a run, if it has it.
type Figure = fn(&Sample) -> Option<f64>;

/// Figures of the client and of the floor, in ms.
const BIASES: [Figure; 3] = [
    |s| s.ttft_bias_ms.mean,
    |s| s.ttft_bias_ms.p50,
    |s| s.ttft_bias_ms.p99,
];
const CONNECTS: [Figure; 2] = [
    |s| median(&s.connects_ms),
    |s| percentile(&s.connects_ms, 100.0),
];
/// Figures of the server beside the client.
const LATE: [Figure; 2] = [|s| median(&s.late_ms), |s| percentile(&s.late_ms, 99.0)];

fn print_tables(cases: &[Case]) {
    let costs = cases.iter().map(|case| {
        let [client, floor] =
            [&case.client, &case.floor].map(|s| spread(s.iter().map(|s| s.cpu_us_per_token), 2));
        vec![
            case.streams.to_string(),
            client,
            floor,
            spread(case.ratios(), 2),
        ]
    });
    let heads = "streams | client CPU us/token | floor | ratio";
    println!("{}", table(heads, costs));
    for (heads, of_both, of_client) in [
        (
            "streams | TTFT bias ms: client mean | p50 | p99 | floor mean | p50 | p99",
            &BIASES[..],
            &[][..],
        ),
        (
            "streams | connect ms: client p50 | max | floor p50 | max | server late ms p50 | p99",
            &CONNECTS,
            &LATE,
        ),
    ] {
        let rows = cases.iter().map(|case| {
            let columns = [
                (&case.client, of_both),
                (&case.floor, of_both),
                (&case.client, of_client),
            ];
            let columns = columns.iter().flat_map(|(samples, figures)| {
                figures
                    .iter()
                    .map(|figure| spread(samples.iter().map(figure), 2))
            });
            std::iter::once(case.streams.to_string())
                .chain(columns)
                .collect()
        });
        println!("{}", table(heads, rows));
    }
}

fn print_goals(case: &Case) {
    let streams = case.streams;
    let goals: &[(&str, Figure, f64)] = match streams {
        32 => &[("mean", BIASES[0], 0.2)],
        500 => &[("mean", BIASES[0], 1.0), ("p99", BIASES[2], 3.0)],
        _ => return,
    };
    let what = format!("CPU per token over the floor's at {streams}");
    print_goal(&what, middle(case.ratios()), Some(1.2), "");
    for (what, figure, more) in goals {
        let [client, floor] = [&case.client, &case.floor].map(|s| middle(s.iter().map(figure)));
        let what = format!("TTFT bias at {streams}, {what}");
        print_goal(&what, client, floor.map(|floor| floor + more), " ms");
    }
}

/// The median; none when one of the values is missing.
fn middle(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    median(&values.collect::<Option<Vec<f64>>>()?)
}
