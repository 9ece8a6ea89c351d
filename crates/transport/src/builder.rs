//! Settings of a transport.

use clock::Clock;
use domain::plan::Timeouts;
use domain::record::HttpClient;
use reqwest::Certificate;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use url::Position;

use crate::api_key::ApiKey;
use crate::direct::{Connector, Direct, Reactors};
use crate::endpoint::Endpoint;
use crate::request_error::BuildError;
use crate::reqwest_client;
use crate::template::SharedTemplate;
use crate::transport::Transport;

/// Settings of a [`Transport`].
#[derive(Debug, Clone)]
pub struct Builder {
    clock: Clock,
    timeouts: Timeouts,
    certificates: Vec<Certificate>,
    key: Option<ApiKey>,
    http: HttpClient,
    proxy: Option<Endpoint>,
}

impl Builder {
    /// A builder with the default limits, the direct client for measured streams, no key and no proxy.
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            timeouts: Timeouts::default(),
            certificates: Vec::new(),
            key: None,
            http: HttpClient::Direct,
            proxy: None,
        }
    }

    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    #[must_use]
    pub fn api_key(mut self, key: Option<ApiKey>) -> Self {
        self.key = key;
        self
    }

    /// Chooses the client that reads measured streams over plain HTTP. Over https and through a proxy it is
    /// always reqwest.
    #[must_use]
    pub fn http(mut self, http: HttpClient) -> Self {
        self.http = http;
        self
    }

    pub fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    #[must_use]
    pub fn proxy(mut self, proxy: Option<Endpoint>) -> Self {
        self.proxy = proxy;
        self
    }

    /// Trusts a certificate in addition to the system's, for a server behind an https proxy that has its own
    /// certificate. The text is PEM. Fails when it is no certificate.
    pub fn certificate(mut self, pem: &[u8]) -> Result<Self, BuildError> {
        // reqwest would report an invalid certificate as a failure of the client.
        let der = CertificateDer::from_pem_slice(pem).map_err(BuildError::Certificate)?;
        let certificate = Certificate::from_der(&der).map_err(BuildError::Client)?;
        self.certificates.push(certificate);
        Ok(self)
    }

    /// Makes the transport without connecting. Installs rustls's ring provider for the process where none is
    /// installed. Fails when the endpoint's name or the proxy cannot be used.
    pub fn build(self, endpoint: &Endpoint) -> Result<Transport, BuildError> {
        if CryptoProvider::get_default().is_none() {
            // Another thread may have installed one meanwhile, which is equally good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let reqwest = reqwest_client::build(
            &self.clock,
            self.key.as_ref(),
            endpoint.is_https(),
            self.certificates,
            self.proxy.as_ref(),
        );
        let url = endpoint.parsed();
        let is_direct =
            self.http == HttpClient::Direct && !endpoint.is_https() && self.proxy.is_none();
        let connector = Connector {
            host: url.host().expect("http URLs have a host").to_owned(),
            port: url.port_or_known_default().expect("http has a port"),
            reactors: Reactors::default(),
        };
        Ok(Transport {
            direct: is_direct.then(|| Direct::new(connector, &self.clock)),
            reqwest: reqwest.map_err(BuildError::Client)?,
            host: url[Position::BeforeHost..Position::AfterPort].to_owned(),
            path: url.path().trim_end_matches('/').to_owned(),
            origin: url[..Position::BeforePath].to_owned(),
            base: endpoint.to_string(),
            clock: self.clock,
            timeouts: self.timeouts,
            key: self.key,
            last: SharedTemplate::default(),
        })
    }
}
