//! The simulator: a machine, its driver, and a listener for each of its servers.

use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use clock::Clock;
use domain::Nanos;
use domain::exit::{Exit, Fails};
use domain::plan::Refused;
use domain::telemetry::Gpus;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::core::Core;
use crate::driver::{self, LogLine, World};
use crate::faults::{Engine, FaultRules};
use crate::http::{App, Epoch, MAX_IN_BODIES, Stops, listen};
use crate::profile::Profile;

/// 2026-01-01T00:00:00Z: the date of stamp zero by default.
const DEFAULT_EPOCH: u64 = 1_767_225_600;

#[derive(Debug)]
pub struct SimulatorConfig {
    pub profile: Profile,
    pub clock: Clock,
    /// Servers, each with its own port; at least 1.
    pub servers: usize,
    /// Server `i` has device `i`, modulo the number of devices, to itself. Otherwise every server may
    /// use every device of the profile, as several servers on one machine do.
    pub device_each: bool,
    /// Seed of every draw, instead of the profile's.
    pub seed: Option<u64>,
    /// Slots per runner, instead of the profile's number.
    pub num_parallel: Option<usize>,
    /// Host memory of each runner for contexts that lose their slot, MiB, instead of the profile's.
    pub cache_ram_mib: Option<u64>,
    pub faults: FaultRules,
    pub address: IpAddr,
    /// Port of the first server; the others follow. 0 takes any free ports.
    pub port: u16,
    /// The date of stamp zero in `created_at`.
    pub epoch: SystemTime,
    /// Tokens sent together as one chunk; 1 is a chunk for each.
    pub chunk_tokens: usize,
    /// Most bytes of all request bodies at one time.
    pub body_bytes: usize,
    /// Longest time for a request's head, from its first byte, and for its body; `None`: no limit.
    pub patience: Option<Nanos>,
    /// Where the log is written as JSONL, besides memory.
    pub log: Option<File>,
}

impl SimulatorConfig {
    /// One server on loopback, on any free port, without faults.
    pub fn new(profile: Profile, clock: Clock) -> Self {
        Self {
            profile,
            clock,
            servers: 1,
            device_each: false,
            seed: None,
            num_parallel: None,
            cache_ram_mib: None,
            faults: FaultRules::default(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            epoch: SystemTime::UNIX_EPOCH + Duration::from_secs(DEFAULT_EPOCH),
            chunk_tokens: 1,
            body_bytes: MAX_IN_BODIES,
            patience: None,
            log: None,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The profile's settings or the rules of faults are wrong.
    #[error(transparent)]
    Refused(#[from] Refused<String>),
    #[error("{0} must be at least 1")]
    Zero(&'static str),
    #[error("cannot listen on {address}; choose another --port, or 0 for any free one")]
    Bind {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

impl Fails for StartError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

/// A running simulator. Dropping it stops it at once.
#[derive(Debug)]
pub struct Simulator {
    world: Arc<World>,
    addresses: Vec<SocketAddr>,
    stops: Stops,
    tasks: TaskTracker,
}

impl Simulator {
    /// Starts on the current runtime. Requests can be sent as soon as this returns. Fails when a setting is zero or
    /// invalid, or a port is taken.
    pub async fn start(config: SimulatorConfig) -> Result<Self, StartError> {
        for (name, number) in [
            ("servers", config.servers),
            ("num_parallel", config.num_parallel.unwrap_or(1)),
            ("chunk_tokens", config.chunk_tokens),
        ] {
            if number == 0 {
                return Err(StartError::Zero(name));
            }
        }
        config.faults.check("faults")?;
        let mut profile = config.profile;
        if let Some(seed) = config.seed {
            profile.seed = seed;
        }
        if let Some(num_parallel) = config.num_parallel {
            profile.server.num_parallel = num_parallel;
        }
        if let Some(mib) = config.cache_ram_mib {
            profile.server.prompt_cache.cache_ram_mib = mib;
        }
        let servers = (0..config.servers)
            .map(|index| {
                let mut server = profile.server();
                if config.device_each && !server.devices.is_empty() {
                    server.devices = vec![index % server.devices.len()];
                }
                server
            })
            .collect();
        let core = Core::new(profile.clone(), servers)?;
        let clock = config.clock;
        let world = World::new(core, clock.clone(), config.log);
        let app = Arc::new(App {
            world: Arc::clone(&world),
            faults: Engine::new(config.faults, profile.seed),
            profile,
            epoch: Epoch(config.epoch),
            chunk_tokens: config.chunk_tokens,
            check_host: config.address.is_loopback(),
            patience: config.patience,
            room: Arc::new(Semaphore::new(config.body_bytes)),
            received: AtomicU64::new(0),
            repeats: Mutex::default(),
        });
        let mut simulator = Self {
            world,
            addresses: Vec::new(),
            stops: Stops::default(),
            tasks: TaskTracker::new(),
        };
        let driving = Arc::clone(&simulator.world).drive(simulator.stops.now.clone());
        simulator.tasks.spawn(driving);
        for index in 0..config.servers {
            let port = match config.port {
                0 => 0,
                first => first.checked_add(index as u16).unwrap_or(0),
            };
            let address = SocketAddr::new(config.address, port);
            let failed = |source| StartError::Bind { address, source };
            let listener = TcpListener::bind(address).await.map_err(failed)?;
            let address = listener.local_addr().map_err(failed)?;
            simulator.addresses.push(address);
            let refuses = app.faults.refuses(index, clock.now());
            let listening = listen(
                Arc::clone(&app),
                index,
                address,
                (!refuses).then_some(listener),
                simulator.stops.clone(),
                simulator.tasks.clone(),
            );
            simulator.tasks.spawn(async move {
                if let Err(error) = listening.await {
                    tracing::error!(%error, %address, "the port could not be taken again");
                }
            });
        }
        Ok(simulator)
    }

    /// The servers' URLs, in order.
    pub fn endpoints(&self) -> Vec<String> {
        self.addresses
            .iter()
            .map(|address| format!("http://{address}"))
            .collect()
    }

    /// The simulated devices, read at the clock's now.
    pub fn gpus(&self) -> Gpus {
        driver::gpus(Arc::clone(&self.world))
    }

    /// The log, oldest first: the last twenty thousand lines.
    pub fn log(&self) -> Vec<LogLine> {
        self.world.log().0
    }

    /// Accepts no more connections and stops when requests in progress end, after `grace` at most.
    pub async fn shutdown(self, grace: Nanos) {
        self.stops.graceful.cancel();
        let clock = self.world.clock().clone();
        self.tasks.close();
        let waiting = async {
            // The driver must keep running while streams end, so it is not waited for here.
            while self.tasks.len() > 1 {
                clock.sleep(Nanos::from_millis(5)).await;
            }
        };
        // The end of the grace is not an error: what is left is dropped below.
        let _ = clock.timeout(grace, waiting).await;
        self.stops.now.cancel();
        self.tasks.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stops.graceful.cancel();
        self.stops.now.cancel();
    }
}
