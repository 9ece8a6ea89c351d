//! The beginning of an answer: its head, and what comes with it and right behind it.

use std::io;

use clock::Clock;
use domain::Stamp;

use crate::bounds::EARLY_BYTES;
use crate::broken::Broken;
use crate::http1::{Garbled, Head, HeadSearch};
use crate::wire::{Awaits, Reader, Took};

/// Reads a head. Until somebody takes what follows, it goes on reading, so that whatever arrives
/// meanwhile has its own stamp.
#[derive(Debug)]
pub(crate) struct Answer {
    clock: Clock,
    bytes: Vec<u8>,
    /// Where in the bytes each read ends, and when it was.
    reads: Vec<(usize, Stamp)>,
    search: HeadSearch,
    /// The head and its length, or why there is none.
    head: Option<Result<(Head, usize), NoHead>>,
    /// Why no more could be read behind the head.
    broke: Option<io::Error>,
}

/// There is no answer.
#[derive(Debug)]
pub(crate) enum NoHead {
    Garbled(Garbled),
    Closed,
    Io(io::Error),
}

impl From<NoHead> for Broken {
    fn from(none: NoHead) -> Self {
        match none {
            NoHead::Garbled(garbled) => garbled.into(),
            NoHead::Closed => Self::Unanswered,
            NoHead::Io(error) => Self::Io(error),
        }
    }
}

impl Answer {
    pub(crate) fn new(clock: &Clock) -> Self {
        Self {
            clock: clock.clone(),
            bytes: Vec::new(),
            reads: Vec::new(),
            search: HeadSearch::default(),
            head: None,
            broke: None,
        }
    }

    /// The head, when it had arrived, and what came behind it.
    pub(crate) fn head(self) -> Result<(Head, Stamp, Early), NoHead> {
        let (head, length) = self.head.unwrap_or(Err(NoHead::Closed))?;
        let nth = self.reads.partition_point(|&(end, _)| end < length);
        let arrived = self.reads[nth].1;
        let early = Early {
            bytes: self.bytes,
            from: length,
            reads: self.reads.into_iter(),
            broke: self.broke,
        };
        Ok((head, arrived, early))
    }
}

impl Reader for Answer {
    fn take(&mut self, bytes: &[u8]) -> Took {
        let at = self.clock.now();
        if bytes.is_empty() {
            self.head.get_or_insert(Err(NoHead::Closed));
            return Took::Enough;
        }
        let before = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        self.reads.push((self.bytes.len(), at));
        match &self.head {
            None => match self.search.look(&self.bytes, before).transpose() {
                None => Took::More,
                Some(Ok(head)) => {
                    self.head = Some(Ok(head));
                    Took::Turned
                }
                Some(Err(garbled)) => {
                    self.head = Some(Err(NoHead::Garbled(garbled)));
                    Took::Enough
                }
            },
            Some(Ok((_, length))) if self.bytes.len() - length < EARLY_BYTES => Took::More,
            Some(_) => Took::Enough,
        }
    }

    fn broke(&mut self, error: io::Error) {
        match &self.head {
            None => self.head = Some(Err(NoHead::Io(error))),
            Some(_) => self.broke = Some(error),
        }
    }

    fn awaits(&self) -> Option<Awaits> {
        self.head.is_none().then_some(Awaits::First)
    }
}

/// What came with a head and behind it, read by read.
#[derive(Debug)]
pub(crate) struct Early {
    bytes: Vec<u8>,
    /// What lies before this was taken.
    from: usize,
    reads: std::vec::IntoIter<(usize, Stamp)>,
    /// Why there is no more.
    pub(crate) broke: Option<io::Error>,
}

impl Early {
    /// What came with the next read, and when.
    pub(crate) fn next(&mut self) -> Option<(&[u8], Stamp)> {
        loop {
            let (end, at) = self.reads.next()?;
            if end > self.from {
                let from = std::mem::replace(&mut self.from, end);
                return Some((&self.bytes[from..end], at));
            }
        }
    }

    /// True once everything was taken.
    pub(crate) fn is_empty(&self) -> bool {
        self.from == self.bytes.len()
    }
}
