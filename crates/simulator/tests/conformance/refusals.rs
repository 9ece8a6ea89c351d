//! Requests that are refused before a token: status and exact words, as `refusals.toml` lists them,
//! and a few whose words differ from engine to engine.

use serde_json::json;

use crate::common::{get, post};
use crate::suite::{Checked, Checks, Server, holds, not_here, object, same, text_of};

#[derive(serde::Deserialize)]
struct Refusals {
    check: Vec<Refusal>,
}

#[derive(serde::Deserialize)]
struct Refusal {
    name: String,
    unless: Option<String>,
    requests: Vec<(String, String, u16, String)>,
}

impl Refusal {
    async fn check(self, server: &Server) -> Checked {
        if let Some(capability) = self.unless.filter(|capability| server.can(capability)) {
            return not_here(format!("the model has the capability {capability}"));
        }
        let fill = |text: &str| {
            text.replace("FULL_NAME", &full_name(&server.model))
                .replace("MODEL", &server.model)
                .replace("EMBEDDER", &server.embedder)
        };
        for (path, body, status, words) in &self.requests {
            let (body, words) = (fill(body), fill(words));
            let call = match path.strip_prefix("GET ") {
                Some(path) => get(path),
                None => post(path, &body),
            };
            let expected = if call.path.starts_with("/v1/") {
                let kind = match status {
                    404 => "not_found_error",
                    _ => "invalid_request_error",
                };
                json!({"error": {"message": words, "type": kind, "param": null, "code": null}})
            } else {
                json!({"error": words})
            };
            let what = format!("{path} {body}");
            let answer = server.send(call).await?;
            same(
                &what,
                (answer.status, object(&answer)?),
                (*status, expected),
            )?;
            let kind = answer.header("content-type").unwrap_or_default();
            holds(
                kind.starts_with("application/json"),
                format_args!("{what}: content type {kind}"),
            )?;
        }
        Ok(())
    }
}

pub(crate) fn checks(server: &Server) -> Checks<'_> {
    let mut checks = Checks::default();
    let listed: Refusals = toml::from_str(include_str!("refusals.toml")).expect("a list of checks");
    for refusal in listed.check {
        checks.add(refusal.name.clone(), refusal.check(server));
    }
    checks.add("a request needs no Content-Type", async move {
        let mut call = post("/api/show", json!({"model": server.model}));
        same("status", server.send(call.clone()).await?.status, 200)?;
        call.headers
            .push(("content-type", "application/x-www-form-urlencoded"));
        same("status", server.send(call).await?.status, 200)
    });
    checks.add(
        "a prompt over the context is 400 when nothing may be cut off",
        async move {
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
                holds(text_of(&words["error"]).contains("exceed"), &words)?;
            }
            Ok(())
        },
    );
    checks.add(
        "a format that is neither json nor a schema is refused",
        async move {
            let body = server.generate_body(&json!({"format": "xml"}));
            let answer = server.send(post("/api/generate", body)).await?;
            let words = object(&answer)?;
            let text = text_of(&words["error"]);
            holds(
                answer.status >= 400
                    && text.starts_with("invalid format: ")
                    && text.ends_with("; expected \"json\" or a valid JSON Schema object"),
                format_args!("{} {words}", answer.status),
            )
        },
    );
    checks
}

/// How the capability check names a model: in full, with the registry it would come from.
fn full_name(model: &str) -> String {
    let host_and_owner = match model.split('/').count() {
        1 => "registry.ollama.ai/library/",
        2 => "registry.ollama.ai/",
        _ => "",
    };
    let last = model.rsplit('/').next().unwrap_or(model);
    let tag = if last.contains(':') { "" } else { ":latest" };
    format!("{host_and_owner}{model}{tag}")
}
