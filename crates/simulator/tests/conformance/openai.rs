//! The /v1 routes.

use serde_json::{Value, json};

use crate::common::{get, post};
use crate::suite::{
    Checks, Server, content_type, events, holds, joined, like, named, object, same, text_of, wrong,
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
        like(
            model,
            &json!({"object": "model", "owned_by": "library", "created": "<count>"}),
        )
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
            let message = json!({"role": "assistant", "content": "<text>"});
            let expected = json!({"object": "chat.completion", "system_fingerprint": "fp_ollama",
                "model": server.model, "choices": [{"index": 0, "message": message}],
                "usage": {"prompt_tokens": "<count>", "completion_tokens": "<count>"},
                "total_duration": "<absent>"});
            like(&object, &expected)?;
            let id = text_of(&object["id"]);
            holds(id.starts_with("chatcmpl-"), id)?;
            let usage = |key: &str| object["usage"][key].as_u64().unwrap_or_default();
            same(
                "total_tokens",
                usage("total_tokens"),
                usage("prompt_tokens") + usage("completion_tokens"),
            )
        },
    );
    checks.add(
        "max_tokens ends /v1 chat with finish_reason length",
        async move {
            let object = object(&server.v1(&json!({"max_tokens": 3})).await?)?;
            let expected = json!({"choices": [{"finish_reason": "length"}],
                "usage": {"completion_tokens": 3}});
            like(&object, &expected)
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
            let common = json!({"object": "chat.completion.chunk", "id": chunks[0]["id"],
                "model": server.model, "system_fingerprint": "fp_ollama"});
            for chunk in chunks {
                like(chunk, &common)?;
                holds(
                    chunk.get("usage").is_none_or(Value::is_null),
                    format_args!("usage unasked: {chunk}"),
                )?;
            }
            let first = json!({"choices": [{"delta": {"role": "assistant"}}]});
            like(&chunks[0], &first)?;
            let (last, before) = chunks.split_last().expect("two at least");
            for chunk in before {
                like(chunk, &json!({"choices": [{"finish_reason": null}]}))?;
            }
            let reason = text_of(&last["choices"][0]["finish_reason"]);
            holds(["stop", "length"].contains(&reason), last)?;
            let delta = &last["choices"][0]["delta"];
            same("last delta", text_of(&delta["content"]), "")
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
            like(usage, &json!({"usage": {"completion_tokens": 3}}))?;
            same("last", &events[events.len() - 1], &Value::Null)
        },
    );
    checks.add("/v1 completions answer whole and streamed", async move {
        let body = |stream: bool| {
            json!({"model": server.model, "prompt": "The quick brown fox", "max_tokens": 4,
                    "seed": 7, "stream": stream})
        };
        let whole = object(&server.send(post("/v1/completions", body(false))).await?)?;
        let expected = json!({"object": "text_completion", "choices": [{"text": "<text>"}],
                "usage": {"completion_tokens": 4}});
        like(&whole, &expected)?;
        holds(text_of(&whole["id"]).starts_with("cmpl-"), &whole["id"])?;
        let streamed = server.send(post("/v1/completions", body(true))).await?;
        content_type(&streamed, "text/event-stream")?;
        let events = events(&streamed)?;
        let Some((Value::Null, chunks)) = events.split_last() else {
            return wrong("no [DONE] at the end");
        };
        for chunk in chunks {
            same("object", &chunk["object"], "text_completion")?;
        }
        let text = joined(chunks, |chunk| &chunk["choices"][0]["text"]);
        same("text", text.as_str(), text_of(&whole["choices"][0]["text"]))?;
        let reason = json!({"choices": [{"finish_reason": "length"}]});
        like(&chunks[chunks.len() - 1], &reason)
    });
    checks.add("an empty prompt on /v1 loads, and says so", async move {
        let body = json!({"model": server.model, "prompt": ""});
        let whole = object(&server.send(post("/v1/completions", body)).await?)?;
        let expected =
            json!({"choices": [{"finish_reason": "load"}], "usage": {"total_tokens": 0}});
        like(&whole, &expected)
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
        like(
            &object,
            &json!({"choices": [{"message": {"content": "<text>"}}]}),
        )
    });
    checks
}
