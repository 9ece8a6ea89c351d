//! A load's folder: `load.json` and `requests.jsonl`.

use std::io;
use std::path::{Path, PathBuf};

use domain::record::load::{LOAD_FILE, LOAD_SCHEMA, LoadFile, REQUESTS_FILE};
use domain::record::{RequestRecord, schema1};

use crate::lines::{self, ReadLine};
use crate::{FolderError, LeftOut, LineWriter, LoadError, read_versioned, write_json};

/// Beginning of the names of the folders of a load's repetitions.
pub(crate) const REPETITION: &str = "repetition-";

/// The folder of the n-th repetition of a load in the folder of all of them.
pub fn repetition(all: &Path, number: u32) -> PathBuf {
    all.join(format!("{REPETITION}{number}"))
}

/// Replaces `load.json` in one step. Fails when it cannot be written; the old one stays then.
pub fn write(folder: &Path, file: &LoadFile) -> Result<(), FolderError> {
    let path = folder.join(LOAD_FILE);
    write_json(&path, file).map_err(FolderError::write(&path))
}

/// Creates `requests.jsonl`; fails with `AlreadyExists` if there is one.
pub fn create_rows(folder: &Path) -> io::Result<LineWriter> {
    LineWriter::create(&folder.join(REQUESTS_FILE))
}

/// Reads `load.json`, and returns the version that it was written in. Fails when it is missing, unreadable, or of a
/// newer version.
pub fn read(folder: &Path) -> Result<(u32, LoadFile), LoadError> {
    let path = folder.join(LOAD_FILE);
    let (schema, mut file): (_, LoadFile) =
        read_versioned(&path, "load", 2..=LOAD_SCHEMA, schema1::load)?;
    file.header.settle_provenance();
    Ok((schema, file))
}

/// Reads every row of a `requests.jsonl`, as [`fold`] does.
pub fn rows(
    path: &Path,
    schema: u32,
    left_out: &mut LeftOut,
) -> Result<Vec<RequestRecord>, LoadError> {
    let mut all = Vec::new();
    let take = |rows: Vec<_>| all.extend(rows);
    fold(path, schema, left_out, |rows| rows, take)?;
    Ok(all)
}

/// Reads the rows of `requests.jsonl` beside a `load.json` of the version `schema`, block by block on every core:
/// `make` turns each block's rows into a part, and `take` gets the parts in the order of the file. A row that cannot
/// be read is an error, or is skipped with `keep_going`; a last row that a killed client left half-written is a
/// warning.
pub fn fold<T: Send>(
    path: &Path,
    schema: u32,
    left_out: &mut LeftOut,
    make: impl Fn(Vec<RequestRecord>) -> T + Sync,
    take: impl FnMut(T),
) -> Result<(), LoadError> {
    let read: ReadLine<RequestRecord> = match schema {
        LOAD_SCHEMA => lines::line,
        _ => lifted,
    };
    lines::fold(path, "request row", "load", left_out, read, make, take)
}

/// Reads a row as loads wrote it before schema 3.
fn lifted(line: &[u8]) -> serde_json::Result<RequestRecord> {
    serde_json::from_value(schema1::request(serde_json::from_slice(line)?))
}
