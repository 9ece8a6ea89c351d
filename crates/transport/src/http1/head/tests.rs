//! Heads as servers send them.

use std::fmt::Write as _;

use super::*;

fn read(text: &str) -> (Head, usize) {
    Head::read(text.as_bytes()).unwrap().unwrap()
}

#[test]
fn a_head_ends_where_its_body_begins() {
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nVIA:  a \r\nVia: b\r\n\r\nabc";
    let (head, length) = read(text);
    assert_eq!((head.status, &text[length..]), (200, "abc"));
    assert_eq!(head.header("content-type").unwrap(), b"text/plain");
    assert_eq!(head.header("Via").unwrap(), b"a");
    assert_eq!(head.header("Age"), None);
    for end in 0..length {
        assert!(
            Head::read(&text.as_bytes()[..end]).unwrap().is_none(),
            "{end}"
        );
    }
}

#[test]
fn interim_heads_are_passed_over() {
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    assert!(Head::read(text.as_bytes()).unwrap().is_none());
    let whole = format!("{text}HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno");
    let (head, length) = read(&whole);
    assert_eq!((head.status, &whole[length..]), (404, "no"));
}

/// Heads, their lines set off by bars.
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

/// How a response's body ends as the RFC says, whether its connection is kept, and what is no head.
#[test]
fn bodies_end_as_the_rfc_says() {
    let mut text = String::new();
    for head in HEADS {
        let bytes = head.replace('|', "\r\n") + "\r\n\r\n";
        let came = match Head::read(bytes.as_bytes()) {
            Ok(read) => {
                let (head, _) = read.unwrap();
                let kept = if head.keeps { "kept" } else { "closed" };
                format!("{:?}, {kept}", head.body)
            }
            Err(refused) => format!("refused: {refused}"),
        };
        writeln!(text, "{head}\n  {came}").unwrap();
    }
    insta::assert_snapshot!(text);
}

#[test]
fn a_head_that_does_not_end_is_refused() {
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "a: b\r\n".repeat(MOST_HEADERS + 1)
    );
    assert!(Head::read(many.as_bytes()).is_err());
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(MOST_BYTES));
    assert!(Head::read(long.as_bytes()).is_err());
}
