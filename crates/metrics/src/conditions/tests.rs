use domain::record::Environment;
use domain::telemetry::{GpuProcess, GpuReading, GpuSource, HostReading, ServerReading};

use super::*;
use crate::timeline::{beside, dataset, request};

/// One arm from 1 s to 3 s.
fn measured(telemetry: Vec<Sample>) -> Dataset {
    let call = request(1000).prefill(1000).decode(10, 100);
    Dataset {
        provenance: Provenance::Measured,
        environment: Some(Environment {
            os: "test".to_owned(),
            cpu: "test".to_owned(),
            cores: 2,
            memory_bytes: 1,
            gpu: GpuSource::Absent {
                reason: "none".to_owned(),
            },
            facts: BTreeMap::new(),
            warnings: Vec::new(),
        }),
        telemetry,
        ..dataset(vec![beside("a", 1, &[call])])
    }
}

/// Ten samples a second for four seconds, made by their time.
fn samples(make: impl Fn(u64) -> Sample) -> Vec<Sample> {
    (0..40)
        .map(|k| Sample {
            at: Stamp(k * 100_000_000),
            ..make(k * 100)
        })
        .collect()
}

fn sentences(data: &Dataset) -> Vec<String> {
    conditions(data).into_iter().map(|c| c.sentence).collect()
}

#[test]
fn warnings_of_the_environment_come_first_and_only_where_a_server_was_measured() {
    let mut data = measured(Vec::new());
    let environment = data.environment.as_mut().unwrap();
    environment.warnings = vec!["governor is powersave".to_owned()];
    assert_eq!(sentences(&data), ["governor is powersave"]);
    for provenance in [Provenance::Simulated, Provenance::Imported] {
        let other = Dataset {
            provenance,
            ..data.clone()
        };
        assert!(conditions(&other).is_empty());
    }
}

#[test]
fn throttling_counts_only_while_arms_ran() {
    let throttled = |from: u64, to: u64| {
        measured(samples(move |ms| {
            let reasons: &[&str] = if (from..to).contains(&ms) {
                &["sw_power_cap", "sync_boost"]
            } else {
                &[]
            };
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
    let [condition] = &conditions(&data)[..] else {
        panic!("one condition")
    };
    assert_eq!(condition.kind, "throttled");
    let wall = ArmTimes::of(data.runs[0].together.as_ref().unwrap())
        .unwrap()
        .wall
        .as_secs_f64();
    let inside = wall - 1.5;
    let expected = format!(
        "GPU throttled: heat or power held its clocks down for {inside:.1} s of {wall:.1} s \
         measured ({:.0} %): sw_power_cap",
        100.0 * inside / wall
    );
    assert_eq!(condition.sentence, expected);
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
                processes: if ms % 1000 == 0 {
                    all.to_vec()
                } else {
                    Vec::new()
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
    assert_eq!(
        sentences(&with(server.clone(), &[own.clone(), game.clone()])),
        ["another process uses the GPU: pid 20 (game), up to 2048 MiB"]
    );
    let more = [
        own.clone(),
        process(30, None, None, None),
        game,
        process(40, Some(50), Some("Xorg"), None),
        process(41, Some(10), Some("small"), None),
    ];
    assert_eq!(
        sentences(&with(server.clone(), &more)),
        [
            "other processes use the GPU: pid 20 (game), up to 2048 MiB; pid 40 (Xorg), up to 50 \
             MiB; pid 41 (small), up to 10 MiB; and 1 more"
        ]
    );
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
fn a_full_cpu_is_told_and_whether_client_and_server_share_it() {
    let alone = sentences(&busy(0, &["server_1_process"]));
    assert_eq!(alone.len(), 1);
    assert!(alone[0].starts_with("this machine's CPU was full (at 90 % or more) in 100 %"));
    let shared = sentences(&busy(0, &["server_1_cores_shared"]));
    assert!(shared[0].starts_with("the server's CPU shares cores with the client"));
    assert!(conditions(&busy(3900, &[])).is_empty());
}

#[test]
fn swap_that_grows_is_told_and_swap_that_stays_is_not() {
    let with = |grown: u64| {
        measured(samples(|ms| Sample {
            host: Some(HostReading {
                swap_used_bytes: Some((1 << 30) + grown * ms / 3900),
                ..HostReading::default()
            }),
            ..Sample::default()
        }))
    };
    assert_eq!(
        sentences(&with(500_000_000)),
        ["swap in use grew by 0.5 GB while this ran: memory was short"]
    );
    assert!(conditions(&with(1 << 20)).is_empty());
}
