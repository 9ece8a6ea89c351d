//! Reads the inputs of a report: our own results, imported recorded runs, figures tables and published
//! tables. Every input becomes one [`metrics::Dataset`].

mod figures;
mod grid;
mod recorded;
mod rows;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use domain::plan::ConfigId;
use domain::record::Provenance;
use metrics::notes::Warning;
use metrics::{Dataset, RunObservation};

pub(crate) use grid::{Grid, stamp};
pub use results::{Kind, LeftOut, LoadError, LoadErrorKind, SkippedPart};
use results::{read_json, short};
pub use rows::{Load, read};
use serde_json::Value;

/// What a path given as `--input` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputKind {
    /// One of our own results folders.
    Results(Kind),
    /// A folder of recorded runs.
    RecordedRuns,
    /// The figures table of recorded runs.
    Figures,
    /// A table of published figures.
    Published,
    /// A folder with `published.csv` and `recorded.csv` side by side.
    PublishedAndFigures,
}

/// A dataset read from one input, or pooled from several.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedInput {
    /// Of several inputs, the kind of the first.
    pub kind: InputKind,
    pub dataset: Dataset,
    /// Files, rows and runs that were left out.
    pub skipped: Vec<SkippedPart>,
}

/// Detects what kind of input a path holds. Fails when it cannot be read, is of no known kind, or is a results folder
/// without its main file.
pub fn detect(path: &Path) -> Result<InputKind, LoadError> {
    let metadata = fs::metadata(path).map_err(|e| LoadError::io(path, e))?;
    let unknown = || LoadError::new(path, LoadErrorKind::NotUnderstood);
    if metadata.is_file() {
        if path.extension().is_some_and(|e| e == "csv") {
            let header = Grid::header(path)?;
            if figures::is_figures(&header) {
                return Ok(InputKind::Figures);
            }
            if figures::is_published(&header) {
                return Ok(InputKind::Published);
            }
            if metadata.len() == 0 {
                return Err(LoadError::new(path, LoadErrorKind::Empty));
            }
        }
        return Err(unknown());
    }
    if let Some(kind) = Kind::of(path) {
        return Ok(InputKind::Results(kind));
    }
    if path.join("published.csv").is_file() && path.join("recorded.csv").is_file() {
        return Ok(InputKind::PublishedAndFigures);
    }
    if let Some(kind) = Kind::of_lines(path) {
        let file = path.join(kind.file());
        return Err(LoadError::new(&file, LoadErrorKind::NotFound));
    }
    if recorded::is_recorded(path) {
        return Ok(InputKind::RecordedRuns);
    }
    Err(unknown())
}

/// Loads one input. With `keep_going`, unreadable parts are left out and listed; without it they are errors. Also fails
/// when nothing could be loaded, and for loads, capacity runs and calibrations.
pub fn load(path: &Path, keep_going: bool) -> Result<LoadedInput, LoadError> {
    let kind = detect(path)?;
    let mut left_out = LeftOut::new(keep_going);
    let mut dataset = match kind {
        InputKind::Results(Kind::Sweep) => {
            let records = results::sweep::read(path, &mut left_out)?;
            metrics::from_records::dataset(records)
        }
        // Each of these has a report of its own and cannot be pooled.
        InputKind::Results(kind) => {
            let what = kind.words();
            return Err(LoadError::new(path, LoadErrorKind::CannotPool { what }));
        }
        InputKind::RecordedRuns => {
            let runs = recorded::read(path, &mut left_out)?;
            imported_dataset(path, format!("recorded runs `{}`", short(path)), runs)
        }
        InputKind::Figures | InputKind::Published | InputKind::PublishedAndFigures => {
            // The file called `name` in a folder with both tables, or the input itself where it is this one table.
            let file = |name: &str, table| match kind {
                InputKind::PublishedAndFigures => Some(path.join(name)),
                kind => (kind == table).then(|| path.to_owned()),
            };
            let mut dataset = imported_dataset(path, String::new(), Vec::new());
            let mut sources = Vec::new();
            if let Some(path) = file("published.csv", InputKind::Published) {
                let row = figures::published_row;
                dataset.published = figures::read_rows(&path, &mut left_out, row)?;
                sources.push(format!("published table `{}`", short(&path)));
            }
            if let Some(path) = file("recorded.csv", InputKind::Figures) {
                let row = figures::figures_row;
                dataset.runs = figures::read_rows(&path, &mut left_out, row)?;
                sources.push(format!("recorded figures `{}`", short(&path)));
            }
            dataset.source = sources.join(" and ");
            dataset
        }
    };
    if dataset.runs.is_empty() && dataset.published.is_empty() {
        return Err(LoadError::new(path, LoadErrorKind::NothingLoaded));
    }
    sort_imported(&mut dataset);
    let skipped = left_out.skipped;
    let lines = skipped.iter().map(SkippedPart::line);
    dataset.warnings.extend(lines.map(Warning::Text));
    Ok(LoadedInput {
        kind,
        dataset,
        skipped,
    })
}

/// Loads several inputs into one dataset. Inputs of one provenance may be pooled; a run that two
/// inputs share by configuration, topology and repetition becomes a further repetition. Fails when an input cannot
/// be loaded, when provenances differ, and without any path.
pub fn load_all(paths: &[PathBuf], keep_going: bool) -> Result<LoadedInput, LoadError> {
    let mut pooled: Option<LoadedInput> = None;
    for path in paths {
        let next = load(path, keep_going)?;
        pooled = Some(match pooled {
            None => next,
            Some(before) => pool(path, before, next)?,
        });
    }
    pooled.ok_or_else(|| LoadError::new(Path::new("--input"), LoadErrorKind::NothingLoaded))
}

/// Adds the runs of the input at `path` to those of earlier ones. Fails when their provenance differs.
fn pool(path: &Path, mut into: LoadedInput, from: LoadedInput) -> Result<LoadedInput, LoadError> {
    let (a, b) = (into.dataset.provenance, from.dataset.provenance);
    if a != b {
        let kind = LoadErrorKind::MixedProvenance { found: b, other: a };
        return Err(LoadError::new(path, kind));
    }
    let set = &mut into.dataset;
    let mut last_repetition: BTreeMap<_, u32> = BTreeMap::new();
    for run in &set.runs {
        let last = last_repetition.entry(run_group(run)).or_default();
        *last = (*last).max(run.repetition);
    }
    let mut renumbered = 0;
    for mut run in from.dataset.runs {
        let place = |run: &RunObservation| (run_group(run), run.repetition);
        if set.runs.iter().any(|other| place(other) == place(&run)) {
            let last = last_repetition.entry(run_group(&run)).or_default();
            *last += 1;
            run.repetition = *last;
            renumbered += 1;
        }
        set.runs.push(run);
    }
    if renumbered > 0 {
        set.warnings.push(Warning::Text(format!(
            "{renumbered} runs of `{}` share their number with runs of an input before it and count \
             as further repetitions",
            from.dataset.name
        )));
    }
    set.name = format!("{}+{}", set.name, from.dataset.name);
    set.source = format!("{}; {}", set.source, from.dataset.source);
    set.published.extend(from.dataset.published);
    set.warnings.extend(from.dataset.warnings);
    if !from.dataset.telemetry.is_empty() {
        set.warnings.push(Warning::Text(format!(
            "telemetry of `{}` is left out: its clock is not that of the first input",
            from.dataset.name
        )));
    }
    into.skipped.extend(from.skipped);
    sort_imported(&mut into.dataset);
    Ok(into)
}

/// Runs of one group are repetitions of each other.
fn run_group(run: &RunObservation) -> (ConfigId, Option<domain::plan::Topology>) {
    (run.config.clone(), run.topology)
}

/// The results folder in `results` of the sweep, load, capacity run or calibration that was
/// started last. Fails when `results` cannot be listed or holds none.
pub fn newest(results: &Path) -> Result<PathBuf, LoadError> {
    let mut found: Vec<(String, PathBuf)> = Vec::new();
    for entry in fs::read_dir(results).map_err(|e| LoadError::io(results, e))? {
        let folder = entry.map_err(|e| LoadError::io(results, e))?.path();
        let Some(kind) = Kind::of(&folder) else {
            continue;
        };
        let manifest = folder.join(kind.file());
        // An unreadable folder stays a candidate: loading it reports what is wrong.
        let manifest: Value = read_json(&manifest, "manifest").unwrap_or_default();
        // Before results had a header, the time was a key of its own.
        let started = manifest.pointer("/header/started_at");
        let started = started.or_else(|| manifest.get("started_at"));
        let started = started.and_then(Value::as_str).unwrap_or_default();
        found.push((started.to_owned(), folder));
    }
    let newest = found.into_iter().max().map(|(_, folder)| folder);
    newest.ok_or_else(|| LoadError::new(results, LoadErrorKind::NothingLoaded))
}

fn imported_dataset(path: &Path, source: String, runs: Vec<RunObservation>) -> Dataset {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Dataset {
        name: name.into_owned(),
        provenance: Provenance::Imported,
        source,
        runs,
        ..Dataset::default()
    }
}

/// Sorts imported runs: in the order of the published table where there is one, else by
/// scenario and id with numbers read as numbers. Our own results keep the plan's order.
fn sort_imported(dataset: &mut Dataset) {
    if dataset.manifest.is_some() {
        return;
    }
    let published = &dataset.published;
    let place = |config: &ConfigId| {
        let at = published.iter().position(|row| row.config == *config);
        at.unwrap_or(usize::MAX)
    };
    dataset.runs.sort_by_cached_key(|run| {
        (
            place(&run.config),
            run.scenario.clone(),
            natural_key(run.config.as_str()),
            run.topology,
            run.repetition,
        )
    });
}

/// A sort key under which `g60` comes before `g120`.
pub(crate) fn natural_key(name: &str) -> Vec<(String, u64)> {
    let bytes = name.as_bytes();
    let runs = bytes.chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit());
    let key = |run| {
        let run = String::from_utf8_lossy(run);
        let number = run.parse().map(|number| (String::new(), number));
        number.unwrap_or_else(|_| (run.into_owned(), 0))
    };
    runs.map(key).collect()
}
