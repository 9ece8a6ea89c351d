use domain::backend::ServerIdentity;
use domain::record::EndpointFacts;

use super::*;

fn found(kind: &str) -> Found {
    let server = ServerIdentity {
        kind: kind.to_owned(),
        version: "1".to_owned(),
    };
    let mut found = Found::new(EndpointFacts {
        url: format!("http://{kind}"),
        server,
        model: None,
    });
    found.reported.insert("slots", "2".to_owned());
    found
}

fn plan() -> SweepPlan {
    let text = include_str!("../../../../../fixtures/plans/one-or-two-servers.toml");
    domain::plan::parse("plan", text).unwrap()
}

#[test]
fn a_plan_follows_what_its_servers_can_do() {
    let mut cases = Vec::new();
    for kinds in ["ollama", "llama.cpp, vllm", "ollama, llama.cpp"] {
        let mut fitted = plan();
        let servers: Vec<_> = kinds.split(", ").map(found).collect();
        let differences = fit(&mut fitted, &servers);
        let protocol = fitted.protocol.clone();
        cases.push(format!("{kinds}: {protocol:?}\n{differences:#?}\n"));
        // A second time there is nothing left to change.
        let again = fit(&mut fitted, &servers);
        assert_eq!(fitted.protocol, protocol);
        assert!(!again.facts.contains_key("protocol_fitted"));
    }
    let options = ModelOptions {
        num_ctx: Some(512),
        top_k: Some(40),
        num_predict: Some(50),
        ..ModelOptions::default()
    };
    let differences = fit_options(&[options], &["ollama", "llama.cpp", "vllm"].map(found));
    cases.push(format!("a load: {differences:#?}"));
    insta::assert_snapshot!(cases.concat());
}
