//! The true record of requests and scheduling, to test clients against.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write as _;

use domain::{Nanos, Stamp};
use serde::Serialize;
use serde_with::skip_serializing_none;

use crate::core::{RequestId, SchedulerEvent};
use crate::faults::FaultKind;

/// Lines kept for `GET /tandem/log`; older ones are in the file only.
const KEPT: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "log", rename_all = "snake_case")]
pub enum LogLine {
    Scheduler(SchedulerEvent),
    Request(RequestLog),
}

/// One HTTP exchange as the server saw it, on the true clock.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RequestLog {
    pub server: usize,
    /// Its number among the requests that this process received, from 1.
    pub number: u64,
    pub method: String,
    pub path: String,
    pub model: Option<String>,
    /// The scheduler's number for it, when it reached the scheduler.
    pub id: Option<RequestId>,
    /// The whole request had arrived.
    pub received: Stamp,
    /// The response head was sent; absent when none was.
    pub responded: Option<Stamp>,
    pub ended: Stamp,
    /// Status of the response; absent when there was none.
    pub status: Option<u16>,
    /// Objects with text sent.
    pub chunks: u64,
    /// Bytes of body sent.
    pub bytes: u64,
    /// The whole body was sent. False when the client closed the connection or a fault cut it off.
    pub whole: bool,
    pub fault: Option<FaultKind>,
    /// Unknown options, which the server ignored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_options: Vec<String>,
    /// From arrival to the end.
    pub took: Nanos,
}

#[derive(Debug)]
pub(super) struct Log {
    lines: VecDeque<LogLine>,
    forgotten: u64,
    /// Gets every line at once, as JSON.
    file: Option<File>,
}

impl Log {
    pub(super) fn new(file: Option<File>) -> Self {
        Self {
            lines: VecDeque::new(),
            forgotten: 0,
            file,
        }
    }

    pub(super) fn push(&mut self, line: LogLine) {
        if let Some(file) = &mut self.file {
            let mut json = serde_json::to_vec(&line).expect("a log line has only text keys");
            json.push(b'\n');
            // A full disk must not stop the server: the file ends, with one message in the program's log.
            if let Err(error) = file.write_all(&json) {
                tracing::error!(%error, "the log file cannot be written and ends here");
                self.file = None;
            }
        }
        if self.lines.len() == KEPT {
            self.lines.pop_front();
            self.forgotten += 1;
        }
        self.lines.push_back(line);
    }

    pub(super) fn snapshot(&self) -> (Vec<LogLine>, u64) {
        (self.lines.iter().cloned().collect(), self.forgotten)
    }
}
