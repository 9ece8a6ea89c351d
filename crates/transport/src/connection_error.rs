//! Failures below HTTP: their kind, message and advice.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::io;

use domain::FailureKind;
use domain::exit::{causes, with_causes};

use crate::error_text::ErrorText;
use crate::request_error::RequestError;

/// The error of a connection that could not be made. `step` names what failed, where the error does not.
pub(crate) fn not_connected(step: &str, error: &(dyn StdError + 'static)) -> RequestError {
    let (kind, advice) = while_connecting(error);
    let mut words = format!("{step}{}", with_causes(String::new(), error));
    if let Some(advice) = advice {
        let _ = write!(words, "; {advice}");
    }
    RequestError::Failed(kind, words.into())
}

/// The error of bytes that are not HTTP. The message may repeat what the server sent.
pub(crate) fn invalid_http(words: impl Into<String>) -> RequestError {
    RequestError::Failed(FailureKind::Malformed, ErrorText::message(words))
}

/// The error of a connection that the server closed too soon.
pub(crate) fn closed(when: &str) -> RequestError {
    let words = format!("the server closed the connection {when}");
    RequestError::Failed(FailureKind::ConnectionReset, ErrorText::message(words))
}

/// When a server closes a connection that has carried no head.
pub(crate) const BEFORE_ANSWER: &str = "before it had answered";

/// The error of a connection that cannot be read or written.
pub(crate) fn broken(error: &io::Error) -> RequestError {
    let words = with_causes("the connection broke".to_owned(), error);
    RequestError::Failed(FailureKind::ConnectionReset, ErrorText::message(words))
}

/// The error of a request whose response, or the rest of whose body, reqwest could not read.
pub(crate) fn of_reqwest(error: &reqwest::Error) -> RequestError {
    if error.is_connect() {
        // The first two errors are reqwest's and its client's, which name no cause.
        let cause = causes(error).nth(2).unwrap_or(error);
        return not_connected("", cause);
    }
    let io = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    let last = causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default();
    let cut = "in the middle of its answer";
    match io.last() {
        Some(io) => match io.kind() {
            io::ErrorKind::UnexpectedEof => closed(cut),
            // Invalid chunks or TLS records.
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => invalid_http(last),
            kind => broken(&io::Error::new(kind, last)),
        },
        None if last.contains("closed before message completed") || last.contains("canceled") => {
            closed(if error.is_request() {
                BEFORE_ANSWER
            } else {
                cut
            })
        }
        None => invalid_http(format!("this is no HTTP response: {last}")),
    }
}

/// The TLS error that an I/O error holds: its source is its inner error's source, not the inner
/// error, which may be an I/O error again.
fn tls_inside(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner
        .downcast_ref::<rustls::Error>()
        .or_else(|| tls_inside(inner.downcast_ref::<io::Error>()?))
}

/// The kind of a failure to connect, and advice.
fn while_connecting(error: &(dyn StdError + 'static)) -> (FailureKind, Option<String>) {
    let io = || causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>());
    if let Some(tls) = io().filter_map(tls_inside).last() {
        return (FailureKind::Connect, tls_advice(tls).map(str::to_owned));
    }
    let os = io().filter_map(io::Error::raw_os_error).last();
    match (io().last().map(io::Error::kind), os) {
        (Some(io::ErrorKind::ConnectionRefused), _) => (FailureKind::ConnectionRefused, None),
        (Some(io::ErrorKind::AddrNotAvailable), _) => {
            (FailureKind::NoLocalPort, Some(no_local_port(port_range())))
        }
        (_, Some(OPEN_FILES | OPEN_FILES_OF_ALL)) => {
            (FailureKind::FileLimit, Some(file_limit(open_files())))
        }
        _ => (FailureKind::Connect, None),
    }
}

fn tls_advice(error: &rustls::Error) -> Option<&'static str> {
    match error {
        rustls::Error::InvalidMessage(_) => Some("the port speaks no TLS: is it http:// there?"),
        rustls::Error::InvalidCertificate(_) => Some(
            "this system does not trust the server's certificate (is it self-signed?): add it to \
             the system's certificates, or name its PEM file in SSL_CERT_FILE",
        ),
        _ => None,
    }
}

/// `EMFILE` and `ENFILE`, which have these numbers on every Unix.
const OPEN_FILES: i32 = 24;
const OPEN_FILES_OF_ALL: i32 = 23;

/// `limit`: how many files this process may have open.
fn file_limit(limit: Option<u64>) -> String {
    let limit = limit.map_or_else(String::new, |n| format!(" of {n}"));
    format!(
        "every request in flight is an open file, and the limit{limit} is reached: raise it with \
         `ulimit -n`, or use fewer agents"
    )
}

/// `range`: first and last port that the system gives to connections.
fn no_local_port(range: Option<(u16, u16)>) -> String {
    let range = range.map_or_else(String::new, |(first, last)| {
        let ports = u32::from(last.saturating_sub(first)) + 1;
        format!(" of the {ports} from {first} to {last}")
    });
    format!(
        "no local port{range} is left, or this system has no address to connect from: a closed \
         connection keeps its port for a minute; widen net.ipv4.ip_local_port_range, or name \
         several endpoints"
    )
}

#[cfg(unix)]
fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn open_files() -> Option<u64> {
    None
}

/// The range of local ports; known only on Linux.
fn port_range() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut numbers = text.split_whitespace().map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the own system lacks is distinguished from what the server does, with the limit where it is known.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_systems_limits_are_named() {
        let (first, last) = port_range().unwrap();
        let range = format!("from {first} to {last}");
        for (os, kind, words) in [
            (111, FailureKind::ConnectionRefused, None),
            (101, FailureKind::Connect, None),
            (99, FailureKind::NoLocalPort, Some(range.as_str())),
            (23, FailureKind::FileLimit, Some("`ulimit -n`")),
            (24, FailureKind::FileLimit, Some("`ulimit -n`")),
        ] {
            let (found, advice) = while_connecting(&io::Error::from_raw_os_error(os));
            assert_eq!(found, kind);
            let advice = advice.unwrap_or_default();
            assert!(advice.contains(words.unwrap_or_default()), "{advice}");
            assert_eq!(advice.is_empty(), words.is_none(), "{advice}");
        }
        let expected = "every request in flight is an open file, and the limit of 1024 is reached: raise it with \
                        `ulimit -n`, or use fewer agents";
        assert_eq!(file_limit(Some(1024)), expected);
        assert!(file_limit(None).contains("the limit is reached"));
        let words = no_local_port(Some((32_768, 60_999)));
        let expected = "no local port of the 28232 from 32768 to 60999 is left";
        assert!(words.starts_with(expected), "{words}");
    }
}
