//! Making a connection: name lookup, TCP, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use clock::Clock;
use domain::Nanos;
use rustls::ClientConfig;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use url::{Host, Url};

use crate::broken::not_connected;
use crate::connection::{Connection, Own};
use crate::error::Trouble;
use crate::wire::Reactors;

/// How to connect to one server.
pub(crate) struct Connector {
    pub(crate) clock: Clock,
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) tls: Option<Tls>,
    /// Most bytes that are read from a connection at once, at least one.
    pub(crate) read_at_once: usize,
    pub(crate) reactors: Reactors,
}

impl Connector {
    /// Connects. `limit` is what the caller allows for all of it and watches over itself.
    pub(crate) async fn connect(&self, limit: Nanos) -> Result<Connection, Trouble> {
        let stream = self.tcp(limit).await?;
        let socket = match &self.tls {
            None if !self.clock.is_virtual() => {
                let wire = (stream.into_std())
                    .and_then(|socket| self.reactors.take_on(socket, self.read_at_once));
                let wire = wire.map_err(|e| not_connected("tcp connect error: ", &e))?;
                return Ok(Connection::Wire(wire));
            }
            None => Either::Left(stream),
            Some(tls) => tls
                .connector
                .connect(tls.name.clone(), stream)
                .await
                .map(|stream| Either::Right(Box::new(stream)))
                .map_err(|e| not_connected("", &e))?,
        };
        Ok(Connection::Own(Own {
            socket,
            read_at_once: self.read_at_once,
        }))
    }

    async fn tcp(&self, limit: Nanos) -> Result<TcpStream, Trouble> {
        let began = self.clock.now();
        let addresses = self.addresses().await?;
        let mut failed = None;
        for (nth, address) in addresses.iter().enumerate() {
            let connecting = TcpStream::connect(address);
            let more = addresses.len() - nth;
            let connected = if more == 1 {
                connecting.await
            } else {
                // An address that does not answer must leave time for the others.
                let left = limit.0.saturating_sub(self.clock.now().since(began).0);
                let share = Nanos(left / more as u64);
                match self.clock.timeout(share, connecting).await {
                    Ok(connected) => connected,
                    Err(clock::Elapsed) => continue,
                }
            };
            match connected {
                Ok(stream) => {
                    set_up(&stream);
                    return Ok(stream);
                }
                Err(e) => failed = Some(e),
            }
        }
        let failed = failed.unwrap_or_else(|| io::Error::other("the name has no address"));
        Err(not_connected("tcp connect error: ", &failed))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Trouble> {
        let ip = match &self.host {
            Host::Ipv4(ip) => IpAddr::from(*ip),
            Host::Ipv6(ip) => IpAddr::from(*ip),
            Host::Domain(name) => {
                return tokio::net::lookup_host((name.as_str(), self.port))
                    .await
                    .map(Iterator::collect)
                    .map_err(|e| not_connected("dns error: ", &e));
            }
        };
        Ok(vec![SocketAddr::new(ip, self.port)])
    }
}

/// After so long without a word, the other side is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Small requests go out at once, and a server that has vanished is noticed. A socket that refuses
/// this is broken, and says so when it is used.
fn set_up(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE);
    let _ = socket.set_tcp_keepalive(&keepalive);
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(2 * KEEPALIVE));
}

/// How to speak TLS with one server.
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Tls {
    /// Trusts what the system trusts, and the certificates besides. Reads the system's.
    pub(crate) fn new(
        url: &Url,
        provider: Arc<CryptoProvider>,
        certificates: Vec<CertificateDer<'static>>,
    ) -> Result<Self, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let verifier = verifier(provider, certificates)?;
        let mut config = builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let name = match url.host() {
            Some(Host::Ipv4(ip)) => ServerName::from(IpAddr::from(ip)),
            Some(Host::Ipv6(ip)) => ServerName::from(IpAddr::from(ip)),
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned())
                .map_err(|e| rustls::Error::General(format!("the host `{name}`: {e}")))?,
            None => return Err(rustls::Error::General("no host".to_owned())),
        };
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            name,
        })
    }
}

#[cfg(any(all(unix, not(target_os = "android")), windows))]
fn verifier(
    provider: Arc<CryptoProvider>,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<rustls_platform_verifier::Verifier, rustls::Error> {
    rustls_platform_verifier::Verifier::new_with_extra_roots(certificates, provider)
}

#[cfg(not(any(all(unix, not(target_os = "android")), windows)))]
fn verifier(
    provider: Arc<CryptoProvider>,
    certificates: Vec<CertificateDer<'static>>,
) -> Result<rustls_platform_verifier::Verifier, rustls::Error> {
    if certificates.is_empty() {
        rustls_platform_verifier::Verifier::new(provider)
    } else {
        let words = "certificates of one's own cannot be added on this system";
        Err(rustls::Error::General(words.to_owned()))
    }
}
