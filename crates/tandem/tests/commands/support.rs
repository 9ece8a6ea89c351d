//! Helpers of the command tests: rows of results folders, signals, and servers.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output};
use std::thread;
use std::time::Duration;

use domain::record::{JournalLine, RequestRecord};

use crate::BINARY;
use crate::place::{command, lines};
use crate::serving::Serving;

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

/// A running `tandem serve` with the instant profile.
pub(crate) fn serving() -> Serving {
    let mut serve = command(BINARY);
    serve.args(["serve", "--port", "0", "--profile", "instant"]);
    Serving::start(&mut serve).unwrap()
}
