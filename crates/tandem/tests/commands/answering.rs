//! A server whose answers a test writes. Unit tests and command tests use this file.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

/// A server of one request a connection: `answer` gets the request's path and its number, and returns the response from
/// its status on. Returns the address.
pub(crate) fn answering(answer: impl Fn(&str, usize) -> String + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for (nth, socket) in listener.incoming().enumerate() {
            let mut socket = socket.unwrap();
            let mut request = BufReader::new(socket.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            while request.read_line(&mut head).is_ok_and(|read| read > 2) {
                let last = head.lines().last().unwrap().to_lowercase();
                if let Some(bytes) = last.strip_prefix("content-length: ") {
                    length = bytes.parse().unwrap();
                }
            }
            let _ = request.read_exact(&mut vec![0; length]);
            let path = head.split(' ').nth(1).unwrap_or_default();
            let response = answer(path, nth);
            let (head, body) = response.split_once("\r\n\r\n").unwrap();
            let length = body.len();
            let _ = write!(
                socket,
                "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
        }
    });
    address
}
