//! What headers mean, for both HTTP clients.

use http::HeaderMap;
use http::header::{CONNECTION, HeaderName, TRANSFER_ENCODING};

/// The comma-separated items of all headers with a name.
pub(crate) fn list_items<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h [u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| {
        let items = value.as_bytes().split(|byte| *byte == b',');
        items.map(<[u8]>::trim_ascii)
    })
}

/// True when the server accepts another request on the connection.
pub(crate) fn keeps_connection(is_1_1: bool, headers: &HeaderMap) -> bool {
    let says = |option: &[u8]| {
        list_items(headers, &CONNECTION).any(|item| item.eq_ignore_ascii_case(option))
    };
    // RFC 9112, 6.1: a transfer coding in HTTP/1.0 is an error of the server.
    let keeps = is_1_1 || says(b"keep-alive") && !headers.contains_key(TRANSFER_ENCODING);
    keeps && !says(b"close")
}

/// The body's encodings, in the order in which they were applied; `None` where it is not encoded.
pub(crate) fn encodings(headers: &HeaderMap) -> Option<String> {
    let names = [http::header::CONTENT_ENCODING, TRANSFER_ENCODING];
    let items = names.iter().flat_map(|name| list_items(headers, name));
    let items: Vec<_> = items
        .map(|item| String::from_utf8_lossy(item).to_ascii_lowercase())
        .filter(|item| !["", "identity", "chunked"].contains(&item.as_str()))
        .collect();
    (!items.is_empty()).then(|| items.join(", "))
}
