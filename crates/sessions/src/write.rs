//! Writes a sessions file.

use std::io::{self, Write};
use std::path::Path;

use crate::file::Line;
use crate::graph::Workload;

impl Workload {
    /// Writes a new file whole or not at all. Fails when it exists, and when the folder cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        results::write_new(path, |out| self.write_lines(out))
    }

    /// Writes the first line, then each session with its calls.
    pub fn write_lines(&self, out: &mut dyn Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self.header())?;
        out.write_all(b"\n")?;
        for session in self.sessions() {
            let calls = session.calls.iter().cloned().map(Line::Call);
            for line in std::iter::once(Line::Session(session.line.clone())).chain(calls) {
                serde_json::to_writer(&mut *out, &line)?;
                out.write_all(b"\n")?;
            }
        }
        Ok(())
    }
}
