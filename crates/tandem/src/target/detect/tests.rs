use std::net::TcpListener;

use super::*;

#[path = "../../../tests/commands/answering.rs"]
mod answering;

use answering::answering;

/// Answers each path with its JSON or its whole response, everything else with a 404.
fn server(routes: &[(&'static str, &'static str)]) -> String {
    let routes = routes.to_vec();
    answering(move |path, _| {
        let known = routes.iter().find(|(route, _)| *route == path);
        match known {
            None => "404 Not Found\r\n\r\nno such page".to_owned(),
            Some((_, json)) if json.starts_with('{') => format!("200 OK\r\n\r\n{json}"),
            Some((_, reply)) => (*reply).to_owned(),
        }
    })
}

fn look(endpoint: &str, api: ApiArg, model: &str) -> Result<Found, Fatal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let settings = Settings::new(clock::Clock::real(), LIMITS);
    let found = runtime.block_on(detect(endpoint, api, &settings, model));
    found.map_err(|absent| absent.fatal)?.require(model)
}

const OLLAMA: (&str, &str) = ("/api/version", r#"{"version":"0.33.0"}"#);
const TAGS: (&str, &str) = ("/api/tags", r#"{"models":[{"name":"m:latest"}]}"#);
const V1: (&str, &str) = (
    "/v1/models",
    r#"{"data":[{"id":"m","owned_by":"library"}]}"#,
);
const LLAMA_CPP: (&str, &str) = (
    "/v1/models",
    "200 OK\r\nServer: llama.cpp\r\n\r\n{\"data\":[{\"id\":\"r.gguf\",\"owned_by\":\"llamacpp\"}]}",
);
const PROPS: (&str, &str) = (
    "/props",
    r#"{"build_info":"b1","total_slots":2,"default_generation_settings":{"n_ctx":512}}"#,
);

#[test]
fn the_protocol_is_detected_unless_the_flag_names_it() {
    use ApiArg::{Auto, Ollama, Openai};
    let mut cases = Vec::new();
    let mut add = |routes: &[_], path, api, model| {
        let address = server(routes);
        let found = look(&format!("http://{address}{path}"), api, model);
        let outcome = match found {
            Ok(found) => format!("{} {:?}\n", found.in_words(), found.reported),
            Err(fatal) => fatal.lines(),
        };
        let outcome = outcome.replace(&address, "ADDRESS");
        cases.push(format!("ADDRESS{path}, {api:?}, {model}:\n  {outcome}"));
    };
    let (ollama, llama) = (&[OLLAMA, TAGS, V1], &[LLAMA_CPP, PROPS]);
    for path in ["", "/", "/v1", "/v1/"] {
        add(ollama, path, Auto, "m");
    }
    add(ollama, "", Openai, "m");
    add(llama, "", Auto, "any name");
    add(llama, "/v1", Auto, "any name");
    add(llama, "", Ollama, "m");
    add(&[V1], "", Auto, "gemma3");
    // With `--api openai` a model need not be listed. Else a server of neither protocol gives both reasons.
    let list = ("/v1/models", "200 OK\r\n\r\n[{\"id\":\"a/b\"}]");
    add(&[list], "", Openai, "a/b:nitro");
    for reply in [
        list.1,
        "404 Not Found\r\n\r\nno such page",
        "200 OK\r\nContent-Type: text/html\r\n\r\n<html>hi</html>",
        "{\"models\":7}",
        "401 Unauthorized\r\n\r\n{\"error\":{\"message\":\"no key\"}}",
        "301 Moved Permanently\r\nLocation: /v1/models\r\n\r\n",
        "429 Too Many Requests\r\nRetry-After: 9\r\n\r\nslow down",
    ] {
        add(&[("/v1/models", reply)], "", Openai, "x/y");
        add(&[("/v1/models", reply)], "", Auto, "x/y");
    }
    insta::assert_snapshot!(cases.concat());
}

#[test]
fn a_refused_connection_is_reported_once_and_a_key_in_the_url_never() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = look(&address, ApiArg::Auto, "m").unwrap_err().to_string();
    assert!(error.to_lowercase().contains("refused"), "{error}");
    assert!(!error.contains("either"), "{error}");
    for api in [ApiArg::Auto, ApiArg::Openai, ApiArg::Ollama] {
        let error = look("http://sk-secret@127.0.0.1:1/v1", api, "m").unwrap_err();
        let error = error.to_string();
        assert!(error.contains("credential"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
