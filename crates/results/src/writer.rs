//! Writes files of one JSON value a line, for the journal, the telemetry and the rows of a load.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

pub trait Sink: Write + Send + Debug {
    /// Makes what was written survive a loss of power.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that must stay at its path: writes to a file that was removed are lost without an error.
#[derive(Debug)]
struct OnDisk {
    path: PathBuf,
    file: File,
}

impl Write for OnDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    /// An error of the kind `NotFound` once the file was removed or moved.
    fn flush(&mut self) -> io::Result<()> {
        fs::metadata(&self.path).map(drop)
    }
}

impl Sink for OnDisk {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Appends lines. It refuses further lines after the first failure, because a line after a half-written one would be
/// lost.
#[derive(Debug)]
pub struct LineWriter {
    path: PathBuf,
    sink: Box<dyn Sink>,
    /// Lines that are not yet handed to the system.
    text: Vec<u8>,
    failed: bool,
}

impl LineWriter {
    /// Writes to a sink, called `path` in messages.
    pub fn new(path: PathBuf, sink: Box<dyn Sink>) -> Self {
        Self {
            path,
            sink,
            text: Vec::new(),
            failed: false,
        }
    }

    fn open(path: &Path, options: &OpenOptions) -> io::Result<Self> {
        let (path, file) = (path.to_owned(), options.open(path)?);
        let sink = OnDisk { path, file };
        Ok(Self::new(sink.path.clone(), Box::new(sink)))
    }

    /// Creates a file; fails with `AlreadyExists` if there is one.
    pub fn create(path: &Path) -> io::Result<Self> {
        Self::open(path, OpenOptions::new().append(true).create_new(true))
    }

    /// Appends to a file, which is created if needed. Fails when it cannot be opened.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        Self::open(path, OpenOptions::new().append(true).create(true))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes a line, which [`LineWriter::flush`] writes with those before it. Fails when it has no JSON, and after
    /// an earlier failure.
    pub fn push(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.attempt(|writer| {
            serde_json::to_writer(&mut writer.text, line)?;
            writer.text.push(b'\n');
            Ok(())
        })
    }

    /// Bytes that were taken and are not written yet.
    pub fn waiting(&self) -> usize {
        self.text.len()
    }

    /// Hands the lines so far to the system, in one write. Fails when the write does, and after an earlier failure.
    pub fn flush(&mut self) -> io::Result<()> {
        self.attempt(|writer| {
            writer.sink.write_all(&writer.text)?;
            writer.text.clear();
            writer.sink.flush()
        })
    }

    /// Takes a line and writes it. Fails as [`LineWriter::push`] and [`LineWriter::flush`] do.
    pub fn append(&mut self, line: &impl Serialize) -> io::Result<()> {
        self.push(line)?;
        self.flush()
    }

    /// Makes what was handed to the system survive a loss of power. Fails when the system does, and after an
    /// earlier failure.
    pub fn sync(&mut self) -> io::Result<()> {
        self.attempt(|writer| writer.sink.sync())
    }

    fn attempt(&mut self, action: impl FnOnce(&mut Self) -> io::Result<()>) -> io::Result<()> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        action(self).inspect_err(|_| {
            self.failed = true;
            self.text = Vec::new();
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Fails in the middle of its second line and has room again after that.
    #[derive(Debug, Default)]
    struct BadMoment {
        writes: usize,
        held: Arc<Mutex<Vec<u8>>>,
    }

    impl Write for BadMoment {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.writes += 1;
            let n = match self.writes {
                2 => bytes.len() / 2,
                3 => return Err(io::ErrorKind::StorageFull.into()),
                _ => bytes.len(),
            };
            self.held.lock().unwrap().extend(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for BadMoment {
        fn sync(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_appended_after_half_a_line() {
        let disk = BadMoment::default();
        let held = Arc::clone(&disk.held);
        let mut writer = LineWriter::new("j".into(), Box::new(disk));
        writer.append(&"a line").unwrap();
        let full = writer.append(&"a line").unwrap_err();
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
        let after = held.lock().unwrap().clone();
        writer.append(&"a line").unwrap_err();
        writer.sync().unwrap_err();
        assert_eq!(*held.lock().unwrap(), after);
    }

    #[test]
    fn a_file_that_is_gone_is_an_error_though_it_still_takes_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let mut writer = LineWriter::create(&path).unwrap();
        writer.append(&1).unwrap();
        std::fs::rename(&path, dir.path().join("moved")).unwrap();
        let gone = writer.append(&2).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::NotFound);
        writer.append(&3).unwrap_err();
    }

    #[test]
    fn lines_wait_until_they_are_flushed_and_no_file_is_made_twice() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lines");
        let text = || std::fs::read_to_string(&path).unwrap();
        let mut writer = LineWriter::create(&path).unwrap();
        writer.push(&1).unwrap();
        writer.push(&[2]).unwrap();
        assert_eq!((text().as_str(), writer.waiting()), ("", 6));
        writer.flush().unwrap();
        assert_eq!((text().as_str(), writer.waiting()), ("1\n[2]\n", 0));
        let again = LineWriter::create(&path).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        LineWriter::append_to(&path).unwrap().append(&3).unwrap();
        assert_eq!(text(), "1\n[2]\n3\n");
    }
}
