//! Scheduling as clients see it: who waits for whom, over HTTP and in virtual time.

mod common;

use common::{Answer, Bench, Call, End, post, virtually};
use domain::{Nanos, Stamp};
use serde_json::json;

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
