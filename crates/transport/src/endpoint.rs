//! The address of a server.

use std::fmt;

use url::Url;

/// How a kind of server is addressed.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// The port of an address without a port and without a scheme.
    pub default_port: u16,
    /// Path endings that the client adds itself, in the order in which they are removed.
    pub own_paths: &'static [&'static str],
    /// The advice where a URL has a credential.
    pub credentials: &'static str,
}

/// A server's base URL: no credentials, no query, no trailing slash, no path of the protocol's own.
///
/// Written as `HOST`, `HOST:PORT`, `PORT`, `:PORT` or a URL, an IPv6 host with or without brackets
/// where no port follows it. Addresses to listen on become loopback addresses. A scheme brings its
/// own default port: `http://host` is port 80.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: String,
}

/// An endpoint that cannot be used. No message repeats a credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// A user name, password or key in the URL, or a part that may be one.
    #[error(
        "the endpoint has {part}, which may be a credential and would end up in records and \
         reports; {instead}"
    )]
    Credentials {
        part: &'static str,
        instead: &'static str,
    },
    #[error("endpoint scheme `{scheme}` is not http or https")]
    Scheme { scheme: String },
    #[error("endpoint port `{port}` is not a number from 1 to 65535")]
    Port { port: String },
    /// Anything else.
    #[error("endpoint `{text}` is not HOST, HOST:PORT, PORT or a URL: {why}")]
    Form { text: String, why: String },
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.url)
    }
}

impl Endpoint {
    pub(crate) fn is_https(&self) -> bool {
        self.url.starts_with("https:")
    }

    pub(crate) fn parsed(&self) -> Url {
        Url::parse(&self.url).expect("it was parsed when it was read")
    }

    /// Parses a proxy's address; the default port is 3128. Fails as [`Endpoint::read`] does.
    pub fn proxy(text: &str) -> Result<Self, EndpointError> {
        let rules = Rules {
            default_port: 3128,
            own_paths: &[],
            credentials: "use a proxy that wants none",
        };
        Self::read(text, &rules)
    }

    /// Parses an endpoint by the rules of a kind of server. Fails when it is no http or https URL, or holds
    /// credentials, a query or a foreign path.
    pub fn read(text: &str, rules: &Rules) -> Result<Self, EndpointError> {
        let text = text.trim().trim_matches(['"', '\'']);
        for (mark, part) in [
            ('@', "a user name or key before `@`"),
            ('?', "a query after `?`"),
            ('#', "a fragment after `#`"),
        ] {
            if text.contains(mark) {
                let instead = rules.credentials;
                return Err(EndpointError::Credentials { part, instead });
            }
        }
        let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
        let scheme = scheme.to_ascii_lowercase();
        let (scheme, default_port) = match scheme.as_str() {
            "" => ("http", rules.default_port),
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => return Err(EndpointError::Scheme { scheme }),
        };
        let (authority, path) = match rest.find('/') {
            Some(slash) => rest.split_at(slash),
            None => (rest, ""),
        };
        let (host, port) = split_port(authority);
        let port = match port.map(str::parse::<u16>) {
            None => default_port,
            Some(Ok(port)) if port != 0 => port,
            Some(_) => {
                let port = port.unwrap_or_default().to_owned();
                return Err(EndpointError::Port { port });
            }
        };
        // A listening address is not one to connect to.
        let host = match host {
            "" | "0.0.0.0" => "127.0.0.1",
            "::" => "::1",
            host => host,
        };
        let host = if host.contains(':') {
            format!("[{host}]")
        } else {
            host.to_owned()
        };
        let mut path = path.trim_end_matches('/');
        for own in rules.own_paths {
            path = path.strip_suffix(own).unwrap_or(path);
        }
        let url = format!("{scheme}://{host}:{port}{path}");
        Url::parse(&url).map_err(|e| EndpointError::Form {
            text: text.to_owned(),
            why: e.to_string(),
        })?;
        Ok(Self { url })
    }
}

/// The host without brackets, and the port's text. A bare number is a port, a bare IPv6 address a host.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').unwrap_or((rest, ""));
        return (host, after.strip_prefix(':'));
    }
    if !authority.is_empty() && authority.bytes().all(|b| b.is_ascii_digit()) {
        return ("", Some(authority));
    }
    match authority.split_once(':') {
        Some((_, port)) if port.contains(':') => (authority, None),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}
