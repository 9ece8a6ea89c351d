//! What all cases share: the server, running a client in a process of its own, and comparing what it reports with
//! what the server did.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clock::Clock;
use domain::Nanos;
use metrics::stats::{mean, median, percentile};
use metronome::{Pace, StreamLog};

use crate::cpus;
use crate::floor::Row;
use crate::peers::Ttft;

/// Tokens of an answer where nothing else is asked for.
pub(crate) const TOKENS: u32 = 50;

/// The pace of the tables: first token after 51 ms, then one each 20 ms. An answer is as long as its request asks.
pub(crate) const PACE: Pace = Pace {
    ttft: Nanos::from_millis(51),
    gap: Nanos::from_millis(20),
    tokens: 2000,
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
pub(crate) enum Report {
    /// Each request, with the seed by which the server knows it.
    Rows(Vec<Row>),
    /// TTFT over all requests, ms.
    Figures(Ttft),
}

/// A client in a process of its own.
pub(crate) trait Client {
    /// For the table.
    fn name(&self) -> String;

    /// The command that does the work against a server, in a folder of its own.
    fn command(&self, server: &Server, work: Work, folder: &Path) -> Result<Command>;

    /// What it reported on its standard output or in its folder.
    fn report(&self, output: &[u8], work: Work, folder: &Path) -> Result<Report>;
}

#[cfg(unix)]
fn children_cpu() -> Option<Nanos> {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike as _;
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    let time = usage.user_time() + usage.system_time();
    Some(Nanos(1000 * time.num_microseconds() as u64))
}

#[cfg(not(unix))]
fn children_cpu() -> Option<Nanos> {
    None
}

/// Runs a command to its end on a processor; its CPU time with that of the processes it waited for, absent where the
/// system does not report it, and its standard output. Output is shown only when it fails; the last error in it, or its
/// last line, is the failure's reason.
pub(crate) fn finish(command: &mut Command, cpu: Option<u32>) -> Result<(Option<Nanos>, Vec<u8>)> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let name = command.get_program().display().to_string();
    let before = children_cpu();
    let child = on_cpu(cpu, || command.spawn()).with_context(|| format!("{name} did not start"))?;
    let output = child.wait_with_output()?;
    let cpu = children_cpu().zip(before);
    if !output.status.success() {
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        eprint!("{text}");
        let mut lines = text.lines().filter(|line| !line.trim().is_empty()).rev();
        let error = lines.clone().find(|line| line.contains("ERROR"));
        let last = error.or_else(|| lines.next()).unwrap_or("no output");
        bail!("{name} ended with {}: {}", output.status, last.trim());
    }
    Ok((
        cpu.map(|(now, before)| now.saturating_sub(before)),
        output.stdout,
    ))
}

/// What one run of a client came to.
#[derive(Debug)]
pub(crate) struct Sample {
    /// CPU time of the whole process.
    cpu: Option<Nanos>,
    tokens: u64,
    /// CPU time per token, the start taken away. Negative where a start happens to cost more than a short load.
    pub(crate) cpu_us_per_token: Option<f64>,
    pub(crate) ttft_bias_ms: Bias,
    /// Making connections; empty where the client does not report it.
    pub(crate) connects_ms: Vec<f64>,
    /// The longest that the server was late with a token in each stream.
    pub(crate) late_ms: Vec<f64>,
}

/// Reported TTFT minus true TTFT, in the unit of the values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bias {
    pub(crate) mean: Option<f64>,
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
}

/// Runs a client once; `start` is what starting it costs.
pub(crate) fn sample(
    client: &dyn Client,
    server: &Server,
    work: Work,
    start: Start,
) -> Result<Sample> {
    let name = client.name();
    server.take_log();
    let folder = tempfile::tempdir()?;
    let mut command = client.command(server, work, folder.path())?;
    let (cpu, output) = finish(command.current_dir(&folder), server.client_cpu)?;
    let report = client.report(&output, work, folder.path())?;
    let mut streams = server.take_log();
    // A client that leaves at the last token cuts the last stream of its connection short.
    streams.retain(|stream| stream.writes.len() >= work.tokens as usize);
    let (sent, wanted) = (streams.len(), (work.streams * work.requests) as usize);
    ensure!(
        sent >= wanted,
        "{name}: the server sent {sent} of {wanted} streams"
    );
    let mut connects = Vec::new();
    if let Report::Rows(rows) = &report {
        let found = rows.len();
        ensure!(
            found >= wanted,
            "{name}: it reports {found} of {wanted} requests"
        );
        connects.extend(rows.iter().filter_map(|row| row.connect_ns).map(ms));
    }
    let late = streams.iter().filter_map(|stream| stream.latest(PACE));
    let tokens = streams.iter().map(|stream| stream.writes.len() as u64);
    let tokens = tokens.sum::<u64>();
    let spent = cpu
        .zip(start.cpu_ns)
        .map(|(all, start)| all.0 as f64 - start);
    let fresh = tokens.saturating_sub(start.tokens).max(1);
    Ok(Sample {
        cpu,
        tokens,
        cpu_us_per_token: spent.map(|ns| ns / 1e3 / fresh as f64),
        ttft_bias_ms: bias(&report, &streams).context(name)?,
        connects_ms: connects,
        late_ms: late.map(|late| ms(late.0)).collect(),
    })
}

/// TTFT as the server knows it, from the request read to the first token on its way, ms.
fn true_ttft(stream: &StreamLog) -> f64 {
    let first = stream.writes.first();
    first.map_or(0.0, |first| ms(first.started.since(stream.asked).0))
}

fn bias(report: &Report, streams: &[StreamLog]) -> Result<Bias> {
    let rows = match report {
        Report::Rows(rows) => rows,
        // One request cannot be distinguished from another. The truth hardly varies, so its mean and its median serve.
        Report::Figures(ttft) => {
            let truths: Vec<_> = streams.iter().map(true_ttft).collect();
            let median = median(&truths);
            return Ok(Bias {
                mean: mean(&truths).map(|truth| ttft.mean_ms - truth),
                p50: median.map(|truth| ttft.p50_ms - truth),
                p99: median.map(|truth| ttft.p99_ms - truth),
            });
        }
    };
    let mut by_seed: HashMap<i64, Option<f64>> = HashMap::new();
    for stream in streams {
        // A seed that came twice names no stream.
        by_seed
            .entry(stream.seed.context("a request came without its seed")?)
            .and_modify(|ttft| *ttft = None)
            .or_insert(Some(true_ttft(stream)));
    }
    let mut errors = Vec::new();
    for row in rows {
        let truth = by_seed
            .get(&row.seed)
            .with_context(|| format!("the server saw no request with seed {}", row.seed))?;
        errors.extend(truth.map(|truth| ms(row.ttft_ns) - truth));
    }
    ensure!(errors.len() * 10 > rows.len() * 9, "seeds are not unique");
    Ok(Bias {
        mean: mean(&errors),
        p50: median(&errors),
        p99: percentile(&errors, 99.0),
    })
}

/// What a client costs that has next to nothing to do.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Start {
    /// The median of a few runs.
    pub(crate) cpu_ns: Option<f64>,
    tokens: u64,
}

/// Runs a client a few times with the least work that starts it.
pub(crate) fn start(client: &dyn Client, server: &Server, least: Work, runs: u32) -> Result<Start> {
    let samples = (0..runs).map(|_| sample(client, server, least, Start::default()));
    let samples = samples.collect::<Result<Vec<_>>>()?;
    let costs = samples.iter().map(|sample| Some(sample.cpu?.0 as f64));
    let costs: Option<Vec<f64>> = costs.collect();
    Ok(Start {
        cpu_ns: costs.and_then(|costs| median(&costs)),
        tokens: samples.last().map_or(0, |sample| sample.tokens),
    })
}

/// A running server and the processor for its clients. The server's thread has a processor of its own; this process
/// has nothing else to do while a client runs.
pub(crate) struct Server {
    metronome: metronome::Server,
    pub(crate) clock: Clock,
    pub(crate) client_cpu: Option<u32>,
}

impl std::ops::Deref for Server {
    type Target = metronome::Server;

    fn deref(&self) -> &metronome::Server {
        &self.metronome
    }
}

impl Server {
    /// Starts it; prints where server and clients run, or why they cannot be kept apart.
    pub(crate) fn start(pace: Pace) -> Result<Self> {
        let usable = cpus::usable();
        let ends = usable.first().zip(usable.last());
        let ends = ends.filter(|(server, client)| server != client);
        match ends {
            Some((server, client)) => {
                println!("Server on CPU {server}, each client on CPU {client}.");
            }
            None => {
                println!("Server and client disturb each other: pinning needs Linux and two CPUs.");
            }
        }
        let (server, client_cpu) = ends.unzip();
        let client_cpu = client_cpu.copied();
        let (clock, any) = (Clock::real(), ([127, 0, 0, 1], 0).into());
        let start = || metronome::Server::start(pace, any, clock.clone());
        Ok(Self {
            metronome: on_cpu(server.copied(), start)?,
            clock,
            client_cpu,
        })
    }
}

/// Runs `what` on one CPU. What it starts stays there; this thread goes back.
pub(crate) fn on_cpu<T>(cpu: Option<u32>, what: impl FnOnce() -> T) -> T {
    let before = cpus::usable();
    let is_held = cpu.is_some_and(|cpu| cpus::hold_to(&[cpu]).is_ok());
    let result = what();
    if is_held {
        // It was allowed before, so it is now.
        let _ = cpus::hold_to(&before);
    }
    result
}

/// Nanoseconds as ms.
pub(crate) fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}
