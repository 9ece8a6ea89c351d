//! NVIDIA devices through NVML.

use std::collections::BTreeMap;
use std::fmt;

use domain::telemetry::{GpuProcess, GpuReading, GpuSampler, GpuSource};
use domain::{Nanos, Stamp};
use nvml_wrapper::bitmasks::device::ThrottleReasons;

mod driver;

use driver::Driver;

/// Processes are listed this often.
const PROCESSES_EVERY: Nanos = Nanos::from_secs(1);

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

/// Why a quantity could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The device does not have it, and will not have it next time.
    #[error("the device does not tell it")]
    NotSupported,
    /// This user may not read it.
    #[error("this user may not read it")]
    NotPermitted,
    /// Something else: the device is gone, or the driver is in trouble. The driver's own words.
    #[error("{0}")]
    Failed(String),
}

/// A device: a whole card, or one MIG instance on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The card, in NVML's order.
    pub card: u32,
    /// The instance, in NVML's order; there may be gaps.
    pub instance: Option<u32>,
}

/// What is read of a device, in NVML's own units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quantity {
    /// Share of the last sample period in which a kernel ran, 0..100.
    Utilisation,
    /// Memory in use and in all.
    Memory,
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
    /// Processes with a context on the device; one may be listed twice.
    Processes,
}

/// A value of a [`Quantity`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A number.
    Number(u64),
    /// Memory, bytes.
    Memory {
        /// In use.
        used: u64,
        /// In all.
        total: u64,
    },
    /// Processes.
    Processes(Vec<GpuProcess>),
}

/// The readings [`NvmlSampler`] is made of, in NVML's own units, so that recorded series can be
/// replayed through it. Each may fail by itself.
pub trait DeviceReadings: Send {
    /// Driver version.
    fn driver(&self) -> Result<String, Unreadable>;
    /// The cards, each followed by the MIG instances it is split into.
    fn places(&self) -> Result<Vec<Place>, Unreadable>;
    /// Device name.
    fn name(&self, at: Place) -> Result<String, Unreadable>;
    /// A quantity as it is now.
    fn read(&self, at: Place, quantity: Quantity) -> Result<Value, Unreadable>;
    /// What does not change (`power_limit`, `link`, …), as far as it is told.
    fn facts(&self, at: Place) -> Vec<(&'static str, String)>;
}

/// Samples NVIDIA devices, MIG instances included. What a device does not support or permit is
/// absent from its readings and stands in the source's notes; it is not asked for again. A device
/// of which nothing can be read this time is left out.
pub struct NvmlSampler {
    readings: Box<dyn DeviceReadings>,
    driver: String,
    devices: Vec<KnownDevice>,
    notes: Vec<String>,
    processes_due: Option<Stamp>,
}

/// A device as it was when the sampler was opened.
#[derive(Debug)]
struct KnownDevice {
    at: Place,
    name: String,
    part_of: Option<u32>,
    tells: Tells,
}

/// Which quantities are worth asking for.
#[derive(Debug, Clone, Copy)]
struct Tells([bool; QUANTITIES.len()]);

impl Tells {
    fn has(self, quantity: Quantity) -> bool {
        self.0[quantity as usize]
    }
}

const QUANTITIES: [(Quantity, &str); 9] = [
    (Quantity::Utilisation, "utilisation"),
    (Quantity::Memory, "memory"),
    (Quantity::Power, "power"),
    (Quantity::Energy, "energy counter"),
    (Quantity::SmClock, "SM clock"),
    (Quantity::MemoryClock, "memory clock"),
    (Quantity::Temperature, "temperature"),
    (Quantity::Throttle, "throttle reasons"),
    (Quantity::Processes, "list of processes"),
];

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
        Self::over(Box::new(Driver::open()?))
    }

    /// A sampler over other readings than the driver's.
    pub fn over(readings: Box<dyn DeviceReadings>) -> Result<Self, GpuAbsent> {
        let driver = readings
            .driver()
            .unwrap_or_else(|why| format!("unknown ({why})"));
        let places = readings.places().map_err(|why| GpuAbsent {
            reason: format!("NVIDIA driver {driver} does not list its devices: {why}"),
        })?;
        if places.is_empty() {
            return Err(GpuAbsent {
                reason: format!("NVIDIA driver {driver} is loaded but finds no device"),
            });
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
                let (tells, missing) = ask(&*readings, at);
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
                    tells,
                }
            })
            .collect();
        Ok(Self {
            readings,
            driver,
            devices,
            notes,
            processes_due: None,
        })
    }

    fn read(&mut self, when: Option<Stamp>) -> Vec<GpuReading> {
        let processes = when.is_none_or(|now| self.processes_due.is_none_or(|due| now >= due));
        if processes {
            self.processes_due = when.map(|now| now + PROCESSES_EVERY);
        }
        (0..)
            .zip(&self.devices)
            .filter_map(|(index, device)| self.read_one(index, device, processes))
            .collect()
    }

    fn read_one(&self, index: u32, device: &KnownDevice, processes: bool) -> Option<GpuReading> {
        let from = &*self.readings;
        let KnownDevice {
            at, part_of, tells, ..
        } = *device;
        // Asks only for what the device tells.
        let read = |quantity| {
            let told = tells.has(quantity).then(|| from.read(at, quantity).ok());
            told.flatten()
        };
        let number = |quantity| match read(quantity) {
            Some(Value::Number(number)) => Some(number),
            _ => None,
        };
        let memory = match read(Quantity::Memory) {
            Some(Value::Memory { used, total }) => Some((used, total)),
            _ => None,
        };
        let throttle = number(Quantity::Throttle);
        let listed = match processes.then(|| read(Quantity::Processes)).flatten() {
            Some(Value::Processes(listed)) => Some(listed),
            _ => None,
        };
        let nothing = GpuReading {
            index,
            part_of,
            ..GpuReading::default()
        };
        let known = throttle.is_some() || listed.is_some();
        let reading = GpuReading {
            utilisation_percent: number(Quantity::Utilisation).map(|percent| percent as f64),
            memory_used_bytes: memory.map(|(used, _)| used),
            memory_total_bytes: memory.map(|(_, total)| total),
            power_w: number(Quantity::Power).map(|milliwatts| milliwatts as f64 / 1e3),
            energy_j: number(Quantity::Energy).map(|millijoules| millijoules as f64 / 1e3),
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

    fn sample(&mut self) -> Vec<GpuReading> {
        self.read(None)
    }

    fn sample_at(&mut self, at: Stamp) -> Vec<GpuReading> {
        self.read(Some(at))
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

/// Asks once for everything: what is worth asking for again, and what is not told and why.
fn ask(readings: &dyn DeviceReadings, at: Place) -> (Tells, Vec<(&'static str, Unreadable)>) {
    let mut tells = Tells([true; QUANTITIES.len()]);
    let mut missing = Vec::new();
    for (quantity, what) in QUANTITIES {
        if let Err(why) = readings.read(at, quantity) {
            // What merely failed may work next time.
            tells.0[quantity as usize] = matches!(why, Unreadable::Failed(_));
            missing.push((what, why));
        }
    }
    (tells, missing)
}

/// What a device does not tell, quantities with one reason together.
fn note(name: &str, missing: &[(&'static str, Unreadable)], mig: bool) -> Vec<String> {
    let mut by_reason: Vec<(String, Vec<&str>)> = Vec::new();
    for (what, why) in missing {
        let why = match why {
            Unreadable::NotSupported if mig => "not given with MIG".to_owned(),
            other => other.to_string(),
        };
        match by_reason.iter_mut().find(|(known, _)| *known == why) {
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

/// One entry per process, by id. A process with compute and graphics contexts is listed twice with
/// the same memory.
fn merge(mut processes: Vec<GpuProcess>) -> Vec<GpuProcess> {
    processes.sort_unstable_by_key(|p| (p.pid, std::cmp::Reverse(p.memory_bytes)));
    processes.dedup_by_key(|p| p.pid);
    processes
}

#[cfg(test)]
mod tests;
