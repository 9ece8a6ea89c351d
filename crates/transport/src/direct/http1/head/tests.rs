//! Heads as servers send them.

use std::fmt::Write as _;

use super::*;
use crate::headers::encodings;

fn read(text: &str) -> (Head, usize) {
    let (head, _, length) = parse(text.as_bytes()).unwrap().unwrap();
    (head, length)
}

#[test]
fn a_head_ends_where_its_body_begins() {
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nVIA:  a \r\nVia: b\r\n\r\nabc";
    let (head, length) = read(text);
    assert_eq!((head.status, &text[length..]), (200, "abc"));
    assert_eq!(head.headers["content-type"], "text/plain");
    assert!(head.headers.get_all("via").iter().eq(["a", "b"]));
    for end in 0..length {
        assert!(parse(&text.as_bytes()[..end]).unwrap().is_none(), "{end}");
    }
}

#[test]
fn interim_heads_are_passed_over() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    assert!(found(text, usize::MAX).unwrap().is_none());
    let whole = format!("{text}HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    for piece in [usize::MAX, 1, 2, 7] {
        let found = found(&whole, piece).unwrap();
        assert_eq!(found, Some((404, "no".to_owned())), "{piece}");
    }
}

/// The status of a text that arrives in pieces of `piece` bytes, and the rest of it.
fn found(text: &str, piece: usize) -> Result<Option<(u16, String)>, RequestError> {
    let mut search = HeadSearch::default();
    let mut pieces = text.as_bytes().chunks(piece);
    while let Some(bytes) = pieces.next() {
        if let Some((head, _, behind)) = search.push(bytes)? {
            let rest = behind
                .into_iter()
                .chain(pieces.flatten().copied())
                .collect();
            return Ok(Some((head.status, String::from_utf8(rest).unwrap())));
        }
    }
    Ok(None)
}

#[test]
fn heads_that_go_on_and_on_are_given_up() {
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(33);
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(HEAD_BYTES));
    for piece in [usize::MAX, 1, 1000] {
        let error = found(&interim, piece).unwrap_err().words();
        assert_eq!(error, "more than 32 interim heads (1xx) without a response");
        let error = found(&long, piece).unwrap_err().words();
        assert_eq!(error, "the response's head is longer than 65536 bytes");
    }
}

#[test]
fn all_encodings_of_a_body_are_named() {
    for (headers, named) in [
        ("Content-Encoding: gzip\r\n", Some("gzip")),
        (
            "content-encoding: identity\r\nTransfer-Encoding: chunked\r\n",
            None,
        ),
        ("Content-Encoding: gzip, BR\r\n", Some("gzip, br")),
        (
            "Content-Encoding: gzip\r\nContent-Encoding: zstd\r\nTransfer-Encoding: deflate, chunked\r\n",
            Some("gzip, zstd, deflate"),
        ),
    ] {
        let (head, _) = read(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n"));
        assert_eq!(encodings(&head.headers).as_deref(), named);
    }
}

/// Heads, with a bar for each line end.
const HEADS: &[&str] = &[
    "HTTP/1.1 200 OK|Content-Length: 2",
    "HTTP/1.1 200 OK|Content-Length: 2, 2",
    "HTTP/1.0 200 OK|Content-Length: 2",
    "HTTP/1.0 200 OK|Content-Length: 2|Connection: Keep-Alive",
    "HTTP/1.1 200 OK|Content-Length: 2|Connection: x, close",
    "HTTP/1.1 200 OK|Transfer-Encoding: chunked",
    "HTTP/1.1 200 OK|Transfer-Encoding: x, Chunked",
    "HTTP/1.1 200 OK|Content-Length: 2|Transfer-Encoding: chunked",
    "HTTP/1.0 200 OK|Transfer-Encoding: chunked|Connection: keep-alive",
    "HTTP/1.1 200 OK|Transfer-Encoding: gzip",
    "HTTP/1.1 200 OK",
    "HTTP/1.1 204 No Content|Content-Length: 2",
    "HTTP/1.1 304 Not Modified",
    "HTTP/1.1 101 Switching Protocols",
    "SSH-2.0-OpenSSH_9.2",
    "HTTP/2 200",
    "<html>",
    "HTTP/1.1 200 OK|Content-Length: two",
    "HTTP/1.1 200 OK|Content-Length: -2",
    "HTTP/1.1 200 OK|Content-Length: +2",
    "HTTP/1.1 200 OK|Content-Length:",
    "HTTP/1.1 200 OK|Content-Length: 2|Content-Length: 3",
    "HTTP/1.1 200 OK|a b: c",
];

/// The body's framing by the RFC, whether the connection is kept, and invalid heads.
#[test]
fn bodies_end_as_the_rfc_says() {
    let mut text = String::new();
    for head in HEADS {
        let bytes = head.replace('|', "\r\n") + "\r\n\r\n";
        let came = match parse(bytes.as_bytes()) {
            Ok(read) => {
                let (head, framing, _) = read.unwrap();
                let kept = if head.is_reusable { "kept" } else { "closed" };
                format!("{:?}, {kept}", framing.state)
            }
            Err(refused) => format!("refused: {}", refused.words()),
        };
        writeln!(text, "{head}\n  {came}").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_head_that_does_not_end_is_refused() {
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(HEADERS + 1));
    assert!(parse(many.as_bytes()).is_err());
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(HEAD_BYTES));
    assert!(parse(long.as_bytes()).is_err());
}
