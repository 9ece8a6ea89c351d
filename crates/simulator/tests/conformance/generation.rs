//! Generate and chat: framing, metrics, options, and what ends an answer.

use serde_json::{Value, json};

use crate::common::{Answer, Call, End, post};
use crate::suite::{
    Checked, Checks, Server, content_type, holds, joined, like, lines, not_here, object, same,
    text_of, wrong,
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

pub(crate) fn checks(server: &Server) -> Checks<'_> {
    let mut checks = Checks::default();
    framing(server, &mut checks);
    metrics(server, &mut checks);
    options(server, &mut checks);
    capabilities(server, &mut checks);
    checks
}

fn framing<'a>(server: &'a Server, checks: &mut Checks<'a>) {
    checks.add(
        "generate streams by default: NDJSON, whole objects in every chunk",
        async move {
            let answer = server.generate(&json!({})).await?;
            content_type(&answer, "application/x-ndjson")?;
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
                "an HTTP chunk ends inside an object",
            )?;
            holds(answer.frames.len() > 1, "all in one chunk")?;
            holds(lines.len() >= 2, format_args!("{} objects", lines.len()))
        },
    );
    checks.add(
        "every object of generate has model, created_at, response and done",
        async move {
            for line in lines(&server.generate(&json!({})).await?)? {
                let expected = json!({"model": server.model, "created_at": "<moment>",
                    "response": "<text>", "done": "<bool>", "message": "<absent>"});
                like(&line, &expected)?;
                holds(text_of(&line["created_at"]).ends_with('Z'), "not UTC")?;
            }
            Ok(())
        },
    );
    checks.add(
        "every object of chat has a message by the assistant and no response",
        async move {
            let answer = server.chat(&json!({})).await?;
            content_type(&answer, "application/x-ndjson")?;
            for line in lines(&answer)? {
                let message = json!({"role": "assistant", "content": "<text>"});
                let expected = json!({"message": message, "response": "<absent>",
                    "context": "<absent>"});
                like(&line, &expected)?;
            }
            Ok(())
        },
    );
    checks.add(
        "only the last object is done, and only it has a reason and metrics",
        async move {
            for answer in both(server, &json!({})).await? {
                let lines = lines(&answer)?;
                let (last, before) = lines.split_last().expect("lines are never empty");
                same("done", &last["done"], true)?;
                holds(
                    ["stop", "length"].contains(&text_of(&last["done_reason"])),
                    last,
                )?;
                for line in before {
                    same("done", &line["done"], false)?;
                    for key in METRICS.into_iter().chain(["done_reason", "context"]) {
                        holds(line.get(key).is_none(), format_args!("{key} in {line}"))?;
                    }
                }
            }
            Ok(())
        },
    );
    checks.add(
        "no byte comes before the first object exists: head after load and prefill",
        async move {
            server.unload().await?;
            let answer = server.generate(&json!({})).await?;
            let last = last(&lines(&answer)?)?;
            let nanos = |key: &str| last[key].as_u64().unwrap_or_default();
            let least = nanos("load_duration") + nanos("prompt_eval_duration");
            let head = answer.head_at.since(answer.sent).0;
            let first = answer.frames[0].0.since(answer.sent).0;
            holds(
                head >= least,
                format_args!("head after {head} ns, load and prefill took {least} ns"),
            )?;
            // On a real network head and first object may come in two segments.
            holds(
                first - head < 50_000_000,
                format_args!("head at {head} ns, first object at {first} ns"),
            )
        },
    );
    checks.add(
        "stream false gives one object of known length",
        async move {
            let answers = both(server, &json!({"stream": false})).await?;
            for (answer, text) in answers.into_iter().zip(["response", "message"]) {
                content_type(&answer, "application/json; charset=utf-8")?;
                let length = answer.body.len().to_string();
                same(
                    "content length",
                    answer.header("content-length"),
                    Some(length.as_str()),
                )?;
                let object = object(&answer)?;
                like(&object, &json!({"done": true, "eval_count": "<count>"}))?;
                holds(object.get(text).is_some(), &object)?;
            }
            Ok(())
        },
    );
    checks.add(
        "with the same seed the streamed text is the whole text",
        async move {
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
    );
}

/// The answers of generate and chat.
async fn both(server: &Server, more: &Value) -> Checked<[Answer; 2]> {
    Ok([server.generate(more).await?, server.chat(more).await?])
}

/// The last object of a generation.
async fn generated_last(server: &Server, more: &Value) -> Checked<Value> {
    last(&lines(&server.generate(more).await?)?)
}

fn last(lines: &[Value]) -> Checked<Value> {
    match lines.last() {
        Some(line) if line["done"] == true => Ok(line.clone()),
        other => wrong(format!("the last object is {other:?}")),
    }
}

fn metrics<'a>(server: &'a Server, checks: &mut Checks<'a>) {
    checks.add(
        "the last object's counts and durations are whole and add up",
        async move {
            for answer in both(server, &json!({})).await? {
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
                    holds(
                        number(key)? > 0 || !needed,
                        format_args!("no {key}: {last}"),
                    )?;
                }
                let parts = number("load_duration")?
                    + number("prompt_eval_duration")?
                    + number("eval_duration")?;
                let total = number("total_duration")?;
                // The engine's clock and the server's are not the same one.
                holds(
                    total * 102 / 100 + 5_000_000 >= parts,
                    format_args!("total {total} ns is less than its parts, {parts} ns"),
                )?;
                let seen = answer.ended.since(answer.sent).0;
                holds(
                    total <= seen + 1_000_000,
                    format_args!("total {total} ns, the client saw {seen} ns"),
                )?;
            }
            Ok(())
        },
    );
    checks.add(
        "generate ends with a context of token ids, one for each token of prompt and answer",
        async move {
            let last = generated_last(server, &json!({})).await?;
            let ids = last["context"].as_array().cloned().unwrap_or_default();
            holds(
                !ids.is_empty()
                    && ids
                        .iter()
                        .all(|id| id.as_i64().is_some_and(|id| (0..1 << 31).contains(&id))),
                &last,
            )
        },
    );
    checks.add("raw gives no context", async move {
        let last = generated_last(server, &json!({"raw": true})).await?;
        holds(last.get("context").is_none(), &last)
    });
    checks.add(
        "prompt_eval_count counts the whole prompt, cached or not",
        async move {
            let ask = json!({"prompt": "a prompt that comes twice, word for word"});
            let first = generated_last(server, &ask).await?;
            let second = generated_last(server, &ask).await?;
            same(
                "second count",
                &second["prompt_eval_count"],
                &first["prompt_eval_count"],
            )
        },
    );
    checks.add(
        "loading is in load_duration, and total_duration holds it",
        async move {
            server.unload().await?;
            let cold = generated_last(server, &json!({})).await?;
            let warm = generated_last(server, &json!({})).await?;
            let load = |line: &Value| line["load_duration"].as_u64().unwrap_or_default();
            holds(
                load(&cold) > load(&warm),
                format_args!("cold {} ns, warm {} ns", load(&cold), load(&warm)),
            )?;
            holds(cold["total_duration"].as_u64() > Some(load(&cold)), &cold)
        },
    );
}

/// What `think` must be for an answer without thoughts.
fn unthinking(server: &Server) -> Value {
    if server.can("thinking") {
        json!(false)
    } else {
        Value::Null
    }
}

async fn generated(server: &Server, options: Value) -> Checked<Value> {
    let more = json!({"stream": false, "options": options});
    object(&server.generate(&more).await?)
}

fn options<'a>(server: &'a Server, checks: &mut Checks<'a>) {
    checks.add(
        "num_predict ends an answer with done_reason length and that many tokens",
        async move {
            for count in [1, 3] {
                let object = generated(server, json!({"num_predict": count})).await?;
                like(
                    &object,
                    &json!({"done_reason": "length", "eval_count": count}),
                )?;
            }
            Ok(())
        },
    );
    checks.add(
        "a number with a fraction is cut off where an integer is due",
        async move {
            let object = generated(server, json!({"num_predict": 2.9})).await?;
            same("eval_count", &object["eval_count"], 2)
        },
    );
    checks.add("unknown options and null are ignored", async move {
        let object = generated(
            server,
            json!({"nonsense": {"a": 1}, "numa": true, "top_k": null}),
        )
        .await?;
        same("done", &object["done"], true)
    });
    checks.add("a seed repeats the answer", async move {
        let one = generated(server, json!({"seed": 11})).await?;
        let two = generated(server, json!({"seed": 11})).await?;
        same("response", &two["response"], &one["response"])
    });
    checks.add("a stop string ends the answer before it", async move {
        let think = unthinking(server);
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
    });
    checks.add("format json gives JSON", async move {
        let think = unthinking(server);
        let ask = json!({"stream": false, "format": "json", "think": think,
                "options": {"num_predict": 64}});
        let object = object(&server.generate(&ask).await?)?;
        let text = text_of(&object["response"]).trim();
        match text_of(&object["done_reason"]) {
            "stop" => holds(
                serde_json::from_str::<Value>(text).is_ok_and(|v| v.is_object()),
                text,
            ),
            // Cut off, but begun as an object.
            "length" => holds(text.is_empty() || text.starts_with('{'), text),
            other => wrong(format!("done_reason {other:?}: {object}")),
        }
    });
    checks.add("a schema gives its fields", async move {
        let think = unthinking(server);
        let schema = json!({"type": "object", "required": ["ok"],
                "properties": {"ok": {"type": "boolean"}}});
        let ask = json!({"stream": false, "format": schema, "think": think,
                "options": {"num_predict": 64}});
        let object = object(&server.generate(&ask).await?)?;
        let text = text_of(&object["response"]);
        if object["done_reason"] == "length" {
            return not_here(format!("cut off: {text:?}"));
        }
        let value: Value =
            serde_json::from_str(text).or_else(|error| wrong(format!("{error}: {text:?}")))?;
        holds(value["ok"].is_boolean(), text)
    });
    checks.add(
        "the context limit ends an answer with done_reason length when nothing is shifted out",
        async move {
            let think = unthinking(server);
            let ask = json!({"stream": false, "shift": false, "think": think,
                "prompt": "a b", "options": {"num_ctx": server.ctx(64), "num_predict": 4000}});
            let object = object(&server.generate(&ask).await?)?;
            let count = |key: &str| object[key].as_u64().unwrap_or_default();
            if object["done_reason"] == "stop" {
                return not_here("the model ended by itself");
            }
            same("done_reason", &object["done_reason"], "length")?;
            holds(count("eval_count") < 4000, &object)
        },
    );
    checks.add(
        "a prompt over the context loses its middle, and half the context is freed",
        async move {
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
            holds(
                [left(4), left(5)].contains(count),
                format_args!("{count} tokens left of {context}"),
            )
        },
    );
    checks.add(
        "roles are not checked, and their case does not matter",
        async move {
            let ask = json!({"stream": false, "messages": [
                {"role": "System", "content": "be brief"}, {"role": "judge", "content": "x"},
                {"role": "USER", "content": "hello"}]});
            let object = object(&server.chat(&ask).await?)?;
            same("done", &object["done"], true)
        },
    );
    checks.add(
        "a client that leaves does not stop the next one",
        async move {
            let body = server.generate_body(&json!({"options": {"num_predict": 200}}));
            let leaver = Call {
                leave_after: Some(2),
                ..post("/api/generate", body)
            };
            let left = server.send(leaver).await?;
            holds(
                left.end == End::Broken || left.frames.len() <= 2,
                "it did not leave",
            )?;
            let next = server.generate(&json!({})).await?;
            last(&lines(&next)?).map(|_| ())
        },
    );
    checks.add("two requests at once are both served", async move {
        let ask = json!({});
        let (one, two) = tokio::join!(server.generate(&ask), server.chat(&ask));
        last(&lines(&one?)?)?;
        last(&lines(&two?)?).map(|_| ())
    });
}

fn capabilities<'a>(server: &'a Server, checks: &mut Checks<'a>) {
    checks.add(
        "thinking comes before content, unless turned off",
        async move {
            if !server.can("thinking") {
                return not_here("the model cannot think");
            }
            let more = json!({"options": {"num_predict": 400}});
            let answer = lines(&server.chat(&more).await?)?;
            let thought = joined(&answer, |line| &line["message"]["thinking"]);
            holds(!thought.is_empty(), "absent means on")?;
            let more = json!({"think": false, "options": {"num_predict": 400}});
            let answer = lines(&server.chat(&more).await?)?;
            same(
                "thinking",
                joined(&answer, |line| &line["message"]["thinking"]),
                "",
            )
        },
    );
    checks.add(
        "tools are called with an object, on /v1 with its text",
        async move {
            if !server.can("tools") {
                return not_here("the model calls no tools");
            }
            let parameters = json!({"type": "object", "required": ["city"],
                "properties": {"city": {"type": "string"}}});
            let tools = json!([{"type": "function", "function": {"name": "weather",
                "description": "The weather in a city", "parameters": parameters}}]);
            let text = "How is the weather in Paris? Use the tool weather.";
            let messages = json!([{"role": "user", "content": text}]);
            let more = json!({"tools": tools, "messages": messages,
                "options": {"num_predict": 400}});
            let answer = lines(&server.chat(&more).await?)?;
            let Some(call) = answer
                .iter()
                .find_map(|line| line["message"]["tool_calls"].get(0))
            else {
                return not_here("the model called none");
            };
            let expected = json!({"function": {"name": "weather", "arguments": "<object>"}});
            like(call, &expected)?;
            same("done_reason", &last(&answer)?["done_reason"], "stop")?;
            let more = json!({"tools": tools, "messages": messages, "max_tokens": 400});
            let whole = object(&server.v1(&more).await?)?;
            let calls = json!([{"function": {"arguments": "<text>"}}]);
            let choice = json!({"message": {"tool_calls": calls}, "finish_reason": "tool_calls"});
            like(&whole, &json!({"choices": [choice]}))
        },
    );
}
