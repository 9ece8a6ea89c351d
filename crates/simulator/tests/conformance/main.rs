//! Facts of the protocol, checked on the simulator and, unchanged, on any real Ollama.
//!
//! `cargo test -p simulator --test conformance` runs them on the simulator. With
//! `TANDEM_CONFORMANCE_ENDPOINT` and `TANDEM_CONFORMANCE_MODEL` set they also run on that server;
//! `cargo xtask clients --conformance --endpoint URL --model NAME` sets them. A model with random
//! weights is enough. `TANDEM_CONFORMANCE_EMBEDDER` names one that embeds, if another does.
//! `docs/verified-servers.md` says which servers have passed.

#[path = "../common/mod.rs"]
mod common;

mod script;
mod suite;

use clock::Clock;
use common::{Bench, virtually};
use serde_json::{Value, json};
use suite::{Checked, Server, Verdicts, not_here, object, objects, same, text_of};

const SCRIPTS: [&str; 6] = [
    include_str!("models.txt"),
    include_str!("refusals.txt"),
    include_str!("generation.txt"),
    include_str!("lifecycle.txt"),
    include_str!("embeddings.txt"),
    include_str!("openai.txt"),
];

/// Makes every check and prints their table. The model is unloaded at the end.
async fn check(server: &Server) -> Verdicts {
    println!("\nversion {}, model {}", server.version, server.model);
    let mut verdicts = Verdicts::default();
    let name = "a stop string ends the answer before it";
    verdicts
        .add(server, name, a_stop_string_ends_the_answer(server))
        .await;
    let name = "two requests at once are both served";
    verdicts
        .add(server, name, two_requests_are_served(server))
        .await;
    for check in SCRIPTS
        .iter()
        .flat_map(|script| script.split("\n== ").skip(1))
    {
        let (name, steps) = check.split_once('\n').expect("a name and steps");
        verdicts
            .add(server, name, script::play(server, steps))
            .await;
    }
    println!("{verdicts:?}");
    verdicts
}

async fn a_stop_string_ends_the_answer(server: &Server) -> Checked {
    let whole = async |stop: Value| {
        let options = json!({"num_predict": 12, "stop": stop});
        let more = json!({"stream": false, "think": server.unthinking(), "options": options});
        object(&server.ask("/api/generate", &more).await?)
    };
    let plain = whole(Value::Null).await?;
    let text = text_of(&plain["response"]);
    let mut letters = text.char_indices();
    let Some((at, stop)) = letters.find(|(at, c)| *at > 4 && c.is_ascii_lowercase()) else {
        return not_here(format!("no letter to stop at in {text:?}"));
    };
    let at = text[..at].find(stop).unwrap_or(at);
    let stopped = whole(json!([stop.to_string()])).await?;
    same("response", text_of(&stopped["response"]), &text[..at])?;
    same("done_reason", &stopped["done_reason"], "stop")
}

async fn two_requests_are_served(server: &Server) -> Checked {
    let ask = json!({});
    let (one, two) = tokio::join!(
        server.ask("/api/generate", &ask),
        server.ask("/api/chat", &ask)
    );
    for answer in [one?, two?] {
        let last = objects(&answer)?.pop().unwrap_or_default();
        same("done", &last["done"], true)?;
    }
    Ok(())
}

fn simulator_conforms(model: &str) {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let clock = bench.clock.clone();
        let server = Server::new(clock, &bench.endpoint, model, "nomic-embed-text")
            .await
            .expect("the model is there");
        let verdicts = check(&server).await;
        assert!(verdicts.hold >= 60, "too little was checked");
        assert_eq!(verdicts.fail, 0, "see the table above");
    });
}

#[test]
fn the_simulator_conforms_with_a_plain_model() {
    simulator_conforms("gemma3:latest");
}

#[test]
fn the_simulator_conforms_with_a_thinking_model() {
    simulator_conforms("qwen3:8b");
}

#[test]
fn a_real_server_conforms() {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(endpoint), Some(model)) = (
        variable("TANDEM_CONFORMANCE_ENDPOINT"),
        variable("TANDEM_CONFORMANCE_MODEL"),
    ) else {
        println!("skipped: TANDEM_CONFORMANCE_ENDPOINT and TANDEM_CONFORMANCE_MODEL are not set");
        return;
    };
    let embedder = variable("TANDEM_CONFORMANCE_EMBEDDER").unwrap_or_else(|| model.clone());
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(async {
            let server = Server::new(Clock::real(), &endpoint, &model, &embedder)
                .await
                .unwrap_or_else(|miss| panic!("{endpoint}: {miss}"));
            let verdicts = check(&server).await;
            assert_eq!(verdicts.fail, 0, "see the table above");
        });
}
