//! Short files of the kernel's, and folders of them.

use std::fs::File;
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

/// A short file's text without blanks at its ends; `None` when it is empty or unreadable.
pub(crate) fn read(path: &Path) -> Option<String> {
    let text = std::fs::read(path).ok()?;
    let text = String::from_utf8_lossy(&text);
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The rest of the line of a text that begins with this key, without blanks at its ends.
pub(crate) fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    text.lines()
        .find_map(|line| Some(line.strip_prefix(key)?.trim()))
}

/// The entries of a folder, sorted by name; none where it cannot be read.
pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = folder.read_dir().into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort_unstable();
    paths
}

/// The last part of a path.
pub(crate) fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// A file kept open; the kernel generates its content for each reading from the start.
#[derive(Debug)]
pub(crate) struct OpenFile {
    file: File,
    content: Vec<u8>,
}

impl OpenFile {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            content: Vec::with_capacity(512),
        })
    }

    /// Reads it again.
    pub(crate) fn bytes(&mut self) -> io::Result<&[u8]> {
        self.file.rewind()?;
        self.content.clear();
        self.file.read_to_end(&mut self.content)?;
        Ok(&self.content)
    }
}
