//! Readings of GPUs, host and servers, each on the sweep's clock.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::units::Stamp;

/// One line of `telemetry.jsonl`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// When the reading was taken.
    pub at: Stamp,
    /// The devices, in index order; empty when none can be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuReading>,
    /// The host, when it is sampled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostReading>,
    /// The servers' own processes, where they run on this host and are found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<ServerReading>,
}

/// One device at one moment. A quantity the device cannot report is absent, never zero.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GpuReading {
    /// Device index: its place in [`GpuSource::devices`].
    pub index: u32,
    /// The device that this one is a part of, as a MIG instance is. Such a part's memory is also
    /// counted by the whole, where the whole can be read.
    pub part_of: Option<u32>,
    /// Share of the last sample period in which a kernel ran, 0..100.
    pub utilisation_percent: Option<f64>,
    pub memory_used_bytes: Option<u64>,
    pub memory_total_bytes: Option<u64>,
    /// Board power, watts.
    pub power_w: Option<f64>,
    /// Energy counter since the driver loaded, joules.
    pub energy_j: Option<f64>,
    pub sm_clock_mhz: Option<u32>,
    pub memory_clock_mhz: Option<u32>,
    /// Core temperature, degrees Celsius.
    pub temperature_c: Option<f64>,
    /// Why the clocks are held down, in NVML's words (`sw_power_cap`, `hw_thermal_slowdown`, …)
    /// or the AMD driver's (`ppt0`, `temp_hotspot`, …). Idle is not a reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub throttle_reasons: Vec<String>,
    /// Memory by process. Processes are listed about once a second, not in every sample.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<GpuProcess>,
}

/// A process on a device.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GpuProcess {
    pub pid: u32,
    /// Device memory it holds, bytes, when the driver reports it.
    pub memory_bytes: Option<u64>,
    /// Its short name, when it can be seen from here.
    pub name: Option<String>,
    /// The endpoint whose server it belongs to, as an index into the manifest's endpoints; `None`
    /// for other processes.
    pub server: Option<u32>,
}

/// The host at one moment.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HostReading {
    /// CPU use over all cores, 0..100.
    pub cpu_percent: f64,
    pub memory_used_bytes: u64,
    pub memory_total_bytes: u64,
    /// One-minute load average, where the system has one.
    pub load_1m: Option<f64>,
    pub swap_used_bytes: Option<u64>,
}

/// A server's process and its descendants at one moment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerReading {
    /// Index into the manifest's endpoints.
    pub endpoint: u32,
    /// Processes in its tree.
    pub processes: u32,
    /// CPU use of the tree over the last whole second, percent of one core: 250 is two and a half
    /// cores. Absent until the first second has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// Resident memory of the tree, bytes. Pages that its processes share count once for each.
    pub memory_bytes: u64,
}

/// What a sampler reads from, stated once per sweep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
        /// What cannot be read, and why, in words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// The kernel's files on AMD devices.
    Amd {
        /// The kernel's driver and its version.
        driver: String,
        /// Device names in index order.
        devices: Vec<String>,
        /// What cannot be read, and why, in words.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notes: Vec<String>,
    },
    /// The simulator's device.
    Simulated {
        /// Device names in index order.
        devices: Vec<String>,
    },
    /// Several of the above at once; the devices are numbered on from one to the next.
    Several {
        /// The sources, in the order of their devices.
        sources: Vec<Self>,
    },
}

impl GpuSource {
    /// The devices' names; a device's place is its index in readings.
    pub fn devices(&self) -> Vec<&str> {
        match self {
            Self::Absent { .. } => Vec::new(),
            Self::Nvml { devices, .. }
            | Self::Amd { devices, .. }
            | Self::Simulated { devices } => devices.iter().map(String::as_str).collect(),
            Self::Several { sources } => sources.iter().flat_map(Self::devices).collect(),
        }
    }

    /// What cannot be read, and why, in words.
    pub fn notes(&self) -> Vec<&str> {
        match self {
            Self::Absent { .. } | Self::Simulated { .. } => Vec::new(),
            Self::Nvml { notes, .. } | Self::Amd { notes, .. } => {
                notes.iter().map(String::as_str).collect()
            }
            Self::Several { sources } => sources.iter().flat_map(Self::notes).collect(),
        }
    }
}

/// Devices that can be read: NVIDIA's, AMD's, the simulator's, or made-up ones.
#[expect(missing_debug_implementations, reason = "functions have none")]
pub struct Gpus {
    pub source: GpuSource,
    pub facts: DeviceFacts,
    /// Returns one reading of every device; a device that fails this time is left out. With a moment, values that are
    /// costly to read are read less often; without one, all are read.
    pub read: Box<dyn FnMut(Option<Stamp>) -> Vec<GpuReading> + Send>,
}

/// Constant facts (`power_limit`, `link`, …) by the device's index and by name.
pub type DeviceFacts = BTreeMap<(u32, &'static str), String>;
