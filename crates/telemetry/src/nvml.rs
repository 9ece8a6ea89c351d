//! NVIDIA devices through NVML.

use domain::telemetry::{DeviceFacts, GpuProcess, GpuReading, GpuSource, Gpus};
use indexmap::IndexMap;
use nvml_wrapper::bitmasks::device::ThrottleReasons;

use crate::every::PROCESSES;
use crate::reading::reading;

mod driver;

use driver::Driver;

#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
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

/// A number of a device, in NVML's own unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Quantity {
    /// Share of the last sample period in which a kernel ran, 0..100.
    Utilisation,
    /// Bytes.
    MemoryUsed,
    /// Bytes.
    MemoryTotal,
    /// Of the board, milliwatts.
    Power,
    /// Since the driver loaded, millijoules.
    Energy,
    /// MHz.
    SmClock,
    /// MHz.
    MemoryClock,
    /// Degrees Celsius.
    Temperature,
    /// Mask of what holds the clocks down.
    Throttle,
}

/// Each quantity, its name, and the readings' unit in NVML's; in the order of [`reading`].
const QUANTITIES: [(Quantity, &str, f64); 9] = [
    (Quantity::Utilisation, "utilisation", 1.0),
    (Quantity::MemoryUsed, "memory", 1.0),
    (Quantity::MemoryTotal, "memory", 1.0),
    (Quantity::Power, "power", 1e3),
    (Quantity::Energy, "energy counter", 1e3),
    (Quantity::SmClock, "SM clock", 1.0),
    (Quantity::MemoryClock, "memory clock", 1.0),
    (Quantity::Temperature, "temperature", 1.0),
    (Quantity::Throttle, "throttle reasons", 1.0),
];

/// What is read: the driver, or a recorded series.
pub(crate) trait DeviceReadings: Send {
    fn driver(&self) -> Result<String, Unreadable>;
    /// The cards, each followed by the MIG instances it is split into.
    fn places(&self) -> Result<Vec<Place>, Unreadable>;
    fn name(&self, at: Place) -> Result<String, Unreadable>;
    fn read(&self, at: Place, quantity: Quantity) -> Result<u64, Unreadable>;
    /// Processes with a context on the device; one may be listed twice.
    fn processes(&self, at: Place) -> Result<Vec<GpuProcess>, Unreadable>;
    /// Properties that do not change (`power_limit`, `link`, …), `None` for those that the driver does not give.
    fn facts(&self, at: Place) -> Vec<(&'static str, Option<String>)>;
}

struct KnownDevice {
    index: u32,
    at: Place,
    part_of: Option<u32>,
    /// By quantity: whether it is worth requesting.
    readable: [bool; QUANTITIES.len()],
    lists_processes: bool,
}

/// Finds this machine's NVIDIA devices, MIG instances included. Quantities that a device does not support or
/// permit are named in the source's notes and not requested again. A device without any readable
/// value is left out. Without devices, the error is the reason.
pub(crate) fn open() -> Result<Gpus, String> {
    over(Driver::open()?)
}

/// The devices of the given readings, which need not be the driver's.
fn over(readings: impl DeviceReadings + 'static) -> Result<Gpus, String> {
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
    let (mut names, mut notes, mut facts) = (Vec::new(), Vec::new(), DeviceFacts::new());
    let device = |(index, &at): (u32, &Place)| {
        let is_part = |place: &Place| place.card == at.card && place.instance.is_some();
        let split = at.instance.is_none() && places.iter().any(is_part);
        let name = name(&readings, at, split);
        let mut missing = Vec::new();
        // A read that failed for another reason may work next time.
        let mut is_readable = |what, read: Result<(), Unreadable>| {
            let again = matches!(read, Ok(()) | Err(Unreadable::Failed(_)));
            missing.extend(read.err().map(|why| (what, why)));
            again
        };
        let readable = QUANTITIES
            .map(|(quantity, what, _)| is_readable(what, readings.read(at, quantity).map(drop)));
        let processes = readings.processes(at).map(drop);
        let lists_processes = is_readable("list of processes", processes);
        notes.extend(note(&name, &missing, split || at.instance.is_some()));
        names.push(name);
        let of_device = readings.facts(at).into_iter();
        facts.extend(of_device.filter_map(|(what, value)| Some(((index, what), value?))));
        let is_whole = |place: &Place| place.card == at.card && place.instance.is_none();
        let whole = places.iter().position(is_whole).map(|place| place as u32);
        KnownDevice {
            index,
            at,
            part_of: at.instance.and(whole),
            readable,
            lists_processes,
        }
    };
    let devices: Vec<_> = (0..).zip(&places).map(device).collect();
    let source = GpuSource::Nvml {
        driver,
        devices: names,
        notes,
    };
    let mut list_processes = PROCESSES;
    let read = move |at| {
        let processes = list_processes.is_due(at);
        let read = |device: &KnownDevice| device.read(&readings, processes);
        devices.iter().filter_map(read).collect()
    };
    Ok(Gpus {
        source,
        facts,
        read: Box::new(read),
    })
}

impl KnownDevice {
    /// Its reading, `None` when every value is absent. Requests only readable quantities.
    fn read(&self, from: &dyn DeviceReadings, processes: bool) -> Option<GpuReading> {
        let at = self.at;
        let number = |quantity: Quantity| {
            let readable = self.readable[quantity as usize];
            readable.then(|| from.read(at, quantity).ok()).flatten()
        };
        let numbers = std::array::from_fn(|place| {
            let (quantity, _, unit) = QUANTITIES[place];
            number(quantity).map(|number| number as f64 / unit)
        });
        let throttle = number(Quantity::Throttle).map(reason_names);
        let listed = (processes && self.lists_processes).then(|| from.processes(at).ok());
        let processes = listed.flatten().map(merge);
        reading(self.index, self.part_of, numbers, throttle, processes)
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

/// The quantities a device does not give, grouped by reason in the order of their first ones.
fn note(name: &str, missing: &[(&'static str, Unreadable)], mig: bool) -> Vec<String> {
    let mut by_reason: IndexMap<&Unreadable, Vec<&str>> = IndexMap::new();
    for (what, why) in missing {
        by_reason.entry(why).or_default().push(what);
    }
    let note = |(why, mut names): (&Unreadable, Vec<&str>)| {
        // One name may stand for two numbers.
        names.dedup();
        let reason = match why {
            Unreadable::NotSupported if mig => "not given with MIG".to_owned(),
            other => other.to_string(),
        };
        format!("{name}: no {} ({reason})", names.join(", no "))
    };
    by_reason.into_iter().map(note).collect()
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
