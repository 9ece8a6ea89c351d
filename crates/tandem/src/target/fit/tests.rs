use domain::backend::ServerIdentity;
use domain::plan::Protocol;
use domain::record::EndpointFacts;

use super::*;

fn found(kind: &str) -> Found {
    Found {
        facts: EndpointFacts {
            url: format!("http://{}", kind.replace(' ', "-")),
            server: ServerIdentity {
                kind: kind.to_owned(),
                version: "1".to_owned(),
            },
            model: None,
        },
        told: BTreeMap::from([("slots".to_owned(), "2".to_owned())]),
    }
}

fn plan() -> SweepPlan {
    let text = include_str!("../../../../../fixtures/plans/one-or-two-servers.toml");
    domain::plan::parse("plan", text).unwrap()
}

#[test]
fn an_ollama_takes_the_plan_as_it_is() {
    let mut fitted = plan();
    let made = fit(&mut fitted, &[found("ollama")]);
    assert_eq!(fitted, plan());
    assert!(made.notes.is_empty());
    assert_eq!(made.facts["endpoint_0_slots"], "2");
}

#[test]
fn a_server_that_holds_its_model_is_taken_as_left() {
    let mut fitted = plan();
    let made = fit(&mut fitted, &[found("llama.cpp"), found("vllm")]);
    let rigorous = Protocol {
        state: StatePolicy::AsLeft,
        warm_up: false,
        probe: false,
        ..plan().protocol
    };
    assert_eq!(fitted.protocol, rigorous);
    assert_eq!(
        made.notes,
        [
            "http://llama.cpp (llama.cpp) cannot be sent num_ctx, num_gpu: the server's own settings hold",
            "http://vllm (vllm) cannot be sent num_ctx, num_gpu, repeat_penalty, top_k: the server's own \
             settings hold",
            "servers of this protocol cannot load or unload a model on demand: the server's state is as \
             left, not unloaded, there is no first load to warm up with, no probe measures a warm load",
        ]
    );
    assert_eq!(
        made.facts["endpoint_1_options_not_sent"],
        "num_ctx, num_gpu, repeat_penalty, top_k"
    );
    // A second time there is nothing left to change.
    let again = fit(&mut fitted, &[found("llama.cpp")]);
    assert_eq!(fitted.protocol, rigorous);
    assert!(!again.facts.contains_key("protocol_fitted"));
}

#[test]
fn among_servers_of_both_kinds_the_protocol_stays() {
    let mut fitted = plan();
    let made = fit(&mut fitted, &[found("ollama"), found("llama.cpp")]);
    assert_eq!(fitted, plan());
    assert_eq!(made.notes.len(), 2, "{:?}", made.notes);
    assert!(
        made.notes[1].contains("its state is as left, not unloaded"),
        "{:?}",
        made.notes
    );
    assert_eq!(made.facts["endpoint_1_state"], "as left");
    assert!(!made.facts.contains_key("endpoint_0_state"));
}

#[test]
fn a_load_keeps_what_was_told_and_names_what_cannot_be_sent() {
    let options = ModelOptions {
        num_ctx: Some(512),
        top_k: Some(40),
        num_predict: Some(50),
        ..ModelOptions::default()
    };
    let made = fit_load(
        &options,
        &[found("ollama"), found("llama.cpp"), found("vllm")],
    );
    assert_eq!(
        made.notes,
        [
            "http://llama.cpp (llama.cpp) cannot be sent num_ctx: the server's own settings hold",
            "http://vllm (vllm) cannot be sent num_ctx, top_k: the server's own settings hold",
        ]
    );
    assert_eq!(made.facts["endpoint_0_slots"], "2");
    assert!(!made.facts.contains_key("endpoint_0_options_not_sent"));
    assert_eq!(made.facts["endpoint_2_options_not_sent"], "num_ctx, top_k");
}
