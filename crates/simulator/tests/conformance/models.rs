//! What the server is and has: everything that runs no model.

use serde_json::json;

use crate::common::{Call, get, post};
use crate::suite::{Suite, holds, is_moment, named, not_here, object, same, text_of};

pub(crate) async fn check(suite: &mut Suite) {
    let server = suite.server.clone();
    let head = |path| Call {
        method: "HEAD",
        ..get(path)
    };

    suite
        .check("GET / says that Ollama is running", async {
            let answer = server.send(get("/")).await?;
            same(
                "GET /",
                (answer.status, answer.text().as_str()),
                (200, "Ollama is running"),
            )?;
            let kind = answer.header("content-type").unwrap_or_default();
            holds(kind.starts_with("text/plain"), || kind.to_owned())
        })
        .await;
    suite
        .check("HEAD is answered at /, /api/version and /api/tags", async {
            for path in ["/", "/api/version", "/api/tags"] {
                let answer = server.send(head(path)).await?;
                same(path, (answer.status, answer.body.len()), (200, 0))?;
            }
            Ok(())
        })
        .await;
    suite
        .check("/api/version gives a release", async {
            let answer = object(&server.send(get("/api/version")).await?)?;
            let version = text_of(&answer["version"]);
            holds(version.split('.').count() >= 3, || answer.to_string())
        })
        .await;
    suite
        .check("an unknown path is 404 in plain text", async {
            let answer = server.send(get("/nothing/here")).await?;
            same(
                "status",
                (answer.status, answer.text().as_str()),
                (404, "404 page not found"),
            )?;
            same(
                "content type",
                answer.header("content-type"),
                Some("text/plain"),
            )
        })
        .await;
    suite
        .check("a wrong method is 405 in plain text", async {
            for call in [get("/api/generate"), get("/api/show"), post("/api/ps", "")] {
                let answer = server.send(call.clone()).await?;
                same(
                    call.path,
                    (answer.status, answer.text().as_str()),
                    (405, "405 method not allowed"),
                )?;
                same(
                    "content type",
                    answer.header("content-type"),
                    Some("text/plain"),
                )?;
            }
            Ok(())
        })
        .await;
    suite
        .check(
            "a foreign Host header is 403 with an empty body, on loopback",
            async {
                if !server.on_loopback() {
                    return not_here("the endpoint is not on loopback");
                }
                for (host, status) in [
                    ("example.com", 403),
                    ("localhost", 200),
                    ("10.0.0.8:11434", 200),
                    ("here.local", 200),
                    ("a.b.internal", 200),
                ] {
                    let call = Call {
                        headers: vec![("host", host)],
                        ..get("/api/version")
                    };
                    let answer = server.send(call).await?;
                    same(host, answer.status, status)?;
                    holds(status == 200 || answer.body.is_empty(), || answer.text())?;
                }
                Ok(())
            },
        )
        .await;
    suite
        .check("/api/tags lists the model with its details", async {
            let tags = object(&server.send(get("/api/tags")).await?)?;
            let models = tags["models"].as_array().cloned().unwrap_or_default();
            let Some(model) = models
                .iter()
                .find(|model| named(&model["name"], &server.model))
            else {
                return crate::suite::wrong(format!("not there: {tags}"));
            };
            same("model", &model["model"], &model["name"])?;
            holds(is_moment(&model["modified_at"]), || model.to_string())?;
            holds(model["size"].as_u64().is_some_and(|size| size > 0), || {
                model.to_string()
            })?;
            let digest = text_of(&model["digest"]);
            holds(
                digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
                || format!("digest {digest}"),
            )?;
            for key in [
                "parent_model",
                "format",
                "family",
                "parameter_size",
                "quantization_level",
            ] {
                holds(model["details"][key].is_string(), || {
                    format!("details.{key}: {model}")
                })?;
            }
            holds(model["details"]["families"].is_array(), || {
                model.to_string()
            })
        })
        .await;
    suite
        .check("/api/show describes the model", async {
            let answer = server
                .send(post("/api/show", json!({"model": server.model})))
                .await?;
            let show = object(&answer)?;
            same(
                "content type",
                answer.header("content-type"),
                Some("application/json; charset=utf-8"),
            )?;
            let info = &show["model_info"];
            let family = text_of(&info["general.architecture"]);
            holds(!family.is_empty(), || info.to_string())?;
            for key in [
                "block_count",
                "context_length",
                "embedding_length",
                "attention.head_count",
            ] {
                let value = &info[format!("{family}.{key}")];
                holds(value.as_u64().is_some_and(|n| n > 0), || {
                    format!("{family}.{key}: {value}")
                })?;
            }
            holds(show["capabilities"].is_array(), || {
                "no capabilities".to_owned()
            })?;
            holds(is_moment(&show["modified_at"]), || {
                show["modified_at"].to_string()
            })?;
            for key in ["modelfile", "template"] {
                holds(show[key].is_string(), || format!("no {key}"))?;
            }
            same("format", &show["details"]["format"], "gguf")
        })
        .await;
    suite
        .check("/api/show takes the older key `name`", async {
            let old = server
                .send(post("/api/show", json!({"name": server.model})))
                .await?;
            let old = object(&old)?;
            holds(old["details"].is_object(), || old.to_string())
        })
        .await;
    suite
        .check("/api/show lists tensors when verbose", async {
            let ask = json!({"model": server.model, "verbose": true});
            let all = object(&server.send(post("/api/show", ask)).await?)?;
            holds(all["tensors"].is_array(), || "no tensors".to_owned())
        })
        .await;
}
