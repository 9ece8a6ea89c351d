//! Named checks, their verdicts, and the table of them.

use std::fmt;

use clock::Clock;
use domain::Nanos;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, json};

use crate::common::{Answer, Call, End, get, post};

/// Longest wait for one check, on the clock of the server under test.
const PATIENCE: Nanos = Nanos::from_secs(180);

/// Characters of an explanation that are printed: a vector is longer than anybody reads.
const LONGEST_DETAIL: usize = 600;

/// Why a check does not hold.
#[derive(Debug)]
pub(crate) enum Miss {
    /// The server does otherwise.
    Wrong(String),
    /// This model or server gives no occasion to see it.
    NotApplicable(String),
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wrong(text) | Self::NotApplicable(text) => f.write_str(text),
        }
    }
}

pub(crate) type Checked<T = ()> = Result<T, Miss>;

/// A check that fails with these words.
pub(crate) fn wrong<T>(text: impl Into<String>) -> Checked<T> {
    Err(Miss::Wrong(text.into()))
}

/// A check that cannot be made here.
pub(crate) fn not_here<T>(text: impl Into<String>) -> Checked<T> {
    Err(Miss::NotApplicable(text.into()))
}

/// Fails the check with these words unless this holds.
pub(crate) fn holds(condition: bool, otherwise: impl fmt::Display) -> Checked {
    if condition {
        Ok(())
    } else {
        wrong(otherwise.to_string())
    }
}

/// Fails the check unless the two are equal.
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

/// What came of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Holds,
    Fails,
    NotApplicable,
}

/// Checks by name, to be made in this order.
#[derive(Default)]
pub(crate) struct Checks<'a>(Vec<(String, LocalBoxFuture<'a, Checked>)>);

impl<'a> Checks<'a> {
    pub(crate) fn add(
        &mut self,
        name: impl Into<String>,
        check: impl Future<Output = Checked> + 'a,
    ) {
        self.0.push((name.into(), check.boxed_local()));
    }
}

/// The server under test, and what has been found about it.
#[derive(Debug)]
pub(crate) struct Suite {
    pub(crate) server: Server,
    found: Vec<(String, Verdict, String)>,
}

/// A server and one of its models.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) clock: Clock,
    endpoint: String,
    pub(crate) model: String,
    /// The model to embed with.
    pub(crate) embedder: String,
    capabilities: Vec<String>,
    pub(crate) version: String,
}

impl Suite {
    pub(crate) async fn new(
        clock: Clock,
        endpoint: &str,
        model: &str,
        embedder: &str,
    ) -> Checked<Self> {
        let mut server = Server {
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
        server.capabilities = object(&shown)?["capabilities"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|name| name.as_str().map(str::to_owned))
            .collect();
        let version = server.send(get("/api/version")).await?;
        text_of(&object(&version)?["version"]).clone_into(&mut server.version);
        Ok(Self {
            server,
            found: Vec::new(),
        })
    }

    /// Makes checks, one after another; a panic in one is not caught, an answer that does not come
    /// is.
    pub(crate) async fn run(&mut self, checks: fn(&Server) -> Checks<'_>) {
        for (name, check) in checks(&self.server).0 {
            let outcome = tokio::select! {
                outcome = check => outcome,
                () = self.server.clock.sleep(PATIENCE) => wrong(format!("no answer within {PATIENCE}")),
            };
            let (verdict, detail) = match outcome {
                Ok(()) => (Verdict::Holds, String::new()),
                Err(Miss::Wrong(detail)) => (Verdict::Fails, detail),
                Err(Miss::NotApplicable(detail)) => (Verdict::NotApplicable, detail),
            };
            self.found.push((name, verdict, detail));
        }
    }

    pub(crate) fn count(&self, verdict: Verdict) -> usize {
        self.found.iter().filter(|(_, v, _)| *v == verdict).count()
    }

    /// Prints the table.
    pub(crate) fn report(&self) {
        let Server { version, model, .. } = &self.server;
        println!("\nversion {version}, model {model}");
        for (name, verdict, detail) in &self.found {
            let mark = match verdict {
                Verdict::Holds => "ok  ",
                Verdict::Fails => "FAIL",
                Verdict::NotApplicable => "n/a ",
            };
            println!("  {mark} {name}");
            if !detail.is_empty() {
                let shown: String = detail.chars().take(LONGEST_DETAIL).collect();
                println!("         {shown}");
            }
        }
        println!(
            "{} hold, {} fail, {} not applicable",
            self.count(Verdict::Holds),
            self.count(Verdict::Fails),
            self.count(Verdict::NotApplicable)
        );
    }
}

impl Server {
    pub(crate) fn can(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|name| name == capability)
    }

    /// Major and minor number of the release.
    pub(crate) fn release(&self) -> (u32, u32) {
        let mut parts = self.version.split('.').map(|p| p.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        (next(), next())
    }

    /// A context length that the server takes as it is: models that see have at least 2048.
    pub(crate) fn ctx(&self, length: u32) -> u32 {
        if self.can("vision") {
            2048 + length
        } else {
            length
        }
    }

    /// Whether the endpoint is a loopback address, which Ollama treats differently.
    pub(crate) fn on_loopback(&self) -> bool {
        let host = self.endpoint.trim_start_matches("http://");
        let loopback = ["127.", "localhost", "[::1]"];
        loopback.iter().any(|name| host.starts_with(name))
    }

    pub(crate) async fn send(&self, call: Call<'_>) -> Checked<Answer> {
        match call.send(&self.clock, &self.endpoint).await {
            Ok(answer) => Ok(answer),
            Err(error) => wrong(format!("{} {}: {error}", call.method, call.path)),
        }
    }

    /// A generation request: a few tokens, always the same, unless `more` says otherwise.
    pub(crate) fn generate_body(&self, more: &Value) -> Value {
        let mut body = json!({"model": self.model, "prompt": "The quick brown fox",
            "options": {"num_predict": 8, "seed": 7}});
        merge(&mut body, more);
        body
    }

    /// The same as a chat.
    pub(crate) fn chat_body(&self, more: &Value) -> Value {
        let mut body = json!({"model": self.model,
            "messages": [{"role": "user", "content": "The quick brown fox"}],
            "options": {"num_predict": 8, "seed": 7}});
        merge(&mut body, more);
        body
    }

    /// The same on /v1.
    pub(crate) fn v1_body(&self, more: &Value) -> Value {
        let mut body = json!({"model": self.model, "max_tokens": 8, "seed": 7,
            "messages": [{"role": "user", "content": "The quick brown fox"}]});
        merge(&mut body, more);
        body
    }

    async fn answered(&self, path: &str, body: Value) -> Checked<Answer> {
        let answer = self.send(post(path, body)).await?;
        same("status", (answer.status, answer.end), (200, End::Whole))?;
        Ok(answer)
    }

    pub(crate) async fn generate(&self, more: &Value) -> Checked<Answer> {
        self.answered("/api/generate", self.generate_body(more))
            .await
    }

    pub(crate) async fn chat(&self, more: &Value) -> Checked<Answer> {
        self.answered("/api/chat", self.chat_body(more)).await
    }

    pub(crate) async fn v1(&self, more: &Value) -> Checked<Answer> {
        self.answered("/v1/chat/completions", self.v1_body(more))
            .await
    }

    /// This model's entry of /api/ps.
    pub(crate) async fn loaded(&self) -> Checked<Option<Value>> {
        let ps = self.send(get("/api/ps")).await?;
        same("status of /api/ps", ps.status, 200)?;
        let ps = object(&ps)?;
        let Some(models) = ps["models"].as_array() else {
            return wrong(format!("no list of models: {ps}"));
        };
        Ok(models
            .iter()
            .find(|model| named(&model["name"], &self.model))
            .cloned())
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

/// Fails the check unless the members of a pattern are there and alike, whatever else is there.
/// `<text>`, `<count>` (above zero), `<list>`, `<object>`, `<moment>`, `<bool>` and `<absent>` stand
/// for any value of that kind.
pub(crate) fn like(seen: &Value, pattern: &Value) -> Checked {
    fn differs(seen: Option<&Value>, pattern: &Value) -> bool {
        let value = seen.unwrap_or(&Value::Null);
        match pattern {
            Value::Object(members) => members
                .iter()
                .any(|(key, pattern)| differs(value.get(key), pattern)),
            Value::Array(items) if !items.is_empty() => items
                .iter()
                .enumerate()
                .any(|(index, pattern)| differs(value.get(index), pattern)),
            Value::String(kind) if kind.starts_with('<') => !match kind.as_str() {
                "<text>" => value.is_string(),
                "<count>" => value.as_u64() > Some(0),
                "<list>" => value.is_array(),
                "<object>" => value.is_object(),
                "<moment>" => seconds(value).is_some(),
                "<bool>" => value.is_boolean(),
                "<absent>" => seen.is_none(),
                other => panic!("{other} is no kind of value"),
            },
            pattern => value != pattern,
        }
    }
    holds(
        !differs(Some(seen), pattern),
        format_args!("expected {pattern}, got {seen}"),
    )
}

/// Fails the check unless the content type is this.
pub(crate) fn content_type(answer: &Answer, expected: &str) -> Checked {
    same(
        "content type",
        answer.header("content-type"),
        Some(expected),
    )
}

/// The one JSON object of an answer.
pub(crate) fn object(answer: &Answer) -> Checked<Value> {
    serde_json::from_slice(&answer.body).or_else(|error| {
        wrong(format!(
            "status {}, not JSON ({error}): {:?}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        ))
    })
}

/// The objects of a native stream, of which there is at least one.
pub(crate) fn lines(answer: &Answer) -> Checked<Vec<Value>> {
    let Some(body) = answer.body.strip_suffix(b"\n") else {
        return wrong("the body does not end in a line feed");
    };
    body.split(|byte| *byte == b'\n')
        .map(|line| {
            serde_json::from_slice(line)
                .or_else(|error| wrong(format!("{error}: {:?}", String::from_utf8_lossy(line))))
        })
        .collect()
}

/// The events of a /v1 stream; `[DONE]` as null.
pub(crate) fn events(answer: &Answer) -> Checked<Vec<Value>> {
    let text = String::from_utf8_lossy(&answer.body);
    let Some(text) = text.strip_suffix("\n\n") else {
        return wrong(format!("the body does not end in an empty line: {text:?}"));
    };
    text.split("\n\n")
        .map(|event| match event.strip_prefix("data: ") {
            Some("[DONE]") => Ok(Value::Null),
            Some(json) => {
                serde_json::from_str(json).or_else(|error| wrong(format!("{error}: {json}")))
            }
            None => wrong(format!("not a data event: {event:?}")),
        })
        .collect()
}

/// The text of a list of chunks.
pub(crate) fn joined<'a>(chunks: &'a [Value], part: impl Fn(&'a Value) -> &'a Value) -> String {
    chunks.iter().map(|chunk| text_of(part(chunk))).collect()
}

/// Seconds since 1970 of a moment as RFC 3339 writes it, in any zone.
pub(crate) fn seconds(value: &Value) -> Option<i64> {
    let (text, zone) = text_of(value).split_at_checked(19)?;
    let utc = humantime::parse_rfc3339(&format!("{text}Z")).ok()?;
    let utc = utc.duration_since(std::time::UNIX_EPOCH).ok()?;
    let utc = utc.as_secs().cast_signed();
    if zone.ends_with('Z') {
        return Some(utc);
    }
    let at = zone.find(['+', '-'])?;
    let (hours, minutes) = zone[at + 1..].split_once(':')?;
    let ahead = hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60;
    Some(if zone[at..].starts_with('-') {
        utc + ahead
    } else {
        utc - ahead
    })
}
