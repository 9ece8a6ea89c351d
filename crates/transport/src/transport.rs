//! One server, and the two clients that reach it.

use std::fmt;

use clock::{Clock, LedgerEntry};
use domain::backend::{BackendError, Exchange};
use domain::plan::Timeouts;
use domain::record::{HttpClient, ResponseNote};
use domain::{FailureKind, Outcome};
use http::header::SERVER;
use rustls::crypto::CryptoProvider;
use serde::de::DeserializeOwned;
use url::Position;

use crate::api_key::ApiKey;
use crate::body::{Page, Received, StreamEnd};
use crate::direct::{Connector, Direct};
use crate::endpoint::Endpoint;
use crate::error_text::ErrorText;
use crate::limits::Limits;
use crate::recorder::{Recorder, Recording};
use crate::request_error::{BuildError, RequestError};
use crate::reqwest_client::{self, ReqwestClient, USER_AGENT};
use crate::response::Expectation;
use crate::settings::Settings;
use crate::template::SharedTemplate;

/// One server, with its kept connections and the clock; `R` records the answers of its generations.
pub struct Transport<R: Recorder> {
    /// Reads measured streams; `None` where reqwest does.
    direct: Option<Direct<R>>,
    reqwest: ReqwestClient,
    /// The value of the `Host` header.
    host: String,
    /// The base URL without its path.
    origin: String,
    /// The base URL's path, which precedes each request's; no trailing slash.
    path: String,
    base: String,
    clock: Clock,
    timeouts: Timeouts,
    key: Option<ApiKey>,
    /// What streams have learned of the form of their lines, for the next ones.
    last: SharedTemplate,
}

impl<R: Recorder> fmt::Debug for Transport<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Transport");
        f.field("base", &self.base).finish_non_exhaustive()
    }
}

/// A request to generate text.
#[derive(Debug)]
pub struct Generation<'g> {
    /// The path after the base URL.
    pub path: &'g str,
    pub body: Vec<u8>,
    /// The model that the request names.
    pub model: &'g str,
}

impl<R: Recorder> Transport<R> {
    /// Makes the transport without connecting. Installs rustls's ring provider for the process where none is
    /// installed. Fails when the endpoint's name or the proxy cannot be used.
    pub fn new(settings: Settings, endpoint: &Endpoint) -> Result<Self, BuildError> {
        if CryptoProvider::get_default().is_none() {
            // Another thread may have installed one meanwhile, which is equally good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let reqwest = reqwest_client::build(&settings, endpoint.is_https());
        let url = endpoint.parsed();
        let is_direct =
            settings.http == HttpClient::Direct && !endpoint.is_https() && settings.proxy.is_none();
        let host = url.host().expect("http URLs have a host").to_owned();
        let port = url.port_or_known_default().expect("http has a port");
        let connector = Connector::new(host, port);
        Ok(Self {
            direct: is_direct.then(|| Direct::new(connector, &settings.clock)),
            reqwest: reqwest.map_err(BuildError::Client)?,
            host: url[Position::BeforeHost..Position::AfterPort].to_owned(),
            path: url.path().trim_end_matches('/').to_owned(),
            origin: url[..Position::BeforePath].to_owned(),
            base: endpoint.to_string(),
            clock: settings.clock,
            timeouts: settings.timeouts,
            key: settings.key,
            last: SharedTemplate::default(),
        })
    }

    /// The server's base URL; it holds no credentials.
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// The limits of a call that starts now.
    pub fn limits(&self) -> Limits<'_> {
        Limits::start(&self.clock, &self.timeouts)
    }

    /// Makes a call whose reply is one JSON value, and returns it with the `Server` header. `model` is
    /// the one that the request names. Fails when the server does not answer with such a value.
    pub async fn value<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        expectation: &'static Expectation,
        model: Option<&str>,
    ) -> Result<(T, Option<String>), BackendError> {
        let limits = self.limits();
        let read = async {
            let (mut exchange, most) = (Exchange::default(), expectation.max_bytes);
            let bytes = Vec::new();
            let mut page = Page { bytes, most };
            let request = (self.origin.clone() + &self.path(path)?, body.as_deref());
            let sending =
                (self.reqwest).send(request, expectation, &mut page, &limits, &mut exchange);
            let received = sending.await?;
            let received = received.expected(expectation, model, self.key.is_some())?;
            received.end?;
            let value = serde_json::from_slice(&page.bytes).map_err(|e| {
                let words = ErrorText::name(e.to_string())
                    .and("; the reply starts with ")
                    .and(ErrorText::quote(String::from_utf8_lossy(&page.bytes)));
                RequestError::Failed(FailureKind::Malformed, words)
            })?;
            Ok((value, received.head.header(SERVER)))
        };
        read.await.map_err(|error| self.backend_error(error))
    }

    /// Runs a generation to its end, filling `exchange` as events happen.
    pub async fn generation(
        &self,
        generation: Generation<'_>,
        expectation: &'static Expectation,
        exchange: &mut Exchange,
    ) -> Outcome {
        let followed = self.follow(generation, true, expectation, exchange);
        match followed.await {
            Ok(()) => Outcome::Completed,
            Err(RequestError::Failed(failure, words)) => Outcome::Failed {
                failure,
                message: words.redacted(self.key.as_ref()),
            },
            Err(RequestError::TimedOut(phase)) => Outcome::TimedOut { phase },
            Err(RequestError::Incomplete(_)) => Outcome::Incomplete,
        }
    }

    /// Runs a generation that only loads or unloads a model. Fails when it does not complete.
    pub async fn load(
        &self,
        generation: Generation<'_>,
        expectation: &'static Expectation,
    ) -> Result<(), BackendError> {
        let mut exchange = Exchange::default();
        let followed = self.follow(generation, false, expectation, &mut exchange);
        followed.await.map_err(|error| self.backend_error(error))
    }

    /// Fails when the generation does not complete; `exchange` then has what was seen of it.
    async fn follow(
        &self,
        generation: Generation<'_>,
        is_measured: bool,
        expectation: &'static Expectation,
        exchange: &mut Exchange,
    ) -> Result<(), RequestError> {
        let model = Some(generation.model);
        // Boxed: the future of a request is copied, and stays in memory while its stream is read.
        let mut recorder = Box::new(R::starting_with(&self.last));
        let recording = Recording::new(exchange, &mut *recorder, self.key.as_ref());
        let (exchange, recorder) = (&mut *recording.exchange, &mut *recording.recorder);
        let followed = async {
            let received = self
                .send(generation, is_measured, expectation, recorder, exchange)
                .await?;
            let received = received.expected(expectation, model, self.key.is_some())?;
            match received.end? {
                StreamEnd::Terminator(_) => recorder.ended(),
                StreamEnd::Body => recorder.finish(received.arrived),
                StreamEnd::GracePeriod(at) => {
                    recorder.answer().notes.push(ResponseNote::LeftOpen);
                    recorder.finish(at)
                }
            }
        };
        let followed = followed.await;
        if let Err(RequestError::Incomplete(missing)) = followed {
            recording.recorder.answer().notes.push(missing);
        }
        followed
    }

    /// Sends the request of a generation and reads its response; the answer goes to `recorder`.
    async fn send(
        &self,
        generation: Generation<'_>,
        is_measured: bool,
        expectation: &'static Expectation,
        recorder: &mut R,
        exchange: &mut Exchange,
    ) -> Result<Received, RequestError> {
        let (limits, path, body) = (self.limits(), self.path(generation.path)?, generation.body);
        match &self.direct {
            Some(direct) if is_measured => {
                let request = |entry: Option<&LedgerEntry>| self.post(&path, &body, entry);
                direct
                    .send(request, expectation, recorder, &limits, exchange)
                    .await
            }
            _ => {
                let request = (self.origin.clone() + &path, Some(body.as_slice()));
                let sending =
                    (self.reqwest).send(request, expectation, recorder, &limits, exchange);
                // Boxed, because it is larger than what most requests need.
                Box::pin(sending).await
            }
        }
    }

    /// A path behind the base URL's. Fails when it has a byte that a request line cannot carry.
    fn path(&self, path: &str) -> Result<String, RequestError> {
        let path = format!("{}{path}", self.path);
        match path.bytes().find(|byte| !byte.is_ascii_graphic()) {
            Some(byte) => {
                let words = format!("the path `{path}` has the byte {byte:#04x}");
                Err(RequestError::Failed(FailureKind::Connect, words.into()))
            }
            None => Ok(path),
        }
    }

    /// The bytes of a POST of JSON.
    fn post(&self, path: &str, body: &[u8], entry: Option<&LedgerEntry>) -> Vec<u8> {
        let (host, length) = (&self.host, body.len());
        let key = (self.key.as_ref()).map(|key| format!("authorization: {}\r\n", key.bearer()));
        let entry = entry.map(|entry| format!("{}: {}\r\n", LedgerEntry::HEADER, entry.id()));
        let (key, entry) = (key.unwrap_or_default(), entry.unwrap_or_default());
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\n\
             accept: */*\r\naccept-encoding: identity\r\nuser-agent: {USER_AGENT}\r\n{key}{entry}\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        [head.as_bytes(), body].concat()
    }

    /// The error of a failed call, without the key in its text.
    pub fn backend_error(&self, error: RequestError) -> BackendError {
        let endpoint = self.base.clone();
        let (failure, message) = match error {
            RequestError::Failed(failure, words) => (failure, words.redacted(self.key.as_ref())),
            RequestError::TimedOut(phase) => return BackendError::TimedOut { endpoint, phase },
            RequestError::Incomplete(missing) => {
                (FailureKind::Malformed, missing.in_words().to_owned())
            }
        };
        BackendError::Failed {
            endpoint,
            failure,
            message,
        }
    }

    /// A server's name for something, without the key and cut to length.
    pub fn name(&self, name: impl Into<String>) -> String {
        ErrorText::name(name).redacted(self.key.as_ref())
    }
}

pub fn json_body<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("requests have no maps with non-string keys")
}
