//! A load's folder. Rows are written by a thread of their own so that no request waits for the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow};
use domain::record::RequestRecord;
use metrics::load::{LOAD_FILE, LoadFile, REQUESTS_FILE};

use crate::exit::Fatal;
use crate::folder;

/// An output folder of one load.
#[derive(Debug)]
pub(super) struct Rows {
    dir: PathBuf,
    writer: JoinHandle<io::Result<()>>,
}

impl Rows {
    /// Makes the folder, says in it what is going to run, and starts the writer, which ends once
    /// every clone of the sender is gone.
    pub(super) fn create(
        dir: &Path,
        asked: &LoadFile,
    ) -> Result<(Self, Sender<RequestRecord>), Fatal> {
        let path = dir.join(REQUESTS_FILE);
        let unwritable = || format!("{} could not be written", path.display());
        fs::create_dir_all(dir)
            .with_context(unwritable)
            .map_err(Fatal::environment)?;
        let file = OpenOptions::new().write(true).create_new(true).open(&path);
        let file = match file {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                return Err(
                    Fatal::usage(anyhow!("{} already holds a load", dir.display()))
                        .hint("give another --out"),
                );
            }
            other => other.with_context(unwritable).map_err(Fatal::environment)?,
        };
        write_facts(dir, asked)?;
        let (send, rows) = mpsc::channel::<RequestRecord>();
        let writer = thread::Builder::new()
            .name("rows".to_owned())
            .spawn(move || write(file, rows))
            .context("a thread could not be started")
            .map_err(Fatal::environment)?;
        let dir = dir.to_owned();
        Ok((Self { dir, writer }, send))
    }

    /// Waits for the last row and puts the figures beside them. Returns the folder.
    pub(super) fn finish(self, figures: &LoadFile) -> Result<PathBuf, Fatal> {
        let rows = self.dir.join(REQUESTS_FILE);
        let written = self
            .writer
            .join()
            .map_err(|_| anyhow!("the writer of {} panicked", rows.display()))
            .map_err(Fatal::environment)?;
        written
            .with_context(|| format!("{} is not complete", rows.display()))
            .map_err(Fatal::environment)?;
        write_facts(&self.dir, figures)?;
        Ok(self.dir)
    }
}

fn write_facts(dir: &Path, facts: &LoadFile) -> Result<(), Fatal> {
    let path = dir.join(LOAD_FILE);
    folder::write_json(&path, facts)
        .with_context(|| format!("{} could not be written", path.display()))
        .map_err(Fatal::environment)
}

fn write(file: File, rows: impl IntoIterator<Item = RequestRecord>) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(64 * 1024, file);
    for row in rows {
        serde_json::to_writer(&mut file, &row)?;
        file.write_all(b"\n")?;
    }
    file.flush()
}
