//! What a server speaks: Ollama's native API is tried first, because it tells more; then `/v1`.

use std::collections::BTreeMap;

use domain::backend::{BackendError, ChatBackend, ModelIdentity};
use domain::exit::Fatal;
use domain::plan::Timeouts;
use domain::record::EndpointFacts;
use domain::{FailureKind, Nanos};
use openai::Builder;
use serde::Serialize;

use crate::flags::ApiArg;

/// A server that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// What the record keeps of it.
    pub(crate) facts: EndpointFacts,
    /// What else it told, by name: `slots`, `context_per_slot`; `unlisted` says why its model is taken to be there.
    pub(crate) told: BTreeMap<String, String>,
}

impl Found {
    /// In words: `llama.cpp b6500 on http://127.0.0.1:8080 (2 slots), model random.gguf`.
    pub(crate) fn in_words(&self) -> String {
        let server = &self.facts.server;
        let slots = self.told.get("slots").map_or_else(String::new, |n| {
            format!(" ({n} slot{})", if n == "1" { "" } else { "s" })
        });
        let model = self.facts.model.as_ref().map_or("?", |m| m.name.as_str());
        format!(
            "{} ({} {}{slots}, {model})",
            self.facts.url, server.kind, server.version
        )
    }
}

/// Limits of what is asked before anything is measured.
pub(crate) const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_secs(2),
    first_byte: Nanos::from_secs(10),
    between_chunks: Nanos::from_secs(10),
    total: Nanos::from_secs(20),
};

/// What to do when a server does not answer.
fn unreachable_hint(settings: &Builder) -> &'static str {
    if settings.has_proxy() {
        "requests go through --proxy: check that it runs and reaches the server"
    } else {
        "start it with `ollama serve`, or use --simulate"
    }
}

/// A server that was looked at, whether or not it has the model.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    /// What it is; its model is none where it has no such model.
    pub(crate) found: Found,
    pub(crate) has: Vec<String>,
}

/// An endpoint at which no server could be made out.
#[derive(Debug)]
pub(crate) struct NotSeen {
    pub(crate) why: Absence,
    /// Why, in words, and what to do.
    pub(crate) fatal: Fatal,
}

/// Why no server could be made out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Absence {
    /// The endpoint cannot be used as it was written.
    Usage,
    /// No server answers there.
    Unreachable,
    /// It wants a key, or another one.
    Key,
    /// What answers is no model server.
    NoModelServer,
}

impl NotSeen {
    fn usage(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self {
            why: Absence::Usage,
            fatal: Fatal::usage(error),
        }
    }

    fn backend(error: BackendError, hint: &str) -> Self {
        let why = match &error {
            BackendError::Failed {
                failure: FailureKind::Http { status: 401 | 403 },
                ..
            } => Absence::Key,
            error if is_unreachable(error) => Absence::Unreachable,
            _ => Absence::NoModelServer,
        };
        Self {
            why,
            fatal: Fatal::environment(error).hint(hint),
        }
    }
}

/// Finds out what is at an endpoint and whether it has the model, which it must.
pub(crate) async fn look_at(
    endpoint: &str,
    api: ApiArg,
    settings: &Builder,
    model: &str,
) -> Result<Found, Fatal> {
    let seen = see(endpoint, api, settings, model)
        .await
        .map_err(|n| n.fatal)?;
    let Found { facts, .. } = &seen.found;
    if facts.model.is_some() {
        return Ok(seen.found);
    }
    let hint = if !openai::wire::is_kind(&facts.server.kind) {
        format!("fetch it with `ollama pull {model}`, name another with --model, or use --simulate")
    } else if seen.has.is_empty() {
        "it lists no model".to_owned()
    } else {
        let names: Vec<_> = seen.has.iter().take(8).map(String::as_str).collect();
        format!("name one it has with --model: {}", names.join(", "))
    };
    let missing = format!("{} does not have the model {model}", facts.url);
    Err(Fatal::environment(missing).hint(hint))
}

/// Finds out what is at an endpoint and which models it has.
pub(crate) async fn see(
    endpoint: &str,
    api: ApiArg,
    settings: &Builder,
    model: &str,
) -> Result<Seen, NotSeen> {
    match api {
        ApiArg::Ollama => native(endpoint, settings, model).await,
        ApiArg::Openai => compatible(endpoint, settings, model, true).await,
        ApiArg::Auto => either(endpoint, settings, model).await,
    }
}

/// A base URL for `/v1` names the same server without it.
fn without_v1(endpoint: &str) -> &str {
    let trimmed = endpoint.trim().trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/chat/completions").unwrap_or(trimmed);
    trimmed.strip_suffix("/v1").unwrap_or(endpoint)
}

async fn either(endpoint: &str, settings: &Builder, model: &str) -> Result<Seen, NotSeen> {
    let base = without_v1(endpoint);
    let client = ollama_client(base, settings)?;
    let why_not = match client.identify().await {
        Ok(_) => return native(base, settings, model).await,
        Err(error) if is_unreachable(&error) => {
            return Err(NotSeen::backend(error, unreachable_hint(settings)));
        }
        Err(error) => error,
    };
    // The address is settled by now, default port and all.
    compatible(client.base_url(), settings, model, false)
        .await
        .map_err(|NotSeen { why, fatal }| {
            let what = without_endpoint(&why_not);
            let fatal = fatal.and(format!(
                "not Ollama's API either (/api/version: {what}); --api names what it speaks"
            ));
            NotSeen { why, fatal }
        })
}

fn ollama_client(endpoint: &str, settings: &Builder) -> Result<ollama::Client, NotSeen> {
    ollama::Client::build(settings.clone(), endpoint).map_err(NotSeen::usage)
}

/// Nothing there would answer another protocol either.
fn is_unreachable(error: &BackendError) -> bool {
    match error {
        BackendError::TimedOut { .. } => true,
        BackendError::Failed { failure, .. } => matches!(
            failure,
            FailureKind::ConnectionRefused
                | FailureKind::Connect
                | FailureKind::NoLocalPort
                | FailureKind::FileLimit
        ),
    }
}

fn without_endpoint(error: &BackendError) -> String {
    match error {
        BackendError::Failed { message, .. } => message.clone(),
        BackendError::TimedOut { .. } => error.to_string(),
    }
}

async fn native(endpoint: &str, settings: &Builder, model: &str) -> Result<Seen, NotSeen> {
    let client = ollama_client(endpoint, settings)?;
    let asked = async {
        let server = client.identify().await?;
        let model = client.find_model(model).await?;
        let has = client.tags().await?;
        Ok((server, model, has.into_iter().map(|m| m.name).collect()))
    };
    let (server, model, has) = asked
        .await
        .map_err(|error| NotSeen::backend(error, unreachable_hint(settings)))?;
    Ok(Seen {
        found: Found {
            facts: EndpointFacts {
                url: client.endpoint(),
                server,
                model,
            },
            told: BTreeMap::new(),
        },
        has,
    })
}

/// With `is_named`, the user said that the server speaks `/v1`, and what `/v1/models` does not tell is taken to be
/// so: many gateways have no such list, or not all models in it.
async fn compatible(
    endpoint: &str,
    settings: &Builder,
    model: &str,
    is_named: bool,
) -> Result<Seen, NotSeen> {
    let build = |dialect| {
        openai::Client::build(settings.clone(), endpoint)
            .map(|client| client.with_dialect(dialect))
            .map_err(NotSeen::usage)
    };
    let failed = |error| {
        let hint = if is_named {
            "give the base URL of an OpenAI-compatible server and its key in TANDEM_API_KEY, or use --simulate"
        } else {
            "give the base URL of a server with /v1/models, say --api openai where it has no such list, or use \
             --simulate"
        };
        NotSeen::backend(error, hint)
    };
    let unlisted = |server, url, why: &str, has| Seen {
        found: Found {
            facts: EndpointFacts {
                url,
                server,
                model: Some(ModelIdentity {
                    name: model.to_owned(),
                    digest: None,
                    size_bytes: None,
                    parameter_size: None,
                    quantization: None,
                }),
            },
            told: BTreeMap::from([("unlisted".to_owned(), why.to_owned())]),
        },
        has,
    };
    let client = build(openai::Dialect::Plain)?;
    let server = match client.look().await.map_err(failed) {
        Ok(server) => server,
        Err(absent) if is_named && absent.why == Absence::NoModelServer => {
            let why = format!(
                "{model} is asked for unseen: /v1/models cannot be read ({})",
                absent.fatal
            );
            return Ok(unlisted(
                openai::unknown_server(),
                client.endpoint(),
                &why,
                Vec::new(),
            ));
        }
        Err(absent) => return Err(absent),
    };
    let client = build(openai::Dialect::of_kind(&server.identity.kind))?;
    let found = client.find_model(model).await.map_err(failed)?;
    let models = client.models().await.map_err(failed)?;
    let has: Vec<_> = models.data.into_iter().map(|m| m.id).collect();
    if found.is_none() && is_named {
        let why = format!("{model} is asked for although /v1/models does not list it");
        return Ok(unlisted(server.identity, client.endpoint(), &why, has));
    }
    let mut told = BTreeMap::new();
    let mut tell = |name: &str, number: Option<u64>| {
        if let Some(number) = number {
            told.insert(name.to_owned(), number.to_string());
        }
    };
    tell("slots", server.slots);
    tell("context_per_slot", server.context_length);
    Ok(Seen {
        found: Found {
            facts: EndpointFacts {
                url: client.endpoint(),
                server: server.identity,
                model: found,
            },
            told,
        },
        has,
    })
}

#[cfg(test)]
mod tests;
