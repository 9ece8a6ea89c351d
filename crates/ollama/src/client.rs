//! The client and its typed calls.

use clock::Clock;
use domain::backend::{BackendError, Exchange};
use domain::plan::Timeouts;
use domain::{Nanos, TimeoutPhase};
use reqwest::{Method, redirect};

use crate::connect::ConnectLimit;
use crate::endpoint::Endpoint;
use crate::error::{BuildError, Trouble};
use crate::http::{Limits, Transport, json_body};
use crate::ndjson::MAX_LINE;
use crate::stream::Reply;
use crate::wire::{
    ChatRequest, EmbedRequest, Embeddings, GenerateRequest, Running, ShowRequest, Shown, Tags,
    Version,
};

/// Longest reply of a call that is no generation, bytes. Verbose model descriptions list every
/// tensor, and embeddings are long.
const MAX_REPLY: usize = 8 * MAX_LINE;

/// Between two looks at whether a model is gone.
const UNLOAD_POLL: Nanos = Nanos::from_millis(50);

/// A client of one server, with its own connection pool.
#[derive(Debug)]
pub struct Client {
    pub(crate) transport: Transport,
}

/// Settings of a [`Client`].
#[derive(Debug, Clone)]
pub struct ClientBuilder {
    clock: Clock,
    timeouts: Timeouts,
    certificates: Vec<reqwest::Certificate>,
}

impl ClientBuilder {
    /// A builder with the default limits.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            timeouts: Timeouts::default(),
            certificates: Vec::new(),
        }
    }

    /// Sets the limits of every request.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Trusts a certificate beside the system's, for servers behind an https proxy of one's own.
    /// The text is PEM.
    pub fn certificate(mut self, pem: &[u8]) -> Result<Self, BuildError> {
        let certificate = reqwest::Certificate::from_pem(pem).map_err(BuildError::Certificate)?;
        self.certificates.push(certificate);
        Ok(self)
    }

    /// Makes the client for a server given like `OLLAMA_HOST` (see [`Endpoint`]). Connects to
    /// nothing yet. Installs rustls's ring provider for the process where none is installed.
    pub fn build(self, server: &str) -> Result<Client, BuildError> {
        let endpoint: Endpoint = server.parse()?;
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // A race with another thread is lost only to a provider that serves as well.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let builder = reqwest::Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tcp_nodelay(true)
            .pool_idle_timeout(None)
            .http1_only()
            .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")))
            .connector_layer(ConnectLimit {
                clock: self.clock.clone(),
                limit: self.timeouts.connect,
            });
        let builder = if endpoint.is_https() {
            builder.tls_certs_merge(self.certificates)
        } else {
            // Plain HTTP must not depend on the system having certificates.
            builder.tls_certs_only([])
        };
        let http = builder.build().map_err(|source| BuildError::Http {
            endpoint: endpoint.to_string(),
            source,
        })?;
        Ok(Client {
            transport: Transport {
                http,
                base: endpoint.to_string(),
                clock: self.clock,
                timeouts: self.timeouts,
            },
        })
    }
}

impl Client {
    /// A client for a server given like `OLLAMA_HOST` (see [`Endpoint`]). Connects to nothing yet.
    pub fn new(server: &str, clock: Clock, timeouts: Timeouts) -> Result<Self, BuildError> {
        ClientBuilder::new(clock).timeouts(timeouts).build(server)
    }

    /// The server's base URL; it holds no credentials.
    pub fn base_url(&self) -> &str {
        &self.transport.base
    }

    /// Runs a generation to its end, streamed or not as the request says, filling `exchange` as
    /// things happen.
    pub async fn generate_with(&self, request: &GenerateRequest, exchange: &mut Exchange) -> Reply {
        self.transport
            .generation(
                "/api/generate",
                json_body(request),
                &request.model,
                exchange,
            )
            .await
    }

    /// Runs a chat turn to its end, streamed or not as the request says, filling `exchange` as
    /// things happen.
    pub async fn chat(&self, request: &ChatRequest, exchange: &mut Exchange) -> Reply {
        self.transport
            .generation("/api/chat", json_body(request), &request.model, exchange)
            .await
    }

    /// The server's version.
    pub async fn version(&self) -> Result<Version, BackendError> {
        self.get("/api/version").await
    }

    /// The models on disk.
    pub async fn tags(&self) -> Result<Tags, BackendError> {
        self.get("/api/tags").await
    }

    /// The models in memory.
    pub async fn ps(&self) -> Result<Running, BackendError> {
        self.get("/api/ps").await
    }

    /// A model's description; `verbose` adds the long lists of its `model_info`.
    pub async fn show(&self, model: &str, verbose: bool) -> Result<Shown, BackendError> {
        let body = json_body(&ShowRequest { model, verbose });
        self.post("/api/show", body, model).await
    }

    /// Vectors for texts.
    pub async fn embed(&self, request: &EmbedRequest) -> Result<Embeddings, BackendError> {
        self.post("/api/embed", json_body(request), &request.model)
            .await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, BackendError> {
        self.get_within(path, &self.transport.limits())
            .await
            .map_err(|trouble| self.backend_error(trouble))
    }

    pub(crate) async fn get_within<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        limits: &Limits<'_>,
    ) -> Result<T, Trouble> {
        self.transport
            .call(Method::GET, path, None, None, MAX_REPLY, limits)
            .await
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        body: Vec<u8>,
        model: &str,
    ) -> Result<T, BackendError> {
        let limits = self.transport.limits();
        self.transport
            .call(
                Method::POST,
                path,
                Some(body),
                Some(model),
                MAX_REPLY,
                &limits,
            )
            .await
            .map_err(|trouble| self.backend_error(trouble))
    }

    pub(crate) fn backend_error(&self, trouble: Trouble) -> BackendError {
        trouble.into_backend_error(&self.transport.base)
    }

    /// Waits until `/api/ps` lists the model no longer.
    pub(crate) async fn wait_until_gone(
        &self,
        model: &str,
        limits: &Limits<'_>,
    ) -> Result<(), Trouble> {
        loop {
            let running: Running = self.get_within("/api/ps", limits).await?;
            if !running.models.iter().any(|m| same_model(&m.name, model)) {
                return Ok(());
            }
            limits
                .within_total(limits.clock.sleep(UNLOAD_POLL))
                .await
                .map_err(|_| Trouble::TimedOut(TimeoutPhase::Total))?;
        }
    }
}

/// True when two names mean one model: a missing tag is `latest`, and case does not count.
pub(crate) fn same_model(a: &str, b: &str) -> bool {
    let name = |full: &str| {
        let tag_follows = full
            .rsplit('/')
            .next()
            .is_some_and(|last| last.contains(':'));
        if tag_follows {
            full.to_ascii_lowercase()
        } else {
            format!("{}:latest", full.to_ascii_lowercase())
        }
    };
    name(a) == name(b)
}
