//! The host's own load.

use domain::telemetry::HostReading;
use domain::{Nanos, Stamp};
use sysinfo::{MINIMUM_CPU_UPDATE_INTERVAL, System};

#[derive(Debug)]
pub(crate) struct HostSampler {
    system: System,
    cpu_from: Option<Stamp>,
    cpu_percent: Option<f64>,
}

impl HostSampler {
    /// A sampler, or why the host cannot be read. Reads nothing yet.
    pub(crate) fn new() -> Result<Self, String> {
        let system = System::new()
            .map_err(|e| format!("the host's CPU and memory counters cannot be read: {e}"))?;
        Ok(Self {
            system,
            cpu_from: None,
            cpu_percent: None,
        })
    }

    /// `at` must be in real time. CPU use covers `MINIMUM_CPU_UPDATE_INTERVAL` or more (0.2 s on
    /// Linux), so there is no reading before the first one has passed.
    pub(crate) fn sample(&mut self, at: Stamp) -> Option<HostReading> {
        match self.cpu_from {
            None => {
                self.system.refresh_cpu_usage();
                self.cpu_from = Some(at);
            }
            Some(from) if at.since(from) >= Nanos::from(MINIMUM_CPU_UPDATE_INTERVAL) => {
                self.system.refresh_cpu_usage();
                self.cpu_from = Some(at);
                self.cpu_percent = Some(f64::from(self.system.global_cpu_usage()));
            }
            Some(_) => {}
        }
        let cpu_percent = self.cpu_percent?;
        self.system.refresh_memory();
        Some(HostReading {
            cpu_percent,
            memory_used_bytes: self.system.used_memory(),
            memory_total_bytes: self.system.total_memory(),
            load_1m: System::load_average().ok().map(|load| load.one),
            swap_used_bytes: Some(self.system.used_swap()),
        })
    }
}
