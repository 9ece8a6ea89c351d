use domain::telemetry::GpuProcess;

use super::*;
use crate::timeline::at;

/// One sample of one device after another: power and counter, if known.
fn sample(ms: u64, devices: &[(Option<f64>, Option<f64>)]) -> Sample {
    let gpu = |(index, (power_w, energy_j)): (_, &_)| GpuReading {
        index,
        power_w: *power_w,
        energy_j: *energy_j,
        ..GpuReading::default()
    };
    let gpus = (0..).zip(devices).map(gpu);
    Sample {
        at: at(ms),
        gpus: gpus.collect(),
        ..Sample::default()
    }
}

/// The energy between two moments, ms: joules and source.
fn between(meter: &Meter, from: u64, to: u64) -> Option<(f64, EnergySource)> {
    let energy = meter.between(at(from), at(to))?;
    Some(((energy.joules * 1e9).round() / 1e9, energy.source))
}

fn meter(samples: &[(u64, Option<f64>, Option<f64>)]) -> Meter {
    let samples = samples.iter();
    let samples = samples.map(|(at, power, counter)| sample(*at, &[(*power, *counter)]));
    Meter::of(&samples.collect_vec())
}

#[test]
fn one_devices_energy_by_hand() {
    // 100 W until 1 s, 300 W afterwards; the power samples tell something else and are not used.
    let counter = meter(&[
        (0, Some(1.0), Some(5000.0)),
        (1000, Some(1.0), Some(5100.0)),
        (2000, Some(1.0), Some(5400.0)),
    ]);
    let power = meter(&[
        (0, Some(100.0), None),
        (1000, Some(200.0), None),
        (2000, Some(200.0), None),
    ]);
    let falls = meter(&[
        (0, Some(10.0), Some(900.0)),
        (1000, Some(10.0), Some(3.0)),
        (2000, Some(10.0), Some(13.0)),
    ]);
    let paused = |energy: fn(f64) -> Option<f64>| {
        meter(&[0, 100, 200, 60_000, 60_100].map(|at| (at, Some(50.0), energy(at as f64 / 20.0))))
    };
    let (counted, powered) = (paused(Some), paused(|_| None));
    let counter_says = |joules| Some((joules, EnergySource::Counter));
    let estimated = |joules| Some((joules, EnergySource::Estimated));
    for (meter, (from, to), expected) in [
        (&counter, (0, 2000), counter_says(400.0)),
        (&counter, (500, 1500), counter_says(50.0 + 150.0)),
        // A little past the last sample the last rate is taken to go on.
        (&counter, (1000, 2100), counter_says(330.0)),
        // A trapezium of (100 + 200) / 2 over one second, then 200 over one.
        (&power, (0, 2000), estimated(150.0 + 200.0)),
        // From 0.5 s (150 W) to 1.5 s (200 W).
        (&power, (500, 1500), estimated(0.5 * 175.0 + 0.5 * 200.0)),
        (&power, (2000, 2500), estimated(100.0)),
        // A counter counts through a pause, and power does not.
        (&counted, (100, 60_000), counter_says(2995.0)),
        (&powered, (100, 60_000), None),
        (&powered, (0, 200), estimated(10.0)),
        // A counter that falls gives way to power.
        (&falls, (0, 2000), estimated(20.0)),
        (&falls, (1000, 2000), counter_says(10.0)),
    ] {
        assert_eq!(between(meter, from, to), expected, "{from} to {to}");
    }
}

#[test]
fn devices_add_up_and_the_weakest_source_names_the_sum() {
    let samples = [0, 1000].map(|at| {
        let counter = (None, Some(at as f64 / 10.0));
        sample(at, &[counter, (Some(7.0), None), (None, None)])
    });
    let meter = Meter::of(&samples);
    let sum = Some((107.0, EnergySource::Estimated));
    assert_eq!(between(&meter, 0, 1000), sum);
    assert_eq!(meter.between(at(0), at(1000)).unwrap().devices, 2);
}

fn server_process() -> GpuProcess {
    GpuProcess {
        pid: 9,
        server: Some(0),
        ..GpuProcess::default()
    }
}

#[test]
fn only_the_servers_devices_count_where_they_are_known() {
    let mut samples = [0, 1000].map(|at| sample(at, &[(Some(100.0), None), (Some(7.0), None)]));
    samples[0].gpus[1].processes.push(server_process());
    let energy = between(&Meter::of(&samples), 0, 1000);
    assert_eq!(energy, Some((7.0, EnergySource::Estimated)));
    // The server's device tells nothing, so the other one's energy is not the answer.
    for sample in &mut samples {
        sample.gpus[1].power_w = None;
    }
    assert_eq!(Meter::of(&samples).between(at(0), at(1000)), None);
}

#[test]
fn instances_are_within_their_card() {
    let mut samples = [0, 1000].map(|at| sample(at, &[(Some(100.0), None), (Some(40.0), None)]));
    for sample in &mut samples {
        sample.gpus[1].part_of = Some(0);
    }
    let whole = Some((100.0, EnergySource::Estimated));
    assert_eq!(between(&Meter::of(&samples), 0, 1000), whole);
    samples[0].gpus[1].processes.push(server_process());
    assert_eq!(between(&Meter::of(&samples), 0, 1000), whole);
}

#[test]
fn time_that_no_sample_covers_has_no_energy() {
    assert_eq!(Meter::of(&[]).between(at(0), at(1)), None);
    assert_eq!(between(&meter(&[(0, Some(1.0), Some(1.0))]), 0, 1), None);
    let meter = meter(&[0, 100, 200].map(|at| (at, Some(1.0), Some(at as f64))));
    assert_eq!(between(&meter, 0, 1300), None);
    assert_eq!(between(&meter, 5000, 6000), None);
}
