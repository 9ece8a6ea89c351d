//! What telemetry costs: the share of a core that sampling this machine's devices and host and this
//! process as a server takes, with the rate that was kept.
//!
//! `cargo xtask bench telemetry [SECONDS] [HZ]`. Unix only.

use std::io::{self, Write as _};
use std::net::TcpListener;

use clock::Clock;
use domain::Nanos;
use domain::telemetry::Sample;
use telemetry::{Sampling, Sources, open_gpus};

/// CPU time of this process so far.
fn cpu() -> Nanos {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Nanos::from_secs(time.tv_sec as u64) + Nanos(time.tv_nsec as u64)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    // `cargo bench` adds a flag of its own.
    let mut numbers = std::env::args().filter_map(|arg| arg.parse::<f64>().ok());
    let seconds = numbers.next().unwrap_or(10.0);
    let hz = numbers.next().unwrap_or(10.0);
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let (gpu, source) = open_gpus();
    let devices = source.devices().len();
    println!("{seconds} s at {hz} Hz, written as JSON: host, a server and {devices} devices");
    let mut file = tempfile::tempfile()?;
    let sink = move |sample: &Sample| {
        let line = serde_json::to_vec(sample).expect("a sample has no key that JSON lacks");
        file.write_all(&[&line[..], b"\n"].concat())
            .expect("a temporary file takes a line");
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
    let before = cpu();
    clock.sleep(Nanos::from_secs_f64(seconds)).await;
    let used = cpu().saturating_sub(before);
    let wall = clock.now().since(began).as_secs_f64();
    let counts = sampling.stop().await;
    let (taken, missed) = (counts.taken, counts.missed);
    let rate = taken as f64 / wall;
    println!("  {taken} samples taken, {missed} missed: {rate:.3} Hz");
    let share = 100.0 * used.as_secs_f64() / wall;
    let kept = if share < 1.0 { "kept" } else { "not kept" };
    println!("  {share:.3} % of one core (goal: less than 1 %, {kept})");
    Ok(())
}
