//! Devices: sharing, independence, heat and readings.

use super::*;
use crate::profile::Thermal;

fn on(profile: &Profile, devices: &[usize]) -> ServerSpec {
    let mut spec = profile.server();
    spec.devices = devices.to_vec();
    spec
}

#[test]
fn two_servers_on_one_device_share_it_evenly() {
    let profile = round();
    let servers = vec![on(&profile, &[0]), on(&profile, &[0])];
    let mut rig = Rig::with(profile, servers);
    rig.submit(0.0, 0, preload());
    rig.submit(0.0, 1, preload());
    let a = rig.submit(10.0, 0, generate(90));
    let b = rig.submit(10.0, 1, generate(190));
    rig.advance(60.0);
    // Both at half speed until A's second of work is done, then B alone with one of its two left.
    assert_eq!(rig.ended_at(a), 12.0);
    assert_eq!(rig.ended_at(b), 13.0);
    // The work of both takes as long as in turn: they overlap and gain nothing.
    assert!(rig.first_token_at(b) < rig.ended_at(a));
}

#[test]
fn sharing_costs_what_the_profile_says() {
    let mut profile = round();
    profile.devices[0].sharing_loss = 0.25;
    let servers = vec![on(&profile, &[0]), on(&profile, &[0])];
    let mut rig = Rig::with(profile, servers);
    rig.submit(0.0, 0, preload());
    rig.submit(0.0, 1, preload());
    let a = rig.submit(10.0, 0, generate(90));
    let b = rig.submit(10.0, 1, generate(90));
    rig.advance(60.0);
    // Each gets 1 / (2 * 1.25) of the device.
    assert_eq!((rig.ended_at(a), rig.ended_at(b)), (12.5, 12.5));
}

#[test]
fn two_devices_are_independent() {
    let profile = round();
    let servers = vec![on(&profile, &[0]), on(&profile, &[1])];
    let mut rig = Rig::with(profile, servers);
    rig.submit(0.0, 0, preload());
    rig.submit(0.0, 1, preload());
    let a = rig.submit(10.0, 0, generate(90));
    let b = rig.submit(10.0, 1, generate(190));
    rig.advance(60.0);
    assert_eq!((rig.ended_at(a), rig.ended_at(b)), (11.0, 12.0));
}

#[test]
fn two_models_on_one_server_share_the_device_too() {
    let profile = round();
    let servers = vec![on(&profile, &[0])];
    let mut rig = Rig::with(profile, servers);
    rig.submit(0.0, 0, preload());
    rig.submit(3.0, 0, preload().model("second:latest"));
    let a = rig.submit(10.0, 0, generate(90));
    let b = rig.submit(10.0, 0, generate(90).model("second:latest"));
    rig.advance(60.0);
    assert_eq!((rig.ended_at(a), rig.ended_at(b)), (12.0, 12.0));
}

#[test]
fn without_layers_on_the_device_the_cpu_does_it() {
    let mut rig = Rig::new(round());
    let id = rig.submit(0.0, 0, generate(10).gpu(0));
    rig.advance(60.0);
    let t = rig.timings(id);
    assert_eq!(t.prompt_eval, Nanos::from_millis(1100));
    assert_eq!(t.eval, Nanos::from_millis(900));
    let view = &rig.core.loaded(ServerId(0), s(60.0))[0];
    assert_eq!(view.size_vram, 0);
    let reading = &rig.core.readings(s(60.0))[0];
    assert_eq!(reading.memory_used_bytes, Some(0));
    assert_eq!(reading.energy_j, Some(600.0), "idle all the time");
}

#[test]
fn readings_follow_what_the_device_does() {
    let mut rig = Rig::new(round());
    rig.submit(0.0, 0, generate(90));
    rig.advance(2.5);
    let busy = rig.core.readings(s(2.5));
    assert_eq!(busy.len(), 2);
    assert_eq!(busy[0].utilisation_percent, Some(100.0));
    assert_eq!(busy[0].power_w, Some(110.0));
    assert_eq!(busy[0].sm_clock_mhz, Some(2000));
    assert_eq!(busy[0].memory_used_bytes, Some(1_409_600_000));
    assert_eq!(busy[0].energy_j, Some(2.0 * 10.0 + 0.5 * 110.0));
    assert_eq!(busy[0].processes.len(), 1);
    assert_eq!(
        busy[0].temperature_c, None,
        "no thermal model, no temperature"
    );
    assert_eq!(busy[1].utilisation_percent, Some(0.0));
    rig.advance(3.05);
    // Busy until 3.0: 116.667 of the last 166.667 ms.
    let after = rig.core.readings(s(3.05));
    let utilisation = after[0].utilisation_percent.unwrap();
    assert!((utilisation - 70.0).abs() < 0.01, "{utilisation}");
    assert_eq!(after[0].power_w, Some(10.0));
    rig.advance(400.0);
    let gone = rig.core.readings(s(400.0));
    assert_eq!(gone[0].memory_used_bytes, Some(0));
}

#[test]
fn heat_slows_a_device_down_and_cooling_restores_it() {
    let mut profile = round();
    profile.devices[0].thermal = Some(Thermal {
        ambient_c: 30.0,
        c_per_w: 0.5,
        time_constant_s: 10.0,
        throttle_at_c: 80.0,
        resume_below_c: 60.0,
        throttled_speed: 0.5,
        throttled_w: 60.0,
    });
    let mut rig = Rig::new(profile);
    let id = rig.submit(0.0, 0, generate(9990));
    rig.advance(2.0);
    assert_eq!(rig.core.readings(s(2.0))[0].temperature_c, Some(35.0));
    // From 35 towards 85 degrees with 10 s: 80 is reached after 10 * ln(50 / 5) = 23.026 s.
    rig.advance(25.0);
    assert!(rig.core.readings(s(25.0))[0].throttle_reasons.is_empty());
    rig.advance(25.1);
    let hot = &rig.core.readings(s(25.1))[0];
    assert_eq!(hot.throttle_reasons, ["sw_thermal_slowdown"]);
    assert_eq!((hot.power_w, hot.sm_clock_mhz), (Some(60.0), Some(1000)));
    // Throttled it drifts to 60 degrees and never below: 100 s of work, 23.026 s of it at full speed.
    rig.advance(400.0);
    let expected = 2.0 + 23.026 + (100.0 - 23.026) * 2.0;
    assert!(
        (rig.ended_at(id) - expected).abs() < 0.001,
        "{}",
        rig.ended_at(id)
    );
    // Idle it cools to 35 and is as fast as ever.
    rig.advance(450.0);
    let again = rig.submit(450.0, 0, generate(90));
    rig.advance(460.0);
    let end = rig.ended_at(again);
    assert!(end == 453.0 || end == 451.0, "{end}");
    assert!(rig.core.readings(s(460.0))[0].throttle_reasons.is_empty());
}

#[test]
fn a_model_too_large_for_one_device_is_spread_over_both() {
    let mut profile = round();
    for device in &mut profile.devices {
        device.memory_bytes = 1_000_000_000;
    }
    let mut rig = Rig::new(profile);
    let id = rig.submit(0.0, 0, generate(90));
    rig.advance(10.0);
    let used: Vec<_> = rig
        .core
        .readings(s(10.0))
        .iter()
        .map(|r| r.memory_used_bytes.unwrap())
        .collect();
    assert_eq!(used, [704_800_000, 704_800_000]);
    assert_eq!(
        rig.ended_at(id),
        3.0,
        "all layers on devices, at full speed"
    );
}
