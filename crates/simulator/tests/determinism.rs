//! The same load twice gives the same bytes, stamps and log.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};

use common::{Answer, Bench, Call, post, virtually};
use domain::Nanos;
use serde_json::json;
use simulator::LogLine;
use simulator::faults::{FaultKind, FaultRule};

/// Twelve clients, two models, differing options, a fault rate and one client that leaves.
fn load() -> (Vec<Answer>, Vec<LogLine>) {
    let mut result = (Vec::new(), Vec::new());
    virtually(async {
        let bench = Bench::new(|config| {
            config.seed = Some(99);
            config.num_parallel = Some(2);
            config.profile.network.latency_min_ms = 0.1;
            config.profile.network.latency_max_ms = 1.0;
            config.faults.rules = vec![FaultRule {
                share: Some(0.15),
                ..FaultRule::always(FaultKind::ErrorLine)
            }];
        })
        .await;
        let bench = &bench;
        let clients = (0..12_u64).map(|client| async move {
            let model = ["qwen3:8b", "gemma3", "gemma3"][client as usize % 3];
            let num_ctx = if client % 4 == 1 { 2048 } else { 4096 };
            let ask = json!({"model": model, "prompt": format!("client {client} says hello"),
                "stream": client != 5, "options": {"num_ctx": num_ctx}});
            let call = Call {
                leave_after: (client == 7).then_some(4),
                ..post("/api/generate", ask)
            };
            bench.clock.sleep(Nanos::from_millis(client / 4)).await;
            bench.send(call).await
        });
        result.0 = futures_util::future::join_all(clients).await;
        result.1 = bench.simulator.log();
    });
    result
}

/// Plays the load again and fails where a byte, a stamp or a line of the log differs.
fn same_again((first, first_log): &(Vec<Answer>, Vec<LogLine>)) {
    let (second, second_log) = load();
    for (client, (a, b)) in first.iter().zip(&second).enumerate() {
        assert_eq!(a.text(), b.text(), "body of client {client}");
        assert_eq!(a, b, "client {client}");
    }
    assert_eq!(*first_log, second_log);
}

#[test]
fn the_same_load_is_the_same_byte_for_byte_on_a_busy_machine_too() {
    let quiet = load();
    let mut texts = quiet.0.iter().map(Answer::text);
    let faulty = texts.any(|text| text.contains("\"error\""));
    assert!(faulty, "a fault was played");
    assert!(quiet.1.len() > 60, "{}", quiet.1.len());
    same_again(&quiet);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..2 * cores {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        for _ in 0..3 {
            same_again(&quiet);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn another_seed_says_something_else() {
    let say = |seed| {
        let mut text = String::new();
        virtually(async {
            let bench = Bench::new(|config| config.seed = Some(seed)).await;
            let ask = json!({"model": "gemma3", "prompt": "x"});
            text = bench.send(post("/api/generate", ask)).await.text();
        });
        text
    };
    assert_eq!(say(1), say(1));
    assert_ne!(say(1), say(2));
}
