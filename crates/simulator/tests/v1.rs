//! The /v1 routes on the wire.

mod common;

use std::fmt::Write as _;

use common::{Bench, get, post, virtually};
use serde_json::{Value, json};

const MODEL: &str = "gemma3:latest";

fn chat(more: &Value) -> Value {
    let mut ask = json!({"model": MODEL, "messages": [{"role": "user", "content": "hi there"}]});
    for (key, value) in more.as_object().expect("an object") {
        ask[key] = value.clone();
    }
    ask
}

#[test]
fn a_chat_stream_has_role_content_reason_usage_and_done() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = chat(&json!({"stream": true, "stream_options": {"include_usage": true}}));
        let answer = bench.send(post("/v1/chat/completions", ask)).await;
        assert_eq!(answer.header("content-type"), Some("text/event-stream"));
        assert_eq!(answer.head_at, answer.frames[0].0);
        let events = answer.events();
        let count = events.len();
        let first = &events[0]["choices"][0]["delta"];
        assert_eq!(first["role"], "assistant", "with the first text");
        assert_ne!(first["content"], "");
        for event in &events[..count - 1] {
            assert_eq!(event["object"], "chat.completion.chunk");
            assert_eq!(event["system_fingerprint"], "fp_ollama");
            assert_eq!(
                (&event["id"], &event["created"]),
                (&events[0]["id"], &events[0]["created"])
            );
        }
        assert!(
            events[1..count - 3]
                .iter()
                .all(|e| e["choices"][0]["finish_reason"].is_null())
        );
        assert_eq!(events[count - 3]["choices"][0]["finish_reason"], "stop");
        assert_eq!(events[count - 3]["choices"][0]["delta"], json!({}));
        let usage = &events[count - 2];
        assert_eq!(usage["choices"], json!([]));
        assert_eq!(usage["usage"]["completion_tokens"], 20);
        let total = usage["usage"]["prompt_tokens"].as_u64().map(|n| n + 20);
        assert_eq!(usage["usage"]["total_tokens"].as_u64(), total);
        assert_eq!(events[count - 1], Value::Null, "[DONE]");
        let plain = bench
            .send(post("/v1/chat/completions", chat(&json!({"stream": true}))))
            .await;
        assert!(
            plain
                .events()
                .iter()
                .all(|event| event.get("usage").is_none())
        );
    });
}

#[test]
fn answers_are_whole_unless_a_stream_is_asked_for() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = chat(&json!({"seed": 3, "max_tokens": 4}));
        let object = bench.send(post("/v1/chat/completions", ask)).await.json();
        assert_eq!(object["object"], "chat.completion");
        assert_eq!(object["choices"][0]["finish_reason"], "length");
        assert_eq!(object["choices"][0]["message"]["role"], "assistant");
        assert_eq!(object["usage"]["completion_tokens"], 4);
        let ask = json!({"model": MODEL, "prompt": "once", "stop": "."});
        let object = bench.send(post("/v1/completions", ask)).await.json();
        assert_eq!(object["object"], "text_completion");
        assert!(
            !object["choices"][0]["text"]
                .as_str()
                .expect("text")
                .contains('.')
        );
        let ask = json!({"model": MODEL, "prompt": "once", "stream": true});
        let events = bench.send(post("/v1/completions", ask)).await.events();
        assert!(
            !events[0]["choices"][0]["text"]
                .as_str()
                .expect("text")
                .is_empty()
        );
        assert_eq!(
            events[events.len() - 2]["choices"][0]["finish_reason"],
            "stop"
        );
        assert_eq!(events[events.len() - 1], Value::Null);
    });
}

#[test]
fn thinking_is_reasoning_and_effort_turns_it() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = |effort: &str| {
            let more = json!({"model": "qwen3:8b", "stream": true, "reasoning_effort": effort,
                "temperature": 0});
            post("/v1/chat/completions", chat(&more)).body
        };
        for (effort, thoughts) in [("none", 0), ("minimal", 10), ("low", 10), ("ultra", 38)] {
            let events = bench
                .send(post("/v1/chat/completions", ask(effort)))
                .await
                .events();
            let found = events
                .iter()
                .filter(|event| event["choices"][0]["delta"]["reasoning"].is_string())
                .count();
            assert_eq!(found, thoughts, "{effort}");
        }
    });
}

#[test]
fn sampling_defaults_are_forced() {
    virtually(async {
        let bench = Bench::new(|config| {
            for model in &mut config.profile.models {
                for class in &mut model.outputs {
                    class.sd = 6.0;
                    class.distribution = simulator::profile::Distribution::Normal;
                }
            }
        })
        .await;
        // Without a temperature a native request samples too, so equal prompts differ; at 0 they
        // do not. On /v1 the forced temperature is 1.
        let mut texts = Vec::new();
        for _ in 0..2 {
            let answer = bench
                .send(post("/v1/chat/completions", chat(&json!({}))))
                .await
                .json();
            texts.push(answer["choices"][0]["message"]["content"].clone());
        }
        assert_ne!(texts[0], texts[1]);
        let mut cold = Vec::new();
        for _ in 0..2 {
            let ask = chat(&json!({"temperature": 0}));
            let answer = bench.send(post("/v1/chat/completions", ask)).await.json();
            cold.push(answer["choices"][0]["message"]["content"].clone());
        }
        assert_eq!(cold[0], cold[1]);
    });
}

#[test]
fn json_formats_and_parts_of_content_are_understood() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = chat(&json!({
            "response_format": {"type": "json_schema", "json_schema": {"schema":
                {"type": "object", "properties": {"ok": {"type": "boolean"}}}}},
            "messages": [{"role": "user", "content": [{"type": "text", "text": "say so"}]}],
        }));
        let object = bench.send(post("/v1/chat/completions", ask)).await.json();
        let text = object["choices"][0]["message"]["content"]
            .as_str()
            .expect("text");
        assert!(serde_json::from_str::<Value>(text).expect("JSON")["ok"].is_boolean());
    });
}

#[test]
fn errors_have_the_other_shape() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let mut seen = String::new();
        for call in [
            post(
                "/v1/chat/completions",
                json!({"model": MODEL, "messages": []}),
            ),
            post("/v1/chat/completions", chat(&json!({"model": "nope"}))),
            post(
                "/v1/completions",
                json!({"model": MODEL, "prompt": "x", "stop": [5]}),
            ),
            post(
                "/v1/chat/completions",
                chat(&json!({"reasoning_effort": "heroic"})),
            ),
            post("/v1/embeddings", json!({"model": "nope", "input": "x"})),
            get("/v1/models/nope"),
        ] {
            let answer = bench.send(call.clone()).await;
            let _ = writeln!(
                seen,
                "{} {}\n  {} {}",
                call.path,
                call.body,
                answer.status,
                answer.text()
            );
        }
        insta::assert_snapshot!(seen);
    });
}
