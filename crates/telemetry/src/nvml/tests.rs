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
        device
            .values
            .extend([(Power, 1000), (Energy, 1000), (Throttle, 0)]);
        device
            .values
            .retain(|quantity, _| !quantities.contains(quantity));
        device.processes(&[])
    }

    fn processes(mut self, processes: &[GpuProcess]) -> Self {
        self.processes = Some(processes.to_vec());
        self
    }
}

/// Recorded answers of all devices at one time.
struct Replay(Vec<Device>);

impl Replay {
    fn device(&self, at: Place) -> &Device {
        let places = self.places().unwrap();
        let device = places.iter().position(|place| *place == at).unwrap();
        &self.0[device]
    }
}

impl DeviceReadings for Replay {
    fn driver(&self) -> Result<String, Unreadable> {
        Ok("570.00".to_owned())
    }
    fn places(&self) -> Result<Vec<Place>, Unreadable> {
        let mut cards = 0;
        let places = self.0.iter().map(|device| {
            cards += u32::from(device.instance.is_none());
            Place {
                card: cards - 1,
                instance: device.instance,
            }
        });
        Ok(places.collect())
    }
    fn name(&self, at: Place) -> Result<String, Unreadable> {
        Ok(format!("Card {}", at.card))
    }
    fn read(&self, at: Place, quantity: Quantity) -> Result<u64, Unreadable> {
        let device = self.device(at);
        let value = device.values.get(&quantity).copied();
        value.ok_or_else(|| (device.error)().into())
    }
    fn processes(&self, at: Place) -> Result<Vec<GpuProcess>, Unreadable> {
        let device = self.device(at);
        device
            .processes
            .clone()
            .ok_or_else(|| (device.error)().into())
    }
    fn facts(&self, at: Place) -> Vec<(&'static str, String)> {
        vec![("power_limit", format!("{} W", 300 + at.card))]
    }
}

fn sampler(devices: Vec<Device>) -> NvmlSampler {
    NvmlSampler::over(Box::new(Replay(devices))).unwrap()
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
    assert_eq!(
        sampler(vec![device]).sample(None),
        [GpuReading {
            index: 0,
            part_of: None,
            utilisation_percent: Some(97.0),
            memory_used_bytes: Some(6_000_000_000),
            memory_total_bytes: Some(12_000_000_000),
            power_w: Some(181.25),
            energy_j: Some(5000.5),
            sm_clock_mhz: Some(2505),
            memory_clock_mhz: Some(9001),
            temperature_c: Some(71.0),
            throttle_reasons: vec!["sw_power_cap".to_owned(), "hw_thermal_slowdown".to_owned()],
            processes: vec![on_device(3, None), on_device(7, Some(10))],
        }]
    );
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
    let mut sampler = sampler(vec![Device::of([]), denied, Device::without(&[Energy])]);
    insta::assert_debug_snapshot!("refusals", sampler.source());
    let readings = sampler.sample(None);
    let seen = readings
        .iter()
        .map(|r| (r.index, r.memory_used_bytes, r.power_w));
    let expected = [(1, Some(1), None), (2, Some(1), Some(1.0))];
    assert_eq!(seen.collect::<Vec<_>>(), expected);
    assert_eq!(sampler.facts()["gpu_2_power_limit"], "302 W");
}

#[test]
fn mig_instances_are_devices_of_their_own_and_parts_of_their_card() {
    // NVML numbers instances with gaps.
    let instance = |number, used, pid| Device {
        instance: Some(number),
        ..Device::of([(MemoryUsed, used), (MemoryTotal, 10_000)])
            .processes(&[on_device(pid, Some(used))])
    };
    let mut sampler = sampler(vec![
        Device::without(&[]),
        Device::without(&[Utilisation]),
        instance(0, 700, 7),
        instance(3, 300, 8),
    ]);
    insta::assert_debug_snapshot!("mig", sampler.source());
    let readings = sampler.sample(None);
    let parts: Vec<_> = readings.iter().map(|r| (r.index, r.part_of)).collect();
    assert_eq!(parts, [(0, None), (1, None), (2, Some(1)), (3, Some(1))]);
    let last = GpuReading {
        index: 3,
        part_of: Some(1),
        memory_used_bytes: Some(300),
        memory_total_bytes: Some(10_000),
        processes: vec![on_device(8, Some(300))],
        ..GpuReading::default()
    };
    assert_eq!(readings[3], last);
}

#[test]
fn what_failed_is_requested_again_and_what_is_not_supported_is_not() {
    let unsupported = Device::without(&[Power]);
    let failed = Device {
        error: || NvmlError::Unknown,
        ..unsupported.clone()
    };
    let mut sampler = sampler(vec![failed, unsupported]);
    sampler.readings = Box::new(Replay(vec![Device::without(&[]); 2]));
    let power: Vec<_> = sampler.sample(None).iter().map(|r| r.power_w).collect();
    assert_eq!(power, [Some(1.0), None]);
    sampler.readings = Box::new(Replay(vec![Device::of([]), Device::without(&[])]));
    let left: Vec<_> = sampler.sample(None).iter().map(|r| r.index).collect();
    assert_eq!(left, [1], "a lost device is left out");
}

#[test]
fn processes_are_listed_once_a_second() {
    let device = Device::without(&[]).processes(&[on_device(5, Some(1))]);
    let mut sampler = sampler(vec![device]);
    let mut listed = |at| sampler.sample(at)[0].processes.len();
    let counts = [0, 100, 999, 1000, 1900, 5000].map(|ms| listed(Some(Stamp(ms * 1_000_000))));
    assert_eq!(counts, [1, 0, 0, 1, 0, 1]);
    assert_eq!(listed(None), 1);
}

#[test]
fn no_device_is_an_absence_with_a_reason() {
    let absent = NvmlSampler::over(Box::new(Replay(Vec::new()))).err();
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
