//! Named checks, their verdicts, and the table of them.

use std::fmt;

use clock::Clock;
use domain::Nanos;
use serde_json::{Value, json};

use crate::common::{Answer, Call, call, post};

/// Longest wait for one check, on the clock of the server under test.
const PATIENCE: Nanos = Nanos::from_secs(180);

/// Characters of an explanation that are printed; vectors are longer.
const LONGEST_DETAIL: usize = 600;

/// A prompt far beyond a small context: engines round contexts up.
const LONG: &str = "one two three four five six seven eight ";

/// Why a check does not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Miss {
    /// The server behaves differently.
    #[error("{0}")]
    Wrong(String),
    /// The check does not apply to this model or server.
    #[error("{0}")]
    NotApplicable(String),
}

pub(crate) type Checked<T = ()> = Result<T, Miss>;

pub(crate) fn wrong<T>(text: impl Into<String>) -> Checked<T> {
    Err(Miss::Wrong(text.into()))
}

pub(crate) fn not_here<T>(text: impl Into<String>) -> Checked<T> {
    Err(Miss::NotApplicable(text.into()))
}

/// Fails the check with this message unless the condition holds.
pub(crate) fn holds(condition: bool, otherwise: impl fmt::Display) -> Checked {
    if condition {
        Ok(())
    } else {
        wrong(otherwise.to_string())
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "checks pass what they just made"
)]
pub(crate) fn same<A: PartialEq<B> + fmt::Debug, B: fmt::Debug>(
    what: &str,
    seen: A,
    expected: B,
) -> Checked {
    holds(
        seen == expected,
        format_args!("{what}: expected {expected:?}, got {seen:?}"),
    )
}

/// How many checks hold, fail, and do not apply.
#[derive(Debug, Default)]
pub(crate) struct Verdicts {
    pub(crate) hold: usize,
    pub(crate) fail: usize,
    pub(crate) not_applicable: usize,
}

impl Verdicts {
    /// Makes a check, and prints and counts its verdict.
    pub(crate) async fn add(
        &mut self,
        server: &Server,
        name: &str,
        check: impl Future<Output = Checked>,
    ) {
        let outcome = tokio::select! {
            outcome = check => outcome,
            () = server.clock.sleep(PATIENCE) => wrong(format!("no answer within {PATIENCE}")),
        };
        let (count, mark, detail) = match outcome {
            Ok(()) => (&mut self.hold, "ok  ", String::new()),
            Err(Miss::Wrong(detail)) => (&mut self.fail, "FAIL", detail),
            Err(Miss::NotApplicable(detail)) => (&mut self.not_applicable, "n/a ", detail),
        };
        *count += 1;
        println!("  {mark} {name}");
        if !detail.is_empty() {
            let shown: String = detail.chars().take(LONGEST_DETAIL).collect();
            println!("         {shown}");
        }
    }
}

/// The server under test, and one of its models.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    clock: Clock,
    endpoint: String,
    pub(crate) model: String,
    pub(crate) embedder: String,
    /// The model's, and `loopback` where the server is there, which Ollama treats differently.
    capabilities: Vec<String>,
    pub(crate) version: String,
}

impl Server {
    pub(crate) async fn new(
        clock: Clock,
        endpoint: &str,
        model: &str,
        embedder: &str,
    ) -> Checked<Self> {
        let mut server = Self {
            clock,
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            model: model.to_owned(),
            embedder: embedder.to_owned(),
            capabilities: Vec::new(),
            version: String::new(),
        };
        let shown = server
            .send(post("/api/show", json!({"model": model})))
            .await?;
        same("status of /api/show", shown.status, 200)?;
        let shown = object(&shown)?;
        let names = shown["capabilities"].as_array().into_iter().flatten();
        let names = names.map(|name| text_of(name).to_owned());
        server.capabilities = names.collect();
        let host = endpoint.trim_start_matches("http://");
        let mut loopback = ["127.", "localhost", "[::1]"].iter();
        if loopback.any(|name| host.starts_with(name)) {
            server.capabilities.push("loopback".to_owned());
        }
        let version = object(&server.send(call("GET /api/version")).await?)?;
        text_of(&version["version"]).clone_into(&mut server.version);
        Ok(server)
    }

    pub(crate) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|name| name == capability)
    }

    /// Whether the server's release, `x.y`, is this one or later.
    pub(crate) fn is_since(&self, release: &str) -> bool {
        let numbers = |text: &str| -> Vec<u32> {
            let parts = text.split('.').map(|part| part.parse().unwrap_or(0));
            parts.collect()
        };
        numbers(&self.version) >= numbers(release)
    }

    /// The `think` of a request for an answer without thoughts.
    pub(crate) fn unthinking(&self) -> Value {
        let thinks = self.can("thinking");
        thinks.then_some(false).into()
    }

    /// A script with the names and numbers of this server.
    pub(crate) fn fill(&self, script: &str) -> String {
        let model = &self.model;
        let host_and_owner = match model.split('/').count() {
            1 => "registry.ollama.ai/library/",
            2 => "registry.ollama.ai/",
            _ => "",
        };
        let last = model.rsplit('/').next().unwrap_or(model);
        let tag = if last.contains(':') { "" } else { ":latest" };
        let script = script
            .replace("FULL_NAME", &format!("{host_and_owner}{model}{tag}"))
            .replace("MODEL", model)
            .replace("EMBEDDER", &self.embedder)
            .replace("LONG", &LONG.repeat(400))
            .replace("THINK", &self.unthinking().to_string());
        // Contexts that the server takes as they are: models that see have at least 2048.
        let least = if self.can("vision") { 2048 } else { 0 };
        [64, 512, 640, 768].iter().fold(script, |script, ctx| {
            script.replace(&format!("CTX_{ctx}"), &(least + ctx).to_string())
        })
    }

    pub(crate) async fn send(&self, call: Call) -> Checked<Answer> {
        match call.send(&self.clock, &self.endpoint).await {
            Ok(answer) => Ok(answer),
            Err(error) => {
                let request = &call.request;
                wrong(format!("{} {}: {error}", request.method(), request.uri()))
            }
        }
    }

    /// A request for a few tokens, always the same, unless `more` says otherwise.
    pub(crate) fn body(&self, path: &str, more: &Value) -> Value {
        let text = "The quick brown fox";
        let messages = json!([{"role": "user", "content": text}]);
        let options = json!({"num_predict": 8, "seed": 7});
        let mut body = match path {
            "/api/generate" => json!({"prompt": text, "options": options}),
            "/api/chat" => json!({"messages": messages, "options": options}),
            _ => json!({"messages": messages, "max_tokens": 8, "seed": 7}),
        };
        body["model"] = json!(self.model);
        merge(&mut body, more);
        body
    }

    pub(crate) async fn ask(&self, path: &str, more: &Value) -> Checked<Answer> {
        let answer = self.send(post(path, self.body(path, more))).await?;
        same("status and end", (answer.status, answer.whole), (200, true))?;
        Ok(answer)
    }

    /// This model's entry of /api/ps.
    pub(crate) async fn loaded(&self) -> Checked<Option<Value>> {
        let ps = self.send(call("GET /api/ps")).await?;
        same("status of /api/ps", ps.status, 200)?;
        let ps = object(&ps)?;
        let Some(models) = ps["models"].as_array() else {
            return wrong(format!("no list of models: {ps}"));
        };
        let mut models = models.iter();
        let found = models.find(|model| named(&model["name"], &self.model));
        Ok(found.cloned())
    }

    /// Seconds until the model is unloaded, as /api/ps states it, by the server's own clock.
    pub(crate) async fn expiry(&self) -> Checked<i64> {
        let Some(entry) = self.loaded().await? else {
            return wrong("not in /api/ps");
        };
        let load = json!({"model": self.model});
        let now = object(&self.send(post("/api/generate", load)).await?)?;
        // Loading again restarts the idle time, so the moment stated before is at most a little early.
        match (seconds(&entry["expires_at"]), seconds(&now["created_at"])) {
            (Some(then), Some(now)) => Ok(then - now),
            _ => wrong(format!("no moments: {entry} {now}")),
        }
    }

    /// Unloads the model and waits until it is gone.
    pub(crate) async fn unload(&self) -> Checked {
        let body = json!({"model": self.model, "keep_alive": 0});
        let answer = self.send(post("/api/generate", body)).await?;
        same("status of an unload", answer.status, 200)?;
        self.gone().await
    }

    /// Waits until the model is not loaded any more.
    pub(crate) async fn gone(&self) -> Checked {
        for _ in 0..100 {
            if self.loaded().await?.is_none() {
                return Ok(());
            }
            self.clock.sleep(Nanos::from_millis(100)).await;
        }
        wrong("still listed by /api/ps after 10 s")
    }
}

/// Whether the server's name of a model is the one that was asked for, with or without its tag.
pub(crate) fn named(seen: &Value, asked: &str) -> bool {
    let seen = text_of(seen);
    seen == asked || seen.strip_suffix(":latest") == Some(asked)
}

pub(crate) fn text_of(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn merge(into: &mut Value, more: &Value) {
    for (key, value) in more.as_object().into_iter().flatten() {
        match (into.get_mut(key), value) {
            (Some(old @ Value::Object(_)), Value::Object(_)) => merge(old, value),
            _ => into[key] = value.clone(),
        }
    }
}

/// The one JSON object of an answer.
pub(crate) fn object(answer: &Answer) -> Checked<Value> {
    serde_json::from_slice(&answer.body).or_else(|error| {
        let text = String::from_utf8_lossy(&answer.body);
        wrong(format!("status {}, {error}: {text:?}", answer.status))
    })
}

/// The objects of a stream, which must end as its protocol says, or the one of a whole answer.
pub(crate) fn objects(answer: &Answer) -> Checked<Vec<Value>> {
    let mut objects = answer.objects().or_else(wrong)?;
    if answer.header("content-type") == Some("text/event-stream") {
        same("last event", objects.pop(), Some(Value::Null))?;
    }
    Ok(objects)
}

/// Seconds since 1970 of a moment as RFC 3339 writes it, in any zone.
pub(crate) fn seconds(value: &Value) -> Option<i64> {
    let moment = chrono::DateTime::parse_from_rfc3339(text_of(value)).ok()?;
    Some(moment.timestamp())
}
