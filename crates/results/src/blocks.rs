//! A file of lines, read once and parsed on every core.
//!
//! Threads take turns reading the next block of whole lines and parse it on their own; the results
//! come in the order of the file, so that nothing depends on how the work was shared out.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead as _, Read};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::mpsc;
use std::thread;

use parking_lot::Mutex;

use crate::{LoadError, LoadErrorKind};

/// Bytes of a block: large enough that taking turns costs nothing, small enough that a block in
/// work on each of many cores is little memory.
const BLOCK: usize = 4 << 20;

/// One block of whole lines.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Block<'b> {
    /// The lines, with their line feeds.
    pub(crate) bytes: &'b [u8],
    /// The file ends with this block, and its last line has no line feed.
    pub(crate) cut_off: bool,
}

impl<'b> Block<'b> {
    /// The lines without their line feeds, blank ones included, numbered from 1 within the block;
    /// true for a last line without a line feed.
    pub(crate) fn lines(self) -> impl Iterator<Item = (u64, &'b [u8], bool)> {
        let mut rest = self.bytes;
        let mut number = 0;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            number += 1;
            // The standard library's search is optimised in every profile, a crate's is not.
            let mut after = rest;
            let taken = after.skip_until(b'\n');
            let taken = taken.expect("reading from memory cannot fail");
            let (line, after) = rest.split_at(taken);
            let open = after.is_empty() && self.cut_off;
            rest = after;
            Some((number, line.strip_suffix(b"\n").unwrap_or(line), open))
        })
    }
}

/// The file as blocks, each of which goes to the next free thread.
struct Source {
    file: File,
    /// The beginning of the next block's first line.
    carry: Vec<u8>,
    next: usize,
    ended: bool,
}

impl Source {
    /// Fills `into` with the next block and returns its place and whether its last line is cut off;
    /// `None` at the end of the file.
    fn fill(&mut self, into: &mut Vec<u8>) -> io::Result<Option<(usize, bool)>> {
        into.clear();
        if self.ended {
            return Ok(None);
        }
        into.append(&mut self.carry);
        let mut cut_off = false;
        loop {
            let before = into.len();
            let read = (&mut self.file).take(BLOCK as u64).read_to_end(into)?;
            // A line longer than a block: only what is new can hold its end.
            if let Some(at) = memchr::memrchr(b'\n', &into[before..]) {
                self.carry.extend_from_slice(&into[before + at + 1..]);
                into.truncate(before + at + 1);
                break;
            }
            if read == 0 {
                self.ended = true;
                cut_off = !into.is_empty();
                break;
            }
        }
        if into.is_empty() {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some((self.next - 1, cut_off)))
    }
}

/// Parses the file block by block on as many threads as there are cores and gives the results to
/// `take` in the order of the file. Stops at the first error in the file.
pub(crate) fn parse<T: Send>(
    path: &Path,
    parse: impl Fn(Block<'_>) -> T + Sync,
    mut take: impl FnMut(T) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let file = File::open(path).map_err(|e| LoadError::io(path, e))?;
    let size = file.metadata().map_err(|e| LoadError::io(path, e))?.len();
    if size == 0 {
        return Err(LoadError::new(path, LoadErrorKind::Empty));
    }
    let blocks = usize::try_from(size).unwrap_or(usize::MAX).div_ceil(BLOCK);
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let source = Mutex::new(Source {
        file,
        carry: Vec::new(),
        next: 0,
        ended: false,
    });
    thread::scope(|scope| {
        // A thread that is far ahead of the others waits: finished blocks do not pile up.
        let (send, results) = mpsc::sync_channel(threads);
        for _ in 0..threads.min(blocks) {
            let (send, source, parse) = (send.clone(), &source, &parse);
            scope.spawn(move || {
                let mut buffer = Vec::new();
                loop {
                    let filled = source.lock().fill(&mut buffer);
                    let result = match filled {
                        Ok(None) => return,
                        Ok(Some((place, cut_off))) => {
                            let bytes = &buffer;
                            Ok((place, parse(Block { bytes, cut_off })))
                        }
                        Err(error) => Err(error),
                    };
                    let failed = result.is_err();
                    // The receiver is gone after an error.
                    if send.send(result).is_err() || failed {
                        return;
                    }
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut next = 0;
        for result in results {
            let (place, value) = result.map_err(|e| LoadError::io(path, e))?;
            early.insert(place, value);
            while let Some(value) = early.remove(&next) {
                take(value)?;
                next += 1;
            }
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Every line with its number, by the parallel reader.
    fn lines(text: &[u8]) -> Vec<(u64, Vec<u8>, bool)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        fs::write(&path, text).unwrap();
        let (mut all, mut before) = (Vec::new(), 0);
        parse(
            &path,
            |block| {
                let lines = block.lines();
                let lines = lines.map(|(n, line, open)| (n, line.to_vec(), open));
                lines.collect::<Vec<_>>()
            },
            |part| {
                let count = part.len() as u64;
                let lines = part.into_iter();
                all.extend(lines.map(|(n, line, open)| (before + n, line, open)));
                before += count;
                Ok(())
            },
        )
        .unwrap();
        all
    }

    #[test]
    fn lines_come_whole_and_in_order_whatever_their_length() {
        // Lines of 0 bytes to more than a block, several blocks in all.
        let lengths: Vec<usize> = [
            [3, 0, BLOCK - 1, 17],
            [BLOCK, 5, 2 * BLOCK + 9, 1],
            [BLOCK / 2, 0, BLOCK / 2, 8],
        ]
        .concat();
        for cut_off in [false, true] {
            let mut text = Vec::new();
            for (at, length) in lengths.iter().enumerate() {
                text.extend(std::iter::repeat_n(b'a' + at as u8, *length));
                text.push(b'\n');
            }
            if cut_off {
                text.pop();
            }
            let found = lines(&text);
            assert_eq!(found.len(), lengths.len());
            for ((at, length), (number, line, open)) in lengths.iter().enumerate().zip(&found) {
                assert_eq!((*number, line.len()), (at as u64 + 1, *length));
                assert!(line.iter().all(|b| *b == b'a' + at as u8));
                assert_eq!(*open, cut_off && at + 1 == lengths.len());
            }
        }
    }

    #[test]
    fn an_empty_file_and_a_missing_one_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none");
        let read = |path: &Path| parse(path, |_| (), |()| Ok(())).unwrap_err().kind;
        assert!(matches!(read(&path), LoadErrorKind::NotFound));
        fs::write(&path, "").unwrap();
        assert!(matches!(read(&path), LoadErrorKind::Empty));
    }

    #[test]
    fn an_error_ends_the_reading() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        fs::write(&path, vec![b'\n'; 20 * BLOCK]).unwrap();
        let mut taken = 0;
        let error = parse(
            &path,
            |_| (),
            |()| {
                taken += 1;
                Err(LoadError::new(&path, LoadErrorKind::NothingLoaded))
            },
        );
        assert!(error.is_err());
        assert_eq!(taken, 1);
    }
}
