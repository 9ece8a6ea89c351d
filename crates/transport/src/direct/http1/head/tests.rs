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
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(HEADERS + 1));
    assert!(parse(many.as_bytes()).is_err());
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
        ("Content-Encoding: gzip|", "gzip"),
        ("content-encoding: identity|Transfer-Encoding: chunked|", ""),
        ("Content-Encoding: gzip, BR|", "gzip, br"),
        (
            "Content-Encoding: gzip|Content-Encoding: zstd|Transfer-Encoding: deflate, chunked|",
            "gzip, zstd, deflate",
        ),
    ] {
        let (head, _) = read(&format!("HTTP/1.1 200 OK|{headers}|").replace('|', "\r\n"));
        assert_eq!(encodings(&head.headers).unwrap_or_default(), named);
    }
}

/// The body's framing by the RFC, whether the connection is kept, and invalid heads.
#[test]
fn bodies_end_as_the_rfc_says() {
    let mut text = String::new();
    // A head a line, with a bar for each line end.
    for head in include_str!("heads.txt").lines() {
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
