//! Samplers on a task of their own.

use clock::Clock;
use domain::telemetry::{Gpus, Sample};
use domain::{Nanos, Stamp};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::gpus::attribute;
use crate::host::HostSampler;
use crate::proc::Proc;
use crate::server::ServerSampler;

#[derive(Default)]
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct Sources {
    pub gpu: Option<Gpus>,
    pub host: bool,
    /// URLs of the servers whose processes are read, where they run on this machine. A server's
    /// place here is its index in readings.
    pub servers: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub taken: u64,
    /// Moments at which a sample was due but one before it was still being taken.
    pub missed: u64,
    /// A sampler panicked and sampling ended there.
    pub broken: bool,
}

/// Running sampling. Dropping it stops it too, but only [`Sampling::stop`] waits for its end.
#[derive(Debug)]
pub struct Sampling {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Counts>,
}

impl Sampling {
    /// Starts sampling `hz` times per second of clock time, the first time at once. Sample `k` is
    /// due at the start plus `k / hz`, however long the earlier ones took.
    ///
    /// Host and servers are left out in virtual time, where their load means nothing. In real
    /// time everything is read on a blocking thread, for drivers can take milliseconds. Must be
    /// called inside a tokio runtime; `hz` must be finite and above zero.
    pub fn start(
        clock: Clock,
        hz: f64,
        sources: Sources,
        sink: impl FnMut(&Sample) + Send + 'static,
    ) -> Self {
        let is_rate = hz.is_finite() && hz > 0.0;
        assert!(is_rate, "a sampling rate is a finite number above zero");
        let real = !clock.is_virtual();
        let host = (sources.host && real).then(HostSampler::new);
        let left_out = |error: &String| tracing::warn!(error, "host readings are left out");
        let host = host.and_then(|host| host.inspect_err(left_out).ok());
        let servers = if real { sources.servers } else { Vec::new() };
        let (stop, stopped) = oneshot::channel();
        let devices = Devices {
            gpu: sources.gpu,
            host,
            servers: ServerSampler::find(Proc::here(), &servers),
        };
        let task = tokio::spawn(run(clock, hz, devices, sink, stopped));
        Self { stop, task }
    }

    /// Ends sampling and waits until the sink has had its last sample.
    pub async fn stop(self) -> Counts {
        // The task may have ended by itself; it is then not listening any more.
        let _ = self.stop.send(());
        self.task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the sampling task was lost");
            Counts {
                broken: true,
                ..Counts::default()
            }
        })
    }
}

struct Devices {
    gpu: Option<Gpus>,
    host: Option<HostSampler>,
    servers: ServerSampler,
}

impl Devices {
    fn sample(&mut self, clock: &Clock) -> Sample {
        let at = clock.now();
        let gpus = self.gpu.as_mut().map(|gpu| (gpu.read)(Some(at)));
        let host = self.host.as_mut().and_then(|host| host.sample(at));
        let mut sample = Sample {
            at,
            gpus: gpus.unwrap_or_default(),
            host,
            servers: self.servers.sample(at),
        };
        if !self.servers.is_empty() {
            for gpu in &mut sample.gpus {
                attribute(&mut gpu.processes, |pid| self.servers.owner(pid));
            }
        }
        sample
    }
}

async fn run(
    clock: Clock,
    hz: f64,
    mut devices: Devices,
    mut sink: impl FnMut(&Sample) + Send,
    mut stopped: oneshot::Receiver<()>,
) -> Counts {
    let started = clock.now();
    let due = |tick: u64| started + Nanos::from_secs_f64(tick as f64 / hz);
    let mut counts = Counts::default();
    let mut tick = 0;
    loop {
        tokio::select! {
            biased;
            _ = &mut stopped => return counts,
            () = clock.sleep_until(due(tick)) => {}
        }
        let sample = if clock.is_virtual() {
            devices.sample(&clock)
        } else {
            let reading = tokio::task::spawn_blocking({
                let clock = clock.clone();
                move || {
                    let sample = devices.sample(&clock);
                    (devices, sample)
                }
            });
            match reading.await {
                Ok((back, sample)) => {
                    devices = back;
                    sample
                }
                Err(error) => {
                    tracing::error!(%error, "a sampler panicked; there are no more samples");
                    counts.broken = true;
                    return counts;
                }
            }
        };
        sink(&sample);
        counts.taken += 1;
        let next = next_tick(tick, started, clock.now(), hz, due);
        counts.missed += next - tick - 1;
        tick = next;
    }
}

/// The first tick after `tick` that is not yet past.
fn next_tick(tick: u64, started: Stamp, now: Stamp, hz: f64, due: impl Fn(u64) -> Stamp) -> u64 {
    let mut next = (now.since(started).as_secs_f64() * hz).floor() as u64;
    next = next.max(tick + 1);
    // The floor above is exact only up to rounding.
    while due(next) < now {
        next += 1;
    }
    next
}

#[cfg(test)]
mod tests;
