//! What telemetry costs: CPU time per sample by part, and the share of a core that sampling at a
//! rate takes, with the rate that was kept.
//!
//! `cargo xtask bench telemetry [SECONDS] [HZ]`. GPU readings are replayed through the real reading
//! code; what a driver's own calls cost is not in it. AMD's are read from files of a temporary
//! folder, host's and server's from this machine's `/proc`. Linux only: CPU time comes from
//! `/proc/self/task/*/schedstat`.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

use clock::Clock;
use domain::telemetry::{GpuProcess, GpuSampler, Sample};
use domain::{Nanos, Stamp};
use telemetry::{
    AmdSampler, DeviceReadings, HostSampler, NvmlSampler, Place, Quantity, Sampling, ServerSampler,
    Sources, Unreadable, Value,
};

/// Samples between two looks at the CPU time, a tenth of a second of clock time apart.
const BATCH: u64 = 2000;

/// CPU time that a part's cost is told from: the kernel counts a running thread's in steps of up to
/// ten milliseconds.
const ENOUGH_NS: u64 = 200_000_000;

/// A made-up card at work: power and energy move, the rest stays.
struct Replayed(Mutex<u64>);

impl DeviceReadings for Replayed {
    fn driver(&self) -> Result<String, Unreadable> {
        Ok("replayed".to_owned())
    }
    fn places(&self) -> Result<Vec<Place>, Unreadable> {
        let card = Place {
            card: 0,
            instance: None,
        };
        Ok(vec![card])
    }
    fn name(&self, _: Place) -> Result<String, Unreadable> {
        Ok("replayed card".to_owned())
    }
    fn read(&self, _: Place, quantity: Quantity) -> Result<Value, Unreadable> {
        let moved = || -> Result<u64, Unreadable> {
            let mut moved = self.0.lock().map_err(|_| Unreadable::NotSupported)?;
            *moved += 31_250;
            Ok(*moved)
        };
        let process = |pid| GpuProcess {
            pid,
            memory_bytes: Some(4 << 30),
            ..GpuProcess::default()
        };
        Ok(Value::Number(match quantity {
            Quantity::Utilisation => 97,
            Quantity::Power => 300_000 + moved()? % 50_000,
            Quantity::Energy => moved()?,
            Quantity::SmClock => 1980,
            Quantity::MemoryClock => 2619,
            Quantity::Temperature => 58,
            Quantity::Throttle => 4,
            Quantity::Memory => {
                let (used, total) = (9_663_676_416, 85_899_345_920);
                return Ok(Value::Memory { used, total });
            }
            Quantity::Processes => {
                let both = vec![process(std::process::id()), process(1)];
                return Ok(Value::Processes(both));
            }
        }))
    }
    fn facts(&self, _: Place) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

fn replayed() -> Result<NvmlSampler, io::Error> {
    NvmlSampler::over(Box::new(Replayed(Mutex::new(0)))).map_err(io::Error::other)
}

/// A card's files.
fn amd_card(sys: &Path) -> io::Result<()> {
    let device = sys.join("class/drm/card0/device");
    let sensors = device.join("hwmon/hwmon0");
    fs::create_dir_all(&sensors)?;
    for (name, text) in [
        ("vendor", "0x1002\n"),
        ("uevent", "DRIVER=amdgpu\nPCI_SLOT_NAME=0000:03:00.0\n"),
        ("gpu_busy_percent", "97\n"),
        ("mem_info_vram_total", "25753026560\n"),
        ("mem_info_vram_used", "9663676416\n"),
        ("pp_dpm_sclk", "0: 500Mhz \n1: 2371Mhz *\n"),
        ("pp_dpm_mclk", "0: 96Mhz \n1: 1249Mhz *\n"),
    ] {
        fs::write(device.join(name), text)?;
    }
    fs::write(sensors.join("temp1_input"), "61000\n")?;
    fs::write(sensors.join("power1_average"), "312000000\n")?;
    let mut metrics = [0_u8; 120];
    metrics[..4].copy_from_slice(&[120, 0, 1, 3]);
    fs::write(device.join("gpu_metrics"), metrics)
}

/// CPU time of all threads of this process, ns.
fn cpu_ns() -> io::Result<u64> {
    let mut total = 0;
    for thread in fs::read_dir("/proc/self/task")? {
        let times = fs::read_to_string(thread?.path().join("schedstat"))?;
        let on_cpu = times
            .split_whitespace()
            .next()
            .and_then(|t| t.parse::<u64>().ok());
        total += on_cpu.unwrap_or_default();
    }
    Ok(total)
}

/// CPU time per sample of one part.
fn cost(what: &str, mut sample: impl FnMut(Stamp)) -> io::Result<()> {
    let at = |k: u64| Stamp(k * 100_000_000);
    sample(at(0));
    let before = cpu_ns()?;
    let mut samples = 0;
    let used = loop {
        for _ in 0..BATCH {
            samples += 1;
            sample(at(samples));
        }
        let used = cpu_ns()? - before;
        if used >= ENOUGH_NS {
            break used;
        }
    };
    let each = used as f64 / samples as f64 / 1e3;
    let share = each * 10.0 / 1e6 * 100.0;
    println!("  {what:<44} {each:>8.2} us   {share:>7.4} % of a core at 10 Hz");
    Ok(())
}

/// Children of this process, to be a server's runners; ended when dropped.
struct Runners(Vec<Child>);

impl Runners {
    fn start(n: usize) -> io::Result<Self> {
        let start = |_| Command::new("sleep").arg("600").spawn();
        (0..n).map(start).collect::<io::Result<_>>().map(Self)
    }
}

impl Drop for Runners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    // `cargo bench` adds a flag of its own.
    let numbers: Vec<f64> = std::env::args()
        .skip(1)
        .filter_map(|arg| arg.parse().ok())
        .collect();
    let seconds = numbers.first().copied().unwrap_or(10.0);
    let hz = numbers.get(1).copied().unwrap_or(10.0);
    if !Path::new("/proc/self/schedstat").exists() {
        println!("skipped: no /proc/self/schedstat here, so CPU time cannot be told exactly");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    amd_card(folder.path())?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let _runners = Runners::start(3)?;

    println!("CPU time per sample:");
    let mut nvml = replayed()?;
    cost("one replayed NVIDIA card", |at| {
        nvml.sample_at(at);
    })?;
    let sys = folder.path();
    let mut amd = AmdSampler::under(sys, Path::new("/proc"), &[]).map_err(io::Error::other)?;
    cost("one AMD card's files (processes of /proc)", |at| {
        amd.sample_at(at);
    })?;
    let mut host = HostSampler::new().map_err(io::Error::other)?;
    cost("host", |at| {
        host.sample(at);
    })?;
    let (mut server, _) = ServerSampler::find(std::slice::from_ref(&endpoint));
    let seen = server
        .sample(Stamp::ZERO)
        .first()
        .map_or(0, |r| r.processes);
    cost(&format!("server ({seen} processes)"), |at| {
        server.sample(at);
    })?;

    println!(
        "\nSampling for {seconds} s at {hz} Hz, one replayed card, host and server, written as JSON:"
    );
    let mut file = fs::File::create(folder.path().join("telemetry.jsonl"))?;
    let stamps = Arc::new(Mutex::new(Vec::new()));
    let sink = {
        let stamps = Arc::clone(&stamps);
        let mut line = Vec::new();
        move |sample: &Sample| {
            line.clear();
            let written = serde_json::to_writer(&mut line, sample).map_err(io::Error::from);
            line.push(b'\n');
            if let Err(error) = written.and_then(|()| file.write_all(&line)) {
                eprintln!("a sample could not be written: {error}");
            }
            if let Ok(mut stamps) = stamps.lock() {
                stamps.push(sample.at);
            }
        }
    };
    let sources = Sources {
        gpu: Some(Box::new(replayed()?)),
        host: true,
        servers: vec![endpoint],
    };
    let clock = Clock::real();
    let started = clock.now();
    let sampling = Sampling::start(clock.clone(), hz, sources, sink);
    // Finding the server is done once and belongs to the start.
    let before = cpu_ns()?;
    clock.sleep(Nanos::from_secs_f64(seconds)).await;
    let used = cpu_ns()? - before;
    let wall = clock.now().since(started).as_secs_f64();
    let counts = sampling.stop().await;
    let stamps = stamps.lock().map(|s| s.clone()).unwrap_or_default();
    let first = stamps.first().copied().unwrap_or_default();
    let mut late: Vec<f64> = (0_u32..)
        .zip(&stamps)
        .map(|(k, at)| at.since(first).as_secs_f64() * 1e3 - f64::from(k) * 1e3 / hz)
        .collect();
    late.sort_by(f64::total_cmp);
    // The first sample may have been late itself.
    let earliest = late.first().copied().unwrap_or_default();
    for ms in &mut late {
        *ms -= earliest;
    }
    let at = |q: f64| late.get(((late.len() as f64 - 1.0) * q) as usize).copied();
    println!(
        "  {} samples taken, {} missed: {:.3} Hz",
        counts.taken,
        counts.missed,
        counts.taken as f64 / wall
    );
    if counts.missed == 0 {
        println!(
            "  late against the grid of the most punctual sample: median {:.2} ms, at most {:.2} ms",
            at(0.5).unwrap_or_default(),
            at(1.0).unwrap_or_default()
        );
    }
    let share = 100.0 * used as f64 / 1e9 / wall;
    println!("  {share:.3} % of one core");
    if share >= 1.0 {
        println!("  which is above the goal of 1 %");
    }
    Ok(())
}
