use std::io::{Read, Write};
use std::net::TcpListener;

use super::*;

/// Answers each path with its JSON or its whole response, everything else with a 404; ends with the
/// process.
fn server(routes: &[(&'static str, &'static str)]) -> String {
    let routes = routes.to_vec();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                head.push(byte[0]);
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap_or_default();
            let known = routes.iter().find(|(route, _)| *route == path);
            let reply = match known {
                None => "404 Not Found\r\n\r\nno such page".to_owned(),
                Some((_, json)) if json.starts_with('{') => format!("200 OK\r\n\r\n{json}"),
                Some((_, reply)) => (*reply).to_owned(),
            };
            let (status, rest) = reply.split_once("\r\n").unwrap();
            let _ = write!(stream, "HTTP/1.1 {status}\r\nConnection: close\r\n{rest}");
        }
    });
    address
}

fn look(endpoint: &str, api: ApiArg, model: &str) -> Result<Found, Fatal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let settings = Builder::new(clock::Clock::real()).timeouts(LIMITS);
    runtime.block_on(look_at(endpoint, api, &settings, model))
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
fn ollama_is_found_natively_with_and_without_v1() {
    let address = server(&[OLLAMA, TAGS, V1]);
    for endpoint in [
        address.clone(),
        format!("http://{address}/"),
        format!("http://{address}/v1"),
        format!("http://{address}/v1/"),
    ] {
        let found = look(&endpoint, ApiArg::Auto, "m").unwrap();
        assert_eq!(found.facts.url, format!("http://{address}"));
        assert_eq!(
            found.in_words(),
            format!("http://{address} (ollama 0.33.0, m:latest)")
        );
    }
}

#[test]
fn the_flag_overrides_what_would_be_found() {
    let address = server(&[OLLAMA, TAGS, V1]);
    let found = look(&address, ApiArg::Openai, "m").unwrap();
    assert_eq!(found.facts.server.kind, "ollama /v1");
    assert_eq!(found.facts.server.version, "0.33.0");
    let address = server(&[LLAMA_CPP, PROPS]);
    let refused = look(&address, ApiArg::Ollama, "m").unwrap_err().to_string();
    assert!(refused.contains("no such page"), "{refused}");
}

#[test]
fn llama_cpp_is_found_and_says_what_it_has() {
    let address = server(&[LLAMA_CPP, PROPS]);
    for endpoint in [address.clone(), format!("http://{address}/v1")] {
        let found = look(&endpoint, ApiArg::Auto, "any name").unwrap();
        assert_eq!(
            found.in_words(),
            format!("http://{address} (llama.cpp b1 (2 slots), r.gguf)")
        );
        assert_eq!(found.told["context_per_slot"], "512");
    }
}

#[test]
fn a_missing_model_names_what_there_is() {
    let address = server(&[V1]);
    let fatal = look(&address, ApiArg::Auto, "gemma3").unwrap_err();
    assert_eq!(
        fatal.to_string(),
        format!("http://{address} does not have the model gemma3")
    );
    assert_eq!(fatal.hint_text(), Some("name one it has with --model: m"));
}

/// With `--api openai` a model need not be listed.
#[test]
fn a_named_protocol_needs_no_list_of_models() {
    let html = "200 OK\r\nContent-Type: text/html\r\n\r\n<html>hi</html>";
    let list = "200 OK\r\n\r\n[{\"id\":\"a/b\"}]";
    for (reply, why) in [
        ("404 Not Found\r\n\r\nno such page", "cannot be read"),
        (html, "cannot be read"),
        ("{\"models\":7}", "cannot be read"),
        (list, "does not list it"),
    ] {
        let address = server(&[("/v1/models", reply)]);
        let found = look(&address, ApiArg::Openai, "x/y").unwrap();
        assert_eq!(found.facts.model.as_ref().unwrap().name, "x/y");
        assert_eq!(found.facts.server.kind, "openai-compatible");
        assert!(found.told["unlisted"].contains(why), "{:?}", found.told);
        look(&address, ApiArg::Auto, "x/y").unwrap_err();
    }
    let address = server(&[("/v1/models", list)]);
    let found = look(&address, ApiArg::Openai, "a/b:nitro").unwrap();
    assert_eq!(found.told.get("unlisted"), None);
    let refused = "401 Unauthorized\r\n\r\n{\"error\":\"no key\"}";
    let address = server(&[("/v1/models", refused)]);
    look(&address, ApiArg::Openai, "x/y").unwrap_err();
}

#[test]
fn what_is_neither_says_why_for_both() {
    for (reply, words) in [
        ("404 Not Found\r\n\r\nno such page", "no such page"),
        (
            "401 Unauthorized\r\n\r\n{\"error\":{\"message\":\"no key\"}}",
            "no key; the server wants a key: set TANDEM_API_KEY",
        ),
        (
            "200 OK\r\nContent-Type: text/html\r\n\r\n<html>hi</html>",
            "is this an OpenAI-compatible server?",
        ),
        (
            "301 Moved Permanently\r\nLocation: /v1/models\r\n\r\n",
            "redirects are not followed, it points to /v1/models",
        ),
        (
            "429 Too Many Requests\r\nRetry-After: 9\r\n\r\nslow down",
            "come back after 9 s",
        ),
    ] {
        let address = server(&[("/v1/models", reply)]);
        let error = look(&address, ApiArg::Auto, "m").unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("not Ollama's API either"), "{error}");
    }
}

#[test]
fn a_refused_connection_is_reported_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let error = look(&address, ApiArg::Auto, "m").unwrap_err().to_string();
    assert!(error.to_lowercase().contains("refused"), "{error}");
    assert!(!error.contains("either"), "{error}");
}

#[test]
fn a_key_in_the_url_is_refused_and_not_repeated() {
    for api in [ApiArg::Auto, ApiArg::Openai, ApiArg::Ollama] {
        let error = look("http://sk-secret@127.0.0.1:1/v1", api, "m").unwrap_err();
        let error = error.to_string();
        assert!(error.contains("credential"), "{error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
