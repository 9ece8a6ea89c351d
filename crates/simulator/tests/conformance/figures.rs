//! Checks that compute: how times, counts and texts of answers go together.

use serde_json::{Value, json};

use crate::common::{Call, End, post};
use crate::suite::{
    Checked, Checks, LONG, Server, holds, last, not_here, object, same, text_of, wrong,
};

/// A function that adds these checks.
macro_rules! checks {
    ($function:ident: $($check:ident $name:literal,)*) => {
        pub(crate) fn $function<'a>(server: &'a Server, checks: &mut Checks<'a>) {
            $(checks.add($name, $check(server));)*
        }
    };
}

checks! { generation:
    head_after_prefill "no byte comes before the first object exists: head after load and prefill",
    metrics_add_up "the last object's counts and durations are whole and add up",
    loading_is_counted "loading is in load_duration, and total_duration holds it",
    stop "a stop string ends the answer before it",
    json_format "format json gives JSON",
    schema_format "a schema gives its fields",
    context_limit "the context limit ends an answer with done_reason length when nothing is shifted out",
    long_prompt "a prompt over the context loses its middle, and half the context is freed",
    leaving "a client that leaves does not stop the next one",
    two_at_once "two requests at once are both served",
    tools "tools are called with an object, on /v1 with its text",
}

checks! { lifecycle:
    reload "another num_ctx reloads the model; the same one does not",
    no_reload "temperature, seed, stop, num_predict and format reload nothing",
    device_memory "/api/ps states no more device memory than memory",
}

checks! { openai:
    vectors "/api/embed takes a text or a list and gives vectors of length one",
    usage "/v1 usage adds up",
}

/// A member that counts something; 0 where it is left out, as zeros are.
fn number(object: &Value, key: &str) -> Checked<u64> {
    match &object[key] {
        Value::Null => Ok(0),
        value => value
            .as_u64()
            .map_or_else(|| wrong(format!("{key} is {value}")), Ok),
    }
}

/// The object of an answer that is not streamed.
async fn whole(server: &Server, mut more: Value) -> Checked<Value> {
    more["stream"] = json!(false);
    object(&server.generate(&more).await?)
}

/// What `think` must be for an answer without thoughts.
fn unthinking(server: &Server) -> Value {
    if server.can("thinking") {
        json!(false)
    } else {
        Value::Null
    }
}

async fn head_after_prefill(server: &Server) -> Checked {
    server.unload().await?;
    let answer = server.generate(&json!({})).await?;
    let last = last(&answer)?;
    let least = number(&last, "load_duration")? + number(&last, "prompt_eval_duration")?;
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
}

async fn metrics_add_up(server: &Server) -> Checked {
    let ask = json!({});
    for answer in [server.generate(&ask).await?, server.chat(&ask).await?] {
        let last = last(&answer)?;
        for key in ["prompt_eval_count", "eval_count"] {
            holds(number(&last, key)? > 0, format_args!("no {key}: {last}"))?;
        }
        let mut parts = number(&last, "load_duration")?;
        for key in ["prompt_eval_duration", "eval_duration"] {
            let part = number(&last, key)?;
            holds(part > 0, format_args!("no {key}: {last}"))?;
            parts += part;
        }
        let total = number(&last, "total_duration")?;
        // The engine's clock and the server's are not the same one.
        holds(
            total * 102 / 100 + 5_000_000 >= parts,
            format_args!("total {total} ns is less than its parts, {parts} ns"),
        )?;
        let seen = answer.ended.since(answer.sent).0;
        holds(
            (1..=seen + 1_000_000).contains(&total),
            format_args!("total {total} ns, the client saw {seen} ns"),
        )?;
    }
    Ok(())
}

async fn loading_is_counted(server: &Server) -> Checked {
    server.unload().await?;
    let cold = last(&server.generate(&json!({})).await?)?;
    let warm = last(&server.generate(&json!({})).await?)?;
    let load = number(&cold, "load_duration")?;
    let warm = number(&warm, "load_duration")?;
    holds(load > warm, format_args!("cold {load} ns, warm {warm} ns"))?;
    holds(number(&cold, "total_duration")? > load, &cold)
}

async fn stop(server: &Server) -> Checked {
    let think = unthinking(server);
    let ask = |stop: Value| {
        let options = json!({"num_predict": 12, "stop": stop});
        whole(server, json!({"think": think, "options": options}))
    };
    let plain = ask(Value::Null).await?;
    let text = text_of(&plain["response"]);
    let Some((at, stop)) = text
        .char_indices()
        .find(|(at, c)| *at > 4 && c.is_ascii_lowercase())
    else {
        return not_here(format!("no letter to stop at in {text:?}"));
    };
    let at = text[..at].find(stop).unwrap_or(at);
    let stopped = ask(json!([stop.to_string()])).await?;
    same("response", text_of(&stopped["response"]), &text[..at])?;
    same("done_reason", &stopped["done_reason"], "stop")
}

/// Generates to a format: the text, and why it ended.
async fn formatted(server: &Server, format: Value) -> Checked<(String, String)> {
    let ask = json!({"format": format, "think": unthinking(server),
        "options": {"num_predict": 64}});
    let object = whole(server, ask).await?;
    let text = |key: &str| text_of(&object[key]).trim().to_owned();
    Ok((text("response"), text("done_reason")))
}

async fn json_format(server: &Server) -> Checked {
    let (text, reason) = formatted(server, json!("json")).await?;
    match reason.as_str() {
        "stop" => holds(
            serde_json::from_str::<Value>(&text).is_ok_and(|v| v.is_object()),
            text,
        ),
        // Cut off, but started as an object.
        "length" => holds(text.is_empty() || text.starts_with('{'), text),
        other => wrong(format!("done_reason {other:?}: {text:?}")),
    }
}

async fn schema_format(server: &Server) -> Checked {
    let schema = json!({"type": "object", "required": ["ok"],
        "properties": {"ok": {"type": "boolean"}}});
    let (text, reason) = formatted(server, schema).await?;
    if reason == "length" {
        return not_here(format!("cut off: {text:?}"));
    }
    let value = serde_json::from_str::<Value>(&text);
    holds(value.is_ok_and(|value| value["ok"].is_boolean()), text)
}

async fn context_limit(server: &Server) -> Checked {
    let options = json!({"num_ctx": server.ctx(64), "num_predict": 4000});
    let think = unthinking(server);
    let ask = json!({"shift": false, "think": think, "prompt": "a b", "options": options});
    let object = whole(server, ask).await?;
    if object["done_reason"] == "stop" {
        return not_here("the model ended by itself");
    }
    same("done_reason", &object["done_reason"], "length")?;
    holds(number(&object, "eval_count")? < 4000, &object)
}

async fn long_prompt(server: &Server) -> Checked {
    if server.release() < (0, 30) {
        return not_here(format!("release {} cuts otherwise", server.version));
    }
    let context = server.ctx(64);
    let ask = json!({"prompt": LONG.repeat(400), "options": {"num_ctx": context}});
    let object = whole(server, ask).await?;
    // num_keep's default is 4; a vocabulary with a mark for the beginning keeps that too.
    let left = |keep: u32| json!(context - (context - keep) / 2);
    let count = &object["prompt_eval_count"];
    holds(
        [left(4), left(5)].contains(count),
        format_args!("{count} tokens left of {context}"),
    )
}

async fn leaving(server: &Server) -> Checked {
    let more = json!({"options": {"num_predict": 200}});
    let leaver = Call {
        leave_after: Some(2),
        ..post("/api/generate", server.body("/api/generate", &more))
    };
    let left = server.send(leaver).await?;
    holds(
        left.end == End::Broken || left.frames.len() <= 2,
        "it did not leave",
    )?;
    last(&server.generate(&json!({})).await?).map(|_| ())
}

async fn two_at_once(server: &Server) -> Checked {
    let ask = json!({});
    let (one, two) = tokio::join!(server.generate(&ask), server.chat(&ask));
    last(&one?)?;
    last(&two?).map(|_| ())
}

async fn tools(server: &Server) -> Checked {
    if !server.can("tools") {
        return not_here("the model calls no tools");
    }
    let parameters = json!({"type": "object", "required": ["city"],
        "properties": {"city": {"type": "string"}}});
    let tools = json!([{"type": "function", "function": {"name": "weather",
        "description": "The weather in a city", "parameters": parameters}}]);
    let text = "How is the weather in Paris? Use the tool weather.";
    let messages = json!([{"role": "user", "content": text}]);
    let ask = json!({"tools": tools, "messages": messages, "max_tokens": 400,
        "options": {"num_predict": 400}});
    let answer = server.chat(&ask).await?;
    let objects = answer.objects().or_else(wrong)?;
    let mut calls = objects.iter();
    let Some(call) = calls.find_map(|object| object["message"]["tool_calls"].get(0)) else {
        return not_here("the model called none");
    };
    same("name", &call["function"]["name"], "weather")?;
    holds(call["function"]["arguments"].is_object(), call)?;
    same("done_reason", &last(&answer)?["done_reason"], "stop")?;
    let whole = object(&server.ask("/v1/chat/completions", &ask).await?)?;
    let choice = &whole["choices"][0];
    same("finish_reason", &choice["finish_reason"], "tool_calls")?;
    let call = &choice["message"]["tool_calls"][0];
    holds(call["function"]["arguments"].is_string(), call)
}

/// `load_duration` of a generation with these options, ns.
async fn load_of(server: &Server, more: &Value) -> Checked<u64> {
    number(&last(&server.generate(more).await?)?, "load_duration")
}

async fn reload(server: &Server) -> Checked {
    let load = async |ctx: u32| {
        let options = json!({"num_ctx": server.ctx(ctx)});
        load_of(server, &json!({"options": options})).await
    };
    load(512).await?;
    let (same_again, other) = (load(512).await?, load(768).await?);
    let stated = server.entry().await?;
    same("context_length", &stated["context_length"], server.ctx(768))?;
    let back = load(512).await?;
    holds(
        other > 2 * same_again && back > 2 * same_again,
        format_args!("load_duration: same {same_again} ns, other {other} ns, back {back} ns"),
    )
}

async fn no_reload(server: &Server) -> Checked {
    let plain = json!({"options": {"num_ctx": server.ctx(512)}});
    load_of(server, &plain).await?;
    let before = server.entry().await?;
    let options = json!({"num_ctx": server.ctx(512), "temperature": 0.1, "top_k": 3,
        "top_p": 0.5, "min_p": 0.1, "seed": 3, "stop": ["zz"], "repeat_penalty": 1.3});
    let kept = load_of(server, &json!({"format": "json", "options": options})).await?;
    let other = json!({"options": {"num_ctx": server.ctx(640)}});
    let reload = load_of(server, &other).await?;
    same(
        "context_length before",
        &before["context_length"],
        server.ctx(512),
    )?;
    holds(
        reload > 2 * kept,
        format_args!("load_duration {kept} ns, of a reload {reload} ns"),
    )
}

async fn device_memory(server: &Server) -> Checked {
    load_of(server, &json!({})).await?;
    let entry = server.entry().await?;
    // Left out or 0 means: all of it in the CPU's memory.
    holds(
        number(&entry, "size_vram")? <= number(&entry, "size")?,
        &entry,
    )
}

async fn vectors(server: &Server) -> Checked {
    let ask = async |input: Value| {
        let body = json!({"model": server.embedder, "input": input});
        let answer = server.send(post("/api/embed", body)).await?;
        if answer.status == 501 && server.embedder == server.model {
            return not_here(format!("the model makes none: {}", answer.text()));
        }
        same("status", answer.status, 200)?;
        object(&answer)
    };
    let vectors = |object: &Value| -> Vec<Vec<f64>> {
        serde_json::from_value(object["embeddings"].clone()).unwrap_or_default()
    };
    let one = ask(json!("water")).await?;
    let many = vectors(&ask(json!(["water", "people"])).await?);
    let [vector] = vectors(&one)
        .try_into()
        .or_else(|_| wrong(one.to_string()))?;
    let widths: Vec<usize> = many.iter().map(Vec::len).collect();
    same("widths", widths, [vector.len(), vector.len()])?;
    let norm: f64 = many[1].iter().map(|x| x * x).sum();
    holds((norm - 1.0).abs() < 1e-3, format_args!("norm {norm}"))?;
    for key in ["prompt_eval_count", "total_duration"] {
        holds(number(&one, key)? > 0, format_args!("no {key}: {one}"))?;
    }
    holds(one.get("eval_count").is_none(), one)
}

async fn usage(server: &Server) -> Checked {
    let answer = server.ask("/v1/chat/completions", &json!({})).await?;
    let usage = &object(&answer)?["usage"];
    let parts = number(usage, "prompt_tokens")? + number(usage, "completion_tokens")?;
    same("total_tokens", number(usage, "total_tokens")?, parts)
}
