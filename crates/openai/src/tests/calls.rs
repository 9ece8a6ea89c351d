use clock::Clock;
use domain::backend::{BackendError, ChatBackend};
use domain::plan::Timeouts;
use domain::{FailureKind, ModelOptions};
use scripted::{Server, Step, chunk, json};

use crate::{Client, Dialect};

/// A server that follows these scripts in virtual time, and its client.
async fn served(scripts: Vec<Vec<Step>>) -> (Server, Client) {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, scripts).await;
    let client = Client::new(&server.address.to_string(), clock, Timeouts::default()).unwrap();
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

fn ok(body: &str) -> Vec<Step> {
    json("200 OK", body)
}

#[tokio::test(start_paused = true)]
async fn servers_are_told_apart() {
    let not_found = json("404 Not Found", r#"{"detail":"Not Found"}"#);
    let no_props = json("501 Not Implemented", r#"{"error":{"message":"no props"}}"#);
    let router = r#"{"role":"router","build_info":"b7000"}"#;
    let by_header = served_by("llama.cpp", r#"{"data":[{"id":"m"}]}"#);
    let library = r#"{"data":[{"id":"m","owned_by":"library"}]}"#;
    let other = r#"{"data":[{"id":"m","owned_by":"organization_owner"}]}"#;
    let sglang = r#"{"version":"0.5.3","tp_size":1}"#;
    let mut told = Vec::new();
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
        let facts = client.look().await.unwrap();
        let identity = facts.identity;
        assert!(crate::wire::is_kind(&identity.kind));
        told.push(format!(
            "{} {}, slots {:?}, context {:?}, holds a model: {}",
            identity.kind,
            identity.version,
            facts.slots,
            facts.context_length,
            identity.holds_model()
        ));
    }
    insta::assert_debug_snapshot!(told);
}

/// llama.cpp serves its model under every name, and reports which model it holds.
#[tokio::test(start_paused = true)]
async fn models_are_found_as_each_server_has_them() {
    let asked = [
        LLAMA_MODELS,
        LLAMA_MODELS,
        LLAMA_MODELS,
        LLAMA_MODELS,
        LLAMA_PROPS,
        LLAMA_MODELS,
    ];
    let (_server, client) = served(asked.map(ok).to_vec()).await;
    let client = client.with_dialect(Dialect::LlamaCpp);
    for name in ["random.gguf", "other", "gemma3:latest"] {
        let model = client.find_model(name).await.unwrap().unwrap();
        assert_eq!(model.name, "random.gguf");
        assert_eq!(model.parameter_size.as_deref(), Some("21.0M"));
        assert_eq!(model.size_bytes, Some(43_000_000));
    }
    let loaded = client.loaded().await.unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].name, "random.gguf");
    assert_eq!(loaded[0].context_length, Some(4096));
    assert_eq!(loaded[0].size_bytes, Some(43_000_000));

    let (_server, client) = served(vec![ok(&models("vllm")); 2]).await;
    assert!(client.find_model("m").await.unwrap().is_some());
    assert_eq!(client.find_model("gemma3:latest").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn lists_of_models_are_read_as_gateways_write_them() {
    for (list, asked, found) in [
        (r#"[{"id":"m"},{"id":"n"}]"#, "n", Some("n")),
        (
            r#"{"data":[7,null,{"id":"m","max_model_len":-1,"aliases":3,"meta":"x"}]}"#,
            "m",
            Some("m"),
        ),
        (r#"{"data":[{"id":"a/b"}]}"#, "a/b:nitro", Some("a/b")),
        (
            r#"{"data":[{"id":"a/b:free"},{"id":"a/b"}]}"#,
            "a/b:free",
            Some("a/b:free"),
        ),
        (r#"{"data":[{"id":"a/b"}]}"#, "a/c:nitro", None),
    ] {
        let (_server, client) = served(vec![ok(list)]).await;
        let model = client.find_model(asked).await.unwrap();
        assert_eq!(model.map(|model| model.name).as_deref(), found, "{list}");
    }
}

/// A version and a model's name may be of any length.
#[tokio::test(start_paused = true)]
async fn names_are_cut() {
    let long = "v".repeat(1_000_000);
    let version = format!(r#"{{"version":"{long}"}}"#);
    let list = format!(r#"{{"data":[{{"id":"{long}","owned_by":"vllm"}}]}}"#);
    let (_server, client) = served(vec![ok(&list), ok(&version), ok(&list)]).await;
    assert_eq!(
        client.identify().await.unwrap().version.chars().count(),
        201
    );
    assert_eq!(
        client.models().await.unwrap().data[0].id.chars().count(),
        201
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_protocol_cannot_do_is_refused_without_asking() {
    let (server, client) = served(vec![]).await;
    let options = ModelOptions::default();
    for (error, words) in [
        (
            client.loaded().await.map(|_| ()),
            "which models are in memory",
        ),
        (client.preload("m", &options).await, "load a model"),
        (client.unload("m").await, "unload a model"),
    ] {
        let Err(BackendError::Failed {
            failure: FailureKind::Unsupported,
            message,
            ..
        }) = error
        else {
            panic!("{error:?}");
        };
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
    let scripts = vec![
        html,
        ok(r#"{"data":"x"}"#),
        json(
            "401 Unauthorized",
            r#"{"error":{"message":"Invalid API Key"}}"#,
        ),
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
