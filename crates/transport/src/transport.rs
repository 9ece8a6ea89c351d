//! One server, and the two clients that reach it.

use std::fmt;
use std::io::Write as _;

use clock::{Clock, Ledger};
use domain::backend::{BackendError, Exchange};
use domain::plan::Timeouts;
use domain::{FailureKind, Outcome};
use http::header::SERVER;
use serde::de::DeserializeOwned;

use crate::api_key::ApiKey;
use crate::body::LedgerEntry;
use crate::direct::Direct;
use crate::error_text::ErrorText;
use crate::limits::Limits;
use crate::recorder::{Recorder, Recording};
use crate::request_error::RequestError;
use crate::reqwest_client::{ReqwestClient, USER_AGENT};
use crate::response::{Expectation, Response, Source};

/// One server, with its kept connections and the clock.
pub struct Transport {
    /// Reads measured streams; `None` where reqwest does.
    pub(crate) direct: Option<Direct>,
    pub(crate) reqwest: ReqwestClient,
    /// The value of the `Host` header.
    pub(crate) host: String,
    /// The base URL's path, which precedes each request's; no trailing slash.
    pub(crate) path: String,
    pub(crate) base: String,
    pub(crate) clock: Clock,
    pub(crate) timeouts: Timeouts,
    pub(crate) key: Option<ApiKey>,
}

impl fmt::Debug for Transport {
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
    /// True for a measured request, false for one that only loads or unloads a model.
    pub is_measured: bool,
}

impl Transport {
    /// The server's base URL; it holds no credentials.
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// The limits of a call that starts now.
    pub fn limits(&self) -> Limits<'_> {
        Limits::start(&self.clock, &self.timeouts)
    }

    /// Makes a call whose reply is one JSON value, and returns it with the `Server` header. `model` is
    /// the one that the request names.
    pub async fn value<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        expectation: &Expectation,
        model: Option<&str>,
    ) -> Result<(T, Option<String>), BackendError> {
        let limits = self.limits();
        let read = async {
            let mut exchange = Exchange::default();
            let mut response = self.send(path, body, false, &limits, &mut exchange).await?;
            let sent_key = self.key.is_some();
            response
                .expect(expectation, model, sent_key, &limits)
                .await?;
            let server = response.header(SERVER);
            Ok((response.json(&limits, expectation.max_bytes).await?, server))
        };
        read.await.map_err(|error| self.backend_error(error))
    }

    /// Runs a generation to its end, filling `exchange` as events happen.
    pub async fn generation(
        &self,
        generation: Generation<'_>,
        expectation: &Expectation,
        exchange: &mut Exchange,
        recorder: &mut impl Recorder,
    ) -> Outcome {
        let Generation {
            path,
            body,
            model,
            is_measured,
        } = generation;
        let recording = Recording::new(exchange, recorder, self.key.as_ref());
        let limits = self.limits();
        let followed = async {
            let exchange = recording.recorder.exchange();
            let mut response = self
                .send(path, Some(body), is_measured, &limits, exchange)
                .await?;
            let sent_key = self.key.is_some();
            response
                .expect(expectation, Some(model), sent_key, &limits)
                .await?;
            response.follow(recording.recorder, &limits).await
        };
        match followed.await {
            Ok(()) => Outcome::Completed,
            Err(error) => {
                if let RequestError::Incomplete(missing) = error {
                    recording.recorder.exchange().times.notes.push(missing);
                }
                error.into_outcome(self.key.as_ref())
            }
        }
    }

    /// Sends a request and waits for the response's head.
    async fn send(
        &self,
        path: &str,
        body: Option<Vec<u8>>,
        is_measured: bool,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Response, RequestError> {
        let path = format!("{}{path}", self.path);
        if let Some(byte) = path.bytes().find(|byte| !byte.is_ascii_graphic()) {
            let words = format!("the path `{path}` has the byte {byte:#04x}");
            return Err(RequestError::Failed(FailureKind::Connect, words.into()));
        }
        if let (true, Some(direct), Some(body)) = (is_measured, &self.direct, &body) {
            let request = |entry: Option<&LedgerEntry>| self.post(&path, body, entry);
            let received = direct.send(request, limits, exchange).await?;
            return Ok(received.map(Source::Direct));
        }
        let url = format!(
            "{}{path}",
            self.base.strip_suffix(&self.path).unwrap_or(&self.base)
        );
        // Boxed, because the future of a request stays in memory while its stream is read.
        let sending = Box::pin(self.reqwest.send(&url, body.as_deref(), limits, exchange));
        Ok(sending.await?.map(Source::Reqwest))
    }

    /// The bytes of a POST of JSON.
    fn post(&self, path: &str, body: &[u8], entry: Option<&LedgerEntry>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512 + body.len());
        let mut write = |words: fmt::Arguments<'_>| {
            bytes
                .write_fmt(words)
                .expect("a vector takes what is written");
        };
        write(format_args!(
            "POST {path} HTTP/1.1\r\nhost: {}\r\n",
            self.host
        ));
        write(format_args!(
            "accept: */*\r\naccept-encoding: identity\r\nuser-agent: {USER_AGENT}\r\n",
        ));
        if let Some(key) = &self.key {
            write(format_args!("authorization: {}\r\n", key.bearer()));
        }
        if let Some(entry) = entry {
            write(format_args!("{}: {}\r\n", Ledger::HEADER, entry.id.0));
        }
        let length = body.len();
        write(format_args!(
            "content-type: application/json\r\ncontent-length: {length}\r\n\r\n",
        ));
        bytes.extend_from_slice(body);
        bytes
    }

    /// The error of a failed call, without the key in its text.
    pub fn backend_error(&self, error: RequestError) -> BackendError {
        error.into_backend_error(&self.base, self.key.as_ref())
    }

    /// A server's name for something, without the key and cut to length.
    pub fn name(&self, name: impl Into<String>) -> String {
        ErrorText::name(name).redacted(self.key.as_ref())
    }
}

pub fn json_body<T: serde::Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("requests have no maps with non-string keys")
}
