//! Helpers of the command tests: rows of results folders, signals, and servers.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use domain::record::{JournalLine, RequestRecord};

use crate::BINARY;
use crate::place::{command, lines};

pub(crate) fn journal(dir: &Path) -> Vec<JournalLine> {
    lines(&dir.join("journal.jsonl")).collect()
}

/// The lines of a journal up to the end of its n-th arm.
pub(crate) fn through_arm(journal: &str, arms: usize) -> &str {
    let mut ends = journal.match_indices("\n{\"arm\":");
    let (start, _) = ends.nth(arms - 1).unwrap();
    let line = journal[start + 1..].find('\n').unwrap();
    &journal[..=start + 1 + line]
}

/// The rows of a sweep's requests, or those of a load or a level.
pub(crate) fn requests(dir: &Path) -> Vec<RequestRecord> {
    if dir.join("requests.jsonl").exists() {
        return lines(&dir.join("requests.jsonl")).collect();
    }
    let requests = journal(dir).into_iter().filter_map(|line| match line {
        JournalLine::Request(request) => Some(request),
        _ => None,
    });
    requests.collect()
}

/// Waits until a condition holds that a running command brings about, for at most ten minutes.
pub(crate) fn until(child: &mut Child, holds: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if holds() {
            return;
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("it ended before: {status}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    panic!("ten minutes have passed");
}

/// Presses Ctrl-C and waits for the end.
#[cfg(unix)]
pub(crate) fn interrupt(child: Child) -> Output {
    signal(&child, "-INT");
    child.wait_with_output().unwrap()
}

/// Sends a signal, such as `-HUP`.
#[cfg(unix)]
pub(crate) fn signal(child: &Child, signal: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status().unwrap();
    assert!(sent.success());
}

/// An address without a listener.
pub(crate) fn closed_port() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// A server of one request a connection: `answer` gets the request's path and its number, and returns status,
/// content type and body. Returns the address.
pub(crate) fn answering(
    answer: impl Fn(&str, usize) -> (&'static str, &'static str, String) + Send + 'static,
) -> String {
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
            let (status, kind, body) = answer(path, nth);
            let length = body.len();
            let _ = write!(
                socket,
                "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
        }
    });
    address
}

/// A running `tandem serve` with the instant profile, killed when dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) url: String,
}

impl Serving {
    pub(crate) fn start() -> Self {
        let mut child = command(BINARY)
            .args(["serve", "--port", "0", "--profile", "instant"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        // Made before its output is read, so that a failure there kills the process.
        let mut serving = Self {
            child,
            url: String::new(),
        };
        let lines = output.lines().map(Result::unwrap);
        for line in lines.take_while(|line| !line.starts_with("Ctrl-C")) {
            if let Some(rest) = line.trim_start().strip_prefix("listening ") {
                rest.split(' ').next().unwrap().clone_into(&mut serving.url);
            }
        }
        assert!(!serving.url.is_empty(), "it ended before it listened");
        serving
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
