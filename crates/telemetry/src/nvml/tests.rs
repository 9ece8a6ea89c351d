use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use domain::Stamp;
use nvml_wrapper::error::NvmlError;

use super::Quantity::*;
use super::*;
use crate::fixture::on_device;

/// The recorded answers of one device at one time, and the error for every other request.
#[derive(Clone)]
struct Moment {
    values: BTreeMap<Quantity, u64>,
    processes: Option<Vec<GpuProcess>>,
    /// The instance of the card before it that this device is.
    instance: Option<u32>,
    error: fn() -> NvmlError,
}

impl Moment {
    /// A device that gives these numbers and nothing else.
    fn of<const N: usize>(numbers: [(Quantity, u64); N]) -> Self {
        Self {
            values: numbers.into(),
            processes: None,
            instance: None,
            error: || NvmlError::NotSupported,
        }
    }

    fn complete() -> Self {
        let mut device = Self::of(QUANTITIES.map(|(quantity, _)| (quantity, 1)));
        device
            .values
            .extend([(Power, 1000), (Energy, 1000), (Throttle, 0)]);
        device.processes(Vec::new())
    }

    fn processes(mut self, processes: Vec<GpuProcess>) -> Self {
        self.processes = Some(processes);
        self
    }

    fn without(mut self, quantities: &[Quantity]) -> Self {
        self.values
            .retain(|quantity, _| !quantities.contains(quantity));
        self
    }
}

/// Recorded answers of all devices at several times; the test sets the current one.
struct Replay {
    series: Vec<Vec<Moment>>,
    now: Arc<AtomicUsize>,
}

impl Replay {
    fn sampler(series: Vec<Vec<Moment>>) -> (NvmlSampler, Arc<AtomicUsize>) {
        let now = Arc::default();
        let replay = Self {
            series,
            now: Arc::clone(&now),
        };
        (NvmlSampler::over(Box::new(replay)).unwrap(), now)
    }

    fn moment(&self, at: Place) -> &Moment {
        let now = self.now.load(Ordering::Relaxed).min(self.series.len() - 1);
        let places = self.places().unwrap();
        let device = places.iter().position(|place| *place == at).unwrap();
        &self.series[now][device]
    }
}

impl DeviceReadings for Replay {
    fn driver(&self) -> Result<String, Unreadable> {
        Ok("570.00".to_owned())
    }
    fn places(&self) -> Result<Vec<Place>, Unreadable> {
        let mut cards = 0;
        let devices = self.series[0].iter().map(|moment| {
            cards += u32::from(moment.instance.is_none());
            Place {
                card: cards - 1,
                instance: moment.instance,
            }
        });
        Ok(devices.collect())
    }
    fn name(&self, at: Place) -> Result<String, Unreadable> {
        Ok(format!("Card {}", at.card))
    }
    fn read(&self, at: Place, quantity: Quantity) -> Result<u64, Unreadable> {
        let moment = self.moment(at);
        let value = moment.values.get(&quantity).copied();
        value.ok_or_else(|| (moment.error)().into())
    }
    fn processes(&self, at: Place) -> Result<Vec<GpuProcess>, Unreadable> {
        let moment = self.moment(at);
        let processes = moment.processes.clone();
        processes.ok_or_else(|| (moment.error)().into())
    }
    fn facts(&self, at: Place) -> Vec<(&'static str, String)> {
        vec![("power_limit", format!("{} W", 300 + at.card))]
    }
}

fn once(devices: Vec<Moment>) -> NvmlSampler {
    Replay::sampler(vec![devices]).0
}

#[test]
fn every_quantity_comes_out_in_its_unit() {
    let listed = [
        on_device(7, Some(10)),
        on_device(3, None),
        on_device(7, Some(10)),
    ];
    let device = Moment::of([
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
    .processes(listed.to_vec());
    assert_eq!(
        once(vec![device]).sample(None),
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
    let mut denied = Moment::complete().without(&[Power, SmClock]);
    denied.processes = None;
    denied.error = || NvmlError::NoPermission;
    let mut sampler = once(vec![
        Moment::of([]),
        denied,
        Moment::complete().without(&[Energy]),
    ]);
    insta::assert_debug_snapshot!("refusals", sampler.source());
    let readings = sampler.sample(None);
    assert_eq!(readings.iter().map(|r| r.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(readings[0].memory_used_bytes, Some(1));
    assert_eq!(readings[0].power_w, None);
    assert_eq!(sampler.facts()["gpu_2_power_limit"], "302 W");
}

#[test]
fn mig_instances_are_devices_of_their_own_and_parts_of_their_card() {
    // NVML numbers instances with gaps.
    let instance = |number, used, pid| Moment {
        instance: Some(number),
        ..Moment::of([(MemoryUsed, used), (MemoryTotal, 10_000)])
            .processes(vec![on_device(pid, Some(used))])
    };
    let mut sampler = once(vec![
        Moment::complete(),
        Moment::complete().without(&[Utilisation]),
        instance(0, 700, 7),
        instance(3, 300, 8),
    ]);
    insta::assert_debug_snapshot!("mig", sampler.source());
    let readings = sampler.sample(None);
    let parts: Vec<_> = readings.iter().map(|r| (r.index, r.part_of)).collect();
    assert_eq!(parts, [(0, None), (1, None), (2, Some(1)), (3, Some(1))]);
    assert_eq!(readings[3].memory_used_bytes, Some(300));
    assert_eq!(readings[3].processes, [on_device(8, Some(300))]);
    assert_eq!(readings[3].power_w, None);
}

#[test]
fn what_failed_is_asked_for_again_and_what_is_not_supported_is_not() {
    let unsupported = Moment::complete().without(&[Power]);
    let mut failed = unsupported.clone();
    failed.error = || NvmlError::Unknown;
    let (mut sampler, now) =
        Replay::sampler(vec![vec![failed, unsupported], vec![Moment::complete(); 2]]);
    now.store(1, Ordering::Relaxed);
    let power: Vec<_> = sampler.sample(None).iter().map(|r| r.power_w).collect();
    assert_eq!(power, [Some(1.0), None]);
}

#[test]
fn processes_are_listed_once_a_second() {
    let device = Moment::complete().processes(vec![on_device(5, Some(1))]);
    let mut sampler = once(vec![device]);
    let mut listed = |ms: u64| {
        sampler.sample(Some(Stamp(ms * 1_000_000)))[0]
            .processes
            .len()
    };
    let counts = [0, 100, 999, 1000, 1900, 5000].map(&mut listed);
    assert_eq!(counts, [1, 0, 0, 1, 0, 1]);
    assert_eq!(sampler.sample(None)[0].processes.len(), 1);
}

#[test]
fn no_device_is_an_absence_with_a_reason() {
    let none = Replay {
        series: vec![Vec::new()],
        now: Arc::default(),
    };
    let absent = NvmlSampler::over(Box::new(none)).err().unwrap();
    let reason = "NVIDIA driver 570.00 is loaded but finds no device";
    assert_eq!(absent, reason);
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

#[test]
fn this_machine_opens_or_says_why_not() {
    match NvmlSampler::open() {
        Ok(mut sampler) => {
            let GpuSource::Nvml { devices, .. } = sampler.source() else {
                panic!("an open sampler reads NVML");
            };
            let readings = sampler.sample(None);
            assert!(!readings.is_empty() && readings.len() <= devices.len());
            assert!(readings.iter().all(|r| r.memory_total_bytes != Some(0)));
        }
        Err(absent) => {
            println!("skipped: {absent}");
            assert!(!absent.is_empty());
        }
    }
}

/// A device that works, is capped by power for two moments, and is lost.
#[test]
fn a_recorded_series_comes_out_as_readings() {
    let working = |(power, energy, throttle)| {
        vec![Moment::of([
            (Power, power),
            (Energy, energy),
            (Throttle, throttle),
        ])]
    };
    let values = [
        (60_000, 1_000_000, 0b1),
        (200_000, 1_020_000, 0b0),
        (285_000, 1_048_500, 0b100),
        (285_000, 1_077_000, 0b100),
        (120_000, 1_089_000, 0b0),
    ];
    let series = values
        .map(working)
        .into_iter()
        .chain([vec![Moment::of([])]]);
    let (mut sampler, now) = Replay::sampler(series.collect());
    let mut read = |moment| {
        now.store(moment, Ordering::Relaxed);
        let readings = sampler.sample(Some(Stamp(moment as u64 * 100_000_000)));
        let seen = |gpu: &GpuReading| (gpu.power_w.unwrap(), !gpu.throttle_reasons.is_empty());
        readings.first().map(seen)
    };
    let expected = [
        (60.0, false),
        (200.0, false),
        (285.0, true),
        (285.0, true),
        (120.0, false),
    ];
    assert_eq!([0, 1, 2, 3, 4].map(&mut read), expected.map(Some));
    assert_eq!(read(5), None, "a lost device is left out");
}
