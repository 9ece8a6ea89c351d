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

/// Ten samples a second for four seconds, made by their time.
fn samples(make: impl Fn(u64) -> Sample) -> Vec<Sample> {
    let sample = |k: u64| Sample {
        at: Stamp(k * 100_000_000),
        ..make(k * 100)
    };
    (0..40).map(sample).collect()
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
        measured(samples(move |ms| {
            let is_held = (from..to).contains(&ms);
            let held = &["sw_power_cap", "sync_boost"][..];
            let reasons = if is_held { held } else { &[] };
            Sample {
                gpus: vec![GpuReading {
                    throttle_reasons: reasons.iter().map(|&r| r.to_owned()).collect(),
                    power_w: Some(1.0),
                    ..GpuReading::default()
                }],
                ..Sample::default()
            }
        }))
    };
    let data = throttled(2500, 3700);
    let together = data.runs[0].together.as_ref().unwrap();
    let measured = ArmTimes::of(together).unwrap().wall.as_secs_f64();
    let expected = Condition::Throttled {
        seconds: measured - 1.5,
        measured,
        reasons: vec!["sw_power_cap".to_owned()],
    };
    assert_eq!(conditions(&data), [expected]);
    assert!(conditions(&throttled(3500, 3900)).is_empty());
}

#[test]
fn other_users_of_the_gpu_are_named_by_memory_once_the_server_is_known() {
    let process = |pid, mib: Option<u64>, name: Option<&str>, server| GpuProcess {
        pid,
        memory_bytes: mib.map(|mib| mib << 20),
        name: name.map(str::to_owned),
        server,
    };
    let with = |servers: Vec<ServerReading>, all: &[GpuProcess]| {
        measured(samples(|ms| Sample {
            gpus: vec![GpuReading {
                processes: match ms % 1000 {
                    0 => all.to_vec(),
                    _ => Vec::new(),
                },
                ..GpuReading::default()
            }],
            servers: servers.clone(),
            ..Sample::default()
        }))
    };
    let server = vec![ServerReading::default()];
    let own = process(10, Some(9000), Some("ollama"), Some(0));
    let game = process(20, Some(2048), Some("game"), None);
    let of_game = Condition::GpuShared(vec![game.clone()]);
    let both = [own.clone(), game.clone()];
    assert_eq!(conditions(&with(server.clone(), &both)), [of_game]);
    let more = [
        own.clone(),
        process(30, None, None, None),
        game,
        process(40, Some(50), Some("Xorg"), None),
        process(41, Some(10), Some("small"), None),
    ];
    let [Condition::GpuShared(others)] = &conditions(&with(server.clone(), &more))[..] else {
        panic!("one condition")
    };
    let pids: Vec<u32> = others.iter().map(|process| process.pid).collect();
    assert_eq!(pids, [20, 40, 41, 30]);
    assert!(conditions(&with(server, &[own])).is_empty());
    assert!(conditions(&with(Vec::new(), &more)).is_empty());
}

fn busy(from: u64, facts: &[&str]) -> Dataset {
    let mut data = measured(samples(|ms| Sample {
        host: Some(HostReading {
            cpu_percent: if ms >= from { 97.0 } else { 40.0 },
            ..HostReading::default()
        }),
        ..Sample::default()
    }));
    let known = &mut data.environment.as_mut().unwrap().facts;
    known.extend(facts.iter().map(|&fact| (fact.to_owned(), "2".to_owned())));
    data
}

#[test]
fn a_full_cpu_is_reported_and_whether_client_and_server_share_it() {
    for (fact, shared_cores) in [("server_1_process", false), ("server_1_cores_shared", true)] {
        let share = 1.0;
        let full = Condition::CpuFull {
            share,
            shared_cores,
        };
        assert_eq!(conditions(&busy(0, &[fact])), [full]);
    }
    assert!(conditions(&busy(3900, &[])).is_empty());
}

#[test]
fn swap_that_grows_is_reported_and_swap_that_stays_is_not() {
    let with = |grown: u64| {
        measured(samples(|ms| Sample {
            host: Some(HostReading {
                swap_used_bytes: Some((1 << 30) + grown * ms / 3900),
                ..HostReading::default()
            }),
            ..Sample::default()
        }))
    };
    let grown = conditions(&with(500_000_000));
    assert_eq!(grown, [Condition::Swapping(500_000_000)]);
    assert!(conditions(&with(1 << 20)).is_empty());
}
