//! What telemetry costs: the share of a core that sampling this machine's devices and host and this
//! process as a server takes, with the rate that was kept.
//!
//! `cargo xtask bench telemetry [SECONDS] [HZ]`. Linux only: CPU time comes from
//! `/proc/self/task/*/schedstat`.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::Path;

use clock::Clock;
use domain::Nanos;
use domain::telemetry::Sample;
use telemetry::{Sampling, Sources, open_gpus};

/// CPU time of all threads of this process, ns.
fn cpu_ns() -> io::Result<u64> {
    let mut total = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let times = fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = times.split_whitespace().next();
        total += on_cpu.and_then(|t| t.parse::<u64>().ok()).unwrap_or(0);
    }
    Ok(total)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    // `cargo bench` adds a flag of its own.
    let numbers = std::env::args().filter_map(|arg| arg.parse::<f64>().ok());
    let numbers: Vec<f64> = numbers.collect();
    let seconds = numbers.first().copied().unwrap_or(10.0);
    let hz = numbers.get(1).copied().unwrap_or(10.0);
    if !Path::new("/proc/self/schedstat").exists() {
        println!("skipped: no /proc/self/schedstat here, so CPU time cannot be told exactly");
        return Ok(());
    }
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (gpu, source) = open_gpus();
    println!(
        "{seconds} s at {hz} Hz, written as JSON: host, a server and {} devices",
        source.devices().len()
    );
    let mut file = tempfile::tempfile()?;
    let sink = move |sample: &Sample| {
        let line = serde_json::to_vec(sample).map_err(io::Error::from);
        let written = line.and_then(|line| file.write_all(&[&line[..], b"\n"].concat()));
        if let Err(error) = written {
            eprintln!("a sample could not be written: {error}");
        }
    };
    let sources = Sources {
        gpu,
        host: true,
        servers: vec![format!("http://{}", listener.local_addr()?)],
    };
    let clock = Clock::real();
    let began = clock.now();
    let sampling = Sampling::start(clock.clone(), hz, sources, sink);
    // Finding the server is done once and belongs to the start.
    let before = cpu_ns()?;
    clock.sleep(Nanos::from_secs_f64(seconds)).await;
    let used = cpu_ns()? - before;
    let wall = clock.now().since(began).as_secs_f64();
    let counts = sampling.stop().await;
    let rate = counts.taken as f64 / wall;
    println!(
        "  {} samples taken, {} missed: {rate:.3} Hz",
        counts.taken, counts.missed
    );
    let share = 100.0 * used as f64 / 1e9 / wall;
    let kept = if share < 1.0 { "kept" } else { "not kept" };
    println!("  {share:.3} % of one core (goal: less than 1 %, {kept})");
    Ok(())
}
