use domain::backend::ServerIdentity;
use domain::plan::Protocol;
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

const LLAMA: &str =
    "http://llama.cpp (llama.cpp) cannot be sent num_ctx, num_gpu: the server's own settings hold";

#[test]
fn a_plan_follows_what_its_servers_can_do() {
    let as_left = Protocol {
        state: StatePolicy::AsLeft,
        warm_up: false,
        probe: false,
        ..plan().protocol
    };
    let vllm = "http://vllm (vllm) cannot be sent num_ctx, num_gpu, repeat_penalty, top_k: the server's own \
                settings hold";
    let cannot_load = "servers of this protocol cannot load or unload a model on demand: the server's state is as \
                       left, not unloaded, there is no first load to warm up with, no probe measures a warm load";
    let one_cannot = "http://llama.cpp (llama.cpp) cannot load or unload a model on demand: its state is as left, \
                      not unloaded";
    let cases: [(&[&str], &Protocol, &[&str], &[(&str, &str)]); 3] = [
        (
            &["ollama"],
            &plan().protocol,
            &[],
            &[("endpoint_0_slots", "2")],
        ),
        (
            &["llama.cpp", "vllm"],
            &as_left,
            &[LLAMA, vllm, cannot_load],
            &[(
                "endpoint_1_options_not_sent",
                "num_ctx, num_gpu, repeat_penalty, top_k",
            )],
        ),
        (
            &["ollama", "llama.cpp"],
            &plan().protocol,
            &[LLAMA, one_cannot],
            &[("endpoint_1_state", "as left")],
        ),
    ];
    for (kinds, protocol, notes, facts) in cases {
        let mut fitted = plan();
        let servers: Vec<_> = kinds.iter().map(|kind| found(kind)).collect();
        let made = fit(&mut fitted, &servers);
        assert_eq!(fitted.protocol, *protocol, "{kinds:?}");
        assert_eq!(made.notes, notes, "{kinds:?}");
        for (name, value) in facts {
            assert_eq!(made.facts[*name], *value);
        }
        assert!(!made.facts.contains_key("endpoint_0_state"));
        // A second time there is nothing left to change.
        let again = fit(&mut fitted, &servers);
        assert_eq!(fitted.protocol, *protocol);
        assert!(!again.facts.contains_key("protocol_fitted"));
    }
}

#[test]
fn a_load_keeps_reported_values_and_names_what_cannot_be_sent() {
    let options = ModelOptions {
        num_ctx: Some(512),
        top_k: Some(40),
        num_predict: Some(50),
        ..ModelOptions::default()
    };
    let servers = ["ollama", "llama.cpp", "vllm"].map(found);
    let made = fit_options(&[options], &servers);
    let expected = [
        "http://llama.cpp (llama.cpp) cannot be sent num_ctx: the server's own settings hold",
        "http://vllm (vllm) cannot be sent num_ctx, top_k: the server's own settings hold",
    ];
    assert_eq!(made.notes, expected);
    assert_eq!(made.facts["endpoint_0_slots"], "2");
    assert!(!made.facts.contains_key("endpoint_0_options_not_sent"));
    assert_eq!(made.facts["endpoint_2_options_not_sent"], "num_ctx, top_k");
}
