//! Smaller parts of the native protocol: what goes into a prompt, embeddings, repetition.

mod common;

use common::{Bench, Call, End, get, post, virtually};
use domain::Nanos;
use serde_json::{Value, json};
use simulator::faults::{FaultKind, FaultRule};

const MODEL: &str = "gemma3:latest";

fn count(object: &Value) -> u64 {
    object["prompt_eval_count"].as_u64().expect("a count")
}

#[test]
fn raw_system_suffix_and_context_change_the_prompt() {
    virtually(async {
        let bench = Bench::new(|config| {
            config.profile.models[0]
                .capabilities
                .push("insert".to_owned());
        })
        .await;
        let ask = async |more: Value| {
            let mut body = json!({"model": MODEL, "prompt": "one two three", "stream": false});
            for (key, value) in more.as_object().expect("an object") {
                body[key] = value.clone();
            }
            let answer = bench.generate(body).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.json()
        };
        let raw = ask(json!({"raw": true})).await;
        assert_eq!(count(&raw), 3, "the prompt as it is");
        assert!(raw.get("context").is_none());
        let plain = ask(json!({})).await;
        assert!(count(&plain) > 3, "with the marks of a template");
        let system = ask(json!({"system": "be brief"})).await;
        assert!(count(&system) > count(&plain));
        let suffix = ask(json!({"suffix": "five six"})).await;
        assert!(count(&suffix) > count(&plain));
        let context = plain["context"].as_array().expect("ids").len() as u64;
        let on = ask(json!({"context": plain["context"]})).await;
        assert_eq!(
            count(&on),
            context + count(&plain),
            "what was said, then the same again"
        );
    });
}

#[test]
fn embeddings_are_cut_when_they_may_be_and_as_wide_as_asked() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = |more: Value| {
            let mut body = json!({"model": "nomic-embed-text", "input": "a b c d e f g h",
                "options": {"num_ctx": 4}});
            for (key, value) in more.as_object().expect("an object") {
                body[key] = value.clone();
            }
            post("/api/embed", body)
        };
        let cut = bench.send(ask(json!({}))).await;
        assert_eq!((cut.status, count(&cut.json())), (200, 4));
        let refused = bench.send(ask(json!({"truncate": false}))).await;
        assert_eq!(refused.status, 400);
        assert_eq!(
            refused.json(),
            json!({"error": "the input length exceeds the context length"})
        );
        let narrow = bench.send(ask(json!({"dimensions": 8}))).await.json();
        let vector = narrow["embeddings"][0]
            .as_array()
            .expect("a vector")
            .clone();
        assert_eq!(vector.len(), 8);
        let squares = vector.iter().filter_map(Value::as_f64).map(|x| x * x);
        assert!(
            (squares.sum::<f64>() - 1.0).abs() < 1e-4,
            "of length one again"
        );
    });
}

#[test]
fn a_model_that_repeats_itself_is_cut_off_without_a_word() {
    virtually(async {
        let bench = Bench::new(|config| {
            config.faults.rules = vec![FaultRule::always(FaultKind::Repetition)];
        })
        .await;
        let ask = |stream: bool| json!({"model": MODEL, "prompt": "x", "stream": stream, "options": {"seed": 1}});
        let answer = bench.generate(ask(true)).await;
        assert_eq!(
            (answer.status, answer.end),
            (200, End::Whole),
            "in good order"
        );
        let lines = answer.lines();
        assert!(
            lines.iter().all(|line| line["done"] == false),
            "no final object"
        );
        assert_eq!(lines.len(), 3 + 31);
        assert!(lines[3..].iter().all(|line| line["response"] == " again"));
        let gap = answer.frames[33].0.since(answer.frames[32].0);
        assert_eq!(gap.0, 10_000_000, "at the model's pace");
        assert_eq!(
            answer.ended.since(answer.frames[33].0),
            gap,
            "found out with the next one"
        );
        let whole = bench.generate(ask(false)).await;
        let object = whole.json();
        assert_eq!((whole.status, &object["done"]), (200, &json!(false)));
        for key in [
            "done_reason",
            "total_duration",
            "eval_count",
            "eval_duration",
        ] {
            assert!(object.get(key).is_none(), "{key}: {object}");
        }
        assert!(
            object["response"]
                .as_str()
                .expect("text")
                .ends_with(" again again")
        );
        // A limit that comes first ends it as ever.
        let mut short = ask(false);
        short["options"]["num_predict"] = json!(10);
        assert_eq!(bench.generate(short).await.json()["done_reason"], "length");
    });
}

#[test]
fn a_stream_too_short_for_a_fault_meets_it_at_its_end() {
    let tools = json!([{"type": "function", "function": {"name": "weather", "parameters":
        {"type": "object", "properties": {"city": {"type": "string"}}}}}]);
    let ask = json!({"model": MODEL, "tools": tools,
        "messages": [{"role": "user", "content": "how is the weather"}]});
    for kind in [
        FaultKind::MalformedJson,
        FaultKind::InvalidUtf8,
        FaultKind::ErrorLine,
        FaultKind::RunnerCrash,
        FaultKind::EofWithoutDone,
        FaultKind::ResetMidToken,
    ] {
        virtually(async {
            let bench = Bench::new(|config| {
                config.faults.rules = vec![FaultRule::always(kind)];
            })
            .await;
            let answer = bench.send(post("/api/chat", &ask)).await;
            let lines: Vec<Result<Value, _>> = answer
                .body
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .map(serde_json::from_slice)
                .collect();
            let call = lines[0].as_ref().expect("the call comes first");
            assert!(call["message"]["tool_calls"].is_array(), "{kind:?}");
            let broken = lines.iter().any(Result::is_err);
            let error = lines
                .iter()
                .flatten()
                .any(|line| line.get("error").is_some());
            let done = lines.iter().flatten().any(|line| line["done"] == true);
            let reset = answer.end == End::Broken;
            let seen = match kind {
                FaultKind::MalformedJson | FaultKind::InvalidUtf8 => broken,
                FaultKind::ErrorLine | FaultKind::RunnerCrash => error && !done,
                FaultKind::ResetMidToken => reset && !done,
                _ => !reset && !done,
            };
            assert!(seen, "{kind:?}: {}", String::from_utf8_lossy(&answer.body));
        });
    }
}

#[test]
fn embeddings_meet_the_faults_of_a_runner() {
    for kind in [FaultKind::ErrorLine, FaultKind::RunnerCrash] {
        virtually(async {
            let bench = Bench::new(|config| {
                config.faults.rules = vec![FaultRule::always(kind)];
            })
            .await;
            let ask = json!({"model": "nomic-embed-text", "input": "x"});
            let answer = bench.send(post("/api/embed", ask)).await;
            assert_eq!(answer.status, 500, "{kind:?}");
            assert!(answer.json()["error"].is_string());
        });
    }
}

#[test]
fn a_wrong_method_is_told_the_right_ones() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        for (call, allow) in [
            (get("/api/generate"), "POST"),
            (post("/api/ps", ""), "GET"),
            (post("/api/tags", ""), "GET, HEAD"),
        ] {
            let answer = bench.send(call).await;
            assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)));
        }
    });
}

#[test]
fn log_probabilities_come_with_every_token_that_is_told() {
    virtually(async {
        let bench = Bench::new(|_| {}).await;
        let ask = |stream: bool| {
            json!({"model": MODEL, "prompt": "x", "stream": stream, "logprobs": true,
            "top_logprobs": 3, "options": {"seed": 1}})
        };
        let lines = bench.generate(ask(true)).await.lines();
        let (last, chunks) = lines.split_last().expect("lines");
        assert!(
            last.get("logprobs").is_none(),
            "the end of text is not told"
        );
        for chunk in chunks {
            let told = chunk["logprobs"].as_array().expect("a list");
            assert_eq!((told.len(), &told[0]["token"]), (1, &chunk["response"]));
            let top = told[0]["top_logprobs"].as_array().expect("alternatives");
            assert_eq!((top.len(), &top[0]["token"]), (3, &told[0]["token"]));
            let likely: Vec<f64> = top.iter().filter_map(|t| t["logprob"].as_f64()).collect();
            assert!(
                likely[0] <= 0.0 && likely.is_sorted_by(|a, b| a > b),
                "{likely:?}"
            );
        }
        let joined: Vec<&Value> = chunks.iter().map(|chunk| &chunk["logprobs"][0]).collect();
        let whole = bench.generate(ask(false)).await.json();
        let told: Vec<&Value> = whole["logprobs"]
            .as_array()
            .expect("a list")
            .iter()
            .collect();
        assert_eq!(told, joined);
        let v1 = json!({"model": MODEL, "logprobs": true, "messages": [{"role": "user", "content": "x"}]});
        let v1 = bench.send(post("/v1/chat/completions", v1)).await.json();
        let told = &v1["choices"][0]["logprobs"]["content"];
        assert_eq!(told.as_array().map(Vec::len), Some(19));
        assert!(told[0].get("top_logprobs").is_none());
    });
}

#[test]
fn a_server_for_the_network_takes_any_name() {
    virtually(async {
        let bench = Bench::new(|config| {
            config.address = std::net::Ipv4Addr::UNSPECIFIED.into();
        })
        .await;
        let port = bench.endpoint.rsplit(':').next().expect("a port");
        let call = Call {
            headers: vec![("host", "models.example.com")],
            ..get("/api/version")
        };
        let answer = call
            .send(&bench.clock, &format!("http://127.0.0.1:{port}"))
            .await;
        assert_eq!(answer.expect("a response").status, 200);
    });
}

#[test]
fn a_short_stream_stalls_between_its_call_and_its_end() {
    virtually(async {
        let bench = Bench::new(|config| {
            config.faults.rules = vec![FaultRule {
                pause: Some(Nanos::from_secs(5)),
                ..FaultRule::always(FaultKind::Stall)
            }];
        })
        .await;
        let ask = json!({"model": MODEL, "messages": [{"role": "user", "content": "go"}],
            "tools": [{"type": "function", "function": {"name": "go"}}]});
        let answer = bench.send(post("/api/chat", ask)).await;
        assert_eq!((answer.end, answer.frames.len()), (End::Whole, 2));
        let gap = answer.frames[1].0.since(answer.frames[0].0);
        assert_eq!(gap, Nanos::from_secs(5));
        let lines = answer.lines();
        assert!(lines[0]["message"]["tool_calls"].is_array() && lines[1]["done"] == true);
    });
}

#[test]
fn a_storm_of_503_comes_and_goes() {
    virtually(async {
        let bench = Bench::new(|config| {
            config.faults.rules = vec![FaultRule {
                from: Some(Nanos::from_secs(10)),
                lasts: Some(Nanos::from_secs(5)),
                rate: Some(0.5),
                ..FaultRule::always(FaultKind::Busy)
            }];
        })
        .await;
        let mut refused = Vec::new();
        for second in 5..20 {
            let at = domain::Stamp(second * 1_000_000_000);
            bench.clock.sleep_until(at).await;
            let statuses = (0..4).map(|_| bench.generate(json!({"model": MODEL})));
            let answers = futures_util::future::join_all(statuses).await;
            let busy = answers.iter().filter(|answer| answer.status == 503).count();
            assert_eq!(
                answers.iter().filter(|answer| answer.status == 200).count(),
                4 - busy
            );
            refused.push(busy);
        }
        let (before, rest) = refused.split_at(5);
        let (during, after) = rest.split_at(5);
        assert_eq!((before, after), ([0; 5].as_slice(), [0; 5].as_slice()));
        assert!(
            (3..=17).contains(&during.iter().sum::<usize>()),
            "{refused:?}"
        );
    });
}
