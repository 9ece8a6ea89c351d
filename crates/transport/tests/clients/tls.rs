//! TLS against a server without TLS, and against a self-signed certificate.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// Self-signed, for 127.0.0.1 and localhost; its key is public, too.
const CERTIFICATE: &str = include_str!("tls/cert.pem");
const KEY: &str = include_str!("tls/key.pem");

/// A client; `None` on a system without certificates.
fn client(protocol: Protocol, url: &str, pem: Option<&str>) -> Option<AnyClient> {
    let mut settings = protocol.settings(&Clock::real(), Timeouts::default());
    if let Some(pem) = pem {
        settings = settings.certificate(pem.as_bytes()).unwrap();
    }
    let skipped = |error: &BuildError| println!("skipped: {error}");
    (protocol.build)(settings, url).inspect_err(skipped).ok()
}

#[tokio::test]
async fn a_port_without_tls_is_named() {
    for protocol in PROTOCOLS {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let refused = b"HTTP/1.1 400 Bad Request\r\n\r\n";
            stream.write_all(refused).await.unwrap();
            // Closing with unread bytes would be a reset, and the answer might be lost.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let Some(client) = client(protocol, &url, None) else {
            return;
        };
        let seen = generate(&*client).await;
        let (kind, message) = seen.failure();
        assert_eq!(kind, FailureKind::Connect);
        let advice = "; the port speaks no TLS: is it http:// there?";
        assert!(message.ends_with(advice), "{message}");
    }
}

/// Serves whole streams over TLS, one connection each.
async fn tls_server(protocol: Protocol) -> String {
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(
        vec![CertificateDer::from_pem_slice(CERTIFICATE.as_bytes()).unwrap()],
        PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap(),
    )
    .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0_u8; 4096]).await;
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nConnection: close\r\n\r\n{}{}",
                protocol.stream, protocol.token, protocol.last
            );
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    format!("https://{address}")
}

#[tokio::test]
async fn a_self_signed_certificate_is_refused_until_it_is_trusted() {
    for protocol in PROTOCOLS {
        let url = tls_server(protocol).await;
        let Some(distrusting) = client(protocol, &url, None) else {
            return;
        };
        let seen = generate(&*distrusting).await;
        let (kind, message) = seen.failure();
        assert_eq!(kind, FailureKind::Connect);
        assert!(message.contains("SSL_CERT_FILE"), "{message}");
        assert!(message.contains("self-signed"), "{message}");
        assert_eq!(seen.exchange.times.connect, None);
        let trusting = client(protocol, &url, Some(CERTIFICATE)).unwrap();
        let seen = generate(&*trusting).await;
        assert_eq!(seen.outcome, Outcome::Completed, "{}", protocol.name);
        assert!(seen.exchange.times.connect > Some(Nanos::ZERO));
    }
}

#[test]
fn what_is_no_certificate_is_refused() {
    let pem = b"-----BEGIN CERTIFICATE-----\nno\n-----END CERTIFICATE-----\n";
    for protocol in PROTOCOLS {
        let settings = protocol.settings(&Clock::real(), LIMITS).certificate(pem);
        let built = settings.and_then(|settings| (protocol.build)(settings, "https://h"));
        let error = built.map(|_| ()).unwrap_err();
        let words = format!("{error} {:?}", std::error::Error::source(&error));
        assert!(words.contains("ertificate"), "{words}");
    }
}
