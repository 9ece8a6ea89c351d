use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use domain::Stamp;
use nvml_wrapper::error::NvmlError;

use super::Quantity::*;
use super::*;
use crate::fixture::on_device;

/// The recorded answers of one device, and the error for every other request.
#[derive(Clone)]
struct Device {
    values: BTreeMap<Quantity, u64>,
    processes: Option<Vec<GpuProcess>>,
    /// The instance of the card before it that this device is.
    instance: Option<u32>,
    error: fn() -> NvmlError,
}

impl Device {
    /// A device that gives these numbers and nothing else.
    fn of<const N: usize>(numbers: [(Quantity, u64); N]) -> Self {
        Self {
            values: numbers.into(),
            processes: None,
            instance: None,
            error: || NvmlError::NotSupported,
        }
    }

    /// A device that gives everything but these numbers.
    fn without(quantities: &[Quantity]) -> Self {
        let mut device = Self::of(QUANTITIES.map(|(quantity, ..)| (quantity, 1)));
        let values = &mut device.values;
        values.extend([(Power, 1000), (Energy, 1000), (Throttle, 0)]);
        values.retain(|quantity, _| !quantities.contains(quantity));
        device.processes(&[])
    }

    fn processes(mut self, processes: &[GpuProcess]) -> Self {
        self.processes = Some(processes.to_vec());
        self
    }
}

/// Recorded answers of all devices; clones share them.
#[derive(Clone)]
struct Replay(Arc<Mutex<BTreeMap<Place, Device>>>);

impl Replay {
    fn of(devices: Vec<Device>) -> Self {
        let replay = Self(Arc::default());
        replay.set(devices);
        replay
    }

    fn set(&self, devices: Vec<Device>) {
        let mut cards = 0;
        let placed = devices.into_iter().map(|device| {
            let instance = device.instance;
            cards += u32::from(instance.is_none());
            let card = cards - 1;
            (Place { card, instance }, device)
        });
        *self.0.lock().unwrap() = placed.collect();
    }
}

impl DeviceReadings for Replay {
    fn driver(&self) -> Result<String, Unreadable> {
        Ok("570.00".to_owned())
    }
    fn places(&self) -> Result<Vec<Place>, Unreadable> {
        Ok(self.0.lock().unwrap().keys().copied().collect())
    }
    fn name(&self, at: Place) -> Result<String, Unreadable> {
        Ok(format!("Card {}", at.card))
    }
    fn read(&self, at: Place, quantity: Quantity) -> Result<u64, Unreadable> {
        let Device { values, error, .. } = &self.0.lock().unwrap()[&at];
        let value = values.get(&quantity).copied();
        value.ok_or_else(|| error().into())
    }
    fn processes(&self, at: Place) -> Result<Vec<GpuProcess>, Unreadable> {
        let device = &self.0.lock().unwrap()[&at];
        let processes = device.processes.clone();
        processes.ok_or_else(|| (device.error)().into())
    }
    fn facts(&self, at: Place) -> Vec<(&'static str, Option<String>)> {
        vec![("power_limit", Some(format!("{} W", 300 + at.card)))]
    }
}

fn gpus(devices: Vec<Device>) -> Gpus {
    over(Replay::of(devices)).unwrap()
}

#[test]
fn every_quantity_comes_out_in_its_unit() {
    let listed = [
        on_device(7, Some(10)),
        on_device(3, None),
        on_device(7, Some(10)),
    ];
    let device = Device::of([
        (Utilisation, 97),
        (MemoryUsed, 6_000_000_000),
        (MemoryTotal, 12_000_000_000),
        (Power, 181_250),
        (Energy, 5_000_500),
        (SmClock, 2505),
        (MemoryClock, 9001),
        (Temperature, 71),
        // Idle (bit 0), power cap (bit 2) and hardware thermal slowdown (bit 6).
        (Throttle, 0b100_0101),
    ])
    .processes(&listed);
    insta::assert_debug_snapshot!("units", (gpus(vec![device]).read)(None));
}

#[test]
fn throttle_reasons_have_nvmls_names() {
    let names = "applications_clocks_setting sw_power_cap hw_slowdown sync_boost \
                 sw_thermal_slowdown hw_thermal_slowdown hw_power_brake_slowdown \
                 display_clock_setting";
    assert_eq!(reason_names(u64::MAX).join(" "), names);
    assert!(reason_names(0).is_empty());
}

#[test]
fn what_a_device_refuses_is_absent_with_a_reason_and_a_silent_device_is_left_out() {
    let denied = Device {
        processes: None,
        error: || NvmlError::NoPermission,
        ..Device::without(&[Power, SmClock])
    };
    let mut gpus = gpus(vec![Device::of([]), denied, Device::without(&[Energy])]);
    insta::assert_debug_snapshot!("refusals", gpus.source);
    let readings = (gpus.read)(None);
    let seen = |r: &GpuReading| (r.index, r.memory_used_bytes, r.power_w);
    let expected = [(1, Some(1), None), (2, Some(1), Some(1.0))];
    assert!(readings.iter().map(seen).eq(expected));
    assert_eq!(gpus.facts[&(2, "power_limit")], "302 W");
}

#[test]
fn mig_instances_are_devices_of_their_own_and_parts_of_their_card() {
    // NVML numbers instances with gaps.
    let instance = |number, used, pid| Device {
        instance: Some(number),
        ..Device::of([(MemoryUsed, used), (MemoryTotal, 10_000)])
            .processes(&[on_device(pid, Some(used))])
    };
    let mut gpus = gpus(vec![
        Device::without(&[]),
        Device::without(&[Utilisation]),
        instance(0, 700, 7),
        instance(3, 300, 8),
    ]);
    insta::assert_debug_snapshot!("mig", gpus.source);
    let readings = (gpus.read)(None);
    let parts: Vec<_> = readings.iter().map(|r| (r.index, r.part_of)).collect();
    assert_eq!(parts, [(0, None), (1, None), (2, Some(1)), (3, Some(1))]);
    insta::assert_debug_snapshot!("instance", readings[3]);
}

#[test]
fn what_failed_is_requested_again_and_what_is_not_supported_is_not() {
    let unsupported = Device::without(&[Power]);
    let failed = Device {
        error: || NvmlError::Unknown,
        ..unsupported.clone()
    };
    let replay = Replay::of(vec![failed, unsupported]);
    let mut gpus = over(replay.clone()).unwrap();
    replay.set(vec![Device::without(&[]); 2]);
    let power: Vec<_> = (gpus.read)(None).iter().map(|r| r.power_w).collect();
    assert_eq!(power, [Some(1.0), None]);
    replay.set(vec![Device::of([]), Device::without(&[])]);
    let left: Vec<_> = (gpus.read)(None).iter().map(|r| r.index).collect();
    assert_eq!(left, [1], "a lost device is left out");
}

#[test]
fn processes_are_listed_once_a_second() {
    let device = Device::without(&[]).processes(&[on_device(5, Some(1))]);
    let mut gpus = gpus(vec![device]);
    let mut listed = |at| (gpus.read)(at)[0].processes.len();
    let counts = [0, 100, 999, 1000, 1900, 5000].map(|ms| listed(Some(Stamp(ms * 1_000_000))));
    assert_eq!(counts, [1, 0, 0, 1, 0, 1]);
    assert_eq!(listed(None), 1);
}

#[test]
fn no_device_is_an_absence_with_a_reason() {
    let absent = over(Replay::of(Vec::new())).err();
    let reason = "NVIDIA driver 570.00 is loaded but finds no device";
    assert_eq!(absent.as_deref(), Some(reason));
    for (error, word) in [
        (NvmlError::DriverNotLoaded, "not running"),
        (NvmlError::NoPermission, "permission"),
        (NvmlError::LibRmVersionMismatch, "reboot"),
        (NvmlError::LibraryNotFound, "could not be loaded"),
        (NvmlError::Unknown, "cannot be used"),
    ] {
        let reason = driver::absence(&error);
        assert!(reason.contains(word), "{reason}");
    }
}
