//! Telemetry while a sweep runs: the sampling task's readings, one line each, on disk.

use std::path::Path;
use std::sync::Arc;

use clock::Clock;
use domain::record::TELEMETRY_FILE;
use domain::telemetry::Sample;
use results::{FolderError, LineWriter};
use telemetry::{Sampling, Sources};

use crate::book::Book;

/// Sampling under way, when there is anything to sample.
#[derive(Debug)]
pub(crate) struct Telemetry(Option<Sampling>);

impl Telemetry {
    /// Starts sampling into the results folder. A line that cannot be written stops the sweep, as
    /// one of the journal does.
    pub(crate) fn start(
        dir: &Path,
        clock: &Clock,
        hz: f64,
        sources: Sources,
        book: &Arc<Book>,
    ) -> Result<Self, FolderError> {
        if sources.gpu.is_none() && (!sources.host || clock.is_virtual()) {
            return Ok(Self(None));
        }
        let path = dir.join(TELEMETRY_FILE);
        let mut lines = LineWriter::append_to(&path).map_err(FolderError::write(&path))?;
        let book = Arc::clone(book);
        let mut failed = false;
        let sink = move |sample: &Sample| {
            if failed {
                return;
            }
            if let Err(error) = lines.append(sample) {
                failed = true;
                book.fail(FolderError::write(&path)(error));
            }
        };
        Ok(Self(Some(Sampling::start(
            clock.clone(),
            hz,
            sources,
            sink,
        ))))
    }

    /// Ends sampling; says what was lost.
    pub(crate) async fn stop(self) -> Option<String> {
        let counts = self.0?.stop().await;
        if counts.broken {
            return Some(format!(
                "telemetry broke off after {} samples",
                counts.taken
            ));
        }
        // Late samples are a sign of a loaded host; a few of them change nothing.
        let wanted = counts.taken + counts.missed;
        (counts.missed * 10 > wanted).then(|| {
            format!(
                "{} of {wanted} telemetry samples were missed: the host was too busy",
                counts.missed
            )
        })
    }
}
