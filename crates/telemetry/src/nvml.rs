//! NVIDIA devices through NVML.

use std::collections::BTreeMap;

use domain::Stamp;
use domain::telemetry::{GpuProcess, GpuReading, GpuSampler, GpuSource};
use nvml_wrapper::bitmasks::device::ThrottleReasons;

use crate::every::{Every, PROCESSES};

mod driver;

use driver::Driver;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// The device does not have it, and will not have it next time.
    #[error("not supported by the device")]
    NotSupported,
    #[error("this user is not permitted to read it")]
    NotPermitted,
    /// Any other error, in the driver's words: the device is gone, or the driver has failed.
    #[error("{0}")]
    Failed(String),
}

/// A device: a whole card, or one MIG instance on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// The card, in NVML's order.
    pub(crate) card: u32,
    /// The instance, in NVML's order; there may be gaps.
    pub(crate) instance: Option<u32>,
}

/// A number of a device, in NVML's own units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantity {
    /// Share of the last sample period in which a kernel ran, 0..100.
    Utilisation,
    /// Memory in use, bytes.
    MemoryUsed,
    /// Memory in all, bytes.
    MemoryTotal,
    /// Board power, milliwatts.
    Power,
    /// Energy since the driver loaded, millijoules.
    Energy,
    /// SM clock, MHz.
    SmClock,
    /// Memory clock, MHz.
    MemoryClock,
    /// Temperature, degrees Celsius.
    Temperature,
    /// Mask of what holds the clocks down.
    Throttle,
}

/// What [`NvmlSampler`] reads: the driver, or a recorded series.
pub(crate) trait DeviceReadings: Send {
    fn driver(&self) -> Result<String, Unreadable>;
    /// The cards, each followed by the MIG instances it is split into.
    fn places(&self) -> Result<Vec<Place>, Unreadable>;
    fn name(&self, at: Place) -> Result<String, Unreadable>;
    fn read(&self, at: Place, quantity: Quantity) -> Result<u64, Unreadable>;
    /// Processes with a context on the device; one may be listed twice.
    fn processes(&self, at: Place) -> Result<Vec<GpuProcess>, Unreadable>;
    /// Properties that do not change (`power_limit`, `link`, …), as far as the driver gives them.
    fn facts(&self, at: Place) -> Vec<(&'static str, String)>;
}

/// Samples NVIDIA devices, MIG instances included. Quantities that a device does not support or
/// permit are named in the source's notes and not requested again. A device without any readable
/// value is left out.
pub(crate) struct NvmlSampler {
    readings: Box<dyn DeviceReadings>,
    driver: String,
    devices: Vec<KnownDevice>,
    notes: Vec<String>,
    processes: Every,
}

struct KnownDevice {
    at: Place,
    name: String,
    part_of: Option<u32>,
    /// By quantity: whether it is worth requesting.
    readable: [bool; QUANTITIES.len()],
    lists_processes: bool,
}

const QUANTITIES: [(Quantity, &str); 9] = [
    (Quantity::Utilisation, "utilisation"),
    (Quantity::MemoryUsed, "memory"),
    (Quantity::MemoryTotal, "memory"),
    (Quantity::Power, "power"),
    (Quantity::Energy, "energy counter"),
    (Quantity::SmClock, "SM clock"),
    (Quantity::MemoryClock, "memory clock"),
    (Quantity::Temperature, "temperature"),
    (Quantity::Throttle, "throttle reasons"),
];

impl NvmlSampler {
    pub(crate) fn open() -> Result<Self, String> {
        Self::over(Box::new(Driver::open()?))
    }

    /// A sampler of the given readings, which need not be the driver's.
    pub(crate) fn over(readings: Box<dyn DeviceReadings>) -> Result<Self, String> {
        let driver = readings
            .driver()
            .unwrap_or_else(|why| format!("unknown ({why})"));
        let unlisted = |why| format!("NVIDIA driver {driver} does not list its devices: {why}");
        let places = readings.places().map_err(unlisted)?;
        if places.is_empty() {
            return Err(format!(
                "NVIDIA driver {driver} is loaded but finds no device"
            ));
        }
        let mut notes = Vec::new();
        let devices = places
            .iter()
            .map(|&at| {
                let split = at.instance.is_none()
                    && places
                        .iter()
                        .any(|p| p.card == at.card && p.instance.is_some());
                let name = name(&*readings, at, split);
                let mut missing = Vec::new();
                // A read that failed for another reason may work next time.
                let mut is_readable = |what, read: Result<(), Unreadable>| {
                    let again = matches!(read, Ok(()) | Err(Unreadable::Failed(_)));
                    missing.extend(read.err().map(|why| (what, why)));
                    again
                };
                let readable = QUANTITIES.map(|(quantity, what)| {
                    is_readable(what, readings.read(at, quantity).map(drop))
                });
                let processes = readings.processes(at).map(drop);
                let lists_processes = is_readable("list of processes", processes);
                notes.extend(note(&name, &missing, split || at.instance.is_some()));
                let whole = Place {
                    instance: None,
                    ..at
                };
                let place = places.iter().position(|p| *p == whole);
                KnownDevice {
                    at,
                    name,
                    part_of: at.instance.and(place).map(|place| place as u32),
                    readable,
                    lists_processes,
                }
            })
            .collect();
        Ok(Self {
            readings,
            driver,
            devices,
            notes,
            processes: PROCESSES,
        })
    }

    /// A device's reading, `None` when every value is absent. Requests only readable quantities.
    fn read(&self, index: u32, device: &KnownDevice, processes: bool) -> Option<GpuReading> {
        let (from, at) = (&*self.readings, device.at);
        let number = |quantity: Quantity| {
            let readable = device.readable[quantity as usize];
            readable.then(|| from.read(at, quantity).ok()).flatten()
        };
        let thousandths = |quantity| number(quantity).map(|number| number as f64 / 1e3);
        let throttle = number(Quantity::Throttle);
        let listed = (processes && device.lists_processes).then(|| from.processes(at).ok());
        let listed = listed.flatten();
        let nothing = GpuReading {
            index,
            part_of: device.part_of,
            ..GpuReading::default()
        };
        let known = throttle.is_some() || listed.is_some();
        let reading = GpuReading {
            utilisation_percent: number(Quantity::Utilisation).map(|percent| percent as f64),
            memory_used_bytes: number(Quantity::MemoryUsed),
            memory_total_bytes: number(Quantity::MemoryTotal),
            power_w: thousandths(Quantity::Power),
            energy_j: thousandths(Quantity::Energy),
            sm_clock_mhz: number(Quantity::SmClock).map(|mhz| mhz as u32),
            memory_clock_mhz: number(Quantity::MemoryClock).map(|mhz| mhz as u32),
            temperature_c: number(Quantity::Temperature).map(|celsius| celsius as f64),
            throttle_reasons: throttle.map(reason_names).unwrap_or_default(),
            processes: listed.map(merge).unwrap_or_default(),
            ..nothing.clone()
        };
        (known || reading != nothing).then_some(reading)
    }
}

impl GpuSampler for NvmlSampler {
    fn source(&self) -> GpuSource {
        GpuSource::Nvml {
            driver: self.driver.clone(),
            devices: self.devices.iter().map(|d| d.name.clone()).collect(),
            notes: self.notes.clone(),
        }
    }

    fn sample(&mut self, at: Option<Stamp>) -> Vec<GpuReading> {
        let processes = self.processes.is_due(at);
        (0..)
            .zip(&self.devices)
            .filter_map(|(index, device)| self.read(index, device, processes))
            .collect()
    }

    fn facts(&self) -> BTreeMap<String, String> {
        (0..)
            .zip(&self.devices)
            .flat_map(|(index, device): (u32, _)| {
                let facts = self.readings.facts(device.at).into_iter();
                facts.map(move |(what, value)| (format!("gpu_{index}_{what}"), value))
            })
            .collect()
    }
}

fn name(readings: &dyn DeviceReadings, at: Place, split: bool) -> String {
    let name = readings
        .name(at)
        .unwrap_or_else(|why| format!("card {} ({why})", at.card));
    match at.instance {
        Some(instance) => format!("{name} (MIG instance {instance} of card {})", at.card),
        None if split => format!("{name} (split by MIG)"),
        None => name,
    }
}

/// The quantities a device does not give, grouped by reason.
fn note(name: &str, missing: &[(&'static str, Unreadable)], mig: bool) -> Vec<String> {
    let mut by_reason: Vec<(String, Vec<&str>)> = Vec::new();
    for (what, why) in missing {
        let why = match why {
            Unreadable::NotSupported if mig => "not given with MIG".to_owned(),
            other => other.to_string(),
        };
        match by_reason.iter_mut().find(|(known, _)| *known == why) {
            // One name may stand for two numbers.
            Some((_, all)) if all.contains(what) => {}
            Some((_, all)) => all.push(what),
            None => by_reason.push((why, vec![what])),
        }
    }
    by_reason
        .into_iter()
        .map(|(why, what)| format!("{name}: no {} ({why})", what.join(", no ")))
        .collect()
}

/// NVML's words for the reasons in a mask; idle is none.
fn reason_names(bits: u64) -> Vec<String> {
    let reasons = ThrottleReasons::from_bits_truncate(bits) - ThrottleReasons::GPU_IDLE;
    let names = reasons.iter_names();
    names.map(|(name, _)| name.to_ascii_lowercase()).collect()
}

/// One entry per process, by id. One with compute and graphics contexts is listed twice by NVML.
fn merge(mut processes: Vec<GpuProcess>) -> Vec<GpuProcess> {
    processes.sort_unstable_by_key(|p| (p.pid, std::cmp::Reverse(p.memory_bytes)));
    processes.dedup_by_key(|p| p.pid);
    processes
}

#[cfg(test)]
mod tests;
