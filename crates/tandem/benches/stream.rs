//! Client CPU time per streamed token at 1, 32 and 256 streams, with the simulator on one thread and
//! the client on another, beside the floor: bare sockets read on one thread, newlines counted,
//! nothing parsed. What counts is the ratio within one run.
//!
//! `cargo xtask bench stream`

use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use clock::Clock;
use domain::backend::{ChatBackend, Exchange, GenerateCall};
use domain::plan::Timeouts;
use domain::{ModelOptions, Nanos};
use simulator::profile::{Distribution, Profile};
use simulator::{Simulator, SimulatorConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// Streams at once, and tokens of each: enough of them that start-up does not show.
const CASES: [(usize, u32); 3] = [(1, 2000), (32, 500), (256, 200)];
/// Tokens per second of each stream.
const RATE: f64 = 100.0;

/// CPU time of this thread so far, as Linux's scheduler counts it.
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

fn profile(streams: usize, tokens: u32) -> Profile {
    let mut profile = Profile::builtin("instant").expect("it ships");
    profile.server.num_parallel = streams;
    profile.server.context_length = 8192;
    profile.devices[0].memory_bytes = u64::MAX / 4;
    let model = &mut profile.models[0];
    model.memory.kv_bytes_per_token = 0;
    model.rates.decode_tps = RATE;
    model.rates.batch_cost = 0.0;
    model.rates.prefill_tps = 1e9;
    let outputs = &mut model.outputs[0];
    outputs.distribution = Distribution::Fixed;
    outputs.mean = f64::from(tokens);
    outputs.max = tokens;
    profile
}

/// One stream through the product's client: every token decoded, stamped and kept.
async fn client(client: &ollama::Client, model: &str, index: usize) -> usize {
    let call = GenerateCall {
        model: model.to_owned(),
        system: None,
        history: None,
        prompt: format!("stream {index}"),
        options: ModelOptions::default(),
        keep_alive: None,
    };
    let mut exchange = Exchange::default();
    let outcome = client.generate(&call, &mut exchange).await;
    assert!(outcome.is_completed(), "{outcome:?}");
    exchange.chunks.len()
}

/// One stream through a bare socket: newlines counted until the connection ends.
async fn floor(address: SocketAddr, model: &str, index: usize) -> usize {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let body = format!("{{\"model\":{model:?},\"prompt\":\"stream {index}\"}}");
    let request = format!(
        "POST /api/generate HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it reads");
    let mut buffer = vec![0_u8; 64 * 1024];
    let mut objects = 0;
    loop {
        let count = stream.read(&mut buffer).await.expect("it sends");
        if count == 0 {
            return objects;
        }
        objects += buffer[..count]
            .windows(2)
            .filter(|pair| pair == b"}\n")
            .count();
    }
}

/// CPU time per token of `streams` concurrent streams, in microseconds.
fn measure<F, Fut>(streams: usize, one: F) -> Option<f64>
where
    F: Fn(usize) -> Fut,
    Fut: Future<Output = usize> + 'static,
{
    let runtime = one_thread();
    let local = tokio::task::LocalSet::new();
    let before = cpu_time()?;
    let tokens: usize = local.block_on(&runtime, async {
        let tasks: Vec<_> = (0..streams)
            .map(|index| tokio::task::spawn_local(one(index)))
            .collect();
        let mut tokens = 0;
        for task in tasks {
            tokens += task.await.expect("read to the end");
        }
        tokens
    });
    let spent = cpu_time()?.saturating_sub(before);
    Some(spent.0 as f64 / 1e3 / tokens as f64)
}

fn run(streams: usize, tokens: u32) {
    let (tell, told) = mpsc::channel();
    let stop = CancellationToken::new();
    let server = thread::spawn({
        let stop = stop.clone();
        move || {
            one_thread().block_on(async move {
                let profile = profile(streams, tokens);
                let model = profile.models[0].name.clone();
                let config = SimulatorConfig::new(profile, Clock::real());
                let simulator = Simulator::start(config).await.expect("it starts");
                tell.send((simulator.endpoints()[0].clone(), model))
                    .expect("somebody listens");
                stop.cancelled().await;
                simulator.shutdown(Nanos::ZERO).await;
            });
        }
    });
    let (endpoint, model) = told.recv().expect("the server started");
    let address: SocketAddr = endpoint
        .trim_start_matches("http://")
        .parse()
        .expect("an address");
    let floored = measure(streams, |index| {
        let model = model.clone();
        async move { floor(address, &model, index).await }
    });
    let ours = measure(streams, |index| {
        let (endpoint, model) = (endpoint.clone(), model.clone());
        async move {
            let one = ollama::Client::new(&endpoint, Clock::real(), Timeouts::default());
            client(&one.expect("a client"), &model, index).await
        }
    });
    stop.cancel();
    server.join().expect("the server ended");
    match (ours, floored) {
        (Some(ours), Some(floored)) => println!(
            "{streams:>4} streams x {tokens} tokens: client {ours:6.2} us CPU per token, floor {floored:6.2} us, \
             ratio {:.2}",
            ours / floored
        ),
        _ => {
            println!(
                "skipped: this system does not tell a thread's CPU time (needs Linux's /proc)"
            );
        }
    }
}

fn main() {
    // `cargo test --all-targets` runs this too, without `--bench`: a small load checks that it works.
    let full = std::env::args().any(|argument| argument == "--bench");
    for (streams, tokens) in CASES {
        if full {
            run(streams, tokens);
        } else {
            run(streams.min(4), tokens.min(20));
        }
    }
}
