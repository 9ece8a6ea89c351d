//! The native protocol on the wire, with exact times.

mod common;

use std::fmt::Write as _;

use common::{Bench, Call, End, get, post, virtually};
use domain::Nanos;
use serde_json::{Value, json};

const MODEL: &str = "gemma3:latest";

fn joined(lines: &[Value], part: impl Fn(&Value) -> &Value) -> String {
    lines
        .iter()
        .filter_map(|line| part(line).as_str())
        .collect()
}

#[test]
fn a_stream_begins_when_its_first_object_exists_and_keeps_its_pace() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = json!({"model": MODEL, "prompt": "one two three four five"});
        let answer = bench.generate(ask).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.end, End::Whole);
        let lines = answer.lines();
        // 19 words, and the end of text in the final object, all in frames of their own.
        assert_eq!((lines.len(), answer.frames.len()), (20, 20));
        assert!(
            lines
                .iter()
                .all(|line| line["response"].is_string() && line["model"] == MODEL)
        );
        assert!(lines[..19].iter().all(|line| line["done"] == false));
        let last = &lines[19];
        assert_eq!(
            (&last["done"], &last["done_reason"]),
            (&json!(true), &json!("stop"))
        );
        assert_eq!(last["eval_count"], 20);
        let prompt = last["prompt_eval_count"].as_u64().expect("a count");
        // A millisecond for each prompt token, and the step that gives the first token.
        assert_eq!(
            last["prompt_eval_duration"],
            prompt * 1_000_000 + 10_000_000
        );
        assert_eq!(last["load_duration"], 2_000_000_000_u64);
        assert_eq!(
            answer.head_at, answer.frames[0].0,
            "no head before the first object"
        );
        let arrivals = answer.arrivals();
        let expected = 2.01 + prompt as f64 / 1000.0;
        assert!(
            (arrivals[0] - expected).abs() < 1e-9,
            "{} {expected}",
            arrivals[0]
        );
        for (index, pair) in arrivals.windows(2).enumerate() {
            assert!(
                (pair[1] - pair[0] - 0.01).abs() < 1e-9,
                "gap {index}: {pair:?}"
            );
        }
        assert_eq!(last["total_duration"], answer.ended.since(answer.sent).0);
        assert_eq!(
            last["context"].as_array().expect("ids").len() as u64,
            prompt + 20
        );
        assert!(
            lines[0]["created_at"]
                .as_str()
                .expect("text")
                .starts_with("2026-01-01T00:00:02.")
        );
    });
}

#[test]
fn without_streaming_the_answer_is_one_object_with_the_same_text() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = |stream: bool| json!({"model": MODEL, "prompt": "equal", "stream": stream, "options": {"seed": 5}});
        let streamed = bench.generate(ask(true)).await.lines();
        let whole = bench.generate(ask(false)).await;
        assert_eq!(
            whole.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        assert_eq!(
            whole.header("content-length"),
            Some(whole.body.len().to_string().as_str())
        );
        let object = whole.json();
        assert_eq!(
            object["response"],
            joined(&streamed, |line| &line["response"])
        );
        assert_eq!(
            (&object["done"], &object["done_reason"]),
            (&json!(true), &json!("stop"))
        );
        assert_eq!(whole.head_at.since(whole.sent).0, object["total_duration"]);
        assert!(
            object.get("load_duration").is_none(),
            "a zero is left out: {object}"
        );
    });
}

#[test]
fn chat_speaks_in_messages() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = json!({"model": "gemma3", "messages": [
            {"role": "System", "content": "be brief"}, {"role": "user", "content": "hello"}]});
        let answer = bench.send(post("/api/chat", &ask)).await;
        let lines = answer.lines();
        assert!(
            lines
                .iter()
                .all(|line| line["message"]["role"] == "assistant")
        );
        assert!(lines.iter().all(|line| line.get("response").is_none()));
        assert_eq!(lines[0]["model"], "gemma3", "the name as it was asked for");
        let last = lines.last().expect("lines");
        assert_eq!(last["done_reason"], "stop");
        assert!(last.get("context").is_none());
    });
}

#[test]
fn load_and_unload_answer_without_durations() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let loaded = bench
            .generate(json!({"model": MODEL, "keep_alive": -1}))
            .await;
        assert_eq!(loaded.ended.since(loaded.sent), Nanos::from_secs(2));
        let object = loaded.json();
        assert_eq!(
            (&object["done_reason"], &object["response"]),
            (&json!("load"), &json!(""))
        );
        assert!(object.get("total_duration").is_none() && object.get("load_duration").is_none());
        assert_eq!(
            loaded.header("content-type"),
            Some("application/json; charset=utf-8")
        );
        let ps = bench.send(get("/api/ps")).await.json();
        assert_eq!(ps["models"][0]["name"], MODEL);
        assert!(
            ps["models"][0]["expires_at"]
                .as_str()
                .expect("text")
                .starts_with("2318-")
        );
        assert_eq!(ps["models"][0]["context_length"], 4096);
        let chat = json!({"model": MODEL, "messages": [], "keep_alive": "0s"});
        let gone = bench.send(post("/api/chat", chat)).await;
        assert_eq!(gone.json()["done_reason"], "unload");
        assert_eq!(gone.json()["message"]["content"], "");
        assert_eq!(gone.ended, gone.sent, "it answers at once");
        bench.clock.sleep(Nanos::from_millis(1)).await;
        let ps = bench.send(get("/api/ps")).await.json();
        assert_eq!(ps, json!({"models": []}));
    });
}

#[test]
fn keep_alive_is_read_in_all_its_forms() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        for (keep_alive, alive_after) in [
            (json!("90s"), 90),
            (json!(30), 30),
            (json!("1m30s"), 90),
            (json!(1.0), 1),
        ] {
            let ask = json!({"model": MODEL, "keep_alive": keep_alive});
            assert_eq!(bench.generate(ask).await.status, 200);
            bench
                .clock
                .sleep(Nanos(alive_after * 1_000_000_000 - 1_000_000))
                .await;
            let ps = bench.send(get("/api/ps")).await.json();
            assert_eq!(
                ps["models"].as_array().map(Vec::len),
                Some(1),
                "{keep_alive}"
            );
            bench.clock.sleep(Nanos::from_millis(2)).await;
            let ps = bench.send(get("/api/ps")).await.json();
            assert_eq!(
                ps["models"].as_array().map(Vec::len),
                Some(0),
                "{keep_alive}"
            );
        }
        for bad in [json!("300"), json!("-1"), json!("soon"), json!(true)] {
            let ask = json!({"model": MODEL, "prompt": "x", "keep_alive": bad});
            assert_eq!(bench.generate(ask).await.status, 400, "{bad}");
        }
    });
}

#[test]
fn errors_have_ollamas_status_and_words() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let mut seen = String::new();
        let generate = |body: Value| post("/api/generate", body);
        let chat = |body: Value| post("/api/chat", body);
        let raw_host = |host| Call {
            headers: vec![("host", host)],
            ..get("/api/version")
        };
        for call in [
            post("/api/generate", ""),
            post("/api/generate", "{"),
            post("/api/generate", "{\"model\": 1}"),
            generate(json!({"model": "nope", "prompt": "x"})),
            chat(json!({"messages": []})),
            post("/api/embed", json!({"model": "nope", "input": "x"})),
            post("/api/show", json!({"model": "nope"})),
            generate(json!({"model": MODEL, "prompt": "x", "options": {"num_ctx": "1"}})),
            generate(json!({"model": MODEL, "prompt": "x", "options": {"temperature": "1"}})),
            generate(json!({"model": MODEL, "prompt": "x", "think": true})),
            generate(json!({"model": MODEL, "prompt": "x", "think": "very"})),
            generate(json!({"model": MODEL, "prompt": "x", "raw": true, "system": "s"})),
            generate(json!({"model": MODEL, "prompt": "x", "suffix": "y"})),
            generate(json!({"model": MODEL, "prompt": "x", "top_logprobs": 21})),
            generate(json!({"model": "nomic-embed-text", "prompt": "x"})),
            chat(json!({"model": "nomic-embed-text", "messages": [], "tools": [{}]})),
            generate(
                json!({"model": "qwen3:8b", "prompt": "a b c d e f g h", "truncate": false,
                "options": {"num_ctx": 4}}),
            ),
            get("/api/generate"),
            post("/api/tags", ""),
            get("/nothing/here"),
            raw_host("example.com"),
            raw_host("10.0.0.8:11434"),
        ] {
            let what = if call.method == "GET" {
                call.headers[0].1
            } else {
                &call.body
            };
            let title = format!("{} {} {what}", call.method, call.path);
            let answer = bench.send(call.clone()).await;
            let kind = answer.header("content-type").unwrap_or("-").to_owned();
            let _ = writeln!(
                seen,
                "{title}\n  {} {kind} {}",
                answer.status,
                answer.text()
            );
        }
        insta::assert_snapshot!(seen);
    });
}

#[test]
fn a_full_queue_is_refused_with_two_spaces() {
    virtually(async {
        let bench = Bench::new(|config| config.profile.server.max_queue = 1).await;
        let ask = |model: &str| post("/api/generate", json!({"model": model, "prompt": "x"}));
        // One is being handled, one waits, the third finds the queue full.
        let (_, _, third) = tokio::join!(
            bench.send(ask(MODEL)),
            async {
                bench.clock.sleep(Nanos::from_millis(1)).await;
                bench.send(ask("qwen3:8b")).await
            },
            async {
                bench.clock.sleep(Nanos::from_millis(2)).await;
                bench.send(ask("qwen3:8b")).await
            }
        );
        assert_eq!(third.status, 503);
        assert_eq!(
            third.text(),
            r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#
        );
        assert!(third.header("retry-after").is_none());
        assert_eq!(third.ended, third.sent, "at once");
    });
}

#[test]
fn thinking_comes_first_and_can_be_turned_off() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let chat = |think: Value| {
            let ask = json!({"model": "qwen3:8b", "think": think, "options": {"temperature": 0},
                "messages": [{"role": "user", "content": "why"}]});
            post("/api/chat", ask)
        };
        let lines = bench.send(chat(Value::Null)).await.lines();
        let is_thought = |line: &Value| line["message"].get("thinking").is_some();
        let thoughts = lines.iter().filter(|line| is_thought(line)).count();
        assert_eq!(
            thoughts, 19,
            "absent means on, with as many tokens as the answer"
        );
        assert!(lines[..19].iter().all(is_thought));
        assert_eq!(joined(&lines[..19], |line| &line["message"]["content"]), "");
        for (think, count) in [
            (json!(false), 0),
            (json!("low"), 10),
            (json!("high"), 29),
            (json!("max"), 38),
        ] {
            let lines = bench.send(chat(think.clone())).await.lines();
            assert_eq!(
                lines.iter().filter(|l| is_thought(l)).count(),
                count,
                "{think}"
            );
        }
        let ask = json!({"model": "qwen3:8b", "prompt": "why", "stream": false});
        let object = bench.generate(ask).await.json();
        assert!(!object["thinking"].as_str().expect("top level").is_empty());
    });
}

#[test]
fn tools_are_called_with_an_object_and_then_answered() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let tools = json!([{"type": "function", "function": {"name": "weather", "parameters":
            {"type": "object", "properties": {"city": {"type": "string"}}}}}]);
        let mut ask = json!({"model": MODEL, "tools": tools,
            "messages": [{"role": "user", "content": "how is the weather"}]});
        let lines = bench.send(post("/api/chat", &ask)).await.lines();
        let call = &lines[0]["message"]["tool_calls"][0];
        assert!(call["id"].as_str().expect("an id").starts_with("call_"));
        assert_eq!(
            (&call["function"]["index"], &call["function"]["name"]),
            (&json!(0), &json!("weather"))
        );
        assert!(call["function"]["arguments"]["city"].is_string());
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[1]["done_reason"], "stop");
        let v1 = bench.send(post("/v1/chat/completions", &ask)).await.json();
        let message = &v1["choices"][0]["message"];
        assert_eq!(v1["choices"][0]["finish_reason"], "tool_calls");
        let arguments = message["tool_calls"][0]["function"]["arguments"].as_str();
        let arguments: Value = serde_json::from_str(arguments.expect("text")).expect("JSON");
        assert!(arguments["city"].is_string());
        let turns = ask["messages"].as_array_mut().expect("messages");
        turns.push(json!({"role": "assistant", "content": "", "tool_calls": [call]}));
        turns.push(json!({"role": "tool", "tool_name": "weather", "content": "rain"}));
        let lines = bench.send(post("/api/chat", &ask)).await.lines();
        assert!(
            lines
                .iter()
                .all(|line| line["message"].get("tool_calls").is_none())
        );
        assert!(lines.len() > 2, "it answers in words now");
    });
}

#[test]
fn format_gives_valid_json_and_stop_and_num_predict_end_it() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = |more: Value| {
            let mut ask = json!({"model": MODEL, "prompt": "go", "stream": false,
                "options": {"seed": 1}});
            for (key, value) in more.as_object().expect("an object") {
                if let Some(options) = value.as_object().filter(|_| key == "options") {
                    ask["options"]
                        .as_object_mut()
                        .expect("options")
                        .extend(options.clone());
                } else {
                    ask[key] = value.clone();
                }
            }
            post("/api/generate", ask)
        };
        let free = bench.send(ask(json!({"format": "json"}))).await.json();
        let text = free["response"].as_str().expect("text");
        assert!(
            serde_json::from_str::<Value>(text)
                .expect("JSON")
                .is_object()
        );
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
        let fitted = bench.send(ask(json!({"format": schema}))).await.json();
        let text = fitted["response"].as_str().expect("text");
        assert!(serde_json::from_str::<Value>(text).expect("JSON")["n"].is_i64());
        assert_eq!(bench.send(ask(json!({"format": "xml"}))).await.status, 500);

        let plain = bench.send(ask(json!({}))).await.json();
        let plain = plain["response"].as_str().expect("text").to_owned();
        let cut = bench
            .send(ask(json!({"options": {"num_predict": 5}})))
            .await
            .json();
        assert_eq!(
            (&cut["done_reason"], &cut["eval_count"]),
            (&json!("length"), &json!(5))
        );
        assert!(plain.starts_with(cut["response"].as_str().expect("text")));
        let stop: String = plain.chars().skip(20).take(4).collect();
        let stopped = bench
            .send(ask(json!({"options": {"stop": [stop]}})))
            .await
            .json();
        let at = plain.find(&stop).expect("inside");
        assert_eq!(stopped["response"], plain[..at]);
        assert_eq!(stopped["done_reason"], "stop");
        assert!(stopped["eval_count"].as_u64() < Some(20));
    });
}

#[test]
fn without_shift_the_context_limit_ends_an_answer() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = json!({"model": "qwen3:8b", "prompt": "a b c", "shift": false, "stream": false,
            "think": false, "options": {"num_ctx": 16}});
        let object = bench.generate(ask).await.json();
        assert_eq!(object["done_reason"], "length");
        let prompt = object["prompt_eval_count"].as_u64().expect("a count");
        assert_eq!(object["eval_count"], 16 - prompt);
    });
}

#[test]
fn the_lists_describe_the_models() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        assert_eq!(bench.send(get("/")).await.text(), "Ollama is running");
        let head = Call {
            method: "HEAD",
            ..get("/")
        };
        assert_eq!(bench.send(head).await.status, 200);
        let version = bench.send(get("/api/version")).await.json();
        assert_eq!(
            version,
            json!({"version": "0.32.10", "server": "tandem-simulator"})
        );
        let tags = bench.send(get("/api/tags")).await.json();
        assert_eq!(tags["models"].as_array().map(Vec::len), Some(3));
        assert_eq!(tags["models"][0]["details"]["quantization_level"], "Q4_K_M");
        let show = bench
            .send(post("/api/show", json!({"model": "qwen3:8b"})))
            .await
            .json();
        assert_eq!(show["model_info"]["qwen3.block_count"], 36);
        assert!(
            show["capabilities"]
                .as_array()
                .expect("list")
                .contains(&json!("thinking"))
        );
        let v1 = bench.send(get("/v1/models")).await.json();
        assert_eq!(v1["data"][1]["id"], "qwen3:8b");
        let one = bench.send(get("/v1/models/qwen3:8b")).await.json();
        assert_eq!(one["object"], "model");
    });
}

#[test]
fn embeddings_have_length_one_and_depend_on_the_text() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = json!({"model": "nomic-embed-text", "input": ["a", "b", "a"]});
        let answer = bench.send(post("/api/embed", ask)).await.json();
        let vectors = answer["embeddings"].as_array().expect("vectors");
        assert_eq!(
            (vectors.len(), vectors[0].as_array().map(Vec::len)),
            (3, Some(768))
        );
        assert!(vectors[0] == vectors[2] && vectors[0] != vectors[1]);
        let norm: f64 = vectors[0]
            .as_array()
            .expect("numbers")
            .iter()
            .map(|x| x.as_f64().expect("a number").powi(2))
            .sum();
        assert!((norm - 1.0).abs() < 1e-4, "{norm}");
        assert!(
            answer["prompt_eval_count"].as_u64() >= Some(3) && answer.get("eval_count").is_none()
        );
        let old = json!({"model": "nomic-embed-text", "prompt": "a"});
        let old = bench.send(post("/api/embeddings", old)).await.json();
        assert_eq!(old["embedding"], vectors[0]);
        let v1 = json!({"model": "nomic-embed-text", "input": "a", "dimensions": 8});
        let v1 = bench.send(post("/v1/embeddings", v1)).await.json();
        assert_eq!(v1["data"][0]["embedding"].as_array().map(Vec::len), Some(8));
    });
}

#[test]
fn a_client_that_leaves_frees_its_slot_at_once() {
    virtually(async {
        let bench = Bench::new(|config| config.num_parallel = Some(1)).await;
        let ask = |prompt: &str| post("/api/generate", json!({"model": MODEL, "prompt": prompt}));
        let leaver = Call {
            leave_after: Some(3),
            ..ask("first")
        };
        let (left, next) = tokio::join!(bench.send(leaver), async {
            bench.clock.sleep(Nanos::from_millis(1)).await;
            bench.send(ask("second")).await
        });
        assert_eq!(left.end, End::Broken);
        let waited = next.frames[0].0.since(left.ended);
        let prefill = &next.lines()[19]["prompt_eval_duration"];
        // The rest of the step that was running may have to end first.
        let most = prefill.as_u64().expect("nanoseconds") + 10_001_000;
        assert!(
            waited.0 <= most,
            "{waited} after the first one left, prefill {prefill}"
        );
    });
}

#[test]
fn the_log_tells_what_really_happened() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = json!({"model": MODEL, "prompt": "x", "options": {"nonsense": 1}});
        let answer = bench.generate(ask).await;
        let log = bench.send(get("/tandem/log")).await.json();
        let lines = log["lines"].as_array().expect("lines");
        let request = lines
            .iter()
            .find(|line| line["log"] == "request")
            .expect("a request");
        assert_eq!(request["path"], "/api/generate");
        assert_eq!(request["status"], 200);
        assert_eq!(request["chunks"], 19);
        assert_eq!(request["bytes"].as_u64(), Some(answer.body.len() as u64));
        assert_eq!(request["unknown_options"], json!(["nonsense"]));
        assert_eq!(request["took"], answer.ended.since(answer.sent).0);
        assert!(lines.iter().any(|line| line["event"] == "load_finished"));
        assert!(lines.iter().any(|line| line["event"] == "served"));
    });
}
