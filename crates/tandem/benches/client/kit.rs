//! What all cases share: running a client in a process of its own, and holding what it reports
//! against what the server did.

use std::collections::HashMap;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use domain::Nanos;
use metrics::stats::{mean, median, percentile};
use metronome::Pace;

use crate::cpus::{self, Cpus};
use crate::floor::Row;
use crate::peers::Ttft;
use crate::server::{Server, Truth};

/// The pace of the tables: first token after 51 ms, then one each 20 ms.
pub(crate) const PACE: Pace = Pace {
    ttft: Nanos::from_millis(51),
    gap: Nanos::from_millis(20),
    tokens: 50,
};

/// What a client is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) streams: u32,
    /// Of each stream, one after another.
    pub(crate) requests: u32,
    pub(crate) tokens: u32,
}

/// The least a client can do. What it costs is its start-up and its end.
pub(crate) const LEAST: Work = Work {
    streams: 1,
    requests: 1,
    tokens: 1,
};

/// What a client reports.
#[derive(Debug)]
pub(crate) enum Told {
    /// Each request, with the seed by which the server knows it.
    Rows(Vec<Row>),
    /// TTFT over all requests, ms.
    Figures(Ttft),
}

/// A client in a process of its own.
pub(crate) trait Client {
    /// For the table.
    fn name(&self) -> String;

    /// Does the work against a server, on a processor.
    fn run(&self, server: &Server, work: Work, cpu: Option<u32>) -> Result<(Told, Ended)>;
}

/// A process that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// CPU time of it and of those it waited for; absent where the system does not tell.
    pub(crate) cpu: Option<Nanos>,
    pub(crate) output: Vec<u8>,
}

#[cfg(unix)]
fn children_cpu() -> Option<Nanos> {
    use nix::sys::resource::{UsageWho, getrusage};
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let us = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec() * 1_000_000 + time.tv_usec()).unwrap_or(0)
    };
    Some(Nanos(
        1000 * (us(usage.user_time()) + us(usage.system_time())),
    ))
}

#[cfg(not(unix))]
fn children_cpu() -> Option<Nanos> {
    None
}

/// Runs a command to its end on a processor. What it said is passed on only when it fails; the last
/// error in it, or its last line, is the failure's reason.
pub(crate) fn finish(command: &mut Command, cpu: Option<u32>) -> Result<Ended> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let name = command.get_program().display().to_string();
    let before = children_cpu();
    let child =
        cpus::on(cpu, || command.spawn()).with_context(|| format!("{name} did not start"))?;
    let output = child.wait_with_output()?;
    let cpu = children_cpu()
        .zip(before)
        .map(|(now, before)| now.saturating_sub(before));
    if !output.status.success() {
        let said = [output.stdout, output.stderr].map(|b| String::from_utf8_lossy(&b).into_owned());
        eprint!("{}{}", said[0], said[1]);
        let lines = || said.iter().flat_map(|text| text.lines());
        let last = lines()
            .rfind(|line| line.contains("ERROR"))
            .or_else(|| lines().rfind(|line| !line.trim().is_empty()));
        bail!(
            "{name} ended with {}: {}",
            output.status,
            last.unwrap_or("it said nothing").trim()
        );
    }
    Ok(Ended {
        cpu,
        output: output.stdout,
    })
}

/// What one run of a client came to.
#[derive(Debug)]
pub(crate) struct Sample {
    /// CPU time of the whole process.
    pub(crate) cpu: Option<Nanos>,
    pub(crate) tokens: u64,
    pub(crate) bias: Bias,
    /// Making connections, ms; empty where the client does not say.
    pub(crate) connects: Vec<f64>,
    /// The longest that the server was late with a token in each stream, ms.
    pub(crate) late: Vec<f64>,
}

/// Reported TTFT minus true TTFT, ms.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bias {
    pub(crate) mean: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

/// Runs a client once.
pub(crate) fn sample(
    client: &dyn Client,
    server: &mut Server,
    work: Work,
    cpu: Option<u32>,
) -> Result<Sample> {
    server.truths()?;
    let (told, ended) = client.run(server, work, cpu)?;
    let mut truths = server.truths()?;
    // A client that leaves at the last token cuts the last stream of its connection short.
    truths.retain(|truth| truth.tokens >= u64::from(work.tokens.min(PACE.tokens)));
    let wanted = work.streams as usize * work.requests as usize;
    ensure!(
        truths.len() >= wanted,
        "{}: the server sent {} of {wanted} streams",
        client.name(),
        truths.len()
    );
    if let Told::Rows(rows) = &told {
        ensure!(
            rows.len() >= wanted,
            "{}: it tells of {} of {wanted} requests",
            client.name(),
            rows.len()
        );
    }
    let connects = match &told {
        Told::Rows(rows) => rows
            .iter()
            .filter_map(|row| row.connect_ns)
            .map(ms)
            .collect(),
        Told::Figures(_) => Vec::new(),
    };
    Ok(Sample {
        cpu: ended.cpu,
        tokens: truths.iter().map(|truth| truth.tokens).sum(),
        bias: bias(&told, &truths).with_context(|| client.name())?,
        connects,
        late: truths.iter().map(|truth| ms(truth.late_ns)).collect(),
    })
}

fn bias(told: &Told, truths: &[Truth]) -> Result<Bias> {
    let true_ttfts: Vec<_> = truths.iter().map(|truth| ms(truth.ttft_ns)).collect();
    match *told {
        Told::Rows(ref rows) => {
            let mut by_seed: HashMap<i64, Option<u64>> = HashMap::new();
            for truth in truths {
                // A seed that came twice names no stream.
                by_seed
                    .entry(truth.seed.context("a request came without its seed")?)
                    .and_modify(|ttft| *ttft = None)
                    .or_insert(Some(truth.ttft_ns));
            }
            let mut errors = Vec::new();
            for row in rows {
                let truth = by_seed
                    .get(&row.seed)
                    .with_context(|| format!("the server saw no request with seed {}", row.seed))?;
                if let Some(truth) = truth {
                    errors.push(ms(row.ttft_ns) - ms(*truth));
                }
            }
            ensure!(errors.len() * 10 > rows.len() * 9, "seeds are not unique");
            Ok(Bias {
                mean: mean(&errors),
                p50: median(&errors),
                p99: percentile(&errors, 99.0),
            })
        }
        // Requests cannot be told apart. The truth hardly varies, so its mean and its median serve.
        Told::Figures(ttft) => {
            let median = median(&true_ttfts);
            Ok(Bias {
                mean: mean(&true_ttfts).map(|truth| ttft.mean - truth),
                p50: median.map(|truth| ttft.p50 - truth),
                p99: median.map(|truth| ttft.p99 - truth),
            })
        }
    }
}

/// What a client costs that has next to nothing to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    /// The median of a few runs, ns.
    pub(crate) cpu: Option<f64>,
    tokens: u64,
}

/// Runs a client a few times with the least work that starts it.
pub(crate) fn start(
    client: &dyn Client,
    server: &mut Server,
    least: Work,
    cpu: Option<u32>,
    runs: u32,
) -> Result<Start> {
    let samples = (0..runs).map(|_| sample(client, server, least, cpu));
    let samples = samples.collect::<Result<Vec<_>>>()?;
    let costs = samples.iter().map(|sample| Some(sample.cpu?.0 as f64));
    let costs: Option<Vec<f64>> = costs.collect();
    Ok(Start {
        cpu: costs.and_then(|costs| median(&costs)),
        tokens: samples.last().map_or(0, |sample| sample.tokens),
    })
}

impl Sample {
    /// CPU time per token, us, the start taken away. Negative where a start happens to cost more than
    /// a short load.
    pub(crate) fn per_token(&self, start: Start) -> Option<f64> {
        let tokens = self.tokens.saturating_sub(start.tokens).max(1);
        let spent = self.cpu?.0 as f64 - start.cpu?;
        Some(spent / 1e3 / tokens as f64)
    }
}

/// Where server and client run; says so when they cannot be kept apart.
pub(crate) fn apart() -> Option<Cpus> {
    match cpus::choose() {
        Ok(cpus) => {
            println!(
                "Server on CPU {}, each client on CPU {}.",
                cpus.server, cpus.client
            );
            Some(cpus)
        }
        Err(why) => {
            println!("Server and client are not pinned: {why}. They disturb each other.");
            None
        }
    }
}

/// Nanoseconds as ms.
pub(crate) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
