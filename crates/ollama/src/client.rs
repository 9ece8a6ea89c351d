//! The client and its typed calls.

use std::collections::BTreeMap;

use domain::Outcome;
use domain::backend::{BackendError, Exchange, LoadedModel, ModelIdentity};
use serde::de::DeserializeOwned;
use serde_json::Value;
use transport::{
    BuildError, Endpoint, EndpointError, Generation, Members, Rules, Settings, Transport, json_body,
};

use crate::error::JSON;
use crate::stream::Reading;
use crate::wire::{Models, Request};

/// The port of an address without a port and without a scheme.
pub const DEFAULT_PORT: u16 = 11434;

/// Parses a server's address as Ollama parses `OLLAMA_HOST`, and also a bare port:
///
/// ```
/// for (text, url) in [
///     ("", "http://127.0.0.1:11434"),
///     ("11500", "http://127.0.0.1:11500"),
///     (":11500", "http://127.0.0.1:11500"),
///     ("0.0.0.0", "http://127.0.0.1:11434"),
///     ("gpu-box", "http://gpu-box:11434"),
///     ("[::1]:11500", "http://[::1]:11500"),
///     ("https://llm.example/ollama/", "https://llm.example:443/ollama"),
/// ] {
///     assert_eq!(ollama::endpoint(text)?.to_string(), url);
/// }
/// # Ok::<(), ollama::EndpointError>(())
/// ```
///
/// As with Ollama, a scheme brings its own default port: `http://host` is port 80.
pub fn endpoint(text: &str) -> Result<Endpoint, EndpointError> {
    Endpoint::read(
        text,
        &Rules {
            default_port: DEFAULT_PORT,
            own_paths: &[],
            credentials: "leave it out, and put a key that a proxy wants into TANDEM_API_KEY",
        },
    )
}

/// A client of one server, with its own connection pool.
#[derive(Debug)]
pub struct Client {
    pub(crate) transport: Transport<Reading>,
}

impl Client {
    /// Makes a client with these settings for a server given like `OLLAMA_HOST` (see [`endpoint`]). Does not
    /// connect yet. Installs rustls's ring provider for the process where none is installed. Fails when the
    /// endpoint or a setting is invalid.
    pub fn new(settings: Settings, server: &str) -> Result<Self, BuildError> {
        Ok(Self {
            transport: Transport::new(settings, &endpoint(server)?)?,
        })
    }

    /// Runs a generation or a chat turn to its end, streamed or not, filling
    /// `exchange` as events happen.
    pub async fn run(&self, request: &Request, exchange: &mut Exchange) -> Outcome {
        let generation = generation(request, &request.model);
        self.transport.generation(generation, &JSON, exchange).await
    }

    /// The models on the server's disk. Fails when the server does not list them.
    pub async fn tags(&self) -> Result<Vec<ModelIdentity>, BackendError> {
        let tags: Models = self.get("/api/tags").await?;
        let models = tags.models.iter().map(|model| {
            let details = model.object("details");
            ModelIdentity {
                name: self.name(model, "name").unwrap_or_default(),
                digest: self.name(model, "digest"),
                size_bytes: model.count("size"),
                parameter_size: self.name(&details, "parameter_size"),
                quantization: self.name(&details, "quantization_level"),
            }
        });
        Ok(models.collect())
    }

    /// The models in the server's memory, the one that expires last first. Fails when the server does not list them.
    pub(crate) async fn running(&self) -> Result<Vec<LoadedModel>, BackendError> {
        let running: Models = self.get("/api/ps").await?;
        let models = running.models.iter().map(|model| LoadedModel {
            name: self.name(model, "name").unwrap_or_default(),
            size_bytes: model.count("size"),
            size_vram_bytes: model.count("size_vram"),
            context_length: model.count("context_length"),
            expires_at: self.name(model, "expires_at"),
        });
        Ok(models.collect())
    }

    /// A member that is a server's name for something.
    fn name(&self, members: &Members, name: &str) -> Option<String> {
        let text: String = members.get(name)?;
        Some(self.transport.name(text))
    }

    /// A model's GGUF keys and values, without the long lists. Fails when the server does not have the model.
    pub async fn model_info(&self, model: &str) -> Result<BTreeMap<String, Value>, BackendError> {
        let body = json_body(&serde_json::json!({ "model": model, "verbose": false }));
        let reply = (self.transport).value("/api/show", Some(body), &JSON, Some(model));
        let (members, _): (Members, _) = reply.await?;
        let mut info: BTreeMap<String, Value> = members.get("model_info").unwrap_or_default();
        for value in info.values_mut() {
            if let Value::String(words) = value {
                *words = self.transport.name(std::mem::take(words));
            }
        }
        Ok(info)
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, BackendError> {
        let read = self.transport.value(path, None, &JSON, None).await?;
        Ok(read.0)
    }
}

pub(crate) fn generation<'m>(request: &Request, model: &'m str) -> Generation<'m> {
    Generation {
        path: request.path(),
        body: json_body(request),
        model,
    }
}

/// True when two names mean the same model: a missing tag is `latest`, and case is ignored.
pub(crate) fn same_model(a: &str, b: &str) -> bool {
    let name = |full: &str| {
        let name = full.to_ascii_lowercase();
        match name.rsplit('/').next() {
            Some(last) if last.contains(':') => name,
            _ => format!("{name}:latest"),
        }
    };
    name(a) == name(b)
}
