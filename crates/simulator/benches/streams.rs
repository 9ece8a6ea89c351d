//! CPU time per token and lateness of tokens, with a server on one thread and a reader on bare
//! sockets on another.
//!
//! `cargo bench -p simulator --bench streams [-- CASE]`, with CASE one of `paced`, `lockstep`,
//! `unpaced`; all of them without. Lateness is the reader's clock minus the moment the simulated
//! machine made the token, so it holds timers, transport and the reader too.

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use clock::Clock;
use domain::Nanos;
use simulator::profile::{Distribution, Profile};
use simulator::{Simulator, SimulatorConfig};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Streams start spread over this long, as real ones do.
const START_OVER: Nanos = Nanos::from_secs(5);

#[derive(Debug, Clone, Copy)]
struct Case {
    name: &'static str,
    streams: usize,
    servers: usize,
    tokens: u32,
    tps: f64,
}

const fn case(name: &'static str, streams: usize, servers: usize, tokens: u32, tps: f64) -> Case {
    Case {
        name,
        streams,
        servers,
        tokens,
        tps,
    }
}

const CASES: [Case; 3] = [
    // Streams of one batch get their tokens at one moment; twenty of them do here.
    case("paced", 2000, 100, 400, 20.0),
    // The worst case: one batch of two thousand.
    case("lockstep", 2000, 1, 400, 20.0),
    case("unpaced", 200, 4, 20_000, 1e6),
];

fn profile(case: Case) -> Profile {
    let mut profile = Profile::builtin("instant").expect("it ships");
    profile.server.num_parallel = case.streams.div_ceil(case.servers);
    profile.server.context_length = 65_536;
    profile.devices[0].memory_bytes = u64::MAX / 4;
    let device = profile.devices[0].clone();
    profile.devices = vec![device; case.servers];
    profile.models.truncate(1);
    let model = &mut profile.models[0];
    model.memory.kv_bytes_per_token = 0;
    model.rates.decode_tps = case.tps;
    model.rates.prefill_tps = 1e9;
    let outputs = &mut model.outputs[0];
    outputs.distribution = Distribution::Fixed;
    outputs.mean_tokens = f64::from(case.tokens);
    outputs.max = case.tokens;
    profile
}

/// CPU time of this thread so far, as the scheduler counts it; absent off Linux.
fn cpu_time() -> Option<Nanos> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok().map(Nanos)
}

fn one_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// The lateness of each chunk of one stream, nanoseconds.
async fn read(clock: Clock, address: SocketAddr, index: usize, after: Nanos) -> Vec<u64> {
    clock.sleep(after).await;
    let stream = TcpStream::connect(address).await.expect("it listens");
    let mut stream = BufReader::new(stream);
    let body = format!("{{\"model\":\"gemma3\",\"prompt\":\"stream {index}\"}}");
    let request = format!(
        "POST /api/generate HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let sent = stream.write_all(request.as_bytes()).await;
    sent.expect("it reads");
    let mut lateness = Vec::new();
    let mut line = String::new();
    while !line.contains("\"done\":true") {
        line.clear();
        let count = stream.read_line(&mut line).await.expect("it sends");
        assert!(count > 0, "the server closed stream {index} early");
        // Lines of the head and lengths of chunks have none.
        let due = created_at(&line);
        lateness.extend(due.map(|due| clock.now().0.saturating_sub(due)));
    }
    lateness
}

/// `created_at` as nanoseconds since the default epoch.
fn created_at(line: &str) -> Option<u64> {
    let (_, text) = line.split_once("\"created_at\":\"")?;
    let at = humantime::parse_rfc3339(text.split('"').next()?).ok()?;
    let epoch = humantime::parse_rfc3339("2026-01-01T00:00:00Z").ok()?;
    Some(at.duration_since(epoch).ok()?.as_nanos() as u64)
}

fn percentile(sorted: &[u64], share: f64) -> f64 {
    let rank = ((sorted.len() as f64 * share).ceil() as usize).clamp(1, sorted.len());
    sorted[rank - 1] as f64 / 1e6
}

fn run(case: Case) {
    let (sender, started) = mpsc::channel();
    let stop = CancellationToken::new();
    let server = {
        let stop = stop.clone();
        thread::spawn(move || {
            one_thread().block_on(async move {
                let clock = Clock::real();
                let mut config = SimulatorConfig::new(profile(case), clock.clone());
                config.servers = case.servers;
                config.device_each = true;
                let simulator = Simulator::start(config).await.expect("it starts");
                sender
                    .send((clock, simulator.endpoints()))
                    .expect("it listens");
                stop.cancelled().await;
                let spent = cpu_time();
                simulator.shutdown(Nanos::ZERO).await;
                spent
            })
        })
    };
    let (clock, endpoints) = started.recv().expect("the server started");
    let addresses = endpoints.iter().map(|endpoint| {
        let address = endpoint.trim_start_matches("http://").parse();
        address.expect("an address")
    });
    let addresses: Vec<SocketAddr> = addresses.collect();
    let begin = clock.now();
    let (mut lateness, read_cpu) = one_thread().block_on(async {
        let tasks: Vec<_> = (0..case.streams)
            .map(|index| {
                let after = Nanos(START_OVER.0 / case.streams as u64 * index as u64);
                let address = addresses[index % addresses.len()];
                tokio::spawn(read(clock.clone(), address, index, after))
            })
            .collect();
        let mut lateness = Vec::new();
        for task in tasks {
            lateness.extend(task.await.expect("read to the end"));
        }
        (lateness, cpu_time())
    });
    let took = clock.now().since(begin);
    stop.cancel();
    let spent = server.join().expect("the server ended");
    lateness.sort_unstable();
    let tokens = lateness.len() as f64;
    println!(
        "{}: {} streams on {} servers, {tokens} tokens in {took}: {:.0} tok/s",
        case.name,
        case.streams,
        case.servers,
        tokens / took.as_secs_f64()
    );
    if let (Some(spent), Some(read_cpu)) = (spent, read_cpu) {
        println!(
            "  server CPU {:.2} us per token ({:.0} tok/s on one core), reader {:.2} us",
            spent.0 as f64 / 1e3 / tokens,
            tokens / spent.as_secs_f64(),
            read_cpu.0 as f64 / 1e3 / tokens
        );
    }
    println!(
        "  lateness p50 {:.2} ms, p99 {:.2} ms, max {:.2} ms",
        percentile(&lateness, 0.5),
        percentile(&lateness, 0.99),
        percentile(&lateness, 1.0)
    );
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --all-targets` runs this too, without `--bench`: a small load checks that it works.
    let full = arguments.iter().any(|argument| argument == "--bench");
    let named = arguments.iter().filter(|name| !name.starts_with('-'));
    let named: Vec<_> = named.collect();
    for case in CASES {
        if !full {
            run(Case {
                streams: 8,
                servers: case.servers.min(2),
                tokens: 20,
                ..case
            });
        } else if named.is_empty() || named.iter().any(|name| *name == case.name) {
            run(case);
        }
    }
}
