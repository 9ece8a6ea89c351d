//! Detects the protocol of a server: Ollama's native API first, because it reports more; then `/v1`.

use std::collections::BTreeMap;

use domain::backend::{BackendError, ChatBackend, ModelIdentity, ServerIdentity};
use domain::exit::Fatal;
use domain::plan::Timeouts;
use domain::record::EndpointFacts;
use domain::{FailureKind, Nanos};
use openai::{BuildError, Settings};
use serde::{Deserialize, Serialize};

use crate::flags::ApiArg;

/// A server that answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// Its facts for the record. The model is none where the server does not have it.
    pub(crate) facts: EndpointFacts,
    /// Names of its models.
    pub(crate) models: Vec<String>,
    /// Further values it reports, by name: `slots`, `context_per_slot`. `unlisted` says why a model is used that
    /// the server does not list.
    pub(crate) reported: BTreeMap<&'static str, String>,
}

impl Found {
    pub(crate) fn new(facts: EndpointFacts) -> Self {
        Self {
            models: facts.model.iter().map(|m| m.name.clone()).collect(),
            facts,
            reported: BTreeMap::new(),
        }
    }

    /// In words: `http://127.0.0.1:8080 (llama.cpp b6500 (2 slots), random.gguf)`.
    pub(crate) fn in_words(&self) -> String {
        let server = &self.facts.server;
        let slots = self.reported.get("slots").map_or_else(String::new, |n| {
            format!(" ({n} slot{})", if n == "1" { "" } else { "s" })
        });
        let model = self.facts.model.as_ref().map_or("?", |m| m.name.as_str());
        let (url, kind, version) = (&self.facts.url, &server.kind, &server.version);
        format!("{url} ({kind} {version}{slots}, {model})")
    }

    /// The server with a model that it does not list.
    fn with_unlisted(mut self, model: &str, why: String) -> Self {
        self.facts.model = Some(ModelIdentity {
            name: model.to_owned(),
            ..ModelIdentity::default()
        });
        self.reported = BTreeMap::from([("unlisted", why)]);
        self
    }

    /// The server, which must have the model. Fails when it does not.
    pub(crate) fn require(self, model: &str) -> Result<Self, Fatal> {
        let facts = &self.facts;
        if facts.model.is_some() {
            return Ok(self);
        }
        let hint = if !openai::wire::is_kind(&facts.server.kind) {
            format!(
                "fetch it with `ollama pull {model}`, name another with --model, or use --simulate"
            )
        } else if self.models.is_empty() {
            "it lists no model".to_owned()
        } else {
            let names = &self.models[..self.models.len().min(8)];
            format!("name one it has with --model: {}", names.join(", "))
        };
        let missing = format!("{} does not have the model {model}", facts.url);
        Err(Fatal::environment(missing).hint(hint))
    }
}

/// Limits of the requests before anything is measured.
pub(crate) const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_secs(2),
    first_byte: Nanos::from_secs(10),
    between_chunks: Nanos::from_secs(10),
    total: Nanos::from_secs(20),
};

/// An endpoint without a usable server.
#[derive(Debug)]
pub(crate) struct DetectError {
    pub(crate) why: Absence,
    /// The reason in words, and what to do.
    pub(crate) fatal: Fatal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Absence {
    /// The endpoint cannot be used as it was written.
    Usage,
    /// No server answers there.
    Unreachable,
    /// The server requires a key, or another one.
    Key,
    /// The answer is not that of a model server.
    NoModelServer,
}

impl From<BuildError> for DetectError {
    fn from(error: BuildError) -> Self {
        Self {
            why: Absence::Usage,
            fatal: Fatal::usage(error),
        }
    }
}

impl DetectError {
    fn backend(error: BackendError, hint: &str) -> Self {
        let why = match &error {
            BackendError::TimedOut { .. } => Absence::Unreachable,
            BackendError::Failed { failure, .. } => match failure {
                FailureKind::Http { status: 401 | 403 } => Absence::Key,
                FailureKind::ConnectionRefused
                | FailureKind::Connect
                | FailureKind::NoLocalPort
                | FailureKind::FileLimit => Absence::Unreachable,
                _ => Absence::NoModelServer,
            },
        };
        Self {
            why,
            fatal: Fatal::environment(error).hint(hint),
        }
    }

    fn native(error: BackendError, settings: &Settings) -> Self {
        let hint = if settings.proxy.is_some() {
            "requests go through --proxy: check that it runs and reaches the server"
        } else {
            "start it with `ollama serve`, or use --simulate"
        };
        Self::backend(error, hint)
    }
}

/// Detects the server at an endpoint and its models. Fails when no server answers by the protocol.
pub(crate) async fn detect(
    endpoint: &str,
    api: ApiArg,
    settings: &Settings,
    model: &str,
) -> Result<Found, DetectError> {
    let base = match api {
        ApiArg::Openai => return compatible(endpoint, settings, model, true).await,
        ApiArg::Ollama => endpoint,
        ApiArg::Auto => without_v1(endpoint),
    };
    let client = ollama::Client::new(settings.clone(), base)?;
    let error = match client.identify().await {
        Ok(server) => return native(&client, server, settings, model).await,
        Err(error) => error,
    };
    // An unreachable server would not answer another protocol either.
    let reason = match &error {
        BackendError::Failed { message, .. } => message.clone(),
        BackendError::TimedOut { .. } => error.to_string(),
    };
    let absent = DetectError::native(error, settings);
    if api == ApiArg::Ollama || absent.why == Absence::Unreachable {
        return Err(absent);
    }
    // The address is complete by now, with its default port.
    let found = compatible(&client.endpoint(), settings, model, false).await;
    found.map_err(|DetectError { why, fatal }| {
        let fatal = fatal.and(format!(
            "not Ollama's API either (/api/version: {reason}); --api names what it speaks"
        ));
        DetectError { why, fatal }
    })
}

/// A base URL for `/v1` names the same server without it.
fn without_v1(endpoint: &str) -> &str {
    let trimmed = endpoint.trim().trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/chat/completions").unwrap_or(trimmed);
    trimmed.strip_suffix("/v1").unwrap_or(endpoint)
}

async fn native(
    client: &ollama::Client,
    server: ServerIdentity,
    settings: &Settings,
    model: &str,
) -> Result<Found, DetectError> {
    let models = async { Ok((client.find_model(model).await?, client.tags().await?)) };
    let models = models
        .await
        .map_err(|error| DetectError::native(error, settings));
    let (model, models) = models?;
    let url = client.endpoint();
    Ok(Found {
        models: models.into_iter().map(|m| m.name).collect(),
        ..Found::new(EndpointFacts { url, server, model })
    })
}

/// With `is_named`, the user named the protocol, and a model that `/v1/models` does not list is assumed to exist:
/// many gateways have no such list, or not all models in it.
async fn compatible(
    endpoint: &str,
    settings: &Settings,
    model: &str,
    is_named: bool,
) -> Result<Found, DetectError> {
    let hint = if is_named {
        "give the base URL of an OpenAI-compatible server and its key in TANDEM_API_KEY, or use --simulate"
    } else {
        "give the base URL of a server with /v1/models, say --api openai where it has no such list, or use \
         --simulate"
    };
    let failed = |error| DetectError::backend(error, hint);
    let mut client = openai::Client::new(settings.clone(), endpoint)?;
    let url = client.endpoint();
    let found = |server, model| Found::new(EndpointFacts { url, server, model });
    let server = match client.server_facts().await.map_err(failed) {
        Ok(server) => server,
        Err(absent) if is_named && absent.why == Absence::NoModelServer => {
            let error = absent.fatal;
            let why = format!("{model} is asked for unseen: /v1/models cannot be read ({error})");
            return Ok(found(openai::unknown_server(), None).with_unlisted(model, why));
        }
        Err(absent) => return Err(absent),
    };
    client.dialect = openai::Dialect::of_kind(&server.identity.kind);
    let listed = client.find_model(model).await.map_err(failed)?;
    let models = client.models().await.map_err(failed)?;
    let is_listed = listed.is_some();
    let mut found = found(server.identity, listed);
    found.models = models.data.into_iter().map(|m| m.identity.name).collect();
    if is_named && !is_listed {
        let why = format!("{model} is asked for although /v1/models does not list it");
        return Ok(found.with_unlisted(model, why));
    }
    let (slots, context) = (server.slots, server.context_length);
    for (name, number) in [("slots", slots), ("context_per_slot", context)] {
        let number = number.map(|number| (name, number.to_string()));
        found.reported.extend(number);
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
