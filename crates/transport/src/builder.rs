//! Settings of a transport.

use clock::Clock;
use domain::plan::Timeouts;
use reqwest::redirect;

use crate::connect::ConnectLimit;
use crate::endpoint::Endpoint;
use crate::error::BuildError;
use crate::http::Transport;
use crate::key::ApiKey;

/// Settings of a [`Transport`].
#[derive(Debug, Clone)]
pub struct Builder {
    clock: Clock,
    timeouts: Timeouts,
    certificates: Vec<reqwest::Certificate>,
    key: Option<ApiKey>,
    keep_connections: bool,
}

impl Builder {
    /// A builder with the default limits and no key. Connections are kept.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            timeouts: Timeouts::default(),
            certificates: Vec::new(),
            key: None,
            keep_connections: true,
        }
    }

    /// Sets the limits of every request.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sends a bearer key with every request.
    #[must_use]
    pub fn api_key(mut self, key: Option<ApiKey>) -> Self {
        self.key = key;
        self
    }

    /// Whether a connection is used again once its request has ended.
    #[must_use]
    pub fn keep_connections(mut self, keep: bool) -> Self {
        self.keep_connections = keep;
        self
    }

    /// Trusts a certificate beside the system's, for servers behind an https proxy of one's own.
    /// The text is PEM.
    pub fn certificate(mut self, pem: &[u8]) -> Result<Self, BuildError> {
        let certificate = reqwest::Certificate::from_pem(pem).map_err(BuildError::Certificate)?;
        self.certificates.push(certificate);
        Ok(self)
    }

    /// Makes the transport. Connects to nothing yet. Installs rustls's ring provider for the process
    /// where none is installed.
    pub fn build(self, endpoint: &Endpoint) -> Result<Transport, BuildError> {
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
            .http1_only()
            .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")))
            .connector_layer(ConnectLimit {
                clock: self.clock.clone(),
                limit: self.timeouts.connect,
            });
        let builder = if self.keep_connections {
            builder.pool_idle_timeout(None)
        } else {
            builder.pool_max_idle_per_host(0)
        };
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
        Ok(Transport {
            http,
            base: endpoint.to_string(),
            clock: self.clock,
            timeouts: self.timeouts,
            key: self.key,
        })
    }
}
