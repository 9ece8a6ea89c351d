//! What a sampler reports: GPU and host readings, each on the sweep's clock.

use serde::{Deserialize, Serialize};

use crate::units::Stamp;

/// One line of `telemetry.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// When the reading was taken.
    pub at: Stamp,
    /// The devices, in index order; empty when none can be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuReading>,
    /// The host, when it is sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostReading>,
}

/// One device at one moment. A quantity the device cannot report is absent, never zero.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GpuReading {
    /// Device index.
    pub index: u32,
    /// Share of the last sample period in which a kernel ran, 0..100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub utilisation_percent: Option<f64>,
    /// Memory in use, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_used_bytes: Option<u64>,
    /// Memory in all, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
    /// Board power, watts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_w: Option<f64>,
    /// Energy counter since the driver loaded, joules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy_j: Option<f64>,
    /// SM clock, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sm_clock_mhz: Option<u32>,
    /// Memory clock, MHz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_clock_mhz: Option<u32>,
    /// Core temperature, degrees Celsius.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f64>,
    /// Why the clocks are held down, in NVML's words (`sw_power_cap`, `hw_thermal_slowdown`, …).
    /// Idle is not a reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub throttle_reasons: Vec<String>,
    /// Memory by process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<GpuProcess>,
}

/// A process on a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuProcess {
    /// Process id.
    pub pid: u32,
    /// Device memory it holds, bytes, when the driver tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

/// The host at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostReading {
    /// CPU use over all cores, 0..100.
    pub cpu_percent: f64,
    /// Memory in use, bytes.
    pub memory_used_bytes: u64,
    /// Memory in all, bytes.
    pub memory_total_bytes: u64,
    /// One-minute load average, where the system has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_1m: Option<f64>,
}

/// What a sampler reads from, stated once per sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum GpuSource {
    /// No device can be read, and why.
    Absent {
        /// The reason in words a user can act on.
        reason: String,
    },
    /// NVIDIA's management library.
    Nvml {
        /// Driver version.
        driver: String,
        /// Device names in index order.
        devices: Vec<String>,
    },
    /// The simulator's device.
    Simulated {
        /// Device names in index order.
        devices: Vec<String>,
    },
}

/// Reads devices. Implemented by the NVML sampler, by the simulator's device and by fakes.
pub trait GpuSampler: Send {
    /// What this sampler reads from.
    fn source(&self) -> GpuSource;

    /// One reading of every device. A device that fails this time is left out.
    fn sample(&mut self) -> Vec<GpuReading>;
}
