//! Reads a load from its folder. Every figure is recomputed from the rows; those in `load.json` are only
//! compared with them.

mod check;
#[cfg(test)]
mod tests;

use std::path::Path;

use domain::cache::CacheCheck;
use domain::record::load::{Figures, LOAD_FILE, LoadFile, REQUESTS_FILE};
use metrics::limit::Objective;
use metrics::load::{AgentFigures, Arrivals, Fairness, Kept, Phases, Request, Samples};
use results::{LeftOut, LoadError, LoadErrorKind, SkippedPart};

#[derive(Debug, Clone)]
pub struct Load {
    /// The content of `load.json`.
    pub file: LoadFile,
    /// Recomputed from the rows.
    pub figures: Figures,
    /// In the order of their numbers.
    pub agents: Vec<AgentFigures>,
    /// How evenly the agents were served; `None` where there is nothing to compare.
    pub fairness: Option<Fairness>,
    /// In the order of the rows.
    pub requests: Vec<Request>,
    /// When chunks with text arrived, over all requests.
    pub arrivals: Arrivals,
    /// Gaps between consecutive chunks with text, of completed requests.
    pub itl: Samples,
    /// Where the completed requests' time went, where the server reports it.
    pub phases: Phases,
    /// How much the servers' prompt caches helped.
    pub cache: CacheCheck,
    /// Number of probe rows, which no figure includes.
    pub probes: u32,
    /// Truncated or lost rows, and figures that differ from those in
    /// `load.json`.
    pub warnings: Vec<String>,
    /// Malformed rows that were left out because of `keep_going`.
    pub skipped: Vec<SkippedPart>,
}

/// Reads a load's folder. A malformed row is an error; with `keep_going` it is left out and
/// listed. A last row that a killed client left half-written is a warning.
pub fn read(folder: &Path, keep_going: bool) -> Result<Load, LoadError> {
    let (schema, file) = results::load::read(folder)?;
    let slo = file.asked.slo.as_deref().map(Objective::of_requests);
    let slo = slo.transpose().map_err(|message| {
        let what = "`slo`";
        let kind = LoadErrorKind::Json { what, message };
        LoadError::new(&folder.join(LOAD_FILE), kind)
    })?;
    let path = folder.join(REQUESTS_FILE);
    let nothing = || Kept::new(&file.header.endpoints, slo.clone());
    let mut all = nothing();
    let mut left_out = LeftOut::new(keep_going);
    let make = |rows| nothing().with(rows);
    results::load::fold(&path, schema, &mut left_out, make, |part| all.merge(part))?;
    if all.requests.is_empty() {
        return Err(LoadError::new(&path, LoadErrorKind::NothingLoaded));
    }
    let figures = all.collected.figures();
    let rows = u32::try_from(all.requests.len()).unwrap_or(u32::MAX);
    let mut warnings = left_out.warnings;
    warnings.extend(check::against_the_file(&file, rows, &figures));
    Ok(Load {
        figures,
        agents: all.agents.figures(),
        fairness: all.agents.fairness(),
        requests: all.requests,
        arrivals: all.arrivals,
        itl: all.collected.into_itl(),
        phases: all.phases,
        cache: all.cache,
        probes: all.probes,
        warnings,
        skipped: left_out.skipped,
        file,
    })
}
