//! Facts of the protocol, checked on the simulator and, unchanged, on any real Ollama.
//!
//! `cargo test -p simulator --test conformance` runs them on the simulator. With
//! `TANDEM_CONFORMANCE_ENDPOINT` and `TANDEM_CONFORMANCE_MODEL` set they also run on that server;
//! `cargo xtask clients --conformance --endpoint URL --model NAME` sets them. A model with random
//! weights is enough. `TANDEM_CONFORMANCE_EMBEDDER` names one that embeds, if another does.
//! `docs/verified-servers.md` says which servers have passed.

#[path = "../common/mod.rs"]
mod common;

mod figures;
mod script;
mod suite;

use clock::Clock;
use common::{paced, virtually};
use simulator::{Simulator, SimulatorConfig};
use suite::{Checks, Server};

/// Every check, ordered so that the model is unloaded at the end.
fn checks(server: &Server) -> Checks<'_> {
    let mut checks = Checks::default();
    checks.script(server, include_str!("models.txt"));
    checks.script(server, include_str!("refusals.txt"));
    checks.script(server, include_str!("generation.txt"));
    checks.figures(server);
    checks.script(server, include_str!("lifecycle.txt"));
    checks.script(server, include_str!("embeddings.txt"));
    checks.script(server, include_str!("openai.txt"));
    checks.add("the model can be unloaded at the end", server.unload());
    checks
}

fn simulator_conforms(model: &str) {
    virtually(async {
        let clock = Clock::start_virtual();
        let config = SimulatorConfig::new(paced(), clock.clone());
        let simulator = Simulator::start(config).await.expect("it starts");
        let server = Server::new(clock, &simulator.endpoints()[0], model, "nomic-embed-text")
            .await
            .expect("the model is there");
        let (hold, fail) = checks(&server).run(&server).await;
        assert!(hold >= 60, "too little was checked");
        assert_eq!(fail, 0, "see the table above");
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
            let (_, fail) = checks(&server).run(&server).await;
            assert_eq!(fail, 0, "see the table above");
        });
}
