//! A server whose every text attacks the terminal.

use document::safe;
use serde_json::json;

use crate::support::{Place, answering, text};

/// A forged line, an escape sequence that sets the window title, a bell, a direction override.
const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{1b}[31m\n# forged\r\n\u{202e}\u{9b}31m\0";

/// A third of the generations are errors in the body, and a third have status 500.
fn answer(path: &str, nth: usize) -> (&'static str, &'static str, String) {
    let error = json!({"error": HOSTILE});
    let (status, body) = match path {
        "/api/version" | "/version" => ("200 OK", json!({"version": HOSTILE})),
        "/api/tags" => (
            "200 OK",
            json!({"models": [
                {"name": HOSTILE},
                {"name": "m:latest", "digest": HOSTILE, "size": 1,
                 "details": {"parameter_size": HOSTILE, "quantization_level": HOSTILE}},
            ]}),
        ),
        "/api/ps" => (
            "200 OK",
            json!({"models": [{"name": HOSTILE, "expires_at": HOSTILE, "size_vram": 1}]}),
        ),
        "/api/show" => (
            "200 OK",
            json!({"model_info": {HOSTILE: HOSTILE, "general.architecture": HOSTILE}}),
        ),
        "/v1/models" => (
            "200 OK",
            json!({"data": [{"id": HOSTILE}, {"id": "m", "owned_by": HOSTILE}]}),
        ),
        "/api/generate" | "/api/chat" if nth.is_multiple_of(3) => ("200 OK", error),
        "/api/generate" | "/api/chat" if nth % 3 == 1 => ("500 Internal Server Error", error),
        "/api/generate" | "/api/chat" => (
            "200 OK",
            json!({
                "model": HOSTILE, "response": HOSTILE, "message": {"role": "assistant", "content": HOSTILE},
                "done": true, "done_reason": HOSTILE, "eval_count": 2, "eval_duration": 1000,
            }),
        ),
        "/v1/chat/completions" if nth.is_multiple_of(2) => (
            "429 Too Many Requests",
            json!({"error": {"message": HOSTILE}}),
        ),
        "/v1/chat/completions" => {
            let chunk = json!({"choices": [{"index": 0, "delta": {"content": HOSTILE}, "finish_reason": HOSTILE}]});
            let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
            return ("200 OK", "text/event-stream", stream);
        }
        _ => ("404 Not Found", error),
    };
    let kind = if path.starts_with("/v1/chat") {
        "text/event-stream"
    } else {
        "application/json"
    };
    (status, kind, format!("{body}\n"))
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
    let server = answering(answer);
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
            let printed = text(&output.stdout) + &text(&output.stderr);
            assert!(!printed.contains("unexpected argument"), "{printed}");
            let is_raw =
                |line: &&str| safe::terminal(line) != *line || line.starts_with("# forged");
            let raw = printed.lines().filter(is_raw);
            found.extend(raw.map(|shown| format!("{line}: {shown:?}")));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
