use std::io::{BufRead as _, BufReader, Write as _};
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
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            lines.find(String::is_empty);
            let path = request.split(' ').nth(1).unwrap_or_default();
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

const UNAUTHORIZED: &str = "401 Unauthorized\r\n\r\n{\"error\":{\"message\":\"no key\"}}";
const HTML: &str = "200 OK\r\nContent-Type: text/html\r\n\r\n<html>hi</html>";
const NO_PAGE: &str = "404 Not Found\r\n\r\nno such page";

#[test]
fn the_protocol_is_detected_unless_the_flag_names_it() {
    use ApiArg::{Auto, Ollama, Openai};
    let (ollama, llama) = (&[OLLAMA, TAGS, V1], &[LLAMA_CPP, PROPS]);
    let mut cases = Vec::new();
    for (routes, path, api, model) in [
        (&ollama[..], "", Auto, "m"),
        (ollama, "/", Auto, "m"),
        (ollama, "/v1", Auto, "m"),
        (ollama, "/v1/", Auto, "m"),
        (ollama, "", Openai, "m"),
        (llama, "", Auto, "any name"),
        (llama, "/v1", Auto, "any name"),
        (llama, "", Ollama, "m"),
        (&[V1], "", Auto, "gemma3"),
    ] {
        let address = server(routes);
        let found = look(&format!("http://{address}{path}"), api, model);
        let outcome = match found {
            Ok(found) => format!("{} {:?}\n", found.in_words(), found.reported),
            Err(fatal) => fatal.lines(),
        };
        let outcome = outcome.replace(&address, "ADDRESS");
        cases.push(format!("ADDRESS{path}, {api:?}, {model}:\n  {outcome}"));
    }
    insta::assert_snapshot!(cases.concat());
}

/// With `--api openai` a model need not be listed.
#[test]
fn a_named_protocol_needs_no_list_of_models() {
    let list = "200 OK\r\n\r\n[{\"id\":\"a/b\"}]";
    for (reply, why) in [
        (NO_PAGE, "cannot be read"),
        (HTML, "cannot be read"),
        ("{\"models\":7}", "cannot be read"),
        (list, "does not list it"),
    ] {
        let address = server(&[("/v1/models", reply)]);
        let found = look(&address, ApiArg::Openai, "x/y").unwrap();
        assert_eq!(found.facts.model.as_ref().unwrap().name, "x/y");
        assert_eq!(found.facts.server.kind, "openai-compatible");
        assert!(found.reported["unlisted"].contains(why), "{found:?}");
        look(&address, ApiArg::Auto, "x/y").unwrap_err();
    }
    let address = server(&[("/v1/models", list)]);
    let found = look(&address, ApiArg::Openai, "a/b:nitro").unwrap();
    assert_eq!(found.reported.get("unlisted"), None);
    let address = server(&[("/v1/models", UNAUTHORIZED)]);
    look(&address, ApiArg::Openai, "x/y").unwrap_err();
}

#[test]
fn a_server_of_neither_protocol_gives_both_reasons() {
    let redirect = "301 Moved Permanently\r\nLocation: /v1/models\r\n\r\n";
    let busy = "429 Too Many Requests\r\nRetry-After: 9\r\n\r\nslow down";
    for (reply, words) in [
        (NO_PAGE, "no such page"),
        (UNAUTHORIZED, "no key; the server wants a key: "),
        (UNAUTHORIZED, "set TANDEM_API_KEY"),
        (HTML, "is this an OpenAI-compatible server?"),
        (redirect, "redirects are not followed, "),
        (redirect, "it points to /v1/models"),
        (busy, "come back after 9 s"),
    ] {
        let error = look(&server(&[("/v1/models", reply)]), ApiArg::Auto, "m").unwrap_err();
        let error = error.to_string();
        assert!(error.contains(words), "{error}");
        assert!(error.contains("not Ollama's API either"), "{error}");
    }
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
