//! A server whose every text attacks the terminal.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;

use document::safe;
use serde_json::{Value, json};

use crate::support::{Place, text};

/// A forged line, an escape sequence that sets the window title, a bell, a direction override.
const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{1b}[31m\n# forged\r\n\u{202e}\u{9b}31m\0";

/// Serves both protocols; returns the address.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (nth, socket) in listener.incoming().enumerate() {
            let mut socket = socket.unwrap();
            let path = asked(&mut socket);
            let (status, body) = answer(&path, nth);
            let _ = write!(
                socket,
                "HTTP/1.1 {status}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                if path.starts_with("/v1/chat") {
                    "text/event-stream"
                } else {
                    "application/json"
                },
                body.len()
            );
        }
    });
    address
}

/// Reads a request and returns its path.
fn asked(socket: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && socket.read(&mut byte).unwrap_or(0) == 1 {
        request.push(byte[0]);
    }
    let head = text(&request);
    let header = |line: &str| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    };
    let length = head.lines().find_map(header).unwrap_or(0);
    let mut body = vec![0; length];
    let _ = socket.read_exact(&mut body);
    head.split(' ').nth(1).unwrap_or_default().to_owned()
}

/// A third of the generations are errors in the body, and a third have status 500.
fn answer(path: &str, nth: usize) -> (&'static str, String) {
    let ok = |value: Value| ("200 OK", value.to_string() + "\n");
    match path {
        "/api/version" | "/version" => ok(json!({"version": HOSTILE})),
        "/api/tags" => ok(json!({"models": [
            {"name": HOSTILE},
            {"name": "m:latest", "digest": HOSTILE, "size": 1,
             "details": {"parameter_size": HOSTILE, "quantization_level": HOSTILE}},
        ]})),
        "/api/ps" => {
            ok(json!({"models": [{"name": HOSTILE, "expires_at": HOSTILE, "size_vram": 1}]}))
        }
        "/api/show" => {
            ok(json!({"model_info": {HOSTILE: HOSTILE, "general.architecture": HOSTILE}}))
        }
        "/v1/models" => ok(json!({"data": [{"id": HOSTILE}, {"id": "m", "owned_by": HOSTILE}]})),
        "/api/generate" | "/api/chat" if nth.is_multiple_of(3) => ok(json!({"error": HOSTILE})),
        "/api/generate" | "/api/chat" if nth % 3 == 1 => (
            "500 Internal Server Error",
            json!({"error": HOSTILE}).to_string(),
        ),
        "/api/generate" | "/api/chat" => ok(json!({
            "model": HOSTILE, "response": HOSTILE, "message": {"role": "assistant", "content": HOSTILE},
            "done": true, "done_reason": HOSTILE, "eval_count": 2, "eval_duration": 1000,
        })),
        "/v1/chat/completions" if nth.is_multiple_of(2) => (
            "429 Too Many Requests",
            json!({"error": {"message": HOSTILE}}).to_string(),
        ),
        "/v1/chat/completions" => {
            let chunk = json!({"choices": [{"index": 0, "delta": {"content": HOSTILE}, "finish_reason": HOSTILE}]});
            ("200 OK", format!("data: {chunk}\n\ndata: [DONE]\n\n"))
        }
        _ => ("404 Not Found", json!({"error": HOSTILE}).to_string()),
    }
}

#[test]
fn texts_of_a_server_are_escaped_on_the_terminal() {
    let place = Place::new();
    place.write(
        "plan.toml",
        "schema = 1\nname = \"p\"\nmodel = \"m\"\n[protocol]\nkind = \"rigorous\"\nrepetitions = 2\n\
         [[configs]]\nscenario = \"chimera_homo\"\nid = \"homo\"\n\
         agents = [{ name = \"a\" }, { name = \"b\" }]\n",
    );
    let server = serve();
    let mut found = Vec::new();
    for api in ["ollama", "openai"] {
        let at = format!("--endpoint http://{server} --api {api}");
        for line in [
            format!("doctor {at} --model m"),
            format!("sweep {at} --plan plan.toml --no-calibrate --out sweep-{api} -v"),
            format!("load {at} --model m --requests 6 --agents 2 --no-calibrate --out load-{api}"),
            format!(
                "capacity {at} --model m --slo ttft_p95<2s --max-agents 1 --requests-per-agent 5 --no-calibrate --out capacity-{api}"
            ),
        ] {
            let output = place.run(&line);
            for (name, said) in [
                ("stdout", text(&output.stdout)),
                ("stderr", text(&output.stderr)),
            ] {
                assert!(!said.contains("unexpected argument"), "{said}");
                let is_raw =
                    |line: &&str| safe::terminal(line) != *line || line.starts_with("# forged");
                let raw = said.lines().filter(is_raw);
                found.extend(raw.map(|shown| format!("{line}: {name}: {shown:?}")));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
