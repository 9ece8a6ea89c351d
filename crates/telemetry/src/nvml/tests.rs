use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clock::Clock as SweepClock;
use domain::telemetry::Sample;
use domain::{Nanos, Stamp};

use nvml_wrapper::error::NvmlError;

use super::*;
use crate::{Sampling, Sources};

/// A recorded moment of one device; `None` where the device refused.
#[derive(Clone, Default)]
struct Moment {
    utilisation: Option<u32>,
    memory: Option<(u64, u64)>,
    power_mw: Option<u32>,
    energy_mj: Option<u64>,
    sm: Option<u32>,
    mem: Option<u32>,
    temperature: Option<u32>,
    throttle: Option<u64>,
    processes: Option<Vec<GpuProcess>>,
    /// The instance of the card before it that this device is.
    instance: Option<u32>,
    /// What is not told is refused to this user.
    denied: bool,
    /// What is not told failed.
    failed: bool,
}

/// Recorded moments, each with all devices; the test says which moment it is.
struct Replay {
    series: Vec<Vec<Moment>>,
    now: Arc<AtomicUsize>,
}

impl Replay {
    fn once(devices: Vec<Moment>) -> Box<dyn DeviceReadings> {
        Box::new(Self {
            series: vec![devices],
            now: Arc::default(),
        })
    }

    fn moment(&self, at: Place) -> &Moment {
        let now = self.now.load(Ordering::Relaxed).min(self.series.len() - 1);
        let places = self.places().unwrap();
        let device = places.iter().position(|place| *place == at).unwrap();
        &self.series[now][device]
    }

    fn told<T: Clone>(
        &self,
        at: Place,
        get: impl Fn(&Moment) -> Option<&T>,
    ) -> Result<T, Unreadable> {
        let moment = self.moment(at);
        get(moment).cloned().ok_or_else(|| {
            let error = match moment {
                Moment { denied: true, .. } => NvmlError::NoPermission,
                Moment { failed: true, .. } => NvmlError::Unknown,
                _ => NvmlError::NotSupported,
            };
            error.into()
        })
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
    fn utilisation_percent(&self, at: Place) -> Result<u32, Unreadable> {
        self.told(at, |m| m.utilisation.as_ref())
    }
    fn memory_bytes(&self, at: Place) -> Result<(u64, u64), Unreadable> {
        self.told(at, |m| m.memory.as_ref())
    }
    fn power_mw(&self, at: Place) -> Result<u32, Unreadable> {
        self.told(at, |m| m.power_mw.as_ref())
    }
    fn energy_mj(&self, at: Place) -> Result<u64, Unreadable> {
        self.told(at, |m| m.energy_mj.as_ref())
    }
    fn sm_clock_mhz(&self, at: Place) -> Result<u32, Unreadable> {
        self.told(at, |m| m.sm.as_ref())
    }
    fn memory_clock_mhz(&self, at: Place) -> Result<u32, Unreadable> {
        self.told(at, |m| m.mem.as_ref())
    }
    fn temperature_c(&self, at: Place) -> Result<u32, Unreadable> {
        self.told(at, |m| m.temperature.as_ref())
    }
    fn throttle_bits(&self, at: Place) -> Result<u64, Unreadable> {
        self.told(at, |m| m.throttle.as_ref())
    }
    fn processes(&self, at: Place) -> Result<Vec<GpuProcess>, Unreadable> {
        self.told(at, |m| m.processes.as_ref())
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

#[test]
fn every_quantity_comes_out_in_its_unit() {
    let mut sampler = NvmlSampler::over(Replay::once(vec![Moment {
        utilisation: Some(97),
        memory: Some((6_000_000_000, 12_000_000_000)),
        power_mw: Some(181_250),
        energy_mj: Some(5_000_500),
        sm: Some(2505),
        mem: Some(9001),
        temperature: Some(71),
        // Idle (bit 0), power cap (bit 2) and hardware thermal slowdown (bit 6).
        throttle: Some(0b100_0101),
        processes: Some(vec![
            process(7, Some(10)),
            process(3, None),
            process(7, Some(10)),
        ]),
        ..Moment::default()
    }]))
    .unwrap();
    assert_eq!(
        sampler.sample(),
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

/// A device that tells everything.
fn open_handed() -> Moment {
    Moment {
        utilisation: Some(50),
        memory: Some((1, 2)),
        power_mw: Some(1000),
        energy_mj: Some(1000),
        sm: Some(1),
        mem: Some(1),
        temperature: Some(1),
        throttle: Some(0),
        processes: Some(Vec::new()),
        ..Moment::default()
    }
}

#[test]
fn what_a_device_refuses_is_absent_with_a_reason_and_a_silent_device_is_left_out() {
    let mut sampler = NvmlSampler::over(Replay::once(vec![
        Moment::default(),
        Moment {
            power_mw: None,
            sm: None,
            processes: None,
            denied: true,
            ..open_handed()
        },
        Moment {
            energy_mj: None,
            ..open_handed()
        },
    ]))
    .unwrap();
    let GpuSource::Nvml {
        driver,
        devices,
        notes,
    } = sampler.source()
    else {
        panic!("it reads NVML");
    };
    assert_eq!(driver, "570.00");
    assert_eq!(devices, ["Card 0", "Card 1", "Card 2"]);
    assert_eq!(
        notes[1..],
        [
            "Card 1: no power, no SM clock, no list of processes (this user may not read it)",
            "Card 2: no energy counter (the device does not tell it)",
        ]
    );
    assert!(notes[0].starts_with("Card 0: no utilisation, no memory, no power"));
    let readings = sampler.sample();
    assert_eq!(readings.iter().map(|r| r.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(readings[0].memory_used_bytes, Some(1));
    assert_eq!(readings[0].power_w, None);
    assert_eq!(sampler.facts()["gpu_2_power_limit"], "302 W");
}

#[test]
fn mig_instances_are_devices_of_their_own_and_parts_of_their_card() {
    let instance = |number, used, pid| Moment {
        memory: Some((used, 10_000)),
        processes: Some(vec![process(pid, Some(used))]),
        instance: Some(number),
        ..Moment::default()
    };
    let mut sampler = NvmlSampler::over(Replay::once(vec![
        open_handed(),
        // NVML numbers instances with gaps.
        Moment {
            utilisation: None,
            ..open_handed()
        },
        instance(0, 700, 7),
        instance(3, 300, 8),
    ]))
    .unwrap();
    assert_eq!(
        sampler.source().devices(),
        [
            "Card 0",
            "Card 1 (split by MIG)",
            "Card 1 (MIG instance 0 of card 1)",
            "Card 1 (MIG instance 3 of card 1)",
        ]
    );
    let notes = sampler.source().notes().join("\n");
    for line in [
        "Card 1 (split by MIG): no utilisation (not given with MIG)",
        "Card 1 (MIG instance 3 of card 1): no utilisation, no power, no energy counter, no SM \
         clock, no memory clock, no temperature, no throttle reasons (not given with MIG)",
    ] {
        assert!(notes.contains(line), "{line} in\n{notes}");
    }
    assert!(!notes.contains("Card 0:"));
    let readings = sampler.sample();
    let parts: Vec<_> = readings.iter().map(|r| (r.index, r.part_of)).collect();
    assert_eq!(parts, [(0, None), (1, None), (2, Some(1)), (3, Some(1))]);
    assert_eq!(readings[3].memory_used_bytes, Some(300));
    assert_eq!(readings[3].processes, [process(8, Some(300))]);
    assert_eq!(readings[3].power_w, None);
}

#[test]
fn what_failed_is_asked_for_again_and_what_is_not_supported_is_not() {
    let now = Arc::new(AtomicUsize::new(0));
    let late = |failed| Moment {
        power_mw: None,
        failed,
        ..open_handed()
    };
    let replay = Replay {
        series: vec![
            vec![late(true), late(false)],
            vec![open_handed(), open_handed()],
        ],
        now: Arc::clone(&now),
    };
    let mut sampler = NvmlSampler::over(Box::new(replay)).unwrap();
    now.store(1, Ordering::Relaxed);
    let power: Vec<_> = sampler.sample().iter().map(|r| r.power_w).collect();
    assert_eq!(power, [Some(1.0), None]);
}

#[test]
fn processes_are_listed_once_a_second() {
    let device = Moment {
        processes: Some(vec![process(5, Some(1))]),
        ..open_handed()
    };
    let mut sampler = NvmlSampler::over(Replay::once(vec![device])).unwrap();
    let mut listed = |ms: u64| sampler.sample_at(Stamp(ms * 1_000_000))[0].processes.len();
    assert_eq!(
        [0, 100, 999, 1000, 1900, 5000].map(&mut listed),
        [1, 0, 0, 1, 0, 1]
    );
    assert_eq!(sampler.sample()[0].processes.len(), 1);
}

#[test]
fn no_device_is_an_absence_with_a_reason() {
    let absent = NvmlSampler::over(Replay::once(Vec::new())).unwrap_err();
    assert_eq!(
        GpuSource::from(absent),
        GpuSource::Absent {
            reason: "NVIDIA driver 570.00 is loaded but finds no device".to_owned()
        }
    );
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
    let working = |power_mw, energy_mj, throttle| {
        vec![Moment {
            power_mw: Some(power_mw),
            energy_mj: Some(energy_mj),
            throttle: Some(throttle),
            ..Moment::default()
        }]
    };
    vec![
        working(60_000, 1_000_000, 0b1),
        working(200_000, 1_020_000, 0b0),
        working(285_000, 1_048_500, 0b100),
        working(285_000, 1_077_000, 0b100),
        working(120_000, 1_089_000, 0b0),
        vec![Moment::default()],
    ]
}

#[tokio::test(start_paused = true)]
async fn a_recorded_series_comes_out_as_samples_on_the_sweeps_clock() {
    let clock = SweepClock::start_virtual();
    let now = Arc::new(AtomicUsize::new(0));
    let replay = Replay {
        series: recorded(),
        now: Arc::clone(&now),
    };
    let sampler = NvmlSampler::over(Box::new(replay)).unwrap();
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
