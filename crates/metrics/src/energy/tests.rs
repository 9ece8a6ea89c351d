use domain::telemetry::GpuProcess;

use super::*;

const fn ms(ms: u64) -> Stamp {
    Stamp(ms * 1_000_000)
}

/// One sample of one device after another: power and counter, where told.
fn sample(at: u64, devices: &[(Option<f64>, Option<f64>)]) -> Sample {
    let gpus = (0..)
        .zip(devices)
        .map(|(index, (power_w, energy_j))| GpuReading {
            index,
            power_w: *power_w,
            energy_j: *energy_j,
            ..GpuReading::default()
        });
    Sample {
        at: ms(at),
        gpus: gpus.collect(),
        ..Sample::default()
    }
}

fn close(energy: Option<Energy>, joules: f64, source: EnergySource) {
    let energy = energy.unwrap();
    assert!((energy.joules - joules).abs() < 1e-9, "{energy:?}");
    assert_eq!(energy.source, source);
}

#[test]
fn a_counter_is_read_along_the_line_between_samples() {
    // 100 W until 1 s, 300 W afterwards; the power samples tell something else and are not used.
    let samples = [
        sample(0, &[(Some(1.0), Some(5000.0))]),
        sample(1000, &[(Some(1.0), Some(5100.0))]),
        sample(2000, &[(Some(1.0), Some(5400.0))]),
    ];
    let meter = Meter::of(&samples);
    close(meter.between(ms(0), ms(2000)), 400.0, EnergySource::Counter);
    close(
        meter.between(ms(500), ms(1500)),
        50.0 + 150.0,
        EnergySource::Counter,
    );
    // A little past the last sample the last rate is taken to go on.
    close(
        meter.between(ms(1000), ms(2100)),
        330.0,
        EnergySource::Counter,
    );
}

#[test]
fn without_a_counter_power_is_added_up_and_marked_estimated() {
    let samples = [
        sample(0, &[(Some(100.0), None)]),
        sample(1000, &[(Some(200.0), None)]),
        sample(2000, &[(Some(200.0), None)]),
    ];
    let meter = Meter::of(&samples);
    // By hand: a trapezium of (100 + 200) / 2 over one second, then 200 over one.
    let whole = meter.between(ms(0), ms(2000));
    close(whole, 150.0 + 200.0, EnergySource::Estimated);
    // From 0.5 s (150 W) to 1.5 s (200 W).
    let middle = meter.between(ms(500), ms(1500));
    close(middle, 0.5 * 175.0 + 0.5 * 200.0, EnergySource::Estimated);
    close(
        meter.between(ms(2000), ms(2500)),
        100.0,
        EnergySource::Estimated,
    );
}

#[test]
fn a_counter_counts_through_a_pause_and_power_does_not() {
    let with = |energy: fn(f64) -> Option<f64>| {
        [0, 100, 200, 60_000, 60_100]
            .map(|at| sample(at, &[(Some(50.0), energy(at as f64 / 20.0))]))
    };
    let counted = Meter::of(&with(Some));
    close(
        counted.between(ms(100), ms(60_000)),
        2995.0,
        EnergySource::Counter,
    );
    let powered = Meter::of(&with(|_| None));
    assert_eq!(powered.between(ms(100), ms(60_000)), None);
    close(
        powered.between(ms(0), ms(200)),
        10.0,
        EnergySource::Estimated,
    );
}

#[test]
fn a_counter_that_falls_gives_way_to_power() {
    let samples = [
        sample(0, &[(Some(10.0), Some(900.0))]),
        sample(1000, &[(Some(10.0), Some(3.0))]),
        sample(2000, &[(Some(10.0), Some(13.0))]),
    ];
    let meter = Meter::of(&samples);
    close(
        meter.between(ms(0), ms(2000)),
        20.0,
        EnergySource::Estimated,
    );
    close(
        meter.between(ms(1000), ms(2000)),
        10.0,
        EnergySource::Counter,
    );
}

#[test]
fn devices_add_up_and_the_weakest_source_names_the_sum() {
    let samples = [0, 1000].map(|at| {
        let counter = at as f64 / 10.0;
        sample(
            at,
            &[(None, Some(counter)), (Some(7.0), None), (None, None)],
        )
    });
    let energy = Meter::of(&samples).between(ms(0), ms(1000));
    close(energy, 107.0, EnergySource::Estimated);
    assert_eq!(energy.unwrap().devices, 2);
}

#[test]
fn only_the_servers_devices_count_where_they_are_known() {
    let mut samples = [0, 1000].map(|at| sample(at, &[(Some(100.0), None), (Some(7.0), None)]));
    samples[0].gpus[1].processes.push(GpuProcess {
        pid: 9,
        server: Some(0),
        ..GpuProcess::default()
    });
    let energy = Meter::of(&samples).between(ms(0), ms(1000));
    close(energy, 7.0, EnergySource::Estimated);
    // The server's device tells nothing, so the other one's energy is not the answer.
    for sample in &mut samples {
        sample.gpus[1].power_w = None;
    }
    assert_eq!(Meter::of(&samples).between(ms(0), ms(1000)), None);
}

#[test]
fn instances_are_within_their_card() {
    let mut samples = [0, 1000].map(|at| sample(at, &[(Some(100.0), None), (Some(40.0), None)]));
    for sample in &mut samples {
        sample.gpus[1].part_of = Some(0);
    }
    close(
        Meter::of(&samples).between(ms(0), ms(1000)),
        100.0,
        EnergySource::Estimated,
    );
    samples[0].gpus[1].processes.push(GpuProcess {
        pid: 9,
        server: Some(0),
        ..GpuProcess::default()
    });
    let energy = Meter::of(&samples).between(ms(0), ms(1000));
    close(energy, 100.0, EnergySource::Estimated);
}

#[test]
fn time_that_no_sample_covers_has_no_energy() {
    assert_eq!(Meter::of(&[]).between(ms(0), ms(1)), None);
    let one = [sample(0, &[(Some(1.0), Some(1.0))])];
    assert_eq!(Meter::of(&one).between(ms(0), ms(1)), None);
    let samples = [0, 100, 200].map(|at| sample(at, &[(Some(1.0), Some(at as f64))]));
    let meter = Meter::of(&samples);
    assert_eq!(meter.between(ms(0), ms(1300)), None);
    assert_eq!(meter.between(ms(5000), ms(6000)), None);
}
