//! The /v1 routes.

use serde_json::{Value, json};

use crate::common::{get, post};
use crate::suite::{
    Checks, Server, content_type, events, holds, named, object, same, text_of, wrong,
};

pub(crate) fn checks(server: &Server) -> Checks<'_> {
    let mut checks = Checks::default();
    checks.add("/v1/models lists the model", async move {
        let list = object(&server.send(get("/v1/models")).await?)?;
        same("object", &list["object"], "list")?;
        let models = list["data"].as_array().cloned().unwrap_or_default();
        let Some(model) = models
            .iter()
            .find(|model| named(&model["id"], &server.model))
        else {
            return wrong(list.to_string());
        };
        same(
            "object",
            (&model["object"], &model["owned_by"]),
            (&json!("model"), &json!("library")),
        )?;
        holds(model["created"].as_u64().is_some(), model)
    });
    checks.add("/v1/models/NAME gives it", async move {
        let path = format!("/v1/models/{}", server.model);
        let model = object(&server.send(get(&path)).await?)?;
        holds(named(&model["id"], &server.model), &model)?;
        same("object", &model["object"], "model")
    });
    checks.add(
        "/v1 chat answers whole by default, with usage and no durations",
        async move {
            let answer = server.v1(&json!({})).await?;
            content_type(&answer, "application/json")?;
            let object = object(&answer)?;
            same("object", &object["object"], "chat.completion")?;
            holds(
                text_of(&object["id"]).starts_with("chatcmpl-"),
                &object["id"],
            )?;
            same(
                "system_fingerprint",
                &object["system_fingerprint"],
                "fp_ollama",
            )?;
            same("model", &object["model"], server.model.as_str())?;
            let choice = &object["choices"][0];
            same("index", &choice["index"], 0)?;
            same("role", &choice["message"]["role"], "assistant")?;
            holds(choice["message"]["content"].is_string(), choice)?;
            let usage = |key: &str| object["usage"][key].as_u64().unwrap_or_default();
            same(
                "total_tokens",
                usage("total_tokens"),
                usage("prompt_tokens") + usage("completion_tokens"),
            )?;
            holds(
                usage("prompt_tokens") > 0 && usage("completion_tokens") > 0,
                &object,
            )?;
            holds(object.get("total_duration").is_none(), &object)
        },
    );
    checks.add(
        "max_tokens ends /v1 chat with finish_reason length",
        async move {
            let object = object(&server.v1(&json!({"max_tokens": 3})).await?)?;
            same(
                "finish_reason",
                &object["choices"][0]["finish_reason"],
                "length",
            )?;
            same(
                "completion_tokens",
                &object["usage"]["completion_tokens"],
                3,
            )
        },
    );
    checks.add(
        "/v1 chat streams events: role, text, an empty delta with the reason, [DONE]",
        async move {
            let answer = server.v1(&json!({"stream": true})).await?;
            content_type(&answer, "text/event-stream")?;
            let events = events(&answer)?;
            let Some((Value::Null, chunks)) = events.split_last() else {
                return wrong("no [DONE] at the end");
            };
            holds(chunks.len() >= 2, format_args!("{} chunks", chunks.len()))?;
            for chunk in chunks {
                same("object", &chunk["object"], "chat.completion.chunk")?;
                same("id", &chunk["id"], &chunks[0]["id"])?;
                same("model", &chunk["model"], server.model.as_str())?;
                same(
                    "system_fingerprint",
                    &chunk["system_fingerprint"],
                    "fp_ollama",
                )?;
                holds(
                    chunk.get("usage").is_none_or(Value::is_null),
                    format_args!("usage unasked: {chunk}"),
                )?;
            }
            same(
                "role",
                &chunks[0]["choices"][0]["delta"]["role"],
                "assistant",
            )?;
            let (last, before) = chunks.split_last().expect("two at least");
            for chunk in before {
                same(
                    "finish_reason",
                    &chunk["choices"][0]["finish_reason"],
                    &Value::Null,
                )?;
            }
            let reason = text_of(&last["choices"][0]["finish_reason"]);
            holds(["stop", "length"].contains(&reason), last)?;
            same(
                "last delta",
                text_of(&last["choices"][0]["delta"]["content"]),
                "",
            )
        },
    );
    checks.add("only the first chunk has a role", async move {
        let events = events(&server.v1(&json!({"stream": true})).await?)?;
        let roles: Vec<usize> = events
            .iter()
            .enumerate()
            .filter(|(_, event)| event["choices"][0]["delta"].get("role").is_some())
            .map(|(index, _)| index)
            .collect();
        same("chunks with a role", roles, vec![0])
    });
    checks.add(
        "include_usage adds a chunk with usage and no choices before [DONE]",
        async move {
            let more =
                json!({"stream": true, "max_tokens": 3, "stream_options": {"include_usage": true}});
            let events = events(&server.v1(&more).await?)?;
            let usage = &events[events.len() - 2];
            same("choices", &usage["choices"], &json!([]))?;
            same("completion_tokens", &usage["usage"]["completion_tokens"], 3)?;
            same("last", &events[events.len() - 1], &Value::Null)
        },
    );
    checks.add("/v1 completions answer whole and streamed", async move {
            let body = |stream: bool| json!({"model": server.model, "prompt": "The quick brown fox", "max_tokens": 4, "seed": 7, "stream": stream});
            let whole = object(&server.send(post("/v1/completions", body(false))).await?)?;
            same("object", &whole["object"], "text_completion")?;
            holds(text_of(&whole["id"]).starts_with("cmpl-"), &whole["id"])?;
            holds(whole["choices"][0]["text"].is_string(), &whole)?;
            same("completion_tokens", &whole["usage"]["completion_tokens"], 4)?;
            let streamed = server.send(post("/v1/completions", body(true))).await?;
            content_type(&streamed, "text/event-stream")?;
            let events = events(&streamed)?;
            let Some((Value::Null, chunks)) = events.split_last() else {
                return wrong("no [DONE] at the end");
            };
            for chunk in chunks {
                same("object", &chunk["object"], "text_completion")?;
            }
            let text: String = chunks.iter().map(|chunk| text_of(&chunk["choices"][0]["text"])).collect();
            same("text", text.as_str(), text_of(&whole["choices"][0]["text"]))?;
            same("finish_reason", &chunks[chunks.len() - 1]["choices"][0]["finish_reason"], "length")
    });
    checks.add("an empty prompt on /v1 loads, and says so", async move {
        let body = json!({"model": server.model, "prompt": ""});
        let whole = object(&server.send(post("/v1/completions", body)).await?)?;
        same(
            "finish_reason",
            &whole["choices"][0]["finish_reason"],
            "load",
        )?;
        same("total_tokens", &whole["usage"]["total_tokens"], 0)
    });
    checks.add(
        "a stop of another type is ignored on /v1 chat",
        async move {
            for stop in [json!(5), json!([5])] {
                server.v1(&json!({"stop": stop})).await?;
            }
            Ok(())
        },
    );
    checks.add("/v1 content may come in parts", async move {
        let more =
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]});
        let object = object(&server.v1(&more).await?)?;
        holds(
            object["choices"][0]["message"]["content"].is_string(),
            &object,
        )
    });
    checks
}
