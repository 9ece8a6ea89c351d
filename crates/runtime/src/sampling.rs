//! Telemetry of a running sweep: samples, one line each, on disk.

use std::path::Path;
use std::sync::Arc;

use clock::Clock;
use domain::record::TELEMETRY_FILE;
use domain::telemetry::Sample;
use results::{FolderError, LineWriter};
use telemetry::{Sampling, Sources};

use crate::journal::Journal;

/// The sampling task, if there is anything to sample.
#[derive(Debug)]
pub(crate) struct Telemetry(Option<Sampling>);

impl Telemetry {
    /// Starts sampling into the results folder. A line that cannot be written stops the sweep, as a line of the
    /// journal does. Fails when the file cannot be opened.
    pub(crate) fn start(
        dir: &Path,
        clock: &Clock,
        hz: f64,
        sources: Sources,
        journal: &Arc<Journal>,
    ) -> Result<Self, FolderError> {
        if sources.gpu.is_none() && (!sources.host || clock.is_virtual()) {
            return Ok(Self(None));
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
        let sampling = Sampling::start(clock.clone(), hz, sources, sink);
        Ok(Self(Some(sampling)))
    }

    /// Ends sampling. Returns a warning if samples are missing.
    pub(crate) async fn stop(self) -> Option<String> {
        let counts = self.0?.stop().await;
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
}
