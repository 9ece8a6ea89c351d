//! Memory of each waiting agent: what the client's process grows by when ten thousand streams are
//! open instead of one.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use domain::Nanos;
use metronome::Pace;

use crate::cpus;
use crate::kit::{Client as _, Server, Work};
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

/// Descriptors that a process needs besides its streams.
const SPARE: u64 = 100;

/// Raises this process's limit of open files, which its children inherit, as far as is allowed;
/// returns how many streams it leaves room for.
#[cfg(unix)]
fn room() -> Option<u32> {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).ok()?;
    // Raising the soft limit to the hard one is always allowed.
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).ok()?;
    Some(u32::try_from(hard.saturating_sub(SPARE)).unwrap_or(u32::MAX))
}

#[cfg(not(unix))]
fn room() -> Option<u32> {
    None
}

/// Memory of the client, KiB.
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
        println!("skipped: this system does not tell a process's memory (needs Linux's /proc)");
        return Ok(());
    }
    let mut streams = args.streams;
    match room() {
        Some(room) if room < streams => {
            println!("The limit of open files leaves room for {room} streams only.");
            streams = room;
        }
        Some(_) => {}
        None => println!("The limit of open files is left as it is."),
    }
    let pace = Pace {
        ttft: Nanos::from_secs(args.wait),
        gap: Nanos::from_secs(1),
        tokens: args.tokens,
    };
    let server = Server::start(pace)?;
    let hold = |streams| hold(&server, streams, args.tokens);
    let (one_stream, all) = (hold(1)?, hold(streams)?);
    let more = f64::from(streams - 1);
    let each = |of: fn(Held) -> u64| (of(all) as f64 - of(one_stream) as f64) / more;
    let heads = format!("client's memory | 1 stream | {streams} streams | KiB each");
    let mib = |kib: u64| format!("{:.1} MiB", kib as f64 / 1024.0);
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
        cpus::on(server.client_cpu, || command.spawn()).context("the client did not start")?;
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
    let process = PathBuf::from(format!("/proc/{}", child.id()));
    let (mut waiting, mut peak, mut sockets_before) = (None, 0, 0);
    while child.try_wait()?.is_none() {
        std::thread::sleep(Duration::from_millis(200));
        let status = std::fs::read_to_string(process.join("status")).unwrap_or_default();
        peak = peak.max(kib(&status, "VmHWM:").unwrap_or(0));
        // Every stream has its socket, and none was opened since the last look.
        let files = process
            .join("fd")
            .read_dir()
            .into_iter()
            .flatten()
            .flatten();
        let targets = files.filter_map(|file| file.path().read_link().ok());
        let is_socket = |target: &PathBuf| target.to_string_lossy().starts_with("socket:");
        let sockets = targets.filter(is_socket).count();
        if sockets >= streams as usize && sockets == sockets_before {
            waiting = waiting.or_else(|| kib(&status, "VmRSS:"));
        }
        sockets_before = sockets;
    }
    let never =
        || format!("{streams} streams were never open at once; try --wait with more seconds");
    let waiting = waiting.with_context(never)?;
    Ok(Held { waiting, peak })
}

fn kib(status: &str, key: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(key))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}
