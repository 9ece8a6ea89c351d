use domain::record::{Environment, Manifest, TimeScale};
use domain::telemetry::{GpuProcess, GpuReading, HostReading, ServerReading};

use super::*;
use crate::timeline::{dataset, request, run_together};

/// Any sweep's.
const MANIFEST: &str = include_str!("../../../../fixtures/one-or-two-servers/manifest.json");

fn manifest() -> Manifest {
    serde_json::from_str(MANIFEST).unwrap()
}

/// One arm from 1 s to 3 s.
fn measured(telemetry: Vec<Sample>) -> Dataset {
    let call = request(1000).prefill(1000).decode(10, 100);
    Dataset {
        provenance: Provenance::Measured,
        environment: Some(Environment {
            facts: BTreeMap::new(),
            warnings: Vec::new(),
            ..manifest().header.environment.unwrap()
        }),
        telemetry,
        ..dataset(vec![run_together("a", 1, &[call])])
    }
}

/// The conditions of that arm by ten samples a second for four seconds, made by their time in ms, and by what is known of
/// the environment.
fn sampled(facts: &[&str], make: impl Fn(u64) -> Sample) -> Vec<Condition> {
    let sample = |k: u64| Sample {
        at: Stamp(k * 100_000_000),
        ..make(k * 100)
    };
    let mut data = measured((0..40).map(sample).collect());
    let known = &mut data.environment.as_mut().unwrap().facts;
    known.extend(facts.iter().map(|&fact| (fact.to_owned(), "2".to_owned())));
    conditions(&data)
}

fn gpu(reading: GpuReading) -> Sample {
    Sample {
        gpus: vec![reading],
        ..Sample::default()
    }
}

fn host(cpu_percent: f64, swap_used_bytes: Option<u64>) -> Sample {
    Sample {
        host: Some(HostReading {
            cpu_percent,
            swap_used_bytes,
            ..HostReading::default()
        }),
        ..Sample::default()
    }
}

#[test]
fn warnings_of_the_environment_come_first_and_only_where_a_server_was_measured() {
    let mut data = measured(Vec::new());
    let environment = data.environment.as_mut().unwrap();
    environment.warnings = vec!["governor is powersave".to_owned()];
    let warned = Condition::Machine("governor is powersave".to_owned());
    assert_eq!(conditions(&data), [warned]);
    for provenance in [Provenance::Simulated, Provenance::Imported] {
        let other = Dataset {
            provenance,
            ..data.clone()
        };
        assert!(conditions(&other).is_empty());
    }
}

/// A simulator that stands alone answers in real time, which a busy machine changes.
#[test]
fn a_busy_machine_spoils_a_simulator_in_real_time_and_none_in_simulated_time() {
    let warning = "other work is running: load 9.0 on 2 cores before the start".to_owned();
    for (time_scale, warned) in [
        (None, 1),
        (Some(TimeScale::Virtual), 0),
        (Some(TimeScale::Scaled(60.0)), 0),
    ] {
        let mut data = measured(Vec::new());
        data.provenance = Provenance::Simulated;
        data.environment.as_mut().unwrap().warnings = vec![warning.clone()];
        let mut manifest = manifest();
        manifest.header.time_scale = time_scale;
        manifest.header.environment.clone_from(&data.environment);
        assert_eq!(manifest.header.machine_warnings().count(), warned);
        data.manifest = Some(manifest);
        assert_eq!(conditions(&data).len(), warned, "{time_scale:?}");
    }
}

#[test]
fn throttling_counts_only_while_arms_ran() {
    let throttled = |from: u64, to: u64| {
        sampled(&[], |ms| {
            let is_held = (from..to).contains(&ms);
            let reasons = if is_held {
                "sw_power_cap sync_boost"
            } else {
                ""
            };
            gpu(GpuReading {
                throttle_reasons: reasons.split_terminator(' ').map(str::to_owned).collect(),
                power_w: Some(1.0),
                ..GpuReading::default()
            })
        })
    };
    // From 2.5 s to the arm's end at 3 s; a setting is no throttling.
    let half_a_second = Condition::Throttled {
        throttled_s: 0.5,
        measured_s: 2.0,
        reasons: vec!["sw_power_cap".to_owned()],
    };
    assert_eq!(throttled(2500, 3700), [half_a_second]);
    assert_eq!(throttled(3500, 3900), []);
}

#[test]
fn other_users_of_the_gpu_are_named_by_memory_once_the_server_is_known() {
    let process = |pid, mib: Option<u64>, name: Option<&str>, server| GpuProcess {
        pid,
        memory_bytes: mib.map(|mib| mib << 20),
        name: name.map(str::to_owned),
        server,
    };
    let own = process(10, Some(9000), Some("ollama"), Some(0));
    let game = process(20, Some(2048), Some("game"), None);
    let xorg = process(40, Some(50), Some("Xorg"), None);
    let small = process(41, Some(10), Some("small"), None);
    let unknown = process(30, None, None, None);
    let more = [&own, &unknown, &game, &xorg, &small];
    let by_memory = [&game, &xorg, &small, &unknown];
    // Processes are listed once a second.
    for (servers, all, others) in [
        (1, &[&own, &game][..], &[&game][..]),
        (1, &more, &by_memory),
        (1, &[&own], &[]),
        (0, &more, &[]),
    ] {
        let found = sampled(&[], |ms| Sample {
            servers: vec![ServerReading::default(); servers],
            ..gpu(GpuReading {
                processes: match ms % 1000 {
                    0 => all.iter().copied().cloned().collect(),
                    _ => Vec::new(),
                },
                ..GpuReading::default()
            })
        });
        let others: Vec<_> = others.iter().copied().cloned().collect();
        let expected = (!others.is_empty()).then_some(Condition::GpuShared(others));
        assert_eq!(found, Vec::from_iter(expected));
    }
}

#[test]
fn a_full_cpu_is_reported_and_whether_client_and_server_share_it() {
    let busy = |from, fact| {
        sampled(&[fact], |ms| {
            host(if ms >= from { 97.0 } else { 40.0 }, None)
        })
    };
    for (fact, shared_cores) in [("server_1_process", false), ("server_1_cores_shared", true)] {
        let full = Condition::CpuFull {
            share: 1.0,
            shared_cores,
        };
        assert_eq!(busy(0, fact), [full]);
    }
    assert_eq!(busy(3900, "os"), []);
}

#[test]
fn swap_that_grows_is_reported_and_swap_that_stays_is_not() {
    let grows_by = |bytes| sampled(&[], |ms| host(0.0, Some((1 << 30) + bytes * ms / 3900)));
    assert_eq!(grows_by(500_000_000), [Condition::Swapping(500_000_000)]);
    assert_eq!(grows_by(1 << 20), []);
}
