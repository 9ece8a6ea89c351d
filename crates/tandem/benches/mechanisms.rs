//! What the mechanisms that TR113 blames really cost: a switch between tokio tasks, and the way an
//! HTTP client hands on a stream of small events.
//!
//! `cargo bench -p tandem --bench mechanisms` prints TOML fit for `fixtures/tr113/mechanisms.toml`.
//! The audit reads that file; nothing here decides what a figure means.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "this measures real time, outside any sweep"
)]

use std::future::poll_fn;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::task::Poll;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};
use futures_util::Stream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::yield_now;

/// One event on the wire: a short line of JSON that holds the moment it was sent.
const EVENT_BYTES: usize = 23;
/// Events a response.
const EVENTS: u64 = 250;
/// Time between events: an agent that generates 50 tok/s.
const EVERY: Duration = Duration::from_millis(20);
/// Each cost is measured this often; the median is told.
const ROUNDS: usize = 9;

fn main() -> Result<()> {
    // The provider is installed once for the process; a second attempt is not an error for us.
    _ = rustls::crypto::ring::default_provider().install_default();
    println!(
        "# Measured by `cargo bench -p tandem --bench mechanisms`; medians of {ROUNDS} rounds."
    );
    println!("schema = 1\n");
    environment()?;
    switches()?;
    delivery()?;
    buffer_setting();
    Ok(())
}

fn environment() -> Result<()> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let cores = std::thread::available_parallelism()?;
    let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
    let lock = std::fs::read_to_string(lock).context("Cargo.lock")?;
    let compiler = std::process::Command::new("rustc")
        .arg("--version")
        .output()?;
    println!("[environment]");
    println!("date = \"{}\"", now.get(..10).unwrap_or(&now));
    println!(
        "machine = \"{} {}, {cores} cores, shared\"",
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    println!("profile = \"bench (release)\"");
    println!(
        "compiler = \"{}\"",
        String::from_utf8_lossy(&compiler.stdout).trim()
    );
    for package in ["tokio", "reqwest", "hyper"] {
        println!("{package} = \"{}\"", locked(&lock, package)?);
    }
    println!();
    Ok(())
}

/// The version of a package in a lock file.
fn locked<'a>(lock: &'a str, package: &str) -> Result<&'a str> {
    lock.split_once(&format!("name = \"{package}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(version, _)| version)
        .with_context(|| format!("{package} is not in Cargo.lock"))
}

fn current() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

fn multi() -> Result<Runtime> {
    Ok(Builder::new_multi_thread().enable_all().build()?)
}

/// Nanoseconds a step, the median over rounds.
fn median_ns(mut round: impl FnMut() -> Result<f64>) -> Result<f64> {
    let mut costs = (0..ROUNDS).map(|_| round()).collect::<Result<Vec<_>>>()?;
    costs.sort_by(f64::total_cmp);
    Ok(costs[ROUNDS / 2])
}

fn per(start: Instant, steps: u32) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / f64::from(steps)
}

fn switches() -> Result<()> {
    const SWITCHES: u32 = 100_000;
    const SPAWNS: u32 = 20_000;
    // Two tasks on one thread that yield to one another: every yield is a switch.
    let yields = |runtime: &Runtime| -> Result<f64> {
        runtime.block_on(async {
            let start = Instant::now();
            let tasks: [_; 2] = std::array::from_fn(|_| {
                tokio::spawn(async {
                    for _ in 0..SWITCHES / 2 {
                        yield_now().await;
                    }
                })
            });
            for task in tasks {
                task.await?;
            }
            Ok(per(start, SWITCHES))
        })
    };
    let spawns = |runtime: &Runtime| -> Result<f64> {
        runtime.block_on(async {
            let start = Instant::now();
            for _ in 0..SPAWNS {
                tokio::spawn(async {}).await?;
            }
            Ok(per(start, SPAWNS))
        })
    };
    // A message there and back: two wake-ups of another task, across threads on the second runtime.
    let ping_pong = |runtime: &Runtime| -> Result<f64> {
        runtime.block_on(async {
            let (ping, mut pinged) = mpsc::channel::<u32>(1);
            let (pong, mut ponged) = mpsc::channel::<u32>(1);
            let echo = tokio::spawn(async move {
                while let Some(number) = pinged.recv().await {
                    if pong.send(number).await.is_err() {
                        break;
                    }
                }
            });
            let asker = tokio::spawn(async move {
                let start = Instant::now();
                for number in 0..SPAWNS {
                    ping.send(number).await?;
                    ensure!(ponged.recv().await == Some(number), "the echo is wrong");
                }
                Ok(per(start, 2 * SPAWNS))
            });
            let cost = asker.await?;
            echo.await?;
            cost
        })
    };
    let (one, many) = (current()?, multi()?);
    println!("# Nanoseconds. TR113 says 2 to 5 ms a task switch.");
    println!("[switch]");
    println!(
        "yield_current_thread_ns = {:.0}",
        median_ns(|| yields(&one))?
    );
    println!(
        "yield_multi_thread_ns = {:.0}",
        median_ns(|| yields(&many))?
    );
    println!(
        "spawn_join_current_thread_ns = {:.0}",
        median_ns(|| spawns(&one))?
    );
    println!(
        "spawn_join_multi_thread_ns = {:.0}",
        median_ns(|| spawns(&many))?
    );
    println!(
        "channel_hop_current_thread_ns = {:.0}",
        median_ns(|| ping_pong(&one))?
    );
    println!(
        "channel_hop_multi_thread_ns = {:.0}",
        median_ns(|| ping_pong(&many))?
    );
    println!();
    Ok(())
}

/// Serves one response of small events, each in its own HTTP chunk, from a thread of its own.
fn serve(mut connection: TcpStream, epoch: Instant) -> Result<()> {
    connection.set_nodelay(true)?;
    let mut head = Vec::new();
    let mut byte = [0_u8];
    while !head.ends_with(b"\r\n\r\n") {
        connection.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    connection.write_all(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n",
    )?;
    for _ in 0..EVENTS {
        std::thread::sleep(EVERY);
        let event = format!("{{\"t\":\"{:014x}\"}}\n", epoch.elapsed().as_nanos());
        ensure!(
            event.len() == EVENT_BYTES,
            "an event is not {EVENT_BYTES} bytes"
        );
        let chunk = format!("{EVENT_BYTES:x}\r\n{event}\r\n");
        connection.write_all(chunk.as_bytes())?;
    }
    connection.write_all(b"0\r\n\r\n")?;
    Ok(())
}

fn delivery() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let url = format!("http://{}/", listener.local_addr()?);
    let epoch = Instant::now();
    let server = std::thread::spawn(move || serve(listener.accept()?.0, epoch));
    let (mut sizes, mut latencies, polls) = current()?.block_on(async {
        let response = reqwest::Client::new().get(&url).send().await?;
        let mut stream = std::pin::pin!(response.bytes_stream());
        let (mut sizes, mut latencies, mut polls) = (Vec::new(), Vec::new(), 0_u32);
        let mut pending = Vec::new();
        loop {
            let next = poll_fn(|context| {
                polls += 1;
                match stream.as_mut().poll_next(context) {
                    Poll::Ready(next) => Poll::Ready((next, epoch.elapsed())),
                    Poll::Pending => Poll::Pending,
                }
            });
            let (Some(bytes), arrived) = next.await else {
                break;
            };
            let bytes = bytes?;
            sizes.push(bytes.len() as f64);
            pending.extend_from_slice(&bytes);
            while let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                let event: Vec<u8> = pending.drain(..=end).collect();
                let sent = std::str::from_utf8(&event)?
                    .get(6..20)
                    .context("an event without its stamp")?;
                let sent = Duration::from_nanos(u64::from_str_radix(sent, 16)?);
                latencies.push(arrived.saturating_sub(sent).as_secs_f64() * 1e3);
            }
        }
        anyhow::Ok((sizes, latencies, polls))
    })?;
    match server.join() {
        Ok(served) => served?,
        Err(_) => anyhow::bail!("the server thread panicked"),
    }
    ensure!(latencies.len() as u64 == EVENTS, "events were lost");
    sizes.sort_by(f64::total_cmp);
    latencies.sort_by(f64::total_cmp);
    let at = |sorted: &[f64], share: f64| sorted[((sorted.len() - 1) as f64 * share) as usize];
    println!(
        "# {EVENTS} events of {EVENT_BYTES} bytes, one every {} ms, over loopback.",
        EVERY.as_millis()
    );
    println!(
        "# A client that waited for 8 KiB would hand on the first after {:.1} s.",
        8192.0 / EVENT_BYTES as f64 * EVERY.as_secs_f64()
    );
    println!("[delivery]");
    println!("events = {EVENTS}");
    println!("event_bytes = {EVENT_BYTES}");
    println!("every_ms = {}", EVERY.as_millis());
    println!("chunks = {}", sizes.len());
    println!("chunk_bytes_median = {:.0}", at(&sizes, 0.5));
    println!("chunk_bytes_max = {:.0}", at(&sizes, 1.0));
    println!("latency_ms_median = {:.3}", at(&latencies, 0.5));
    println!("latency_ms_p99 = {:.3}", at(&latencies, 0.99));
    println!("latency_ms_max = {:.3}", at(&latencies, 1.0));
    println!("polls_per_event = {:.2}", f64::from(polls) / EVENTS as f64);
    println!();
    Ok(())
}

/// Tells whether reqwest's builder has a method `buffer_size`. An inherent method would be called
/// before the trait's; the type of the answer says which one was.
fn buffer_setting() {
    struct NotThere;
    trait Fallback: Sized {
        fn buffer_size(self, _bytes: usize) -> NotThere {
            NotThere
        }
    }
    impl Fallback for reqwest::ClientBuilder {}
    trait Answer {
        const METHODS: u32;
    }
    impl Answer for NotThere {
        const METHODS: u32 = 0;
    }
    impl Answer for reqwest::ClientBuilder {
        const METHODS: u32 = 1;
    }
    fn methods<T: Answer>(_: T) -> u32 {
        T::METHODS
    }
    println!("[reqwest]");
    println!(
        "buffer_size_methods = {}",
        methods(reqwest::Client::builder().buffer_size(1024))
    );
}
