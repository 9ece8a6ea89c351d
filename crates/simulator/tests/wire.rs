//! What goes over the wire, request by request, in virtual time: each script in `wire/` is played
//! and compared with its snapshot, which shows heads, bodies and exact times.
//!
//! A script has one step a line. The comments say what to look for in the snapshot.
//!
//! | step | what |
//! | --- | --- |
//! | `with JSON` | starts a new simulator with these settings |
//! | `sleep TIME` | lets time pass |
//! | `METHOD PATH [BODY]` | sends a request and shows the whole answer |
//! | `brief METHOD PATH [BODY]` | shows of a stream only how many objects hold what |
//! | `leave N METHOD PATH [BODY]` | goes away after N frames |
//! | `host NAME METHOD PATH` | sends another `Host` header |

mod common;

use std::fmt::Write as _;

use common::{Answer, Bench, Call, End, post, virtually};
use serde_json::Value;
use simulator::SimulatorConfig;

macro_rules! scripts {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                let script = include_str!(concat!("wire/", stringify!($name), ".txt"));
                insta::assert_snapshot!(stringify!($name), play(script));
            }
        )*
    };
}

scripts! {
    answers
    embeddings
    errors
    faults
    keep_alive
    lists
    log_probabilities
    prompts
    thinking
    tools
    v1
}

/// Plays a script; each `with` begins on a machine of its own.
fn play(script: &str) -> String {
    let mut seen = String::new();
    let mut sections: Vec<(Value, Vec<&str>)> = vec![(Value::Null, Vec::new())];
    for line in script.lines() {
        match line.strip_prefix("with ") {
            Some(settings) => {
                let settings = serde_json::from_str(settings).expect("settings are JSON");
                sections.push((settings, vec![line]));
            }
            None => sections.last_mut().expect("one at least").1.push(line),
        }
    }
    for (settings, lines) in sections {
        virtually(async {
            let bench = Bench::new(|config| configure(config, &settings)).await;
            for line in lines {
                let _ = writeln!(seen, "{line}");
                step(&bench, line, &mut seen).await;
            }
        });
    }
    seen
}

fn configure(config: &mut SimulatorConfig, settings: &Value) {
    for (key, value) in settings.as_object().into_iter().flatten() {
        let number = || value.as_u64().expect("a number");
        let text = || value.as_str().expect("text").to_owned();
        match key.as_str() {
            "version" => config.profile.server.version = text(),
            "context_length" => config.profile.server.context_length = number() as u32,
            "capability" => config.profile.models[0].capabilities.push(text()),
            "fault" => {
                config.faults.rules = vec![serde_json::from_value(value.clone()).expect("a rule")];
            }
            other => panic!("no setting is called {other}"),
        }
    }
}

async fn step(bench: &Bench, line: &str, seen: &mut String) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let (word2, rest2) = rest.split_once(' ').unwrap_or((rest, ""));
    match word {
        "" | "#" | "with" => {}
        "sleep" => {
            let time = humantime::parse_duration(rest).expect("a time");
            bench.clock.sleep(time.into()).await;
        }
        "brief" => brief(&bench.send(call(rest)).await, seen),
        "leave" => {
            let mut call = call(rest2);
            call.leave_after = Some(word2.parse().expect("a number of frames"));
            show(&bench.send(call).await, seen);
        }
        "host" => {
            let mut call = call(rest2);
            call.headers = vec![("host", word2)];
            show(&bench.send(call).await, seen);
        }
        _ => show(&bench.send(call(line)).await, seen),
    }
}

/// `METHOD PATH [BODY]`.
fn call(text: &str) -> Call<'_> {
    let (method, rest) = text.split_once(' ').expect("method and path");
    let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
    Call {
        method,
        ..post(path, body)
    }
}

/// Status, the headers that matter, every frame with its arrival, and the end.
fn show(answer: &Answer, seen: &mut String) {
    let since = |at: domain::Stamp| at.since(answer.sent).as_secs_f64();
    let _ = write!(seen, "  {}", answer.status);
    for name in [
        "content-type",
        "content-length",
        "transfer-encoding",
        "allow",
    ] {
        if let Some(value) = answer.header(name) {
            let _ = write!(seen, " | {name}: {value}");
        }
    }
    let _ = writeln!(seen, " | head at {:.6}", since(answer.head_at));
    // Where the length is known, how much a read finds says nothing.
    let frames = match answer.header("content-length") {
        Some(_) => &[(answer.ended, answer.body.clone())][..],
        None => &answer.frames,
    };
    for (at, frame) in frames.iter().filter(|(_, frame)| !frame.is_empty()) {
        let bytes = frame.trim_ascii_end();
        let text = std::str::from_utf8(bytes)
            .map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned);
        let text: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        let _ = writeln!(seen, "  {:.6} {}", since(*at), text.join("\n           "));
    }
    let end = match answer.end {
        End::Whole => "whole",
        End::Broken => "broken",
    };
    let _ = writeln!(seen, "  {:.6} {end}", since(answer.ended));
}

/// What the objects of an answer hold, and how many in a row hold the same.
fn brief(answer: &Answer, seen: &mut String) {
    let mut runs: Vec<(String, usize)> = Vec::new();
    for object in answer.objects() {
        let parts = [
            "",
            "/message",
            "/choices/0",
            "/choices/0/delta",
            "/choices/0/message",
        ];
        let parts = parts.map(|part| object.pointer(part));
        let holds = |key: &str| {
            let mut values = parts.iter().flatten().filter_map(|part| part.get(key));
            values.any(|value| !matches!(value, Value::Null) && *value != "" && *value != false)
        };
        let keys = [
            "role",
            "thinking",
            "reasoning",
            "content",
            "response",
            "tool_calls",
            "finish_reason",
            "usage",
            "done",
            "error",
        ];
        let what: Vec<&str> = keys.into_iter().filter(|key| holds(key)).collect();
        let what = match what.as_slice() {
            [] => "nothing".to_owned(),
            keys => keys.join(" and "),
        };
        match runs.last_mut() {
            Some((last, count)) if *last == what => *count += 1,
            _ => runs.push((what, 1)),
        }
    }
    let _ = writeln!(seen, "  {}", answer.status);
    for (what, count) in runs {
        let _ = writeln!(seen, "  {count} with {what}");
    }
}
