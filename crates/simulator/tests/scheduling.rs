//! Scheduling as clients see it: who waits for whom, over HTTP and in virtual time.

mod common;

use common::{Answer, Bench, Call, End, get, paced, post, virtually};
use domain::{Nanos, Stamp};
use serde_json::{Value, json};
use simulator::Placement;

const MODEL: &str = "gemma3:latest";
const OTHER: &str = "qwen3:8b";

fn ask(model: &str, num_ctx: u32, prompt: &str) -> Call<'static> {
    let body = json!({"model": model, "prompt": prompt, "think": false,
        "options": {"num_ctx": num_ctx}});
    post("/api/generate", body)
}

async fn after(bench: &Bench, seconds: f64, call: Call<'_>) -> Answer {
    bench.clock.sleep(Nanos::from_secs_f64(seconds)).await;
    bench.send(call).await
}

async fn log(bench: &Bench) -> Vec<Value> {
    let log = bench.send(get("/tandem/log")).await.json();
    log["lines"].as_array().expect("lines").clone()
}

fn events<'a>(log: &'a [Value], name: &str) -> Vec<&'a Value> {
    log.iter().filter(|line| line["event"] == name).collect()
}

/// Two clients whose requests overlap without a break; then one with another context, and behind
/// it one for another model. When the overlapping ones ended, and when the other two began.
fn starvation(version: &str) -> (Stamp, [Stamp; 2]) {
    let mut seen = None;
    virtually(async {
        let bench = Bench::new(|config| {
            version.clone_into(&mut config.profile.server.version);
            config.num_parallel = Some(2);
        })
        .await;
        let steady = |client: usize, start: f64| {
            let bench = &bench;
            async move {
                bench.clock.sleep(Nanos::from_secs_f64(start)).await;
                let mut ended = Stamp::ZERO;
                for turn in 0..20 {
                    let call = ask(MODEL, 4096, &format!("client {client} turn {turn}"));
                    ended = bench.send(call).await.ended;
                }
                ended
            }
        };
        let (a, b, changed, other) = tokio::join!(
            steady(1, 0.0),
            steady(2, 2.1),
            after(&bench, 2.5, ask(MODEL, 8192, "another context")),
            after(&bench, 2.6, ask(OTHER, 4096, "another model")),
        );
        assert_eq!((changed.status, other.status), (200, 200));
        seen = Some((a.max(b), [changed.frames[0].0, other.frames[0].0]));
    });
    seen.expect("it ran")
}

#[test]
fn matching_requests_starve_the_queue_from_0_11_5_on() {
    let (steady_ended, waiting) = starvation("0.11.5");
    for began in waiting {
        assert!(began > steady_ended, "{began:?} {steady_ended:?}");
    }
}

#[test]
fn before_0_11_5_everybody_waits_in_turn() {
    let (steady_ended, waiting) = starvation("0.11.4");
    for began in waiting {
        assert!(began < steady_ended, "{began:?} {steady_ended:?}");
    }
}

#[test]
fn the_last_keep_alive_to_be_attached_counts_for_everybody() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let keep = |keep_alive: &str, prompt: &str| {
            let ask = json!({"model": MODEL, "prompt": prompt, "keep_alive": keep_alive});
            post("/api/generate", ask)
        };
        let (first, second) = tokio::join!(
            bench.send(keep("10m", "the first")),
            after(
                &bench,
                2.1,
                keep("3s", "the second, while the first is served")
            ),
        );
        let ended = first.ended.max(second.ended);
        let loaded = async || {
            let ps = bench.send(get("/api/ps")).await.json();
            ps["models"].as_array().map(Vec::len)
        };
        bench
            .clock
            .sleep_until(Stamp(ended.0 + 2_900_000_000))
            .await;
        assert_eq!(loaded().await, Some(1));
        bench
            .clock
            .sleep_until(Stamp(ended.0 + 3_100_000_000))
            .await;
        assert_eq!(loaded().await, Some(0));
    });
}

#[test]
fn a_client_that_leaves_during_a_load_aborts_it() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let call = ask(MODEL, 4096, "impatient");
        tokio::select! {
            _ = bench.send(call) => panic!("loading takes 2 s"),
            () = bench.clock.sleep(Nanos::from_secs(1)) => {}
        }
        bench.clock.sleep(Nanos::from_millis(1)).await;
        let lines = log(&bench).await;
        assert_eq!(events(&lines, "load_aborted").len(), 1);
        let request = lines.iter().find(|line| line["log"] == "request");
        let request = request.expect("it is logged");
        assert_eq!(request["whole"], false);
        assert!(
            request.get("status").is_none(),
            "nothing was answered: {request}"
        );
        let next = bench.send(ask(MODEL, 4096, "patient")).await;
        assert_eq!(next.end, End::Whole);
        let last = next.lines().pop().expect("lines");
        assert_eq!(
            last["load_duration"], 2_000_000_000_u64,
            "from the start again"
        );
    });
}

/// Seconds between two tokens of two clients, each on a server of its own.
fn gap_of_two_servers(devices: usize) -> f64 {
    let mut gap = 0.0;
    virtually(async {
        let bench = Bench::new(|config| {
            config.servers = 2;
            config.placement = if devices == 1 {
                Placement::Shared
            } else {
                Placement::OneEach
            };
            let device = paced().devices[0].clone();
            config.profile.devices = vec![device; devices];
        })
        .await;
        let endpoints = bench.simulator.endpoints();
        let call = ask(MODEL, 4096, "the same words");
        let (a, b) = tokio::join!(
            call.send(&bench.clock, &endpoints[0]),
            call.send(&bench.clock, &endpoints[1]),
        );
        let (a, b) = (a.expect("a response"), b.expect("a response"));
        assert_eq!((a.status, b.status), (200, 200));
        let arrivals = a.arrivals();
        gap = arrivals[10] - arrivals[9];
        assert_eq!(a.arrivals(), b.arrivals());
    });
    gap
}

#[test]
fn two_servers_share_one_device_and_not_two() {
    let (one, two) = (gap_of_two_servers(1), gap_of_two_servers(2));
    assert!((two - 0.01).abs() < 1e-9, "{two}");
    assert!((one - 0.02).abs() < 1e-9, "half of the device each: {one}");
}

#[test]
fn a_full_queue_is_refused_with_two_spaces() {
    virtually(async {
        let bench = Bench::new(|config| config.profile.server.max_queue = 1).await;
        let ask = |model: &str| post("/api/generate", json!({"model": model, "prompt": "x"}));
        // One is being handled, one waits, the third finds the queue full.
        let (_, _, third) = tokio::join!(
            bench.send(ask(MODEL)),
            async {
                bench.clock.sleep(Nanos::from_millis(1)).await;
                bench.send(ask("qwen3:8b")).await
            },
            async {
                bench.clock.sleep(Nanos::from_millis(2)).await;
                bench.send(ask("qwen3:8b")).await
            }
        );
        assert_eq!(third.status, 503);
        assert_eq!(
            third.text(),
            r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#
        );
        assert!(third.header("retry-after").is_none());
        assert_eq!(third.ended, third.sent, "at once");
    });
}

#[test]
fn a_client_that_leaves_frees_its_slot_at_once() {
    virtually(async {
        let bench = Bench::new(|config| config.num_parallel = Some(1)).await;
        let ask = |prompt: &str| post("/api/generate", json!({"model": MODEL, "prompt": prompt}));
        let leaver = Call {
            leave_after: Some(3),
            ..ask("first")
        };
        let (left, next) = tokio::join!(bench.send(leaver), async {
            bench.clock.sleep(Nanos::from_millis(1)).await;
            bench.send(ask("second")).await
        });
        assert_eq!(left.end, End::Broken);
        let waited = next.frames[0].0.since(left.ended);
        let prefill = &next.lines()[19]["prompt_eval_duration"];
        // The rest of the step that was running may have to end first.
        let most = prefill.as_u64().expect("nanoseconds") + 10_001_000;
        assert!(
            waited.0 <= most,
            "{waited} after the first one left, prefill {prefill}"
        );
    });
}
