//! Generate and chat: framing, metrics, options, and what ends an answer.

use serde_json::{Value, json};

use crate::common::{Call, End, post};
use crate::suite::{
    Checked, Server, Suite, holds, is_moment, joined, lines, not_here, object, same, text_of, wrong,
};

const METRICS: [&str; 6] = [
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
];

fn response(line: &Value) -> &Value {
    &line["response"]
}

fn content(line: &Value) -> &Value {
    &line["message"]["content"]
}

pub(crate) async fn check(suite: &mut Suite) {
    framing(suite).await;
    metrics(suite).await;
    options(suite).await;
    capabilities(suite).await;
}

async fn framing(suite: &mut Suite) {
    let server = suite.server.clone();
    suite
        .check(
            "generate streams by default: NDJSON, whole objects in every chunk",
            async {
                let answer = server.generate(&json!({})).await?;
                same(
                    "content type",
                    answer.header("content-type"),
                    Some("application/x-ndjson"),
                )?;
                same(
                    "transfer encoding",
                    answer.header("transfer-encoding"),
                    Some("chunked"),
                )?;
                let lines = lines(&answer)?;
                holds(
                    answer
                        .frames
                        .iter()
                        .all(|(_, frame)| frame.ends_with(b"\n")),
                    || "an HTTP chunk ends inside an object".to_owned(),
                )?;
                holds(answer.frames.len() > 1, || "all in one chunk".to_owned())?;
                holds(lines.len() >= 2, || format!("{} objects", lines.len()))
            },
        )
        .await;
    suite
        .check(
            "every object of generate has model, created_at, response and done",
            async {
                for line in lines(&server.generate(&json!({})).await?)? {
                    same("model", text_of(&line["model"]), server.model.as_str())?;
                    holds(is_moment(&line["created_at"]), || line.to_string())?;
                    holds(text_of(&line["created_at"]).ends_with('Z'), || {
                        "not UTC".to_owned()
                    })?;
                    holds(
                        line["response"].is_string() && line["done"].is_boolean(),
                        || line.to_string(),
                    )?;
                    holds(line.get("message").is_none(), || line.to_string())?;
                }
                Ok(())
            },
        )
        .await;
    suite
        .check(
            "every object of chat has a message by the assistant and no response",
            async {
                let answer = server.chat(&json!({})).await?;
                same(
                    "content type",
                    answer.header("content-type"),
                    Some("application/x-ndjson"),
                )?;
                for line in lines(&answer)? {
                    same("role", &line["message"]["role"], "assistant")?;
                    holds(content(&line).is_string(), || line.to_string())?;
                    holds(
                        line.get("response").is_none() && line.get("context").is_none(),
                        || line.to_string(),
                    )?;
                }
                Ok(())
            },
        )
        .await;
    suite
        .check(
            "only the last object is done, and only it has a reason and metrics",
            async {
                for answer in [
                    server.generate(&json!({})).await?,
                    server.chat(&json!({})).await?,
                ] {
                    let lines = lines(&answer)?;
                    let (last, before) = lines.split_last().expect("lines are never empty");
                    same("done", &last["done"], true)?;
                    holds(
                        ["stop", "length"].contains(&text_of(&last["done_reason"])),
                        || last.to_string(),
                    )?;
                    for line in before {
                        same("done", &line["done"], false)?;
                        for key in METRICS.into_iter().chain(["done_reason", "context"]) {
                            holds(line.get(key).is_none(), || format!("{key} in {line}"))?;
                        }
                    }
                }
                Ok(())
            },
        )
        .await;
    suite
        .check(
            "no byte comes before the first object exists: head after load and prefill",
            async {
                server.unload().await?;
                let answer = server.generate(&json!({})).await?;
                let last = last(&lines(&answer)?)?;
                let nanos = |key: &str| last[key].as_u64().unwrap_or_default();
                let least = nanos("load_duration") + nanos("prompt_eval_duration");
                let head = answer.head_at.since(answer.sent).0;
                let first = answer.frames[0].0.since(answer.sent).0;
                holds(head >= least, || {
                    format!("head after {head} ns, load and prefill took {least} ns")
                })?;
                // On a real network head and first object may come in two segments.
                holds(first - head < 50_000_000, || {
                    format!("head at {head} ns, first object at {first} ns")
                })
            },
        )
        .await;
    suite
        .check("stream false gives one object of known length", async {
            for (answer, text) in [
                (
                    server.generate(&json!({"stream": false})).await?,
                    "response",
                ),
                (server.chat(&json!({"stream": false})).await?, "message"),
            ] {
                same(
                    "content type",
                    answer.header("content-type"),
                    Some("application/json; charset=utf-8"),
                )?;
                let length = answer.body.len().to_string();
                same(
                    "content length",
                    answer.header("content-length"),
                    Some(length.as_str()),
                )?;
                let object = object(&answer)?;
                same("done", &object["done"], true)?;
                holds(object.get(text).is_some(), || object.to_string())?;
                holds(object["eval_count"].as_u64() > Some(0), || {
                    object.to_string()
                })?;
            }
            Ok(())
        })
        .await;
    suite
        .check(
            "with the same seed the streamed text is the whole text",
            async {
                let streamed = lines(&server.generate(&json!({})).await?)?;
                let whole = object(&server.generate(&json!({"stream": false})).await?)?;
                same(
                    "response",
                    text_of(&whole["response"]),
                    joined(&streamed, response).as_str(),
                )?;
                let thought = joined(&streamed, |line| &line["thinking"]);
                same("thinking", text_of(&whole["thinking"]), thought.as_str())?;
                let streamed = lines(&server.chat(&json!({})).await?)?;
                let whole = object(&server.chat(&json!({"stream": false})).await?)?;
                same(
                    "content",
                    text_of(content(&whole)),
                    joined(&streamed, content).as_str(),
                )
            },
        )
        .await;
}

fn last(lines: &[Value]) -> Checked<Value> {
    match lines.last() {
        Some(line) if line["done"] == true => Ok(line.clone()),
        other => wrong(format!("the last object is {other:?}")),
    }
}

async fn metrics(suite: &mut Suite) {
    let server = suite.server.clone();
    suite
        .check(
            "the last object's counts and durations are whole and add up",
            async {
                for answer in [
                    server.generate(&json!({})).await?,
                    server.chat(&json!({})).await?,
                ] {
                    let last = last(&lines(&answer)?)?;
                    let number = |key: &str| match &last[key] {
                        // Zeros are left out.
                        Value::Null => Ok(0),
                        value => value
                            .as_u64()
                            .map_or_else(|| wrong(format!("{key} is {value}")), Ok),
                    };
                    for key in METRICS {
                        let needed = key != "load_duration";
                        holds(number(key)? > 0 || !needed, || format!("no {key}: {last}"))?;
                    }
                    let parts = number("load_duration")?
                        + number("prompt_eval_duration")?
                        + number("eval_duration")?;
                    let total = number("total_duration")?;
                    // The engine's clock and the server's are not the same one.
                    holds(total * 102 / 100 + 5_000_000 >= parts, || {
                        format!("total {total} ns is less than its parts, {parts} ns")
                    })?;
                    let seen = answer.ended.since(answer.sent).0;
                    holds(total <= seen + 1_000_000, || {
                        format!("total {total} ns, the client saw {seen} ns")
                    })?;
                }
                Ok(())
            },
        )
        .await;
    suite
        .check(
            "generate ends with a context of token ids, one for each token of prompt and answer",
            async {
                let last = last(&lines(&server.generate(&json!({})).await?)?)?;
                let ids = last["context"].as_array().cloned().unwrap_or_default();
                holds(
                    !ids.is_empty()
                        && ids
                            .iter()
                            .all(|id| id.as_i64().is_some_and(|id| (0..1 << 31).contains(&id))),
                    || last.to_string(),
                )
            },
        )
        .await;
    suite
        .check("raw gives no context", async {
            let last = last(&lines(&server.generate(&json!({"raw": true})).await?)?)?;
            holds(last.get("context").is_none(), || last.to_string())
        })
        .await;
    suite
        .check(
            "prompt_eval_count counts the whole prompt, cached or not",
            async {
                let ask = json!({"prompt": "a prompt that comes twice, word for word"});
                let first = last(&lines(&server.generate(&ask).await?)?)?;
                let second = last(&lines(&server.generate(&ask).await?)?)?;
                same(
                    "second count",
                    &second["prompt_eval_count"],
                    &first["prompt_eval_count"],
                )
            },
        )
        .await;
    suite
        .check(
            "loading is in load_duration, and total_duration holds it",
            async {
                server.unload().await?;
                let cold = last(&lines(&server.generate(&json!({})).await?)?)?;
                let warm = last(&lines(&server.generate(&json!({})).await?)?)?;
                let load = |line: &Value| line["load_duration"].as_u64().unwrap_or_default();
                holds(load(&cold) > load(&warm), || {
                    format!("cold {} ns, warm {} ns", load(&cold), load(&warm))
                })?;
                holds(cold["total_duration"].as_u64() > Some(load(&cold)), || {
                    cold.to_string()
                })
            },
        )
        .await;
}

async fn generated(server: &Server, options: Value) -> Checked<Value> {
    let more = json!({"stream": false, "options": options});
    object(&server.generate(&more).await?)
}

async fn options(suite: &mut Suite) {
    let server = suite.server.clone();
    suite
        .check(
            "num_predict ends an answer with done_reason length and that many tokens",
            async {
                for count in [1, 3] {
                    let object = generated(&server, json!({"num_predict": count})).await?;
                    same("done_reason", &object["done_reason"], "length")?;
                    same("eval_count", &object["eval_count"], count)?;
                }
                Ok(())
            },
        )
        .await;
    suite
        .check(
            "a number with a fraction is cut off where an integer is due",
            async {
                let object = generated(&server, json!({"num_predict": 2.9})).await?;
                same("eval_count", &object["eval_count"], 2)
            },
        )
        .await;
    suite
        .check("unknown options and null are ignored", async {
            let object = generated(
                &server,
                json!({"nonsense": {"a": 1}, "numa": true, "top_k": null}),
            )
            .await?;
            same("done", &object["done"], true)
        })
        .await;
    suite
        .check("a seed repeats the answer", async {
            let one = generated(&server, json!({"seed": 11})).await?;
            let two = generated(&server, json!({"seed": 11})).await?;
            same("response", &two["response"], &one["response"])
        })
        .await;
    suite
        .check("a stop string ends the answer before it", async {
            let think = if server.can("thinking") {
                json!(false)
            } else {
                Value::Null
            };
            let ask = |options: Value| json!({"stream": false, "think": think, "options": options});
            let plain = object(&server.generate(&ask(json!({"num_predict": 12}))).await?)?;
            let text = text_of(&plain["response"]);
            let Some((at, stop)) = text
                .char_indices()
                .find(|(at, c)| *at > 4 && c.is_ascii_lowercase())
            else {
                return not_here(format!("no letter to stop at in {text:?}"));
            };
            let at = text[..at].find(stop).unwrap_or(at);
            let stopped = ask(json!({"num_predict": 12, "stop": [stop.to_string()]}));
            let stopped = object(&server.generate(&stopped).await?)?;
            same("response", text_of(&stopped["response"]), &text[..at])?;
            same("done_reason", &stopped["done_reason"], "stop")
        })
        .await;
    suite
        .check("format json gives JSON", async {
            let think = if server.can("thinking") { json!(false) } else { Value::Null };
            let ask = json!({"stream": false, "format": "json", "think": think, "options": {"num_predict": 64}});
            let object = object(&server.generate(&ask).await?)?;
            let text = text_of(&object["response"]).trim();
            match text_of(&object["done_reason"]) {
                "stop" => holds(serde_json::from_str::<Value>(text).is_ok_and(|v| v.is_object()), || text.to_owned()),
                // Cut off, but begun as an object.
                "length" => holds(text.is_empty() || text.starts_with('{'), || text.to_owned()),
                other => wrong(format!("done_reason {other:?}: {object}")),
            }
        })
        .await;
    suite
        .check("a schema gives its fields", async {
            let think = if server.can("thinking") { json!(false) } else { Value::Null };
            let schema = json!({"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]});
            let ask = json!({"stream": false, "format": schema, "think": think, "options": {"num_predict": 64}});
            let object = object(&server.generate(&ask).await?)?;
            let text = text_of(&object["response"]);
            if object["done_reason"] == "length" {
                return not_here(format!("cut off: {text:?}"));
            }
            let value: Value = serde_json::from_str(text).or_else(|error| wrong(format!("{error}: {text:?}")))?;
            holds(value["ok"].is_boolean(), || text.to_owned())
        })
        .await;
    suite
        .check(
            "the context limit ends an answer with done_reason length when nothing is shifted out",
            async {
                let think = if server.can("thinking") {
                    json!(false)
                } else {
                    Value::Null
                };
                let ask = json!({"stream": false, "shift": false, "think": think,
                "prompt": "a b", "options": {"num_ctx": server.ctx(64), "num_predict": 4000}});
                let object = object(&server.generate(&ask).await?)?;
                let count = |key: &str| object[key].as_u64().unwrap_or_default();
                if object["done_reason"] == "stop" {
                    return not_here("the model ended by itself");
                }
                same("done_reason", &object["done_reason"], "length")?;
                holds(count("eval_count") < 4000, || object.to_string())
            },
        )
        .await;
    suite
        .check(
            "a prompt over the context loses its middle, and half the context is freed",
            async {
                if server.release() < (0, 30) {
                    return not_here(format!("release {} cuts otherwise", server.version));
                }
                let context = server.ctx(64);
                let long = "one two three four five six seven eight ".repeat(400);
                let ask = json!({"stream": false, "prompt": long, "options": {"num_ctx": context}});
                let object = object(&server.generate(&ask).await?)?;
                // num_keep's default is 4; a vocabulary with a mark for the beginning keeps that too.
                let left = |keep: u32| json!(context - (context - keep) / 2);
                let count = &object["prompt_eval_count"];
                holds([left(4), left(5)].contains(count), || {
                    format!("{count} tokens left of {context}")
                })
            },
        )
        .await;
    suite
        .check("roles are not checked, and their case does not matter", async {
            let ask = json!({"stream": false, "messages": [
                {"role": "System", "content": "be brief"}, {"role": "judge", "content": "x"}, {"role": "USER", "content": "hello"}]});
            let object = object(&server.chat(&ask).await?)?;
            same("done", &object["done"], true)
        })
        .await;
    suite
        .check("a client that leaves does not stop the next one", async {
            let body = server.generate_body(&json!({"options": {"num_predict": 200}}));
            let leaver = Call {
                leave_after: Some(2),
                ..post("/api/generate", body)
            };
            let left = server.send(leaver).await?;
            holds(left.end == End::Broken || left.frames.len() <= 2, || {
                "it did not leave".to_owned()
            })?;
            let next = server.generate(&json!({})).await?;
            last(&lines(&next)?).map(|_| ())
        })
        .await;
    suite
        .check("two requests at once are both served", async {
            let ask = json!({});
            let (one, two) = tokio::join!(server.generate(&ask), server.chat(&ask));
            last(&lines(&one?)?)?;
            last(&lines(&two?)?).map(|_| ())
        })
        .await;
}

async fn capabilities(suite: &mut Suite) {
    let server = suite.server.clone();
    suite
        .check("thinking comes before content, unless turned off", async {
            if !server.can("thinking") {
                return not_here("the model cannot think");
            }
            let more = json!({"options": {"num_predict": 400}});
            let answer = lines(&server.chat(&more).await?)?;
            let thought = joined(&answer, |line| &line["message"]["thinking"]);
            holds(!thought.is_empty(), || "absent means on".to_owned())?;
            let more = json!({"think": false, "options": {"num_predict": 400}});
            let answer = lines(&server.chat(&more).await?)?;
            same(
                "thinking",
                joined(&answer, |line| &line["message"]["thinking"]),
                "",
            )
        })
        .await;
    suite
        .check("tools are called with an object, on /v1 with its text", async {
            if !server.can("tools") {
                return not_here("the model calls no tools");
            }
            let tools = json!([{"type": "function", "function": {"name": "weather", "description": "The weather in a city",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]);
            let messages = json!([{"role": "user", "content": "How is the weather in Paris? Use the tool weather."}]);
            let more = json!({"tools": tools, "messages": messages, "options": {"num_predict": 400}});
            let answer = lines(&server.chat(&more).await?)?;
            let Some(call) = answer.iter().find_map(|line| line["message"]["tool_calls"].get(0)) else {
                return not_here("the model called none");
            };
            same("name", &call["function"]["name"], "weather")?;
            holds(call["function"]["arguments"].is_object(), || call.to_string())?;
            same("done_reason", &last(&answer)?["done_reason"], "stop")?;
            let more = json!({"tools": tools, "messages": messages, "max_tokens": 400});
            let whole = object(&server.v1(&more).await?)?;
            let call = &whole["choices"][0]["message"]["tool_calls"][0]["function"];
            holds(call["arguments"].is_string(), || whole.to_string())?;
            same("finish_reason", &whole["choices"][0]["finish_reason"], "tool_calls")
        })
        .await;
}
