//! Telemetry while a sweep runs: the sampling task's readings, one line each, on disk.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

use clock::Clock;
use domain::telemetry::Sample;
use telemetry::{Sampling, Sources};

use crate::book::Book;
use crate::error::RuntimeError;
use crate::results::TELEMETRY_FILE;

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
    ) -> Result<Self, RuntimeError> {
        if sources.gpu.is_none() && (!sources.host || clock.is_virtual()) {
            return Ok(Self(None));
        }
        let path = dir.join(TELEMETRY_FILE);
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|source| RuntimeError::Write {
                path: path.clone(),
                source,
            })?;
        let book = Arc::clone(book);
        let mut line = Vec::new();
        let mut failed = false;
        let sink = move |sample: &Sample| {
            if failed {
                return;
            }
            if let Err(source) = write(&mut file, &mut line, sample) {
                failed = true;
                book.fail(RuntimeError::Write {
                    path: path.clone(),
                    source,
                });
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

fn write(file: &mut File, line: &mut Vec<u8>, sample: &Sample) -> io::Result<()> {
    line.clear();
    serde_json::to_writer(&mut *line, sample)?;
    line.push(b'\n');
    file.write_all(line)
}
