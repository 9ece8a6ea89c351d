//! The simulator as a server of its own, for any client.

use std::fmt::Write as _;
use std::future::Future;
use std::io;

use clock::Clock;
use domain::Nanos;
use domain::exit::{Exit, Fails};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::profile::Profile;
use crate::simulator::{Simulator, SimulatorConfig, StartError};

/// Time for exchanges in progress to end when the server is stopped.
const GRACE: Nanos = Nanos::from_secs(5);
/// Real time for the head of a request, and for its body.
const PATIENCE: Nanos = Nanos::from_secs(60);
/// Measurements of each limit; their median counts.
const PROBES: usize = 9;

#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("--time-scale {0}: not a finite number above zero")]
    BadScale(f64),
    #[error(
        "--time-scale {scale} leaves {gap_us} us between tokens, and the shortest gap this machine \
         can time is {shortest_us} us; use --time-scale {max_scale:.1} or less"
    )]
    TooFast {
        scale: f64,
        /// Real time between two tokens of one stream, microseconds.
        gap_us: u64,
        /// Microseconds.
        shortest_us: u64,
        max_scale: f64,
    },
    #[error("cannot measure this machine's timers")]
    Probe(#[source] io::Error),
}

impl Fails for ServeError {
    fn exit(&self) -> Exit {
        match self {
            Self::BadScale(_) | Self::TooFast { .. } => Exit::Usage,
            Self::Start(_) | Self::Probe(_) => Exit::Environment,
        }
    }
}

/// Whole microseconds, rounded up.
fn micros(time: Nanos) -> u64 {
    time.0.div_ceil(1000)
}

/// The delays of real time on this machine.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Median overshoot of a sleep of one millisecond.
    timer: Nanos,
    /// Median of half a round trip over loopback.
    transport: Nanos,
}

impl Limits {
    /// Takes some 20 ms.
    async fn measure() -> io::Result<Self> {
        let clock = Clock::real();
        let millisecond = Nanos::from_millis(1);
        let mut sleeps = Vec::with_capacity(PROBES);
        for _ in 0..PROBES {
            let before = clock.now();
            clock.sleep(millisecond).await;
            sleeps.push(clock.now().since(before).saturating_sub(millisecond));
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (near, far) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut near, (mut far, _)) = (near?, far?);
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let mut trips = Vec::with_capacity(PROBES);
        for _ in 0..PROBES {
            let before = clock.now();
            near.write_all(b"?").await?;
            far.read_u8().await?;
            far.write_all(b"!").await?;
            near.read_u8().await?;
            trips.push(Nanos(clock.now().since(before).0 / 2));
        }
        Ok(Self {
            timer: median(sleeps),
            transport: median(trips),
        })
    }
}

fn median(mut values: Vec<Nanos>) -> Nanos {
    values.sort_unstable();
    values[values.len() / 2]
}

/// Simulated time between two tokens of the profile's fastest model.
fn shortest_token_gap(profile: &Profile) -> Nanos {
    let fastest = profile
        .models
        .iter()
        .filter(|model| model.can("completion"))
        .map(|model| model.rates.decode_tps.max(model.rates.cpu_decode_tps))
        .fold(f64::MIN_POSITIVE, f64::max);
    Nanos::from_secs_f64(1.0 / fastest)
}

fn describe(config: &SimulatorConfig, time_scale: f64, limits: Limits) -> String {
    let (profile, server) = (&config.profile, &config.profile.server);
    let mut devices = profile.device_names().join(", ");
    if devices.is_empty() {
        "CPU only".clone_into(&mut devices);
    }
    let cache = match config
        .cache_ram_mib
        .unwrap_or(server.prompt_cache.cache_ram_mib)
    {
        0 => "no contexts in host memory".to_owned(),
        mib => format!("{mib} MiB of contexts in host memory"),
    };
    let models: Vec<&str> = profile.models.iter().map(|m| m.name.as_str()).collect();
    format!(
        "simulating Ollama {}: {} ({})\n  devices   {devices}\n  models    {}\n  \
         slots     {} per model, {}\n  faults    {} rules\n  \
         time      {time_scale} simulated seconds per second; timers {} us late, transport {} us\n",
        server.version,
        profile.name,
        profile.description,
        models.join(", "),
        config.num_parallel.unwrap_or(server.num_parallel),
        cache,
        config.faults.rules.len(),
        micros(limits.timer),
        micros(limits.transport)
    )
}

/// Serves until `shutdown` is ready. `announce` is called once, when requests can be sent, with a description of
/// the server and its URLs. The configuration's clock is not used: time starts with the server, at `time_scale`
/// simulated seconds per real second. Fails when the scale is too fast for this machine, or the server cannot
/// start.
pub async fn serve(
    mut simulator: SimulatorConfig,
    time_scale: f64,
    shutdown: impl Future<Output = ()>,
    announce: impl FnOnce(String, Vec<String>),
) -> Result<(), ServeError> {
    if !(time_scale.is_finite() && time_scale > 0.0) {
        return Err(ServeError::BadScale(time_scale));
    }
    let limits = Limits::measure().await.map_err(ServeError::Probe)?;
    let warnings = check_pace(&simulator.profile, time_scale, limits)?;
    simulator.clock = match time_scale {
        // Real time needs no arithmetic.
        1.0 => Clock::real(),
        scale => Clock::scaled(scale),
    };
    let simulated = |time: Nanos| Nanos::from_secs_f64(time.as_secs_f64() * time_scale);
    simulator.patience = Some(simulated(PATIENCE));
    let mut text = describe(&simulator, time_scale, limits);
    let simulator = Simulator::start(simulator).await?;
    let endpoints = simulator.endpoints();
    for endpoint in &endpoints {
        let _ = writeln!(
            text,
            "  listening {endpoint}   (its log: {endpoint}/tandem/log)"
        );
    }
    for warning in warnings {
        let _ = writeln!(text, "  warning   {warning}");
    }
    announce(text, endpoints);
    shutdown.await;
    simulator.shutdown(simulated(GRACE)).await;
    Ok(())
}

/// Refuses a time scale with gaps too short to time, and warns where gaps will be uneven.
fn check_pace(profile: &Profile, scale: f64, limits: Limits) -> Result<Vec<String>, ServeError> {
    let simulated = shortest_token_gap(profile);
    let gap = Nanos::from_secs_f64(simulated.as_secs_f64() / scale);
    // The shortest gap between tokens that can be timed.
    let shortest = limits.timer.max(limits.transport);
    if gap >= Nanos(shortest.0 * 2) {
        return Ok(Vec::new());
    }
    if gap < shortest && scale > 1.0 {
        return Err(ServeError::TooFast {
            scale,
            gap_us: micros(gap),
            shortest_us: micros(shortest),
            max_scale: (simulated.as_secs_f64() / shortest.as_secs_f64()).max(1.0),
        });
    }
    Ok(vec![format!(
        "tokens of the fastest model are {} us apart, and the shortest gap this machine can time is \
         {} us: rates over many tokens are right, single gaps are not",
        micros(gap),
        micros(shortest)
    )])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_kept_warned_of_or_refused() {
        let limits = Limits {
            timer: Nanos(600_000),
            transport: Nanos(30_000),
        };
        let mut profile = Profile::builtin("instant").expect("it ships");
        for model in &mut profile.models {
            model.rates.decode_tps = 100.0;
            model.rates.cpu_decode_tps = 10.0;
        }
        assert_eq!(check_pace(&profile, 8.0, limits).expect("kept"), [""; 0]);
        let warnings = check_pace(&profile, 10.0, limits).expect("warned of");
        assert_eq!(warnings.len(), 1);
        let error = check_pace(&profile, 20.0, limits)
            .expect_err("refused")
            .to_string();
        assert!(
            error.contains("500 us") && error.contains("--time-scale 16.7"),
            "{error}"
        );
    }
}
