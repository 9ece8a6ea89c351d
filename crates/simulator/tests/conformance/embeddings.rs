//! Embeddings on the three routes.

use serde_json::{Value, json};

use crate::common::post;
use crate::suite::{Checked, Checks, Server, holds, like, not_here, object, same};

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
            let ask = |input: Value| {
                embed(
                    server,
                    "/api/embed",
                    json!({"model": model, "input": input}),
                )
            };
            let one = ask(json!("water")).await?;
            let many = ask(json!(["water", "people"])).await?;
            let width = widths(&one["embeddings"]).first().copied().unwrap_or(0);
            holds(width > 0, &one)?;
            same("widths", widths(&many["embeddings"]), vec![width, width])?;
            let vector = many["embeddings"][1]
                .as_array()
                .cloned()
                .unwrap_or_default();
            let norm: f64 = vector.iter().filter_map(Value::as_f64).map(|x| x * x).sum();
            holds((norm - 1.0).abs() < 1e-3, format_args!("norm {norm}"))?;
            let expected = json!({"prompt_eval_count": "<count>", "total_duration": "<count>",
                "eval_count": "<absent>"});
            like(&one, &expected)
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
        let ask = json!({"model": model, "prompt": "water"});
        let old = embed(server, "/api/embeddings", ask).await?;
        like(&old, &json!({"embedding": "<list>"}))?;
        holds(old["embedding"] != json!([]), &old)
    });
    checks.add(
        "/v1/embeddings gives a list with usage, as numbers or base64",
        async move {
            let ask = json!({"model": model, "input": ["water", "people"]});
            let list = embed(server, "/v1/embeddings", ask).await?;
            let item =
                |index: u8| json!({"object": "embedding", "index": index, "embedding": "<list>"});
            let expected = json!({"object": "list", "model": model, "data": [item(0), item(1)],
                "usage": {"prompt_tokens": "<count>",
                    "total_tokens": list["usage"]["prompt_tokens"]}});
            like(&list, &expected)?;
            let ask = json!({"model": model, "input": "water", "encoding_format": "base64"});
            let list = embed(server, "/v1/embeddings", ask).await?;
            like(&list, &json!({"data": [{"embedding": "<text>"}]}))
        },
    );
    checks
}
