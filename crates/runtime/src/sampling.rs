//! Telemetry of a running sweep: samples, one line each, on disk.

use std::path::Path;
use std::sync::Arc;

use clock::Clock;
use domain::record::TELEMETRY_FILE;
use domain::telemetry::Sample;
use results::{FolderError, LineWriter};
use telemetry::{Counts, Sampling, Sources};

use crate::journal::Journal;

/// Starts sampling into the results folder, if there is anything to sample. A line that cannot be written stops the
/// sweep, as a line of the journal does. Fails when the file cannot be opened.
pub(crate) fn start(
    dir: &Path,
    clock: &Clock,
    hz: f64,
    sources: Sources,
    journal: &Arc<Journal>,
) -> Result<Option<Sampling>, FolderError> {
    if sources.gpu.is_none() && (!sources.host || clock.is_virtual()) {
        return Ok(None);
    }
    let path = dir.join(TELEMETRY_FILE);
    let mut lines = LineWriter::append_to(&path).map_err(FolderError::write(&path))?;
    let journal = Arc::clone(journal);
    let mut failed = false;
    let sink = move |sample: &Sample| {
        if failed {
            return;
        }
        if let Err(error) = lines.append(sample) {
            failed = true;
            journal.fail(FolderError::write(&path)(error));
        }
    };
    Ok(Some(Sampling::start(clock.clone(), hz, sources, sink)))
}

/// A warning if samples are missing.
pub(crate) fn warning(counts: Counts) -> Option<String> {
    let (taken, missed) = (counts.taken, counts.missed);
    if counts.broken {
        return Some(format!("telemetry broke off after {taken} samples"));
    }
    let planned = taken + missed;
    // A few late samples change nothing.
    (missed * 10 > planned).then(|| {
        format!("{missed} of {planned} telemetry samples were missed: the host was too busy")
    })
}
