use clock::Clock;
use domain::backend::{BackendError, ChatBackend};
use domain::plan::Timeouts;
use domain::{FailureKind, ModelOptions};
use scripted::{Server, Step, chunk, json, ok};

use crate::{Client, Dialect, Settings};

/// A server that follows these scripts in virtual time, and its client.
async fn served(scripts: Vec<Vec<Step>>) -> (Server, Client) {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, scripts).await;
    let settings = Settings::new(clock, Timeouts::default());
    let client = Client::new(settings, &server.address.to_string()).unwrap();
    (server, client)
}

/// A JSON reply with a `Server` header.
fn served_by(name: &str, body: &str) -> Vec<Step> {
    let reply = format!(
        "HTTP/1.1 200 OK\r\nServer: {name}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    vec![Step::Raw(reply.into_bytes(), 2 + body.len() as u64)]
}

const LLAMA_MODELS: &str = r#"{"object":"list","data":[{"id":"random.gguf","aliases":["other"],
    "object":"model","owned_by":"llamacpp","meta":{"n_params":21000000,"size":43000000}}]}"#;
const LLAMA_PROPS: &str = r#"{"build_info":"b6500-1a2b3c4d","total_slots":2,"model_path":"random.gguf",
    "default_generation_settings":{"n_ctx":4096}}"#;

fn models(owner: &str) -> String {
    format!(r#"{{"data":[{{"id":"m","owned_by":"{owner}","max_model_len":8192}}]}}"#)
}

#[tokio::test(start_paused = true)]
async fn servers_are_identified() {
    let not_found = json("404 Not Found", r#"{"detail":"Not Found"}"#);
    let no_props = json("501 Not Implemented", r#"{"error":{"message":"no props"}}"#);
    let router = r#"{"role":"router","build_info":"b7000"}"#;
    let by_header = served_by("llama.cpp", r#"{"data":[{"id":"m"}]}"#);
    let library = r#"{"data":[{"id":"m","owned_by":"library"}]}"#;
    let other = r#"{"data":[{"id":"m","owned_by":"organization_owner"}]}"#;
    let sglang = r#"{"version":"0.5.3","tp_size":1}"#;
    let mut found = Vec::new();
    for replies in [
        vec![ok(LLAMA_MODELS), ok(LLAMA_PROPS)],
        vec![by_header, ok(LLAMA_PROPS)],
        vec![ok(LLAMA_MODELS), ok(router)],
        vec![ok(LLAMA_MODELS), no_props],
        vec![ok(&models("vllm")), ok(r#"{"version":"0.11.0"}"#)],
        vec![ok(&models("sglang")), not_found, ok(sglang)],
        vec![ok(library), ok(r#"{"version":"0.33.0"}"#)],
        vec![ok(other)],
        vec![ok(r#"{"object":"list","data":[]}"#)],
    ] {
        let (_server, client) = served(replies).await;
        let facts = client.server_facts().await.unwrap();
        let identity = facts.identity;
        assert!(crate::wire::is_kind(&identity.kind));
        found.push(format!(
            "{} {}, slots {:?}, context {:?}, holds a model: {}",
            identity.kind,
            identity.version,
            facts.slots,
            facts.context_length,
            identity.holds_model()
        ));
    }
    insta::assert_debug_snapshot!(found);
}

const VLLM_MODELS: &str = r#"{"data":[{"id":"m","owned_by":"vllm","max_model_len":8192}]}"#;

/// Models as servers and gateways list them; a name that is asked for, and the one that is found.
const LISTED: &[(&str, &[(&str, &str)])] = &[
    (VLLM_MODELS, &[("m", "m"), ("gemma3:latest", "-")]),
    (r#"[{"id":"m"},{"id":"n"}]"#, &[("n", "n")]),
    (
        r#"{"data":[7,null,{"id":"m","max_model_len":-1,"aliases":3,"meta":"x"}]}"#,
        &[("m", "m")],
    ),
    (
        r#"{"data":[{"id":"a/b"}]}"#,
        &[("a/b:nitro", "a/b"), ("a/c:nitro", "-")],
    ),
    (
        r#"{"data":[{"id":"a/b:free"},{"id":"a/b"}]}"#,
        &[("a/b:free", "a/b:free")],
    ),
];

#[tokio::test(start_paused = true)]
async fn models_are_found_as_each_server_lists_them() {
    for (list, names) in LISTED {
        for (name, expected) in *names {
            let (_server, client) = served(vec![ok(list)]).await;
            let found = client.find_model(name).await.unwrap();
            let found = found.as_ref().map_or("-", |model| model.name.as_str());
            assert_eq!(found, *expected, "{list}");
        }
    }
    // llama.cpp serves its model under every name.
    for name in ["random.gguf", "other", "gemma3:latest"] {
        let (_server, mut client) = served(vec![ok(LLAMA_MODELS)]).await;
        client.dialect = Dialect::LlamaCpp;
        let found = client.find_model(name).await.unwrap().unwrap();
        assert_eq!(found.name, "random.gguf");
        assert_eq!(found.parameter_size.as_deref(), Some("21.0M"));
        assert_eq!(found.size_bytes, Some(43_000_000));
    }
}

/// llama.cpp reports which model it holds.
#[tokio::test(start_paused = true)]
async fn a_loaded_model_has_its_size_and_context() {
    let replies = [LLAMA_MODELS, LLAMA_PROPS, LLAMA_MODELS];
    let (_server, mut client) = served(replies.map(ok).to_vec()).await;
    client.dialect = Dialect::LlamaCpp;
    let loaded = client.loaded().await;
    let expected = r#"[{"name":"random.gguf","size_bytes":43000000,"context_length":4096}]"#;
    assert_eq!(serde_json::to_string(&loaded.unwrap()).unwrap(), expected);
}

/// A version and a model's name may be of any length.
#[tokio::test(start_paused = true)]
async fn names_are_cut() {
    let long = "v".repeat(1_000_000);
    let version = format!(r#"{{"version":"{long}"}}"#);
    let list = format!(r#"{{"data":[{{"id":"{long}","owned_by":"vllm"}}]}}"#);
    let (_server, client) = served(vec![ok(&list), ok(&version), ok(&list)]).await;
    let version = client.identify().await.unwrap().version;
    let name = &client.models().await.unwrap().data[0].identity.name;
    assert_eq!((version.chars().count(), name.chars().count()), (201, 201));
}

#[tokio::test(start_paused = true)]
async fn what_the_protocol_cannot_do_is_refused_without_a_request() {
    let (server, client) = served(vec![]).await;
    let options = ModelOptions::default();
    let loaded = client.loaded().await.map(|_| ());
    for (result, words) in [
        (loaded, "which models are in memory"),
        (client.preload("m", &options).await, "load a model"),
        (client.unload("m").await, "unload a model"),
    ] {
        let Err(BackendError::Failed {
            failure, message, ..
        }) = result
        else {
            panic!("{result:?}")
        };
        assert_eq!(failure, FailureKind::Unsupported);
        assert!(message.contains(words), "{message}");
    }
    assert!(server.notes.lock().unwrap().requests.is_empty());
}

#[tokio::test(start_paused = true)]
async fn calls_that_fail_say_where_and_why() {
    let html = vec![
        Step::Head("200 OK", "text/html"),
        chunk("<html>a router's page</html>"),
        Step::End,
    ];
    let invalid_key = r#"{"error":{"message":"Invalid API Key"}}"#;
    let scripts = vec![
        html,
        ok(r#"{"data":"x"}"#),
        json("401 Unauthorized", invalid_key),
    ];
    let (server, client) = served(scripts).await;
    for words in [
        "is this an OpenAI-compatible server?",
        "the reply starts with",
        "Invalid API Key; the server wants a key: set TANDEM_API_KEY",
    ] {
        let error = client.identify().await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("http://{}: ", server.address)));
        assert!(error.contains(words), "{error}");
    }
}
