use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use clock::Clock as SweepClock;
use domain::telemetry::Sample;
use domain::{Nanos, Stamp};

use super::*;
use crate::Sampling;

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
    split: bool,
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

    fn moment(&self, device: u32) -> &Moment {
        let now = self.now.load(Ordering::Relaxed).min(self.series.len() - 1);
        &self.series[now][device as usize]
    }
}

fn told<T: Clone>(value: Option<&T>) -> Result<T, Unreadable> {
    value.cloned().ok_or_else(|| NvmlError::NotSupported.into())
}

impl DeviceReadings for Replay {
    fn driver(&self) -> Result<String, Unreadable> {
        Ok("570.00".to_owned())
    }
    fn count(&self) -> Result<u32, Unreadable> {
        Ok(self.series[0].len() as u32)
    }
    fn name(&self, device: u32) -> Result<String, Unreadable> {
        Ok(format!("Card {device}"))
    }
    fn is_split(&self, device: u32) -> Result<bool, Unreadable> {
        Ok(self.moment(device).split)
    }
    fn utilisation_percent(&self, device: u32) -> Result<u32, Unreadable> {
        told(self.moment(device).utilisation.as_ref())
    }
    fn memory_bytes(&self, device: u32) -> Result<(u64, u64), Unreadable> {
        told(self.moment(device).memory.as_ref())
    }
    fn power_mw(&self, device: u32) -> Result<u32, Unreadable> {
        told(self.moment(device).power_mw.as_ref())
    }
    fn energy_mj(&self, device: u32) -> Result<u64, Unreadable> {
        told(self.moment(device).energy_mj.as_ref())
    }
    fn sm_clock_mhz(&self, device: u32) -> Result<u32, Unreadable> {
        told(self.moment(device).sm.as_ref())
    }
    fn memory_clock_mhz(&self, device: u32) -> Result<u32, Unreadable> {
        told(self.moment(device).mem.as_ref())
    }
    fn temperature_c(&self, device: u32) -> Result<u32, Unreadable> {
        told(self.moment(device).temperature.as_ref())
    }
    fn throttle_bits(&self, device: u32) -> Result<u64, Unreadable> {
        told(self.moment(device).throttle.as_ref())
    }
    fn processes(&self, device: u32) -> Result<Vec<GpuProcess>, Unreadable> {
        told(self.moment(device).processes.as_ref())
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
        split: false,
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

#[test]
fn what_a_device_refuses_is_absent_and_a_dead_device_is_left_out() {
    let mut sampler = NvmlSampler::over(Replay::once(vec![
        Moment::default(),
        Moment {
            memory: Some((1, 2)),
            split: true,
            ..Moment::default()
        },
        Moment {
            throttle: Some(1),
            ..Moment::default()
        },
    ]))
    .unwrap();
    let expected = GpuSource::Nvml {
        driver: "570.00".to_owned(),
        devices: ["Card 0", "Card 1 (MIG)", "Card 2"]
            .map(str::to_owned)
            .to_vec(),
        notes: Vec::new(),
    };
    assert_eq!(sampler.source(), expected);
    let readings = sampler.sample();
    assert_eq!(readings.iter().map(|r| r.index).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(readings[0].memory_used_bytes, Some(1));
    assert_eq!(readings[0].utilisation_percent, None);
    assert!(readings[1].throttle_reasons.is_empty());
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
        let reason = absence(&error);
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
    let sampling = Sampling::start(clock.clone(), 10.0, Some(Box::new(sampler)), false, sink);
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
