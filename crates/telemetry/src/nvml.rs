//! NVIDIA devices through NVML.

use std::fmt;

use domain::telemetry::{GpuProcess, GpuReading, GpuSampler, GpuSource};
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::{Device, Nvml};

/// Why there are no GPU readings, in words a user can act on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct GpuAbsent {
    /// The reason.
    pub reason: String,
}

impl From<GpuAbsent> for GpuSource {
    fn from(absent: GpuAbsent) -> Self {
        Self::Absent {
            reason: absent.reason,
        }
    }
}

/// A quantity could not be read: not supported, not permitted, device gone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

impl From<NvmlError> for Unreadable {
    fn from(error: NvmlError) -> Self {
        Self(error.to_string())
    }
}

/// The readings [`NvmlSampler`] is made of, in NVML's own units, so that recorded series can be
/// replayed through it. Each may fail by itself.
pub trait DeviceReadings: Send {
    /// Driver version.
    fn driver(&self) -> Result<String, Unreadable>;
    /// Number of devices.
    fn count(&self) -> Result<u32, Unreadable>;
    /// Device name.
    fn name(&self, device: u32) -> Result<String, Unreadable>;
    /// True when the device is split into MIG instances; it then has no utilisation of its own.
    fn is_split(&self, device: u32) -> Result<bool, Unreadable>;
    /// Share of the last sample period in which a kernel ran, 0..100.
    fn utilisation_percent(&self, device: u32) -> Result<u32, Unreadable>;
    /// Memory in use and in all, bytes.
    fn memory_bytes(&self, device: u32) -> Result<(u64, u64), Unreadable>;
    /// Board power, milliwatts.
    fn power_mw(&self, device: u32) -> Result<u32, Unreadable>;
    /// Energy since the driver loaded, millijoules.
    fn energy_mj(&self, device: u32) -> Result<u64, Unreadable>;
    /// SM clock, MHz.
    fn sm_clock_mhz(&self, device: u32) -> Result<u32, Unreadable>;
    /// Memory clock, MHz.
    fn memory_clock_mhz(&self, device: u32) -> Result<u32, Unreadable>;
    /// Core temperature, degrees Celsius.
    fn temperature_c(&self, device: u32) -> Result<u32, Unreadable>;
    /// NVML's bit mask of throttle reasons.
    fn throttle_bits(&self, device: u32) -> Result<u64, Unreadable>;
    /// Processes on the device; one may appear more than once.
    fn processes(&self, device: u32) -> Result<Vec<GpuProcess>, Unreadable>;
}

/// Samples NVIDIA devices. What a device does not support or permit is absent from its readings;
/// a device of which nothing can be read this time is left out.
pub struct NvmlSampler {
    readings: Box<dyn DeviceReadings>,
    driver: String,
    devices: Vec<String>,
}

impl fmt::Debug for NvmlSampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NvmlSampler")
            .field("driver", &self.driver)
            .field("devices", &self.devices)
            .finish_non_exhaustive()
    }
}

impl NvmlSampler {
    /// Loads the driver's library and lists the devices.
    pub fn open() -> Result<Self, GpuAbsent> {
        let nvml = Nvml::init().map_err(|error| GpuAbsent {
            reason: absence(&error),
        })?;
        Self::over(Box::new(Driver(nvml)))
    }

    /// A sampler over other readings than the driver's.
    pub fn over(readings: Box<dyn DeviceReadings>) -> Result<Self, GpuAbsent> {
        let driver = readings
            .driver()
            .unwrap_or_else(|Unreadable(why)| format!("unknown ({why})"));
        let count = readings.count().map_err(|Unreadable(why)| GpuAbsent {
            reason: format!("NVIDIA driver {driver} does not list its devices: {why}"),
        })?;
        if count == 0 {
            return Err(GpuAbsent {
                reason: format!("NVIDIA driver {driver} is loaded but finds no device"),
            });
        }
        let devices = (0..count).map(|device| describe(&*readings, device));
        let devices = devices.collect();
        Ok(Self {
            readings,
            driver,
            devices,
        })
    }

    fn read(&self, device: u32) -> Option<GpuReading> {
        let from = &*self.readings;
        let memory = from.memory_bytes(device).ok();
        let throttle = from.throttle_bits(device);
        let any_throttle = throttle.is_ok();
        let reading = GpuReading {
            index: device,
            part_of: None,
            utilisation_percent: from.utilisation_percent(device).ok().map(f64::from),
            memory_used_bytes: memory.map(|(used, _)| used),
            memory_total_bytes: memory.map(|(_, total)| total),
            power_w: from.power_mw(device).ok().map(|mw| f64::from(mw) / 1e3),
            energy_j: from.energy_mj(device).ok().map(|mj| mj as f64 / 1e3),
            sm_clock_mhz: from.sm_clock_mhz(device).ok(),
            memory_clock_mhz: from.memory_clock_mhz(device).ok(),
            temperature_c: from.temperature_c(device).ok().map(f64::from),
            throttle_reasons: throttle.map(reason_names).unwrap_or_default(),
            processes: from.processes(device).map(merge).unwrap_or_default(),
        };
        let nothing = GpuReading {
            index: device,
            ..GpuReading::default()
        };
        (any_throttle || reading != nothing).then_some(reading)
    }
}

impl GpuSampler for NvmlSampler {
    fn source(&self) -> GpuSource {
        GpuSource::Nvml {
            driver: self.driver.clone(),
            devices: self.devices.clone(),
            notes: Vec::new(),
        }
    }

    fn sample(&mut self) -> Vec<GpuReading> {
        (0..)
            .zip(&self.devices)
            .filter_map(|(device, _)| self.read(device))
            .collect()
    }
}

fn describe(readings: &dyn DeviceReadings, device: u32) -> String {
    let name = readings
        .name(device)
        .unwrap_or_else(|Unreadable(why)| format!("device {device} ({why})"));
    match readings.is_split(device) {
        Ok(true) => format!("{name} (MIG)"),
        _ => name,
    }
}

/// NVML's words for the reasons in a mask; idle is none.
fn reason_names(bits: u64) -> Vec<String> {
    const NAMES: [(ThrottleReasons, &str); 8] = [
        (
            ThrottleReasons::APPLICATIONS_CLOCKS_SETTING,
            "applications_clocks_setting",
        ),
        (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
        (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
        (ThrottleReasons::SYNC_BOOST, "sync_boost"),
        (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal_slowdown"),
        (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal_slowdown"),
        (
            ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN,
            "hw_power_brake_slowdown",
        ),
        (
            ThrottleReasons::DISPLAY_CLOCK_SETTING,
            "display_clock_setting",
        ),
    ];
    let mask = ThrottleReasons::from_bits_truncate(bits);
    NAMES
        .iter()
        .filter(|(reason, _)| mask.contains(*reason))
        .map(|(_, name)| (*name).to_owned())
        .collect()
}

/// One entry per process, by id. A process with compute and graphics contexts is listed twice with
/// the same memory.
fn merge(mut processes: Vec<GpuProcess>) -> Vec<GpuProcess> {
    processes.sort_unstable_by_key(|p| (p.pid, std::cmp::Reverse(p.memory_bytes)));
    processes.dedup_by_key(|p| p.pid);
    processes
}

/// Why NVML did not start.
fn absence(error: &NvmlError) -> String {
    match error {
        NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound => {
            "no NVIDIA driver here: its management library (NVML) could not be loaded".to_owned()
        }
        NvmlError::DriverNotLoaded => "the NVIDIA driver is installed but not running".to_owned(),
        NvmlError::NoPermission => {
            "no permission to talk to the NVIDIA driver; may this user open /dev/nvidia*?"
                .to_owned()
        }
        NvmlError::LibRmVersionMismatch => {
            "NVIDIA driver and library differ in version; reboot after the update".to_owned()
        }
        other => format!("the NVIDIA driver cannot be used: {other}"),
    }
}

/// The driver itself.
struct Driver(Nvml);

impl Driver {
    fn device(&self, device: u32) -> Result<Device<'_>, Unreadable> {
        Ok(self.0.device_by_index(device)?)
    }
}

impl DeviceReadings for Driver {
    fn driver(&self) -> Result<String, Unreadable> {
        Ok(self.0.sys_driver_version()?)
    }

    fn count(&self) -> Result<u32, Unreadable> {
        Ok(self.0.device_count()?)
    }

    fn name(&self, device: u32) -> Result<String, Unreadable> {
        Ok(self.device(device)?.name()?)
    }

    fn is_split(&self, device: u32) -> Result<bool, Unreadable> {
        Ok(self.device(device)?.mig_mode()?.current != 0)
    }

    fn utilisation_percent(&self, device: u32) -> Result<u32, Unreadable> {
        Ok(self.device(device)?.utilization_rates()?.gpu)
    }

    fn memory_bytes(&self, device: u32) -> Result<(u64, u64), Unreadable> {
        let memory = self.device(device)?.memory_info()?;
        Ok((memory.used, memory.total))
    }

    fn power_mw(&self, device: u32) -> Result<u32, Unreadable> {
        Ok(self.device(device)?.power_usage()?)
    }

    fn energy_mj(&self, device: u32) -> Result<u64, Unreadable> {
        Ok(self.device(device)?.total_energy_consumption()?)
    }

    fn sm_clock_mhz(&self, device: u32) -> Result<u32, Unreadable> {
        Ok(self.device(device)?.clock_info(Clock::SM)?)
    }

    fn memory_clock_mhz(&self, device: u32) -> Result<u32, Unreadable> {
        Ok(self.device(device)?.clock_info(Clock::Memory)?)
    }

    fn temperature_c(&self, device: u32) -> Result<u32, Unreadable> {
        Ok(self.device(device)?.temperature(TemperatureSensor::Gpu)?)
    }

    fn throttle_bits(&self, device: u32) -> Result<u64, Unreadable> {
        Ok(self.device(device)?.current_throttle_reasons()?.bits())
    }

    fn processes(&self, device: u32) -> Result<Vec<GpuProcess>, Unreadable> {
        let device = self.device(device)?;
        // Drivers before release 510 lack both calls; they tell of no processes.
        let compute = device.running_compute_processes();
        let graphics = device.running_graphics_processes();
        let of = |process: ProcessInfo| GpuProcess {
            pid: process.pid,
            memory_bytes: match process.used_gpu_memory {
                UsedGpuMemory::Used(bytes) => Some(bytes),
                UsedGpuMemory::Unavailable => None,
            },
            ..GpuProcess::default()
        };
        match (compute, graphics) {
            (Err(error), Err(_)) => Err(error.into()),
            (compute, graphics) => {
                let both = compute.unwrap_or_default().into_iter();
                Ok(both.chain(graphics.unwrap_or_default()).map(of).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests;
