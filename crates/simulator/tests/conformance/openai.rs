//! The /v1 routes.

use serde_json::{Value, json};

use crate::common::{get, post};
use crate::suite::{Checked, Server, Suite, events, holds, named, object, same, text_of, wrong};

async fn refused(
    server: &Server,
    path: &str,
    body: Value,
    status: u16,
    kind: &str,
    words: &str,
) -> Checked {
    let call = if body.is_null() {
        get(path)
    } else {
        post(path, &body)
    };
    let answer = server.send(call).await?;
    let error = json!({"error": {"message": words, "type": kind, "param": null, "code": null}});
    same(
        &format!("{path} {body}"),
        (answer.status, object(&answer)?),
        (status, error),
    )
}

pub(crate) async fn check(suite: &mut Suite) {
    let server = suite.server.clone();
    suite
        .check("/v1/models lists the model", async {
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
            holds(model["created"].as_u64().is_some(), || model.to_string())
        })
        .await;
    suite
        .check("/v1/models/NAME gives it, or 404", async {
            let path = format!("/v1/models/{}", server.model);
            let model = object(&server.send(get(&path)).await?)?;
            holds(named(&model["id"], &server.model), || model.to_string())?;
            same("object", &model["object"], "model")?;
            refused(
                &server,
                "/v1/models/no-such-model",
                Value::Null,
                404,
                "not_found_error",
                "model 'no-such-model:latest' not found",
            )
            .await
        })
        .await;
    suite
        .check(
            "/v1 chat answers whole by default, with usage and no durations",
            async {
                let answer = server.v1(&json!({})).await?;
                same(
                    "content type",
                    answer.header("content-type"),
                    Some("application/json"),
                )?;
                let object = object(&answer)?;
                same("object", &object["object"], "chat.completion")?;
                holds(text_of(&object["id"]).starts_with("chatcmpl-"), || {
                    object["id"].to_string()
                })?;
                same(
                    "system_fingerprint",
                    &object["system_fingerprint"],
                    "fp_ollama",
                )?;
                same("model", &object["model"], server.model.as_str())?;
                let choice = &object["choices"][0];
                same("index", &choice["index"], 0)?;
                same("role", &choice["message"]["role"], "assistant")?;
                holds(choice["message"]["content"].is_string(), || {
                    choice.to_string()
                })?;
                let usage = |key: &str| object["usage"][key].as_u64().unwrap_or_default();
                same(
                    "total_tokens",
                    usage("total_tokens"),
                    usage("prompt_tokens") + usage("completion_tokens"),
                )?;
                holds(
                    usage("prompt_tokens") > 0 && usage("completion_tokens") > 0,
                    || object.to_string(),
                )?;
                holds(object.get("total_duration").is_none(), || {
                    object.to_string()
                })
            },
        )
        .await;
    suite
        .check(
            "max_tokens ends /v1 chat with finish_reason length",
            async {
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
        )
        .await;
    suite
        .check(
            "/v1 chat streams events: role, text, an empty delta with the reason, [DONE]",
            async {
                let answer = server.v1(&json!({"stream": true})).await?;
                same(
                    "content type",
                    answer.header("content-type"),
                    Some("text/event-stream"),
                )?;
                let events = events(&answer)?;
                let Some((Value::Null, chunks)) = events.split_last() else {
                    return wrong("no [DONE] at the end");
                };
                holds(chunks.len() >= 2, || format!("{} chunks", chunks.len()))?;
                for chunk in chunks {
                    same("object", &chunk["object"], "chat.completion.chunk")?;
                    same("id", &chunk["id"], &chunks[0]["id"])?;
                    same("model", &chunk["model"], server.model.as_str())?;
                    same(
                        "system_fingerprint",
                        &chunk["system_fingerprint"],
                        "fp_ollama",
                    )?;
                    holds(chunk.get("usage").is_none_or(Value::is_null), || {
                        format!("usage unasked: {chunk}")
                    })?;
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
                holds(["stop", "length"].contains(&reason), || last.to_string())?;
                same(
                    "last delta",
                    text_of(&last["choices"][0]["delta"]["content"]),
                    "",
                )
            },
        )
        .await;
    suite
        .check("only the first chunk has a role", async {
            let events = events(&server.v1(&json!({"stream": true})).await?)?;
            let roles: Vec<usize> = events
                .iter()
                .enumerate()
                .filter(|(_, event)| event["choices"][0]["delta"].get("role").is_some())
                .map(|(index, _)| index)
                .collect();
            same("chunks with a role", roles, vec![0])
        })
        .await;
    suite
        .check("include_usage adds a chunk with usage and no choices before [DONE]", async {
            let more = json!({"stream": true, "max_tokens": 3, "stream_options": {"include_usage": true}});
            let events = events(&server.v1(&more).await?)?;
            let usage = &events[events.len() - 2];
            same("choices", &usage["choices"], &json!([]))?;
            same("completion_tokens", &usage["usage"]["completion_tokens"], 3)?;
            same("last", &events[events.len() - 1], &Value::Null)
        })
        .await;
    suite
        .check("/v1 completions answer whole and streamed", async {
            let body = |stream: bool| json!({"model": server.model, "prompt": "The quick brown fox", "max_tokens": 4, "seed": 7, "stream": stream});
            let whole = object(&server.send(post("/v1/completions", body(false))).await?)?;
            same("object", &whole["object"], "text_completion")?;
            holds(text_of(&whole["id"]).starts_with("cmpl-"), || whole["id"].to_string())?;
            holds(whole["choices"][0]["text"].is_string(), || whole.to_string())?;
            same("completion_tokens", &whole["usage"]["completion_tokens"], 4)?;
            let streamed = server.send(post("/v1/completions", body(true))).await?;
            same("content type", streamed.header("content-type"), Some("text/event-stream"))?;
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
        })
        .await;
    suite
        .check("/v1 refuses in its own shape", async {
            let path = "/v1/chat/completions";
            let invalid = "invalid_request_error";
            refused(&server, path, server.v1_body(&json!({"messages": []})), 400, invalid, "[] is too short - 'messages'").await?;
            let body = json!({"model": "no-such-model", "messages": [{"role": "user", "content": "x"}]});
            refused(&server, path, body, 404, "not_found_error", "model 'no-such-model' not found").await?;
            let words = "invalid reasoning value: \"heroic\" (must be \"minimal\", \"low\", \"medium\", \"high\", \"xhigh\", \"ultra\", \"max\", or \"none\")";
            refused(&server, path, server.v1_body(&json!({"reasoning_effort": "heroic"})), 400, invalid, words).await?;
            let words = "invalid message content type: float64";
            let body = server.v1_body(&json!({"messages": [{"role": "user", "content": 5}]}));
            refused(&server, path, body, 400, invalid, words).await?;
            let body = json!({"model": server.model, "prompt": "x", "stop": [5]});
            refused(&server, "/v1/completions", body, 400, invalid, "invalid type for 'stop' field: float64").await
        })
        .await;
    suite
        .check("an empty body on /v1 is 400 `EOF`", async {
            let path = "/v1/chat/completions";
            let answer = server.send(post(path, "")).await?;
            let error = json!({"error": {"message": "EOF", "type": "invalid_request_error",
                "param": null, "code": null}});
            same(path, (answer.status, object(&answer)?), (400, error))
        })
        .await;
    suite
        .check("an empty prompt on /v1 loads, and says so", async {
            let body = json!({"model": server.model, "prompt": ""});
            let whole = object(&server.send(post("/v1/completions", body)).await?)?;
            same(
                "finish_reason",
                &whole["choices"][0]["finish_reason"],
                "load",
            )?;
            same("total_tokens", &whole["usage"]["total_tokens"], 0)
        })
        .await;
    suite
        .check("a stop of another type is ignored on /v1 chat", async {
            for stop in [json!(5), json!([5])] {
                server.v1(&json!({"stop": stop})).await?;
            }
            Ok(())
        })
        .await;
    suite
        .check("/v1 content may come in parts", async {
            let more = json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}]});
            let object = object(&server.v1(&more).await?)?;
            holds(object["choices"][0]["message"]["content"].is_string(), || object.to_string())
        })
        .await;
}
