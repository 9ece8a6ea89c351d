//! Memory of each waiting agent: what the client's process grows by when ten thousand streams are
//! open instead of one.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use domain::Nanos;
use metronome::Pace;

use crate::descriptors;
use crate::kit::{Client as _, Server, Work, on_cpu};
use crate::process;
use crate::product::Product;
use crate::table::{one, print_goal, table};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Streams open at once.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..))]
    streams: u32,
    /// Tokens of each stream, a second apart.
    #[arg(long, default_value_t = 5)]
    tokens: u32,
    /// From a request to its first token, seconds: all streams must be open before.
    #[arg(long, default_value_t = 15)]
    wait: u64,
}

/// Memory of the client, bytes.
#[derive(Debug, Clone, Copy)]
struct Held {
    /// With all streams open and no token yet.
    waiting: u64,
    /// The most at any time.
    peak: u64,
}

/// `bench memory`.
pub(crate) fn run(args: &Args) -> Result<()> {
    if !cfg!(target_os = "linux") {
        println!("skipped: the memory of a process needs Linux's /proc");
        return Ok(());
    }
    // The client inherits the limit.
    descriptors::raise();
    let room = descriptors::room(1, descriptors::limit());
    if room < args.streams {
        println!("The limit of open files leaves room for {room} streams only.");
    }
    let streams = args.streams.min(room);
    let pace = Pace {
        ttft: Nanos::from_secs(args.wait),
        gap: Nanos::from_secs(1),
        tokens: args.tokens,
    };
    let server = Server::start(pace)?;
    let hold = |streams| hold(&server, streams, args.tokens);
    let (one_stream, all) = (hold(1)?, hold(streams)?);
    let more = f64::from(streams - 1);
    let each = |of: fn(Held) -> u64| (of(all) as f64 - of(one_stream) as f64) / 1024.0 / more;
    let heads = format!("client's memory | 1 stream | {streams} streams | KiB each");
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1_048_576.0);
    let row = |what: &str, of: fn(Held) -> u64| {
        let each = one(Some(each(of)), 1);
        vec![what.to_owned(), mib(of(one_stream)), mib(of(all)), each]
    };
    let rows = [
        row("all streams open, no token yet", |held| held.waiting),
        row("peak, tokens and records included", |held| held.peak),
    ];
    println!("\n{}", table(&heads, rows));
    let waiting = Some(each(|held| held.waiting));
    print_goal("memory per waiting agent", waiting, Some(40.0), " KiB");
    Ok(())
}

/// Opens streams and looks at the client's memory while they wait.
fn hold(server: &Server, streams: u32, tokens: u32) -> Result<Held> {
    let folder = tempfile::tempdir()?;
    let work = Work {
        streams,
        requests: 1,
        tokens,
    };
    let mut command = Product::default().command(server, work, folder.path())?;
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let mut child =
        on_cpu(server.client_cpu, || command.spawn()).context("the client did not start")?;
    let held = watch(&mut child, streams);
    if held.is_err() {
        // It may have ended by itself.
        let _ = child.kill();
    }
    let status = child.wait()?;
    let held = held?;
    ensure!(status.success(), "the client ended with {status}");
    Ok(held)
}

/// Looks at a client until it ends.
fn watch(child: &mut Child, streams: u32) -> Result<Held> {
    let folder = PathBuf::from(format!("/proc/{}", child.id()));
    let (mut waiting, mut peak, mut sockets_before) = (None, 0, 0);
    while child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(200));
        let memory = |name| process::bytes_in(&folder.join("status"), name);
        peak = peak.max(memory("VmHWM:").unwrap_or(0));
        // Every stream has its socket, and none was opened since the last look.
        let files = folder.join("fd").read_dir().into_iter().flatten().flatten();
        let targets = files.filter_map(|file| file.path().read_link().ok());
        let is_socket = |target: &PathBuf| target.to_string_lossy().starts_with("socket:");
        let sockets = targets.filter(is_socket).count();
        if sockets >= streams as usize && sockets == sockets_before {
            waiting = waiting.or_else(|| memory("VmRSS:"));
        }
        sockets_before = sockets;
    }
    let never =
        || format!("{streams} streams were never open at once; try --wait with more seconds");
    let waiting = waiting.with_context(never)?;
    Ok(Held { waiting, peak })
}
