//! A minimal HTTP client for loopback servers: one request a connection, the whole body as bytes.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// The response body of a GET, or of a POST when there is JSON to send; an error unless the status is 200.
pub(super) fn request(url: &str, path: &str, json: &str) -> Result<Vec<u8>> {
    let method = if json.is_empty() { "GET" } else { "POST" };
    let length = json.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
    );
    let address = url.strip_prefix("http://").unwrap_or(url);
    let mut stream = TcpStream::connect(address).with_context(|| url.to_owned())?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let head = String::from_utf8_lossy(answer.get(..15).unwrap_or(&answer)).into_owned();
    if head.split(' ').nth(1) != Some("200") {
        bail!("{url} answered {head:?}");
    }
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
    Ok(end.map_or_else(Vec::new, |end| answer.split_off(end + 4)))
}
