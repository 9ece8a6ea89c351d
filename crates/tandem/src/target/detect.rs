//! What a server speaks: Ollama's native API is tried first, because it tells more; then `/v1`.

use std::collections::BTreeMap;

use anyhow::anyhow;
use clock::Clock;
use domain::backend::{BackendError, ChatBackend};
use domain::plan::Timeouts;
use domain::record::EndpointFacts;
use domain::{FailureKind, Nanos};
use openai::ApiKey;

use crate::args::ApiArg;
use crate::exit::Fatal;

/// A server that was looked at.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Found {
    /// What the record keeps of it.
    pub(crate) facts: EndpointFacts,
    /// What else it told, by name: `slots`, `context_per_slot`.
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

const LIMITS: Timeouts = Timeouts {
    connect: Nanos::from_secs(2),
    first_byte: Nanos::from_secs(10),
    between_chunks: Nanos::from_secs(10),
    total: Nanos::from_secs(20),
};

const START_HINT: &str = "start it with `ollama serve`, or use --simulate";

/// Finds out what is at an endpoint and whether it has the model.
pub(crate) async fn look_at(
    endpoint: &str,
    api: ApiArg,
    key: Option<&ApiKey>,
    model: &str,
) -> Result<Found, Fatal> {
    match api {
        ApiArg::Ollama => native(endpoint, key, model).await,
        ApiArg::Openai => compatible(endpoint, key, model).await,
        ApiArg::Auto => either(endpoint, key, model).await,
    }
}

/// A base URL for `/v1` names the same server without it.
fn without_v1(endpoint: &str) -> &str {
    let trimmed = endpoint.trim().trim_end_matches('/');
    let trimmed = trimmed.strip_suffix("/chat/completions").unwrap_or(trimmed);
    trimmed.strip_suffix("/v1").unwrap_or(endpoint)
}

async fn either(endpoint: &str, key: Option<&ApiKey>, model: &str) -> Result<Found, Fatal> {
    let base = without_v1(endpoint);
    let client = ollama_client(base, key)?;
    let why_not = match client.identify().await {
        Ok(_) => return native(base, key, model).await,
        Err(error) if is_unreachable(&error) => {
            return Err(Fatal::environment(error).hint(START_HINT));
        }
        Err(error) => error,
    };
    // The address is settled by now, default port and all.
    compatible(client.base_url(), key, model)
        .await
        .map_err(|fatal| {
            let what = without_endpoint(&why_not);
            fatal.context(format!(
                "not Ollama's API either (/api/version: {what}); --api names what it speaks"
            ))
        })
}

fn ollama_client(endpoint: &str, key: Option<&ApiKey>) -> Result<ollama::Client, Fatal> {
    ollama::ClientBuilder::new(Clock::real())
        .timeouts(LIMITS)
        .api_key(key.cloned())
        .build(endpoint)
        .map_err(Fatal::usage)
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

async fn native(endpoint: &str, key: Option<&ApiKey>, model: &str) -> Result<Found, Fatal> {
    let client = ollama_client(endpoint, key)?;
    let server = client
        .identify()
        .await
        .map_err(|e| Fatal::environment(e).hint(START_HINT))?;
    let found = client
        .find_model(model)
        .await
        .map_err(|e| Fatal::environment(e).hint(START_HINT))?;
    let url = client.endpoint();
    let Some(found) = found else {
        return Err(
            Fatal::environment(anyhow!("{url} does not have the model {model}")).hint(format!(
                "fetch it with `ollama pull {model}`, name another with --model, or use --simulate"
            )),
        );
    };
    Ok(Found {
        facts: EndpointFacts {
            url,
            server,
            model: Some(found),
        },
        told: BTreeMap::new(),
    })
}

async fn compatible(endpoint: &str, key: Option<&ApiKey>, model: &str) -> Result<Found, Fatal> {
    let hint = "give the base URL of a server with /v1/models, or use --simulate";
    let build = |dialect| {
        openai::ClientBuilder::new(Clock::real())
            .timeouts(LIMITS)
            .api_key(key.cloned())
            .dialect(dialect)
            .build(endpoint)
            .map_err(Fatal::usage)
    };
    let server = build(openai::Dialect::Plain)?
        .look()
        .await
        .map_err(|e| Fatal::environment(e).hint(hint))?;
    let client = build(openai::Dialect::of_kind(&server.identity.kind))?;
    let found = client
        .find_model(model)
        .await
        .map_err(|e| Fatal::environment(e).hint(hint))?;
    let url = client.endpoint();
    let Some(found) = found else {
        let models = client.models().await.map(|models| models.data);
        let names: Vec<String> = models
            .unwrap_or_default()
            .into_iter()
            .map(|m| m.id)
            .take(8)
            .collect();
        let hint = if names.is_empty() {
            "it lists no model".to_owned()
        } else {
            format!("name one it has with --model: {}", names.join(", "))
        };
        return Err(
            Fatal::environment(anyhow!("{url} does not have the model {model}")).hint(hint),
        );
    };
    let mut told = BTreeMap::new();
    let mut tell = |name: &str, number: Option<u64>| {
        if let Some(number) = number {
            told.insert(name.to_owned(), number.to_string());
        }
    };
    tell("slots", server.slots);
    tell("context_per_slot", server.context_length);
    Ok(Found {
        facts: EndpointFacts {
            url,
            server: server.identity,
            model: Some(found),
        },
        told,
    })
}

#[cfg(test)]
mod tests;
