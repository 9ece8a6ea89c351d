//! What the server is and has: everything that runs no model.

use serde_json::json;

use crate::common::{Call, get, post};
use crate::suite::{
    Checks, Server, content_type, holds, like, named, not_here, object, same, text_of,
};

pub(crate) fn checks(server: &Server) -> Checks<'_> {
    let mut checks = Checks::default();
    let head = |path| Call {
        method: "HEAD",
        ..get(path)
    };

    checks.add("GET / says that Ollama is running", async move {
        let answer = server.send(get("/")).await?;
        same(
            "GET /",
            (answer.status, answer.text().as_str()),
            (200, "Ollama is running"),
        )?;
        let kind = answer.header("content-type").unwrap_or_default();
        holds(kind.starts_with("text/plain"), kind)
    });
    checks.add(
        "HEAD is answered at /, /api/version and /api/tags",
        async move {
            for path in ["/", "/api/version", "/api/tags"] {
                let answer = server.send(head(path)).await?;
                same(path, (answer.status, answer.body.len()), (200, 0))?;
            }
            Ok(())
        },
    );
    checks.add("/api/version gives a release", async move {
        let answer = object(&server.send(get("/api/version")).await?)?;
        let version = text_of(&answer["version"]);
        holds(version.split('.').count() >= 3, &answer)
    });
    checks.add("an unknown path is 404 in plain text", async move {
        let answer = server.send(get("/nothing/here")).await?;
        same(
            "status",
            (answer.status, answer.text().as_str()),
            (404, "404 page not found"),
        )?;
        content_type(&answer, "text/plain")
    });
    checks.add("a wrong method is 405 in plain text", async move {
        for call in [get("/api/generate"), get("/api/show"), post("/api/ps", "")] {
            let answer = server.send(call.clone()).await?;
            same(
                call.path,
                (answer.status, answer.text().as_str()),
                (405, "405 method not allowed"),
            )?;
            content_type(&answer, "text/plain")?;
        }
        Ok(())
    });
    checks.add(
        "a foreign Host header is 403 with an empty body, on loopback",
        async move {
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
                holds(status == 200 || answer.body.is_empty(), answer.text())?;
            }
            Ok(())
        },
    );
    checks.add("/api/tags lists the model with its details", async move {
        let tags = object(&server.send(get("/api/tags")).await?)?;
        let models = tags["models"].as_array().cloned().unwrap_or_default();
        let Some(model) = models
            .iter()
            .find(|model| named(&model["name"], &server.model))
        else {
            return crate::suite::wrong(format!("not there: {tags}"));
        };
        let details = json!({"parent_model": "<text>", "format": "<text>", "family": "<text>",
            "parameter_size": "<text>", "quantization_level": "<text>", "families": "<list>"});
        let expected = json!({"model": model["name"], "modified_at": "<moment>", "size": "<count>",
            "details": details});
        like(model, &expected)?;
        let digest = text_of(&model["digest"]);
        holds(
            digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
            format_args!("digest {digest}"),
        )
    });
    checks.add("/api/show describes the model", async move {
        let answer = server
            .send(post("/api/show", json!({"model": server.model})))
            .await?;
        let show = object(&answer)?;
        content_type(&answer, "application/json; charset=utf-8")?;
        let info = &show["model_info"];
        let family = text_of(&info["general.architecture"]);
        holds(!family.is_empty(), info)?;
        for key in [
            "block_count",
            "context_length",
            "embedding_length",
            "attention.head_count",
        ] {
            let value = &info[format!("{family}.{key}")];
            holds(
                value.as_u64().is_some_and(|n| n > 0),
                format_args!("{family}.{key}: {value}"),
            )?;
        }
        let expected = json!({"capabilities": "<list>", "modified_at": "<moment>",
            "modelfile": "<text>", "template": "<text>", "details": {"format": "gguf"}});
        like(&show, &expected)
    });
    checks.add("/api/show takes the older key `name`", async move {
        let old = server
            .send(post("/api/show", json!({"name": server.model})))
            .await?;
        let old = object(&old)?;
        like(&old, &json!({"details": "<object>"}))
    });
    checks.add("/api/show lists tensors when verbose", async move {
        let ask = json!({"model": server.model, "verbose": true});
        let all = object(&server.send(post("/api/show", ask)).await?)?;
        like(&all, &json!({"tensors": "<list>"}))
    });
    checks
}
