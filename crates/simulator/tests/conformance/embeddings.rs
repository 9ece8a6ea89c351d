//! Embeddings on the three routes.

use serde_json::{Value, json};

use crate::common::post;
use crate::suite::{Checked, Checks, Server, holds, not_here, object, same};

/// The reply, unless this model or engine makes no embeddings.
async fn embed(server: &Server, path: &str, body: Value) -> Checked<Value> {
    let answer = server.send(post(path, body)).await?;
    if answer.status == 501 && server.embedder == server.model {
        return not_here(format!("the model makes none: {}", answer.text()));
    }
    same("status", answer.status, 200)?;
    object(&answer)
}

fn widths(vectors: &Value) -> Vec<usize> {
    let vectors = vectors.as_array().into_iter().flatten();
    vectors.map(|v| v.as_array().map_or(0, Vec::len)).collect()
}

pub(crate) fn checks(server: &Server) -> Checks<'_> {
    let mut checks = Checks::default();
    let model = &server.embedder;
    checks.add(
        "/api/embed takes a text or a list and gives vectors of length one",
        async move {
            let one = embed(
                server,
                "/api/embed",
                json!({"model": model, "input": "water"}),
            )
            .await?;
            let many = embed(
                server,
                "/api/embed",
                json!({"model": model, "input": ["water", "people"]}),
            )
            .await?;
            let width = widths(&one["embeddings"]).first().copied().unwrap_or(0);
            holds(width > 0, &one)?;
            same("widths", widths(&many["embeddings"]), vec![width, width])?;
            let vector = many["embeddings"][1]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let norm: f64 = vector.iter().filter_map(Value::as_f64).map(|x| x * x).sum();
            holds((norm - 1.0).abs() < 1e-3, format_args!("norm {norm}"))?;
            holds(
                one["prompt_eval_count"].as_u64() > Some(0),
                "no prompt_eval_count",
            )?;
            holds(
                one["total_duration"].as_u64() > Some(0),
                "no total_duration",
            )?;
            holds(one.get("eval_count").is_none(), "an eval_count")
        },
    );
    checks.add("no input gives no vectors", async move {
        for input in [json!(""), json!([]), Value::Null] {
            let body = json!({"model": model, "input": input});
            let answer = server.send(post("/api/embed", body)).await?;
            same("status", answer.status, 200)?;
            same("embeddings", &object(&answer)?["embeddings"], &json!([]))?;
        }
        Ok(())
    });
    checks.add("the older /api/embeddings gives one vector", async move {
        let old = embed(
            server,
            "/api/embeddings",
            json!({"model": model, "prompt": "water"}),
        )
        .await?;
        holds(
            old["embedding"].as_array().is_some_and(|v| !v.is_empty()),
            &old,
        )
    });
    checks.add(
        "/v1/embeddings gives a list with usage, as numbers or base64",
        async move {
            let ask = json!({"model": model, "input": ["water", "people"]});
            let list = embed(server, "/v1/embeddings", ask).await?;
            same(
                "object",
                (&list["object"], &list["model"]),
                (&json!("list"), &json!(model)),
            )?;
            for (index, item) in list["data"].as_array().into_iter().flatten().enumerate() {
                same(
                    "item",
                    (&item["object"], &item["index"]),
                    (&json!("embedding"), &json!(index)),
                )?;
                holds(item["embedding"].is_array(), item)?;
            }
            let usage = &list["usage"];
            holds(usage["prompt_tokens"].as_u64() > Some(0), usage)?;
            same(
                "total_tokens",
                &usage["total_tokens"],
                &usage["prompt_tokens"],
            )?;
            let ask = json!({"model": model, "input": "water", "encoding_format": "base64"});
            let list = embed(server, "/v1/embeddings", ask).await?;
            holds(list["data"][0]["embedding"].is_string(), "not base64")
        },
    );
    checks
}
