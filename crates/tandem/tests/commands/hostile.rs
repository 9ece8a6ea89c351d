//! A server whose every text attacks the terminal.

use document::safe;
use serde_json::json;

use crate::answering::answering;
use crate::place::{Place, text};

/// A forged line, an escape sequence that sets the window title, a bell, a direction override.
const HOSTILE: &str = "\u{1b}]0;x\u{7}\u{1b}[31m\n# forged\r\n\u{202e}\u{9b}31m\0";

/// Answers one a line: path, status and body, in which HOSTILE stands for the text. A path with several gives them in
/// turn: a third of the generations are errors in the body, and a third have status 500.
const ANSWERS: &str = include_str!("hostile.txt");

fn answer(path: &str, nth: usize) -> String {
    let rows = ANSWERS.lines().filter_map(|line| line.split_once(": "));
    let bodies: Vec<_> = rows
        .filter(|(of, _)| *of == path)
        .map(|(_, row)| row)
        .collect();
    let row = bodies.get(nth % bodies.len().max(1));
    let (status, body) = row.map_or(("404 Not Found", r#"{"error": HOSTILE}"#), |row| {
        row.split_once(" | ").unwrap()
    });
    let body = body.replace("HOSTILE", &json!(HOSTILE).to_string());
    let is_stream = body.starts_with("data: ");
    let kind = if is_stream {
        "text/event-stream"
    } else {
        "application/json"
    };
    let body = body.replace("\\n\\n", "\n\n");
    format!("{status}\r\nContent-Type: {kind}\r\n\r\n{body}\n")
}

#[test]
fn texts_of_a_server_are_escaped_on_the_terminal() {
    let place = Place::new();
    place.write("plan.toml", include_str!("hostile.toml"));
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
