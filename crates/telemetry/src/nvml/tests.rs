use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clock::Clock as SweepClock;
use domain::telemetry::Sample;
use domain::{Nanos, Stamp};

use nvml_wrapper::error::NvmlError;

use super::Quantity::*;
use super::*;
use crate::{Sampling, Sources};

/// A recorded moment of one device: what it tells, and why it tells nothing else.
#[derive(Clone)]
struct Moment {
    told: BTreeMap<Quantity, Value>,
    /// The instance of the card before it that this device is.
    instance: Option<u32>,
    otherwise: fn() -> NvmlError,
}

impl Moment {
    /// A device that tells these numbers and nothing else.
    fn of<const N: usize>(numbers: [(Quantity, u64); N]) -> Self {
        Self {
            told: numbers
                .map(|(quantity, n)| (quantity, Value::Number(n)))
                .into(),
            instance: None,
            otherwise: || NvmlError::NotSupported,
        }
    }

    /// A device that tells everything.
    fn open_handed() -> Self {
        let [util, power, energy] = [(Utilisation, 50), (Power, 1000), (Energy, 1000)];
        let rest = [
            (SmClock, 1),
            (MemoryClock, 1),
            (Temperature, 1),
            (Throttle, 0),
        ];
        let [sm, memory, temperature, throttle] = rest;
        Self::of([util, power, energy, sm, memory, temperature, throttle])
            .memory(1, 2)
            .processes(Vec::new())
    }

    fn memory(mut self, used: u64, total: u64) -> Self {
        self.told.insert(Memory, Value::Memory { used, total });
        self
    }

    fn processes(mut self, processes: Vec<GpuProcess>) -> Self {
        self.told.insert(Processes, Value::Processes(processes));
        self
    }

    fn without(mut self, quantities: &[Quantity]) -> Self {
        self.told
            .retain(|quantity, _| !quantities.contains(quantity));
        self
    }
}

/// Recorded moments, each with all devices; the test says which moment it is.
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
    fn read(&self, at: Place, quantity: Quantity) -> Result<Value, Unreadable> {
        let now = self.now.load(Ordering::Relaxed).min(self.series.len() - 1);
        let places = self.places().unwrap();
        let device = places.iter().position(|place| *place == at).unwrap();
        let moment = &self.series[now][device];
        let told = moment.told.get(&quantity).cloned();
        told.ok_or_else(|| (moment.otherwise)().into())
    }
    fn facts(&self, at: Place) -> Vec<(&'static str, String)> {
        vec![("power_limit", format!("{} W", 300 + at.card))]
    }
}

fn process(pid: u32, memory_bytes: Option<u64>) -> GpuProcess {
    GpuProcess {
        pid,
        memory_bytes,
        ..GpuProcess::default()
    }
}

fn once(devices: Vec<Moment>) -> NvmlSampler {
    Replay::sampler(vec![devices]).0
}

#[test]
fn every_quantity_comes_out_in_its_unit() {
    let listed = [process(7, Some(10)), process(3, None), process(7, Some(10))];
    let device = Moment::of([
        (Utilisation, 97),
        (Power, 181_250),
        (Energy, 5_000_500),
        (SmClock, 2505),
        (MemoryClock, 9001),
        (Temperature, 71),
        // Idle (bit 0), power cap (bit 2) and hardware thermal slowdown (bit 6).
        (Throttle, 0b100_0101),
    ])
    .memory(6_000_000_000, 12_000_000_000)
    .processes(listed.to_vec());
    assert_eq!(
        once(vec![device]).sample(),
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
            processes: vec![process(3, None), process(7, Some(10))],
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
    let mut denied = Moment::open_handed().without(&[Power, SmClock, Processes]);
    denied.otherwise = || NvmlError::NoPermission;
    let mut sampler = once(vec![
        Moment::of([]),
        denied,
        Moment::open_handed().without(&[Energy]),
    ]);
    insta::assert_debug_snapshot!("refusals", sampler.source());
    let readings = sampler.sample();
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
        ..Moment::of([])
            .memory(used, 10_000)
            .processes(vec![process(pid, Some(used))])
    };
    let mut sampler = once(vec![
        Moment::open_handed(),
        Moment::open_handed().without(&[Utilisation]),
        instance(0, 700, 7),
        instance(3, 300, 8),
    ]);
    insta::assert_debug_snapshot!("mig", sampler.source());
    let readings = sampler.sample();
    let parts: Vec<_> = readings.iter().map(|r| (r.index, r.part_of)).collect();
    assert_eq!(parts, [(0, None), (1, None), (2, Some(1)), (3, Some(1))]);
    assert_eq!(readings[3].memory_used_bytes, Some(300));
    assert_eq!(readings[3].processes, [process(8, Some(300))]);
    assert_eq!(readings[3].power_w, None);
}

#[test]
fn what_failed_is_asked_for_again_and_what_is_not_supported_is_not() {
    let unsupported = Moment::open_handed().without(&[Power]);
    let mut failed = unsupported.clone();
    failed.otherwise = || NvmlError::Unknown;
    let (mut sampler, now) = Replay::sampler(vec![
        vec![failed, unsupported],
        vec![Moment::open_handed(); 2],
    ]);
    now.store(1, Ordering::Relaxed);
    let power: Vec<_> = sampler.sample().iter().map(|r| r.power_w).collect();
    assert_eq!(power, [Some(1.0), None]);
}

#[test]
fn processes_are_listed_once_a_second() {
    let device = Moment::open_handed().processes(vec![process(5, Some(1))]);
    let mut sampler = once(vec![device]);
    let mut listed = |ms: u64| sampler.sample_at(Stamp(ms * 1_000_000))[0].processes.len();
    let counts = [0, 100, 999, 1000, 1900, 5000].map(&mut listed);
    assert_eq!(counts, [1, 0, 0, 1, 0, 1]);
    assert_eq!(sampler.sample()[0].processes.len(), 1);
}

#[test]
fn no_device_is_an_absence_with_a_reason() {
    let none = Replay {
        series: vec![Vec::new()],
        now: Arc::default(),
    };
    let absent = NvmlSampler::over(Box::new(none)).unwrap_err();
    let reason = "NVIDIA driver 570.00 is loaded but finds no device".to_owned();
    assert_eq!(GpuSource::from(absent), GpuSource::Absent { reason });
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
            let readings = sampler.sample();
            assert!(!readings.is_empty() && readings.len() <= devices.len());
            assert!(readings.iter().all(|r| r.memory_total_bytes != Some(0)));
        }
        Err(absent) => {
            println!("skipped: {absent}");
            assert!(!absent.reason.is_empty());
        }
    }
}

/// A device that works, is capped by power for two moments, and is lost.
fn recorded() -> Vec<Vec<Moment>> {
    let working = |power, energy, throttle| {
        vec![Moment::of([
            (Power, power),
            (Energy, energy),
            (Throttle, throttle),
        ])]
    };
    vec![
        working(60_000, 1_000_000, 0b1),
        working(200_000, 1_020_000, 0b0),
        working(285_000, 1_048_500, 0b100),
        working(285_000, 1_077_000, 0b100),
        working(120_000, 1_089_000, 0b0),
        vec![Moment::of([])],
    ]
}

#[tokio::test(start_paused = true)]
async fn a_recorded_series_comes_out_as_samples_on_the_sweeps_clock() {
    let clock = SweepClock::start_virtual();
    let (sampler, now) = Replay::sampler(recorded());
    let samples = Arc::new(Mutex::new(Vec::<Sample>::new()));
    let sink = {
        let samples = Arc::clone(&samples);
        move |sample: &Sample| {
            samples.lock().unwrap().push(sample.clone());
            now.fetch_add(1, Ordering::Relaxed);
        }
    };
    let sources = Sources {
        gpu: Some(Box::new(sampler)),
        ..Sources::default()
    };
    let sampling = Sampling::start(clock.clone(), 10.0, sources, sink);
    clock.sleep(Nanos::from_millis(550)).await;
    assert_eq!(sampling.stop().await.taken, 6);
    let samples = samples.lock().unwrap();
    let power: Vec<_> = samples
        .iter()
        .map(|s| s.gpus.first().and_then(|gpu| gpu.power_w))
        .collect();
    let watts = [60.0, 200.0, 285.0, 285.0, 120.0].map(Some);
    assert_eq!(power[..5], watts);
    assert!(samples[5].gpus.is_empty(), "a lost device is left out");
    let held_down: Vec<_> = samples
        .iter()
        .filter(|s| s.gpus.iter().any(|gpu| !gpu.throttle_reasons.is_empty()))
        .map(|s| s.at)
        .collect();
    assert_eq!(held_down, [200, 300].map(|ms| Stamp(ms * 1_000_000)));
}
