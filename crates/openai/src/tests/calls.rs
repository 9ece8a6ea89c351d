use clock::Clock;
use domain::backend::{BackendError, ChatBackend};
use domain::plan::Timeouts;
use domain::{FailureKind, ModelOptions};

use crate::{Client, ClientBuilder, Dialect, EndpointError};
use scripted::{Server, Step, chunk, json};

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

/// Replies, kind, version, context.
type Case = (Vec<Vec<Step>>, &'static str, &'static str, Option<u64>);

#[tokio::test(start_paused = true)]
async fn servers_are_told_apart() {
    let not_found = || json("404 Not Found", r#"{"detail":"Not Found"}"#);
    let other = r#"{"data":[{"id":"m"}]}"#;
    let router = r#"{"role":"router","build_info":"b7000"}"#;
    let cases: [Case; 9] = [
        (
            vec![json("200 OK", LLAMA_MODELS), json("200 OK", LLAMA_PROPS)],
            "llama.cpp",
            "b6500-1a2b3c4d",
            Some(4096),
        ),
        (
            vec![served_by("llama.cpp", other), json("200 OK", LLAMA_PROPS)],
            "llama.cpp",
            "b6500-1a2b3c4d",
            Some(4096),
        ),
        (
            vec![json("200 OK", LLAMA_MODELS), json("200 OK", router)],
            "llama.cpp router",
            "b7000",
            None,
        ),
        (
            vec![
                json("200 OK", LLAMA_MODELS),
                json("501 Not Implemented", r#"{"error":{"message":"no props"}}"#),
            ],
            "llama.cpp",
            "version not told",
            None,
        ),
        (
            vec![
                json("200 OK", &models("vllm")),
                json("200 OK", r#"{"version":"0.11.0"}"#),
            ],
            "vllm",
            "0.11.0",
            Some(8192),
        ),
        (
            vec![
                json("200 OK", &models("sglang")),
                not_found(),
                json("200 OK", r#"{"version":"0.5.3","tp_size":1}"#),
            ],
            "sglang",
            "0.5.3",
            Some(8192),
        ),
        (
            vec![
                json("200 OK", r#"{"data":[{"id":"m","owned_by":"library"}]}"#),
                json("200 OK", r#"{"version":"0.33.0"}"#),
            ],
            "ollama /v1",
            "0.33.0",
            None,
        ),
        (
            vec![json(
                "200 OK",
                r#"{"data":[{"id":"m","owned_by":"organization_owner"}]}"#,
            )],
            "openai-compatible",
            "version not told",
            None,
        ),
        (
            vec![json("200 OK", r#"{"object":"list","data":[]}"#)],
            "openai-compatible",
            "version not told",
            None,
        ),
    ];
    for (scripts, kind, version, context) in cases {
        let clock = Clock::start_virtual();
        let server = Server::start(&clock, scripts).await;
        let facts = super::client(&server, Timeouts::default())
            .look()
            .await
            .unwrap();
        assert_eq!(
            (
                facts.identity.kind.as_str(),
                facts.identity.version.as_str()
            ),
            (kind, version)
        );
        assert_eq!(facts.context_length, context, "{kind}");
        assert!(crate::wire::is_kind(&facts.identity.kind));
        let holds = ["llama.cpp", "vllm", "sglang"].contains(&kind);
        assert_eq!(facts.identity.holds_model(), holds, "{kind}");
    }
}

fn llama_cpp(server: &Server) -> Client {
    ClientBuilder::new(server.clock.clone())
        .dialect(Dialect::LlamaCpp)
        .build(&server.address.to_string())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_llama_cpp_server_serves_its_model_under_every_name() {
    let clock = Clock::start_virtual();
    let scripts = vec![json("200 OK", LLAMA_MODELS); 3];
    let server = Server::start(&clock, scripts).await;
    let client = llama_cpp(&server);
    for name in ["random.gguf", "other", "gemma3:latest"] {
        let model = client.find_model(name).await.unwrap().unwrap();
        assert_eq!(model.name, "random.gguf");
        assert_eq!(model.parameter_size.as_deref(), Some("21.0M"));
        assert_eq!(model.size_bytes, Some(43_000_000));
    }
}

#[tokio::test(start_paused = true)]
async fn other_servers_have_the_models_they_list() {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, vec![json("200 OK", &models("vllm")); 2]).await;
    let client = super::client(&server, Timeouts::default());
    assert!(client.find_model("m").await.unwrap().is_some());
    assert_eq!(client.find_model("gemma3:latest").await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn llama_cpp_tells_what_it_holds() {
    let clock = Clock::start_virtual();
    let scripts = [LLAMA_MODELS, LLAMA_PROPS, LLAMA_MODELS].map(|body| json("200 OK", body));
    let server = Server::start(&clock, scripts.to_vec()).await;
    let loaded = llama_cpp(&server).loaded().await.unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].name, "random.gguf");
    assert_eq!(loaded[0].context_length, Some(4096));
    assert_eq!(loaded[0].size_bytes, Some(43_000_000));
}

#[tokio::test(start_paused = true)]
async fn what_the_protocol_cannot_do_is_refused_without_asking() {
    let clock = Clock::start_virtual();
    let server = Server::start(&clock, vec![]).await;
    let client = super::client(&server, Timeouts::default());
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
    let clock = Clock::start_virtual();
    let html = vec![
        Step::Head("200 OK", "text/html"),
        chunk("<html>a router's page</html>"),
        Step::End,
    ];
    let scripts = vec![
        html,
        json("200 OK", r#"{"data":"x"}"#),
        json(
            "401 Unauthorized",
            r#"{"error":{"message":"Invalid API Key"}}"#,
        ),
    ];
    let server = Server::start(&clock, scripts).await;
    let client = super::client(&server, Timeouts::default());
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

#[test]
fn an_endpoint_that_cannot_be_is_refused_before_anything_is_sent() {
    let error = Client::new("http://key@h", Clock::real(), Timeouts::default()).unwrap_err();
    let refused = |e: &crate::BuildError| {
        matches!(
            e,
            crate::BuildError::Endpoint(EndpointError::Credentials { .. })
        )
    };
    assert!(refused(&error), "{error}");
}
