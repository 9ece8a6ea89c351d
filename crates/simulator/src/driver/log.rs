//! The true record of requests and scheduling, to test clients against.

use std::collections::VecDeque;
use std::io::Write;

use domain::{Nanos, Stamp};
use serde::Serialize;

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
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RequestLog {
    pub server: usize,
    /// Its number among the requests that this process received, from 1.
    pub number: u64,
    pub method: String,
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The scheduler's number for it, when it reached the scheduler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<RequestId>,
    /// The whole request had arrived.
    pub received: Stamp,
    /// The response head was sent; absent when none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub responded: Option<Stamp>,
    pub ended: Stamp,
    /// Status of the response; absent when there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Objects with text sent.
    pub chunks: u64,
    /// Bytes of body sent.
    pub bytes: u64,
    /// The whole body was sent. False when the client closed the connection or a fault cut it off.
    pub whole: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<FaultKind>,
    /// Unknown options, which the server ignored.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unknown_options: Vec<String>,
    /// From arrival to the end.
    pub took: Nanos,
}

/// Where the log is written.
pub trait Sink: Write + Send + std::fmt::Debug {}

impl<T: Write + Send + std::fmt::Debug> Sink for T {}

#[derive(Debug)]
pub(super) struct Log {
    lines: VecDeque<LogLine>,
    forgotten: u64,
    sink: Option<Box<dyn Sink>>,
    dirty: bool,
}

impl Log {
    pub(super) fn new(sink: Option<Box<dyn Sink>>) -> Self {
        Self {
            lines: VecDeque::new(),
            forgotten: 0,
            sink,
            dirty: false,
        }
    }

    pub(super) fn push(&mut self, line: LogLine) {
        if let Some(sink) = &mut self.sink {
            let mut json = serde_json::to_vec(&line).expect("a log line has only text keys");
            json.push(b'\n');
            let written = sink.write_all(&json);
            self.dirty = true;
            self.stop_on(written);
        }
        if self.lines.len() == KEPT {
            self.lines.pop_front();
            self.forgotten += 1;
        }
        self.lines.push_back(line);
    }

    pub(super) fn flush(&mut self) {
        if let Some(sink) = self.sink.as_mut().filter(|_| self.dirty) {
            let flushed = sink.flush();
            self.dirty = false;
            self.stop_on(flushed);
        }
    }

    /// A full disk must not stop the server: the file ends, with one message in the program's log.
    fn stop_on(&mut self, result: std::io::Result<()>) {
        if let Err(error) = result {
            tracing::error!(%error, "the log file cannot be written and ends here");
            self.sink = None;
        }
    }

    pub(super) fn snapshot(&self) -> (Vec<LogLine>, u64) {
        (self.lines.iter().cloned().collect(), self.forgotten)
    }
}
