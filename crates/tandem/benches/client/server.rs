//! The server: `metronome` in a process of its own, and the truth that it tells.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clock::Clock;
use domain::Nanos;
use metronome::{Pace, StreamLog};
use serde::{Deserialize, Serialize};

use crate::cpus;

/// When tokens are due, in microseconds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    ttft_us: u64,
    gap_us: u64,
    tokens: u32,
}

/// What the server knows of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Truth {
    pub(crate) seed: Option<i64>,
    /// From the request read to the first token on its way, ns.
    pub(crate) ttft_ns: u64,
    /// The longest that a token was sent after it was due, ns.
    pub(crate) late_ns: u64,
    pub(crate) tokens: u64,
}

impl Truth {
    fn of(stream: &StreamLog, pace: Pace) -> Option<Self> {
        Some(Self {
            seed: stream.seed,
            ttft_ns: stream.writes.first()?.started.since(stream.asked).0,
            late_ns: stream.latest(pace)?.0,
            tokens: stream.writes.len() as u64,
        })
    }
}

/// Runs the server until standard input ends. Each line of it is answered with the streams that
/// have ended since the last one.
pub(crate) fn serve(args: &Args) -> Result<()> {
    let pace = Pace {
        ttft: Nanos(args.ttft_us * 1000),
        gap: Nanos(args.gap_us * 1000),
        tokens: args.tokens,
    };
    let server = metronome::Server::start(pace, ([127, 0, 0, 1], 0).into(), Clock::real())?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", server.address())?;
    for line in std::io::stdin().lock().lines() {
        line?;
        let log = server.take_log();
        let log: Vec<_> = log.iter().filter_map(|s| Truth::of(s, pace)).collect();
        serde_json::to_writer(&mut out, &log)?;
        writeln!(out)?;
    }
    Ok(())
}

/// A running server; stops when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    ask: Option<ChildStdin>,
    told: BufReader<ChildStdout>,
    pub(crate) address: String,
}

impl Server {
    /// Starts it on a processor.
    pub(crate) fn start(pace: Pace, cpu: Option<u32>) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("server")
            .arg((pace.ttft.0 / 1000).to_string())
            .arg((pace.gap.0 / 1000).to_string())
            .arg(pace.tokens.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = cpus::on(cpu, || command.spawn()).context("the server did not start")?;
        let ask = child.stdin.take();
        let told = child.stdout.take().context("the server has no output")?;
        let mut server = Self {
            child,
            ask,
            told: BufReader::new(told),
            address: String::new(),
        };
        server.told.read_line(&mut server.address)?;
        server.address.truncate(server.address.trim_end().len());
        ensure!(!server.address.is_empty(), "the server ended at once");
        Ok(server)
    }

    /// Its base URL.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The streams that have ended since this was last asked.
    pub(crate) fn truths(&mut self) -> Result<Vec<Truth>> {
        let ask = self.ask.as_mut().context("the server is stopped")?;
        ask.write_all(b"log\n")?;
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        serde_json::from_str(&line).context("the server's log")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.ask.take());
        // It may have ended by itself; either way nothing is left of it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
