//! Heads as servers send them.

use super::*;

fn read(text: &str) -> (Head, usize) {
    Head::read(text.as_bytes()).unwrap().unwrap()
}

/// How a response's body ends, and whether its connection is kept.
fn framed(head: &str) -> (Body, bool) {
    let (head, _) = read(&format!("{head}\r\n\r\n"));
    (head.body, head.keeps)
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

#[test]
fn bodies_end_as_the_rfc_says() {
    let two = Body::of_length(2);
    for (head, body, keeps) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2", two.clone(), true),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2", two.clone(), true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2", two.clone(), false),
        (
            "HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive",
            two.clone(),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x, close",
            two,
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked",
            Body::chunked(),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: x, Chunked",
            Body::chunked(),
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked",
            Body::chunked(),
            true,
        ),
        (
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive",
            Body::chunked(),
            false,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
            Body::until_closed(),
            false,
        ),
        ("HTTP/1.1 200 OK", Body::until_closed(), false),
        (
            "HTTP/1.1 204 No Content\r\nContent-Length: 2",
            Body::of_length(0),
            true,
        ),
        ("HTTP/1.1 304 Not Modified", Body::of_length(0), true),
        (
            "HTTP/1.1 101 Switching Protocols",
            Body::of_length(0),
            false,
        ),
    ] {
        assert_eq!(framed(head), (body, keeps), "{head}");
    }
}

#[test]
fn what_is_no_head_is_refused() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/2 200\r\n\r\n",
        "<html>",
        "HTTP/1.1 200 OK\r\nContent-Length: two\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n",
        "HTTP/1.1 200 OK\r\na b: c\r\n\r\n",
    ] {
        assert!(Head::read(text.as_bytes()).is_err(), "{text}");
    }
    let many = format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "a: b\r\n".repeat(MOST_HEADERS + 1)
    );
    assert!(Head::read(many.as_bytes()).is_err());
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "b".repeat(MOST_BYTES));
    assert!(Head::read(long.as_bytes()).is_err());
}
