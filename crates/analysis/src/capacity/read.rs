//! A capacity run's folder: `capacity.json` and each level's `requests.jsonl`.

use std::collections::BTreeMap;
use std::path::Path;

use domain::cache::CacheCheck;
use domain::record::capacity::{CAPACITY_FILE, CapacityRecord, Decision, LevelEnd, LevelRecord};
use domain::record::{ClientBudget, RequestRecord, ResponseNote};
use metrics::budget;
use metrics::capacity::{self, LevelFigures, Objective, Rule, Sample};

use crate::kind;
use crate::load::{LeftOut, LoadError, LoadErrorKind, SkippedPart};

/// A capacity run whose levels are recomputed from their requests.
#[derive(Debug, Clone, PartialEq)]
pub struct CapacityRun {
    /// The recorded run; its probes are the recomputed ones.
    pub record: CapacityRecord,
    pub objective: Objective,
    /// In the order in which they were tested.
    pub levels: Vec<Level>,
    /// The source line of the report.
    pub source: String,
    pub warnings: Vec<String>,
    /// Rows and levels that were left out because of `keep_going`.
    pub skipped: Vec<SkippedPart>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The level's decision, recomputed.
    pub probe: LevelRecord,
    /// `None` when the level never was steady.
    pub figures: Option<LevelFigures>,
    /// How much the server's prompt cache helped.
    pub cache: CacheCheck,
}

/// The figures of the complete and steady levels, in the order in which they were tested.
pub(super) fn whole(levels: &[Level]) -> Vec<LevelFigures> {
    let complete = levels
        .iter()
        .filter(|level| level.probe.end != LevelEnd::Interrupted);
    complete.filter_map(|level| level.figures.clone()).collect()
}

/// Reads a capacity run's folder. With `keep_going`, unreadable rows and levels are left out and listed. Fails when
/// `capacity.json` cannot be read, and without `keep_going` when a row cannot.
pub fn read(folder: &Path, keep_going: bool) -> Result<CapacityRun, LoadError> {
    let (schema, mut record) = results::capacity::read(folder)?;
    let objective: Objective = record.asked.slo.parse().map_err(|message| {
        let what = "slo";
        let kind = LoadErrorKind::Json { what, message };
        LoadError::new(&folder.join(CAPACITY_FILE), kind)
    })?;
    let mut left_out = LeftOut::new(keep_going);
    left_out
        .warnings
        .extend(record.header.machine_warnings().cloned());
    let mut levels: Vec<Level> = Vec::new();
    for probe in &record.probes {
        let rows = results::capacity::rows(folder, schema, probe, &mut left_out);
        let rows = left_out.or_skip(rows)?;
        // A steady level without rows: every row was left out.
        let Some(rows) = rows.filter(|rows| !rows.is_empty() || probe.window.is_none()) else {
            continue;
        };
        let level = judge_again(&record, &objective, probe, &rows, &levels);
        let [recorded, again] = [probe, &level.probe].map(|probe| probe.decision.verdict);
        let differs = (recorded != again).then(|| {
            format!("was recorded as {recorded} and is {again} by its requests, which counts")
        });
        let client = record.header.client_budget.as_ref();
        let more = differs
            .into_iter()
            .chain(calibration_warning(client, &rows));
        let more = more.map(|words| format!("{}: {words}", probe.folder));
        left_out.warnings.extend(more);
        levels.push(level);
    }
    let LeftOut {
        skipped,
        mut warnings,
        ..
    } = left_out;
    let mut notes: BTreeMap<ResponseNote, u32> = BTreeMap::new();
    for figures in levels.iter().filter_map(|level| level.figures.as_ref()) {
        for (note, responses) in &figures.load.notes {
            *notes.entry(*note).or_default() += responses;
        }
    }
    warnings.extend(notes.into_iter().map(|(note, n)| note.counted(n)));
    warnings.extend(skipped.iter().map(SkippedPart::line));
    record.probes = levels.iter().map(|l| l.probe.clone()).collect();
    if record.end.is_none() {
        let cut = "The run was cut off: it has no end, and what came after its last level is lost.";
        warnings.push(cut.to_owned());
    }
    let source = kind::source("capacity run", &record.header);
    Ok(CapacityRun {
        record,
        objective,
        levels,
        source,
        warnings,
        skipped,
    })
}

/// Judges a level again from its requests in its recorded window.
fn judge_again(
    record: &CapacityRecord,
    objective: &Objective,
    probe: &LevelRecord,
    rows: &[RequestRecord],
    before: &[Level],
) -> Level {
    let rule = Rule {
        error_probability: record.asked.error_probability,
    };
    let decision = probe.window.map_or_else(Decision::default, |window| {
        rule.judge(&Sample::of(rows, window), objective, &probe.looks)
    });
    let window = probe.window;
    let figures = window.map(|window| LevelFigures::of(rows, probe.agents, window, objective));
    let mut cache = CacheCheck::default();
    for row in rows {
        cache.count(&row.times.counters);
    }
    Level {
        cache,
        probe: capacity::probe(
            probe.folder.clone(),
            (probe.agents, probe.phase, probe.end),
            probe.looks.clone(),
            decision,
            figures.as_ref(),
            &whole(before),
            record.asked.max_failed_share,
        ),
        figures,
    }
}

/// The warning for a level that received more tokens than the client is calibrated for.
fn calibration_warning(known: Option<&ClientBudget>, rows: &[RequestRecord]) -> Option<String> {
    let arrivals = rows.iter().flat_map(|row| &row.times.chunks).copied();
    let busiest = budget::busiest_second(arrivals.collect())?;
    let beyond = budget::beyond(known?, busiest as f64)?;
    Some(document::budget::beyond_in_words(&beyond) + ".")
}
