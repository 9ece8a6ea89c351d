//! Settings of a transport.

use std::sync::Arc;

use clock::Clock;
use domain::plan::Timeouts;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Position;

use crate::connect::{Connector, Tls};
use crate::connection::READ_AT_ONCE;
use crate::endpoint::Endpoint;
use crate::error::BuildError;
use crate::key::ApiKey;
use crate::pool::Pool;
use crate::transport::Transport;
use crate::wire::Reactors;

/// Settings of a [`Transport`].
#[derive(Debug, Clone)]
pub struct Builder {
    clock: Clock,
    timeouts: Timeouts,
    certificates: Vec<CertificateDer<'static>>,
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
        let certificate = CertificateDer::from_pem_slice(pem).map_err(BuildError::Certificate)?;
        self.certificates.push(certificate);
        Ok(self)
    }

    /// Makes the transport. Connects to nothing yet. Installs rustls's ring provider for the process
    /// where none is installed.
    pub fn build(self, endpoint: &Endpoint) -> Result<Transport, BuildError> {
        let provider = provider();
        let url = endpoint.parsed();
        let tls = if endpoint.is_https() {
            let tls = Tls::new(&url, provider, self.certificates);
            Some(tls.map_err(|source| BuildError::Tls {
                endpoint: endpoint.to_string(),
                source,
            })?)
        } else {
            // Plain HTTP must not depend on the system having certificates.
            None
        };
        let host = &url[Position::BeforeHost..Position::AfterPort];
        Ok(Transport {
            connector: Connector {
                clock: self.clock.clone(),
                host: url.host().expect("http URLs have a host").to_owned(),
                port: url.port_or_known_default().expect("http has a port"),
                tls,
                read_at_once: READ_AT_ONCE,
                reactors: Reactors::default(),
            },
            pool: self.keep_connections.then(|| Arc::new(Pool::default())),
            host: host.to_owned(),
            path: url.path().trim_end_matches('/').to_owned(),
            base: endpoint.to_string(),
            clock: self.clock,
            timeouts: self.timeouts,
            key: self.key,
        })
    }
}

/// The process's provider of cryptography; ring where nobody has chosen one.
fn provider() -> Arc<CryptoProvider> {
    if let Some(provider) = CryptoProvider::get_default() {
        return Arc::clone(provider);
    }
    // A race with another thread is lost only to a provider that serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    CryptoProvider::get_default().map_or_else(
        || Arc::new(rustls::crypto::ring::default_provider()),
        Arc::clone,
    )
}
