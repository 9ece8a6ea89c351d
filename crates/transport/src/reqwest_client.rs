//! Requests through reqwest: everything but the measured streams that the direct client reads.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use clock::{Clock, LedgerEntry};
use domain::backend::Exchange;
use domain::record::ResponseNote;
use domain::{FailureKind, Nanos, Stamp, TimeoutPhase};
use http::{HeaderMap, HeaderName, HeaderValue, Version, header};
use parking_lot::Mutex;
use reqwest::{Client, ClientBuilder, Proxy};
use tower::util::MapFutureLayer;

use crate::body::{Incoming, Received, Sink};
use crate::bounds::{self, HEADERS, KEEPALIVE};
use crate::connection_error::of_reqwest;
use crate::endpoint::Endpoint;
use crate::headers::keeps_connection;
use crate::limits::{Limiter, Limits};
use crate::request_error::RequestError;
use crate::response::Expectation;
use crate::response_head::Head;
use crate::settings::Settings;

pub(crate) const USER_AGENT: &str = concat!("tandem/", env!("CARGO_PKG_VERSION"));

pub(crate) struct ReqwestClient {
    client: Client,
    clock: Clock,
}

/// Makes the client. It follows no redirects, retries nothing, decompresses nothing, and ignores the proxies of
/// the environment.
pub(crate) fn build(settings: &Settings, is_https: bool) -> reqwest::Result<ReqwestClient> {
    let (clock, proxy) = (&settings.clock, settings.proxy.as_ref());
    let mut headers = HeaderMap::new();
    headers.insert(
        header::ACCEPT_ENCODING,
        HeaderValue::from_static("identity"),
    );
    if let Some(key) = &settings.key {
        let bearer = HeaderValue::try_from(key.bearer());
        let mut bearer = bearer.expect("a key that is built can be sent");
        bearer.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, bearer);
    }
    let builder = ClientBuilder::new()
        .default_headers(headers)
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .http1_only()
        .http1_max_headers(HEADERS)
        .pool_idle_timeout(None)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE)
        .tcp_keepalive_interval(KEEPALIVE)
        .connector_layer(MapFutureLayer::new({
            let clock = clock.clone();
            move |making| timed(clock.clone(), making)
        }));
    #[cfg(target_os = "linux")]
    let builder = builder.tcp_user_timeout(2 * KEEPALIVE);
    let builder = match proxy {
        Some(proxy) => builder.proxy(Proxy::all(proxy.to_string())?),
        None => builder,
    };
    let builder = if is_https || proxy.is_some_and(Endpoint::is_https) {
        builder.tls_certs_merge(settings.certificates.clone())
    } else {
        // Plain HTTP must not depend on the system's certificates.
        builder.tls_certs_only([])
    };
    Ok(ReqwestClient {
        client: builder.build()?,
        clock: clock.clone(),
    })
}

impl ReqwestClient {
    /// Sends a request and reads its response, whose body goes to `sink`, stamping `connect`, `sent` and `headers`. The
    /// request is a URL and a body: a POST of JSON, or a GET when there is no body. Fails when no head has arrived.
    ///
    /// A request on a kept connection that the server had closed is sent again, once:
    /// [`bounds::CLOSED_BEFORE_REQUEST`].
    pub(crate) async fn send<S: Sink>(
        &self,
        (url, body): (String, Option<&[u8]>),
        expectation: &'static Expectation,
        sink: &mut S,
        limits: &Limits<'_>,
        exchange: &mut Exchange,
    ) -> Result<Received, RequestError> {
        let mut may_send_again = true;
        loop {
            let ledger_entry = self.clock.post_request();
            let mut request = match body {
                Some(body) => (self.client.post(&url))
                    .header(header::CONTENT_TYPE, "application/json")
                    .body(body.to_vec()),
                None => self.client.get(&url),
            };
            if let Some(entry) = &ledger_entry {
                let name = HeaderName::from_static(LedgerEntry::HEADER);
                request = request.header(name, entry.id());
            }
            let connecting = Arc::new(Mutex::new(Connecting::NotNeeded));
            let mut sending = pin!(CONNECTING.scope(Arc::clone(&connecting), request.send()));
            let mut limiter = Limiter::new(limits, self.clock.now());
            let answered = poll_fn(|context| {
                let polled = sending.as_mut().poll(context);
                let (phase, from) = match *connecting.lock() {
                    Connecting::NotNeeded => (TimeoutPhase::FirstByte, limiter.sent),
                    Connecting::Since(began) => (TimeoutPhase::Connect, began),
                    Connecting::Done { took, at } => {
                        // Rows in virtual time must not depend on which connections were free.
                        exchange.times.connect = took.filter(|_| !self.clock.is_virtual());
                        limiter.sent = at;
                        (TimeoutPhase::FirstByte, at)
                    }
                };
                exchange.times.sent = (phase != TimeoutPhase::Connect).then_some(limiter.sent);
                match polled {
                    Poll::Ready(answered) => Poll::Ready(Ok(answered)),
                    Poll::Pending => limiter.poll_phase(limits, phase, from, context).map(Err),
                }
            });
            let answered = answered.await.map_err(RequestError::TimedOut)?;
            let response = match answered {
                Ok(response) => response,
                Err(error) => {
                    let is_kept = matches!(*connecting.lock(), Connecting::NotNeeded);
                    let waited = self.clock.now().since(limiter.sent);
                    let was_closed = is_kept && waited <= bounds::CLOSED_BEFORE_REQUEST;
                    let failed = of_reqwest(&error);
                    let is_reset = failed.is_of_kind(FailureKind::ConnectionReset);
                    if !(may_send_again && was_closed && is_reset) {
                        return Err(failed);
                    }
                    may_send_again = false;
                    exchange.times.notes.push(ResponseNote::SentAgain);
                    continue;
                }
            };
            let arrived = self.clock.now();
            exchange.times.headers = Some(arrived);
            let is_1_1 = response.version() == Version::HTTP_11;
            let is_delimited = response.content_length().is_some()
                || response.headers().contains_key(header::TRANSFER_ENCODING);
            let head = Head {
                status: response.status().as_u16(),
                is_reusable: is_delimited && keeps_connection(is_1_1, response.headers()),
                headers: response.headers().clone(),
            };
            let mut incoming = Incoming::new(sink, expectation, ledger_entry);
            incoming.head(head, arrived);
            read(response, &mut incoming, limits, &mut limiter).await;
            return incoming.received();
        }
    }
}

/// Passes a body on as it arrives, until nothing more is wanted.
async fn read<S: Sink>(
    mut response: reqwest::Response,
    incoming: &mut Incoming<S>,
    limits: &Limits<'_>,
    limiter: &mut Limiter,
) {
    while let Some(waiting_for) = incoming.waiting_for() {
        let mut chunk = pin!(response.chunk());
        let arrived = poll_fn(|context| match chunk.as_mut().poll(context) {
            Poll::Ready(chunk) => Poll::Ready(Ok(chunk)),
            Poll::Pending => (limiter.poll(limits, waiting_for, context)).map(Err),
        });
        match arrived.await {
            Ok(Ok(Some(bytes))) => {
                // Stamped before they are decoded.
                let at = limits.clock().now();
                incoming.data(&bytes, at);
                // Under a flood the task's budget is always used up when it polls the alarm.
                if limits.is_total_over(at) {
                    incoming.time_out(TimeoutPhase::Total);
                }
            }
            Ok(Ok(None)) => incoming.body_end(),
            Ok(Err(error)) => incoming.fail(of_reqwest(&error)),
            Err(phase) => incoming.time_out(phase),
        }
    }
}

/// The state of a request's connection.
#[derive(Debug, Clone, Copy)]
enum Connecting {
    /// A kept connection was free.
    NotNeeded,
    /// The connection is being made since this moment.
    Since(Stamp),
    /// The request could be sent from this moment on. `took` is `None` where a kept connection came free first.
    Done { took: Option<Nanos>, at: Stamp },
}

tokio::task_local! {
    /// The connection of the request that this task is sending.
    static CONNECTING: Arc<Mutex<Connecting>>;
}

/// Times how long a connection takes to make: name lookup, TCP, TLS, and a proxy's tunnel.
fn timed<T, E>(
    clock: Clock,
    making: impl Future<Output = Result<T, E>> + Send,
) -> impl Future<Output = Result<T, E>> + Send {
    let began = clock.now();
    let connecting = CONNECTING.try_with(Arc::clone).ok();
    if let Some(connecting) = &connecting {
        *connecting.lock() = Connecting::Since(began);
    }
    let mut making = Box::pin(making);
    poll_fn(move |context| {
        let made = making.as_mut().poll(context);
        let Some(connecting) = &connecting else {
            return made;
        };
        // A kept connection that comes free meanwhile is used instead, and this future goes on in a task
        // of its own.
        let is_needed = CONNECTING.try_with(|mine| Arc::ptr_eq(mine, connecting));
        let is_needed = is_needed.unwrap_or_default();
        let mut state = connecting.lock();
        if matches!(*state, Connecting::Since(_))
            && (!is_needed || matches!(made, Poll::Ready(Ok(_))))
        {
            let at = clock.now();
            let took = is_needed.then(|| at.since(began));
            *state = Connecting::Done { took, at };
        }
        made
    })
}
