//! A capacity run's folder: `capacity.json` and each level's `requests.jsonl`.

use std::collections::BTreeMap;
use std::path::Path;

use document::verdict;
use domain::record::capacity::{CAPACITY_FILE, CapacityRecord, Decision, LevelEnd, LevelRecord};
use domain::record::{ClientBudget, RequestRecord, ResponseNote};
use metrics::budget;
use metrics::capacity::{self, LevelFigures, Objective, Rule, Sample};
use metrics::compare::CacheHelp;

use crate::kind;
use crate::load::{LoadError, LoadErrorKind, Skipped};

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
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    /// The level's decision, recomputed.
    pub probe: LevelRecord,
    /// `None` when the level never was steady.
    pub figures: Option<LevelFigures>,
    /// How much the server's prompt cache helped.
    pub cache: CacheHelp,
}

impl CapacityRun {
    /// The figures of the complete and steady levels, in the order in which they were tested.
    pub fn whole(&self) -> Vec<LevelFigures> {
        whole(&self.levels)
    }
}

fn whole(levels: &[Level]) -> Vec<LevelFigures> {
    let whole = levels.iter();
    whole
        .filter(|level| level.probe.end != LevelEnd::Interrupted)
        .filter_map(|level| level.figures.clone())
        .collect()
}

/// Reads a capacity run's folder. With `keep_going`, unreadable rows and levels are left out and listed. Fails when
/// `capacity.json` cannot be read, and without `keep_going` when a row cannot.
pub fn read(folder: &Path, keep_going: bool) -> Result<CapacityRun, LoadError> {
    let (schema, mut record) = results::capacity::read(folder)?;
    let objective: Objective = record.asked.slo.parse().map_err(|why: String| {
        LoadError::new(
            &folder.join(CAPACITY_FILE),
            LoadErrorKind::Json {
                what: "slo",
                message: why,
            },
        )
    })?;
    let mut warnings: Vec<String> = record.header.machine_warnings().cloned().collect();
    let mut levels: Vec<Level> = Vec::new();
    let mut skipped = Vec::new();
    for probe in &record.probes {
        let left_out = (&mut skipped, &mut warnings);
        let rows = match results::capacity::rows(folder, schema, probe, keep_going, left_out) {
            Err(error) if keep_going => {
                skipped.push(Skipped::from_error(&error));
                continue;
            }
            // Every row was left out.
            Ok(rows) if rows.is_empty() && probe.window.is_some() => continue,
            rows => rows?,
        };
        let level = judge_again(&record, &objective, probe, &rows, &levels);
        if level.probe.decision.verdict != probe.decision.verdict {
            warnings.push(format!(
                "{}: was recorded as {} and is {} by its requests, which counts",
                probe.folder,
                verdict::level(probe.decision.verdict),
                verdict::level(level.probe.decision.verdict)
            ));
        }
        warnings.extend(calibration_warning(
            record.header.client_budget.as_ref(),
            &level.probe,
            &rows,
        ));
        levels.push(level);
    }
    let mut notes: BTreeMap<ResponseNote, u32> = BTreeMap::new();
    for figures in levels.iter().filter_map(|level| level.figures.as_ref()) {
        for (note, responses) in &figures.load.notes {
            *notes.entry(*note).or_default() += responses;
        }
    }
    warnings.extend(notes.into_iter().map(|(note, n)| note.counted(n)));
    warnings.extend(skipped.iter().map(Skipped::line));
    record.probes = levels.iter().map(|l| l.probe.clone()).collect();
    if record.end.is_none() {
        warnings.push(
            "The run was cut off: it has no end, and what came after its last level is lost."
                .to_owned(),
        );
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
        error: record.asked.error,
    };
    let decision = probe.window.map_or_else(Decision::default, |window| {
        rule.judge(&Sample::of(rows, window), objective, &probe.looks)
    });
    let figures = probe
        .window
        .map(|window| LevelFigures::of(rows, probe.agents, window, objective));
    let mut cache = CacheHelp::default();
    for row in rows {
        cache.add(&row.times.counters);
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
            record.asked.max_failed,
        ),
        figures,
    }
}

/// The warning for a level that received more tokens than the client is calibrated for.
fn calibration_warning(
    known: Option<&ClientBudget>,
    probe: &LevelRecord,
    rows: &[RequestRecord],
) -> Option<String> {
    let arrivals = rows
        .iter()
        .flat_map(|row| &row.times.chunks)
        .copied()
        .collect();
    let busiest = budget::busiest_second(arrivals)?;
    let beyond = budget::beyond(known?, busiest as f64)?;
    let words = document::budget::beyond_in_words(&beyond);
    Some(format!("{}: {words}.", probe.folder))
}
