//! The client and its typed calls.

use domain::Outcome;
use domain::backend::{BackendError, Exchange, ServerIdentity};
use serde::de::DeserializeOwned;
use transport::{
    BuildError, Endpoint, EndpointError, Generation, Members, Rules, Settings, Transport, json_body,
};

use crate::error::{EVENTS, JSON};
use crate::stream::Reading;
use crate::wire::{COMPATIBLE, ChatRequest, Dialect, LLAMA_CPP, Models, ON_V1};

/// The port of an address without a port and without a scheme: llama.cpp's.
pub const DEFAULT_PORT: u16 = 8080;

/// Parses a server's address: host and port, or a base URL with or without `/v1`. Fails when it is not an HTTP URL or
/// holds credentials.
///
/// ```
/// for (text, url) in [
///     ("127.0.0.1:8080", "http://127.0.0.1:8080"),
///     ("http://127.0.0.1:8080/v1", "http://127.0.0.1:8080"),
///     ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080"),
///     ("http://127.0.0.1:8080/v1/chat/completions", "http://127.0.0.1:8080"),
///     ("8000", "http://127.0.0.1:8000"),
///     ("[::1]:8000/v1", "http://[::1]:8000"),
///     ("https://llm.example/api/v1", "https://llm.example:443/api"),
/// ] {
///     assert_eq!(openai::endpoint(text)?.to_string(), url);
/// }
/// # Ok::<(), openai::EndpointError>(())
/// ```
///
/// A scheme brings its own default port: `http://host` is port 80.
pub fn endpoint(text: &str) -> Result<Endpoint, EndpointError> {
    Endpoint::read(
        text,
        &Rules {
            default_port: DEFAULT_PORT,
            own_paths: &["/chat/completions", "/v1"],
            credentials: "put a key into TANDEM_API_KEY and leave it out of the URL",
        },
    )
}

/// The version of a server that does not report one.
const UNKNOWN_VERSION: &str = "version unknown";

/// The identity of a server of which only the protocol is known.
pub fn unknown_server() -> ServerIdentity {
    ServerIdentity {
        kind: COMPATIBLE.to_owned(),
        version: UNKNOWN_VERSION.to_owned(),
    }
}

/// A client of one server, with its own connection pool.
#[derive(Debug)]
pub struct Client {
    pub(crate) transport: Transport<Reading>,
    /// The server's additions to the protocol.
    pub dialect: Dialect,
}

/// Facts that a server reports about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Kinds: `llama.cpp`, `llama.cpp router` (loads models on demand), `vllm`, `sglang`,
    /// `ollama /v1`, `tandem-simulator /v1`, `openai-compatible`.
    pub identity: ServerIdentity,
    /// Requests that it serves at the same time; `None` where it does not report them.
    pub slots: Option<u64>,
    /// Context of one slot, tokens; `None` where it does not report it.
    pub context_length: Option<u64>,
}

impl Client {
    /// Makes a client with these settings and the plain protocol for a server's base URL (see [`endpoint`]). Does not
    /// connect yet. Installs rustls's ring provider for the process where none is installed. Fails when the address
    /// or a setting cannot be used.
    pub fn new(settings: Settings, server: &str) -> Result<Self, BuildError> {
        Ok(Self {
            transport: Transport::new(settings, &endpoint(server)?)?,
            dialect: Dialect::Plain,
        })
    }

    /// Runs a chat turn to its end and fills `exchange` as events happen.
    pub async fn chat(&self, request: &ChatRequest, exchange: &mut Exchange) -> Outcome {
        let generation = Generation {
            path: "/v1/chat/completions",
            body: json_body(request),
            model: &request.model,
        };
        self.transport
            .generation(generation, &EVENTS, exchange)
            .await
    }

    /// The models that the server offers. Fails when it does not list them.
    pub async fn models(&self) -> Result<Models, BackendError> {
        let (mut models, _): (Models, _) = self.get("/v1/models").await?;
        for model in &mut models.data {
            let names = std::iter::once(&mut model.identity.name).chain(&mut model.aliases);
            names.for_each(|name| *name = self.transport.name(std::mem::take(name)));
        }
        Ok(models)
    }

    /// Identifies the server by the owner of its models and its `Server` header, and by
    /// requests that only one kind of server answers. Fails when the server does not answer `/v1/models`.
    pub async fn server_facts(&self) -> Result<ServerFacts, BackendError> {
        let (models, server): (Models, _) = self.get("/v1/models").await?;
        let owner = models.data.iter().find_map(|m| m.owned_by.as_deref());
        let (mut slots, mut context) = (None, models.data.first().and_then(|m| m.max_model_len));
        let (kind, version) = match owner {
            _ if owner == Some("llamacpp") || server.as_deref() == Some(LLAMA_CPP) => {
                // A server may be configured not to report its properties.
                let props = self.first_object(&["/props"]).await;
                slots = props.count("total_slots");
                context = props.object("default_generation_settings").count("n_ctx");
                let is_router = props.get::<String>("role").as_deref() == Some("router");
                let router = if is_router { " router" } else { "" };
                (format!("{LLAMA_CPP}{router}"), props.get("build_info"))
            }
            Some(owner @ ("vllm" | "sglang")) => {
                let paths: &[&str] = match owner {
                    "vllm" => &["/version"],
                    _ => &["/get_server_info", "/server_info"],
                };
                let found = self.first_object(paths).await;
                (owner.to_owned(), found.get("version"))
            }
            Some("library") => {
                let found = self.first_object(&["/api/version"]).await;
                // The server's name, where another server answers Ollama's path: the simulator gives its own.
                let server = found.get::<String>("server");
                let server = server.map_or("ollama".to_owned(), |name| self.transport.name(name));
                (format!("{server}{ON_V1}"), found.get("version"))
            }
            _ => (COMPATIBLE.to_owned(), None),
        };
        // Not every server reports its version.
        let version = version.filter(|version: &String| !version.is_empty());
        let version = version.unwrap_or_else(|| UNKNOWN_VERSION.to_owned());
        Ok(ServerFacts {
            identity: ServerIdentity {
                kind,
                version: self.transport.name(version),
            },
            slots,
            context_length: context,
        })
    }

    /// The first object that one of these paths gives; empty where none does.
    async fn first_object(&self, paths: &[&str]) -> Members {
        for path in paths {
            if let Ok((object, _)) = self.get(path).await {
                return object;
            }
        }
        Members::default()
    }

    /// Makes a GET call whose reply is one JSON value, and returns it with the `Server` header.
    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
    ) -> Result<(T, Option<String>), BackendError> {
        self.transport.value(path, None, &JSON, None).await
    }
}
