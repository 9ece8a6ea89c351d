//! Requests that are refused before a token: status and exact words.

use serde_json::{Value, json};

use crate::common::post;
use crate::suite::{Suite, holds, not_here, object, same, text_of};

pub(crate) async fn check(suite: &mut Suite) {
    let server = suite.server.clone();
    let model = &server.model;

    suite
        .check("an empty body is 400 `missing request body`", async {
            for path in [
                "/api/generate",
                "/api/chat",
                "/api/embed",
                "/api/embeddings",
                "/api/show",
            ] {
                server
                    .refused(path, "", 400, "missing request body")
                    .await?;
            }
            Ok(())
        })
        .await;
    suite
        .check("JSON that ends too soon is 400 `unexpected EOF`", async {
            for path in ["/api/generate", "/api/chat", "/api/embed", "/api/show"] {
                server
                    .refused(path, "{\"model\":", 400, "unexpected EOF")
                    .await?;
            }
            Ok(())
        })
        .await;
    suite
        .check("JSON of the wrong type is 400 with Go's words", async {
            for (path, body, words) in [
                ("/api/generate", json!({"model": 1}), "number into Go struct field GenerateRequest.model of type string"),
                ("/api/generate", json!({"model": "x", "prompt": []}), "array into Go struct field GenerateRequest.prompt of type string"),
                ("/api/generate", json!({"model": "x", "stream": "yes"}), "string into Go struct field GenerateRequest.stream of type bool"),
                ("/api/generate", json!({"model": "x", "options": []}), "array into Go struct field GenerateRequest.options of type map[string]interface {}"),
                ("/api/generate", json!([]), "array into Go value of type api.GenerateRequest"),
                ("/api/chat", json!({"model": {}}), "object into Go struct field ChatRequest.model of type string"),
                ("/api/embed", json!({"model": true}), "bool into Go struct field EmbedRequest.model of type string"),
                ("/api/show", json!({"model": 5}), "number into Go struct field ShowRequest.model of type string"),
            ] {
                let words = format!("json: cannot unmarshal {words}");
                server.refused(path, body, 400, &words).await?;
            }
            Ok(())
        })
        .await;
    suite
        .check("a request needs no Content-Type", async {
            let call = post("/api/show", json!({"model": model}));
            same("status", server.send(call).await?.status, 200)?;
            let mut call = post("/api/show", json!({"model": model}));
            call.headers
                .push(("content-type", "application/x-www-form-urlencoded"));
            same("status", server.send(call).await?.status, 200)
        })
        .await;
    suite
        .check("an unknown model is 404 `model 'x' not found`", async {
            let words = "model 'no-such-model' not found";
            for (path, body) in [
                ("/api/generate", json!({"model": "no-such-model", "prompt": "x"})),
                ("/api/chat", json!({"model": "no-such-model", "messages": [{"role": "user", "content": "x"}]})),
            ] {
                server.refused(path, body, 404, words).await?;
            }
            Ok(())
        })
        .await;
    suite
        .check(
            "an unknown model to show is 404 with the tag that was looked for",
            async {
                let body = json!({"model": "no-such-model"});
                let words = "model 'no-such-model:latest' not found";
                server.refused("/api/show", body, 404, words).await
            },
        )
        .await;
    suite
        .check(
            "an unknown model to embed is 404 `model \"x\" not found, try pulling it first`",
            async {
                let body = json!({"model": "no-such-model", "input": "x"});
                let words = "model \"no-such-model\" not found, try pulling it first";
                server.refused("/api/embed", body, 404, words).await
            },
        )
        .await;
    suite
        .check(
            "no model at all is 400 `model is required` to chat and show, 404 to generate",
            async {
                let words = "model is required";
                server
                    .refused("/api/chat", json!({"messages": []}), 400, words)
                    .await?;
                server.refused("/api/show", json!({}), 400, words).await?;
                server
                    .refused(
                        "/api/generate",
                        json!({"prompt": "x"}),
                        404,
                        "model '' not found",
                    )
                    .await
            },
        )
        .await;
    suite
        .check(
            "an option of the wrong type is 500 with the name of its type",
            async {
                for (name, value, kind) in [
                    ("num_ctx", json!("1"), "integer"),
                    ("num_gpu", json!(true), "integer"),
                    ("num_predict", json!("8"), "integer"),
                    ("seed", json!([1]), "integer"),
                    ("temperature", json!("1"), "float32"),
                    ("top_p", json!(false), "float32"),
                    ("use_mmap", json!(1), "boolean"),
                    ("stop", json!("x"), "array"),
                ] {
                    let body = json!({"model": model, "prompt": "x", "options": {name: value}});
                    let words = format!("option {name:?} must be of type {kind}");
                    server.refused("/api/generate", body, 500, &words).await?;
                }
                let body = json!({"model": model, "prompt": "x", "options": {"stop": [1]}});
                let words = "option \"stop\" must be of an array of strings";
                server.refused("/api/generate", body, 500, words).await
            },
        )
        .await;
    suite
        .check(
            "keep_alive that is no duration is 400 with Go's words",
            async {
                for (value, words) in [
                    (json!("300"), "time: missing unit in duration \"300\""),
                    (json!("-1"), "time: missing unit in duration \"-1\""),
                    (json!("1h30"), "time: missing unit in duration \"1h30\""),
                    (json!("soon"), "time: invalid duration \"soon\""),
                    (json!(""), "time: invalid duration \"\""),
                    (json!("5x"), "time: unknown unit \"x\" in duration \"5x\""),
                    (json!(true), "Unsupported type: 'bool'"),
                    (json!([]), "Unsupported type: '[]interface {}'"),
                    (json!({}), "Unsupported type: 'map[string]interface {}'"),
                ] {
                    let body = json!({"model": model, "prompt": "x", "keep_alive": value});
                    server.refused("/api/generate", &body, 400, words).await?;
                    let body = json!({"model": model, "messages": [], "keep_alive": value});
                    server.refused("/api/chat", &body, 400, words).await?;
                }
                Ok(())
            },
        )
        .await;
    suite
        .check("think that is no level is 400", async {
            let body = |think: Value| json!({"model": model, "prompt": "x", "think": think});
            let words = "invalid think value: \"very\" (must be \"high\", \"medium\", \"low\", \"max\", true, or false)";
            server.refused("/api/generate", body(json!("very")), 400, words).await?;
            let words = "think must be a boolean or string (\"high\", \"medium\", \"low\", \"max\", true, or false)";
            server.refused("/api/generate", body(json!(5)), 400, words).await
        })
        .await;
    suite
        .check(
            "think on a model that cannot is 400 `does not support thinking`",
            async {
                if server.can("thinking") {
                    return not_here("the model can think");
                }
                let words = format!("{model:?} does not support thinking");
                for think in [json!(true), json!("low")] {
                    let body = server.generate_body(&json!({"think": think}));
                    server.refused("/api/generate", body, 400, &words).await?;
                    let body = server.chat_body(&json!({"think": think}));
                    server.refused("/api/chat", body, 400, &words).await?;
                }
                Ok(())
            },
        )
        .await;
    suite
        .check("tools for a model without them is 400 `does not support tools`", async {
            if server.can("tools") {
                return not_here("the model can call tools");
            }
            let tool = json!({"type": "function", "function": {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}}});
            let body = server.chat_body(&json!({"tools": [tool]}));
            server.refused("/api/chat", body, 400, &format!("{} does not support tools", full_name(model))).await
        })
        .await;
    suite
        .check(
            "a suffix for a model without insertion is 400 `does not support insert`",
            async {
                if server.can("insert") {
                    return not_here("the model can insert");
                }
                let body = server.generate_body(&json!({"suffix": "end"}));
                server
                    .refused(
                        "/api/generate",
                        body,
                        400,
                        &format!("{} does not support insert", full_name(model)),
                    )
                    .await
            },
        )
        .await;
    suite
        .check("raw with a template, system or context is 400", async {
            let words = "raw mode does not support template, system, or context";
            for more in [
                json!({"system": "s"}),
                json!({"template": "t"}),
                json!({"context": [1]}),
            ] {
                let mut body = server.generate_body(&more);
                body["raw"] = json!(true);
                server.refused("/api/generate", body, 400, words).await?;
            }
            Ok(())
        })
        .await;
    suite
        .check("top_logprobs outside 0 to 20 is 400", async {
            let words = "top_logprobs must be between 0 and 20";
            for count in [-1, 21] {
                let body = server.generate_body(&json!({"top_logprobs": count}));
                server.refused("/api/generate", body, 400, words).await?;
                let body = server.chat_body(&json!({"top_logprobs": count}));
                server.refused("/api/chat", body, 400, words).await?;
            }
            Ok(())
        })
        .await;
    suite
        .check(
            "a prompt over the context is 400 when nothing may be cut off",
            async {
                // Engines round the context up, so the prompt is far beyond it.
                let long = "one two three four five six seven eight ".repeat(400);
                for route in ["/api/generate", "/api/chat"] {
                    let more = json!({"prompt": long, "truncate": false, "shift": false,
                    "messages": [{"role": "user", "content": long}],
                    "options": {"num_ctx": server.ctx(64)}});
                    let body = server.generate_body(&more);
                    let answer = server.send(post(route, body)).await?;
                    same("status", answer.status, 400)?;
                    let words = object(&answer)?;
                    holds(text_of(&words["error"]).contains("exceed"), || {
                        words.to_string()
                    })?;
                }
                Ok(())
            },
        )
        .await;
    suite
        .check(
            "a format that is neither json nor a schema is refused",
            async {
                let body = server.generate_body(&json!({"format": "xml"}));
                let answer = server.send(post("/api/generate", body)).await?;
                let words = object(&answer)?;
                let text = text_of(&words["error"]);
                holds(
                    answer.status >= 400
                        && text.starts_with("invalid format: ")
                        && text.ends_with("; expected \"json\" or a valid JSON Schema object"),
                    || format!("{} {words}", answer.status),
                )
            },
        )
        .await;
}

/// How the capability check names a model: in full, with the registry it would come from.
fn full_name(model: &str) -> String {
    let host_and_owner = match model.split('/').count() {
        1 => "registry.ollama.ai/library/",
        2 => "registry.ollama.ai/",
        _ => "",
    };
    let tag = if model
        .rsplit('/')
        .next()
        .is_some_and(|name| name.contains(':'))
    {
        ""
    } else {
        ":latest"
    };
    format!("{host_and_owner}{model}{tag}")
}
