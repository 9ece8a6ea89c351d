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
//! | `brief METHOD PATH [BODY]` | shows only the members of a stream's objects, with counts |
//! | `leave N METHOD PATH [BODY]` | closes the connection after N frames |
//! | `header NAME=VALUE METHOD PATH` | sends this header |
//! | `quit TIME METHOD PATH [BODY]` | closes the connection after this time |
//! | `on N METHOD PATH [BODY]` | asks the server of that number |
//! | `+TIME` and any request | with its neighbours of this kind, each so long after the first |

mod common;

use std::fmt::Write as _;

use common::{Answer, Bench, call, virtually};
use futures_util::future::join_all;
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
    cached_tokens
    embeddings
    errors
    faults
    keep_alive
    lists
    log_probabilities
    prompts
    scheduling
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
            for step in lines.chunk_by(|a, b| a.starts_with('+') && b.starts_with('+')) {
                let shown = step.iter().map(|line| play_step(&bench, line));
                for (line, shown) in step.iter().zip(join_all(shown).await) {
                    let _ = write!(seen, "{line}\n{shown}");
                }
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
            "num_parallel" => config.num_parallel = Some(number() as usize),
            "cache_ram_mib" => config.cache_ram_mib = Some(number()),
            "max_queue" => config.profile.server.max_queue = number() as usize,
            "servers" => config.servers = number() as usize,
            "devices" => {
                let device = config.profile.devices[0].clone();
                config.profile.devices = vec![device; number() as usize];
                config.device_each = true;
            }
            "capability" => config.profile.models[0].capabilities.push(text()),
            "fault" => {
                config.faults.rules = vec![serde_json::from_value(value.clone()).expect("a rule")];
            }
            other => panic!("no setting is called {other}"),
        }
    }
}

async fn play_step(bench: &Bench, line: &str) -> String {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "" | "#" | "with" => String::new(),
        "sleep" => {
            sleep(bench, rest).await;
            String::new()
        }
        word if word.starts_with('+') => {
            sleep(bench, &word[1..]).await;
            request(bench, rest).await
        }
        _ => request(bench, line).await,
    }
}

async fn sleep(bench: &Bench, time: &str) {
    let time = humantime::parse_duration(time).expect("a time");
    bench.clock.sleep(time.into()).await;
}

async fn request(bench: &Bench, text: &str) -> String {
    let (word, rest) = text.split_once(' ').expect("method and path");
    let (argument, rest2) = rest.split_once(' ').unwrap_or((rest, ""));
    let shown = match word {
        "brief" => brief(&bench.send(call(rest)).await),
        "quit" => tokio::select! {
            answer = bench.send(call(rest2)) => show(&answer),
            () = sleep(bench, argument) => Ok("  quit\n".to_owned()),
        },
        "on" => {
            let server: usize = argument.parse().expect("a server");
            let endpoint = &bench.simulator.endpoints()[server];
            let answer = call(rest2).send(&bench.clock, endpoint).await;
            show(&answer.expect("a response"))
        }
        _ => show(&bench.send(call(text)).await),
    };
    shown.expect("writing into memory")
}

/// Status, the headers that matter, every frame with its arrival, and the end.
fn show(answer: &Answer) -> Result<String, std::fmt::Error> {
    let mut seen = String::new();
    let since = |at: domain::Stamp| at.since(answer.sent).as_secs_f64();
    write!(seen, "  {}", answer.status)?;
    for name in [
        "content-type",
        "content-length",
        "transfer-encoding",
        "allow",
    ] {
        if let Some(value) = answer.header(name) {
            write!(seen, " | {name}: {value}")?;
        }
    }
    writeln!(seen, " | head at {:.6}", since(answer.head_at))?;
    // With a known length, the size of a read means nothing.
    let frames = match answer.header("content-length") {
        Some(_) => &[(answer.ended, answer.body.clone())][..],
        None => &answer.frames,
    };
    for (at, frame) in frames.iter().filter(|(_, frame)| !frame.is_empty()) {
        let bytes = frame.trim_ascii_end();
        let text = std::str::from_utf8(bytes)
            .map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned);
        let text: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
        writeln!(seen, "  {:.6} {}", since(*at), text.join("\n           "))?;
    }
    let end = if answer.whole { "whole" } else { "broken" };
    writeln!(seen, "  {:.6} {end}", since(answer.ended))?;
    Ok(seen)
}

/// The members of an answer's objects, with the number of equal ones in a row.
fn brief(answer: &Answer) -> Result<String, std::fmt::Error> {
    let mut seen = String::new();
    let mut runs: Vec<(String, usize)> = Vec::new();
    for object in answer.objects().expect("objects") {
        let parts = " /message /choices/0 /choices/0/delta /choices/0/message";
        let parts: Vec<_> = parts.split(' ').map(|part| object.pointer(part)).collect();
        let holds = |key: &str| {
            let mut values = parts.iter().flatten().filter_map(|part| part.get(key));
            values.any(|value| !matches!(value, Value::Null) && *value != "" && *value != false)
        };
        let keys = "role thinking reasoning content response tool_calls finish_reason usage done \
                    error";
        let what: Vec<&str> = keys.split(' ').filter(|key| holds(key)).collect();
        let what = match what.as_slice() {
            [] => "nothing".to_owned(),
            keys => keys.join(" and "),
        };
        match runs.last_mut() {
            Some((last, count)) if *last == what => *count += 1,
            _ => runs.push((what, 1)),
        }
    }
    writeln!(seen, "  {}", answer.status)?;
    for (what, count) in runs {
        writeln!(seen, "  {count} with {what}")?;
    }
    Ok(seen)
}
