//! Reads a response's head, and the bytes that arrive with it and directly after it.

use std::io;

use clock::Clock;
use domain::Stamp;

use super::http1::{Head, HeadSearch};
use super::reactor::{ReadOutcome, Reader};
use crate::body::WaitingFor;
use crate::bounds::EARLY_BYTES;
use crate::connection_error::ConnectionError;

/// Reads a head, and goes on reading until the request's task takes over, so that bytes that arrive meanwhile
/// have their own stamps.
#[derive(Debug)]
pub(super) struct HeadReader {
    clock: Clock,
    bytes: Vec<u8>,
    /// Where in the bytes each read ends, and when it arrived.
    reads: Vec<(usize, Stamp)>,
    search: HeadSearch,
    /// The head and its length, or why it could not be read.
    head: Option<Result<(Head, usize), ConnectionError>>,
    /// Why reading after the head stopped.
    error: Option<io::Error>,
}

impl HeadReader {
    pub(super) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            bytes: Vec::new(),
            reads: Vec::new(),
            search: HeadSearch::default(),
            head: None,
            error: None,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The head, when it arrived, and the bytes after it.
    pub(super) fn finish(self) -> Result<(Head, Stamp, EarlyBody), ConnectionError> {
        let unanswered = Err(ConnectionError::Unanswered);
        let (head, length) = self.head.unwrap_or(unanswered)?;
        let nth = self.reads.partition_point(|&(end, _)| end < length);
        let arrived = self.reads[nth].1;
        let early = EarlyBody {
            bytes: self.bytes,
            from: length,
            reads: self.reads.into_iter(),
            error: self.error,
        };
        Ok((head, arrived, early))
    }
}

impl Reader for HeadReader {
    fn take(&mut self, bytes: &[u8]) -> ReadOutcome {
        let at = self.clock.now();
        if bytes.is_empty() {
            self.head.get_or_insert(Err(ConnectionError::Unanswered));
            return ReadOutcome::Done;
        }
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.reads.push((self.bytes.len(), at));
        match &self.head {
            None => match self.search.look(&self.bytes, before).transpose() {
                None => ReadOutcome::NeedMore,
                Some(Ok(head)) => {
                    self.head = Some(Ok(head));
                    ReadOutcome::LimitChanged
                }
                Some(Err(error)) => {
                    self.head = Some(Err(error));
                    ReadOutcome::Done
                }
            },
            Some(Ok((_, length))) if self.bytes.len() - length < EARLY_BYTES => {
                ReadOutcome::NeedMore
            }
            Some(_) => ReadOutcome::Done,
        }
    }

    fn fail(&mut self, error: io::Error) {
        match &self.head {
            None => self.head = Some(Err(ConnectionError::Io(error))),
            Some(_) => self.error = Some(error),
        }
    }

    fn waiting_for(&self) -> Option<WaitingFor> {
        self.head.is_none().then_some(WaitingFor::FirstByte)
    }
}

/// The bytes of a body that arrived before it was read, read by read.
#[derive(Debug)]
pub(super) struct EarlyBody {
    bytes: Vec<u8>,
    /// Where the bytes that have not been taken begin.
    from: usize,
    reads: std::vec::IntoIter<(usize, Stamp)>,
    /// Why reading stopped.
    pub(super) error: Option<io::Error>,
}

impl EarlyBody {
    /// The bytes of the next read, and when they arrived.
    pub(super) fn next(&mut self) -> Option<(&[u8], Stamp)> {
        loop {
            let (end, at) = self.reads.next()?;
            if end > self.from {
                let from = std::mem::replace(&mut self.from, end);
                return Some((&self.bytes[from..end], at));
            }
        }
    }

    /// True once everything was taken.
    pub(super) fn is_empty(&self) -> bool {
        self.from == self.bytes.len()
    }
}
