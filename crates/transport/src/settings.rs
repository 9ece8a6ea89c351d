//! Settings of a transport.

use clock::Clock;
use domain::plan::Timeouts;
use domain::record::HttpClient;
use reqwest::Certificate;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::api_key::ApiKey;
use crate::endpoint::Endpoint;
use crate::request_error::BuildError;

/// Settings of a [`Transport`](crate::Transport).
#[derive(Debug, Clone)]
pub struct Settings {
    pub clock: Clock,
    pub timeouts: Timeouts,
    pub key: Option<ApiKey>,
    /// The client that reads measured streams over plain HTTP. Over https and through a proxy it is always reqwest.
    pub http: HttpClient,
    pub proxy: Option<Endpoint>,
    pub(crate) certificates: Vec<Certificate>,
}

impl Settings {
    /// The direct client for measured streams, no key and no proxy.
    pub fn new(clock: Clock, timeouts: Timeouts) -> Self {
        Self {
            clock,
            timeouts,
            key: None,
            http: HttpClient::Direct,
            proxy: None,
            certificates: Vec::new(),
        }
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
}
