//! Reads one side of a comparison: sweeps and recorded runs, loads, or capacity runs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use domain::plan::ConfigId;
use domain::record::load::Shape;
use domain::record::{NonceRoot, Provenance, RunHeader};
use itertools::Itertools as _;
use metrics::capacity::search::most_passing;
use metrics::compare::{Run, Side};
use results::Kind;
use serde_json::Value;

use crate::capacity;
use crate::load::{self, LoadError, LoadErrorKind, SkippedPart, natural_key};

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    pub side: Side,
    /// Warnings from reading: parts that were left out, truncated, or recorded in another way.
    pub(super) warnings: Vec<String>,
    pub(super) kind: Kind,
    pub(super) provenance: Provenance,
    /// The settings of each load or capacity run, as its folder records them.
    pub(super) settings: Vec<Value>,
    /// The roots of prompt nonces that were not taken from the seed, on servers that stay up.
    pub(super) nonces: Vec<NonceRoot>,
}

/// Reads the inputs of a side. A folder of results folders, as `load --repetitions`
/// makes it, stands for all of these. Fails when an input cannot be read or is given twice, and when inputs are of
/// different kinds or provenances.
pub fn read(paths: &[PathBuf], keep_going: bool) -> Result<Input, LoadError> {
    let name = |path: &PathBuf| {
        let stem = path.file_stem().filter(|_| path.is_file());
        let name = stem.or(path.file_name()).unwrap_or_default();
        name.to_string_lossy().into_owned()
    };
    let name = paths.iter().map(name).join("+");
    let mut input: Option<Input> = None;
    let mut seen = BTreeSet::new();
    for path in paths {
        for folder in results_in(path)? {
            if !seen.insert(folder.canonicalize().unwrap_or_else(|_| folder.clone())) {
                return Err(LoadError::new(&folder, LoadErrorKind::GivenTwice));
            }
            let kind = Kind::of(&folder).unwrap_or(Kind::Sweep);
            let side = || Side::new(&*name);
            let into = input.get_or_insert_with(|| Input::new(side(), kind, Provenance::Imported));
            if into.kind != kind {
                let (found, other) = (kind.words(), into.kind.words());
                let kind = LoadErrorKind::MixedKinds { found, other };
                return Err(LoadError::new(&folder, kind));
            }
            let is_first = into.side.configs.is_empty();
            let provenance = match kind {
                Kind::Load => into.add_load(&folder, keep_going)?,
                Kind::Capacity => into.add_capacity(&folder, keep_going)?,
                Kind::Sweep | Kind::Calibration => into.add_sweep(&folder, keep_going)?,
            };
            if !is_first && provenance != into.provenance {
                let (found, other) = (provenance, into.provenance);
                let kind = LoadErrorKind::MixedProvenance { found, other };
                return Err(LoadError::new(&folder, kind));
            }
            into.provenance = provenance;
        }
    }
    input.ok_or_else(|| LoadError::new(Path::new("BASE"), LoadErrorKind::NothingLoaded))
}

/// The results folders in a folder that is not one itself, in the order of their numbers; else the path alone.
fn results_in(path: &Path) -> Result<Vec<PathBuf>, LoadError> {
    let mut found = Vec::new();
    if path.is_dir() && Kind::of(path).is_none() {
        for entry in fs::read_dir(path).map_err(|e| LoadError::io(path, e))? {
            let folder = entry.map_err(|e| LoadError::io(path, e))?.path();
            if Kind::of(&folder).is_some() {
                found.push(folder);
            }
        }
    }
    found.sort_by_cached_key(|folder| natural_key(&folder.to_string_lossy()));
    if found.is_empty() {
        found.push(path.to_owned());
    }
    Ok(found)
}

/// The id under which a load or a level is compared.
fn config(name: &str) -> ConfigId {
    ConfigId::new(name).expect("letters, digits, points and hyphens")
}

fn load_config(shape: &Shape) -> ConfigId {
    config(&match shape {
        Shape::Closed { agents, .. } => format!("agents-{agents}"),
        Shape::Open { rate_per_s, .. } => format!("rate-{rate_per_s}"),
        Shape::Replay { speed_factor, .. } => format!("trace-{speed_factor}x"),
    })
}

impl Input {
    pub(super) const fn new(side: Side, kind: Kind, provenance: Provenance) -> Self {
        Self {
            side,
            warnings: Vec::new(),
            kind,
            provenance,
            settings: Vec::new(),
            nonces: Vec::new(),
        }
    }

    fn add_sweep(&mut self, path: &Path, keep_going: bool) -> Result<Provenance, LoadError> {
        let loaded = load::load(path, keep_going)?;
        self.side.add_sweep(&loaded.dataset);
        if let Some(manifest) = &loaded.dataset.manifest {
            self.add_nonce(&manifest.header, manifest.plan.seed);
        }
        let warnings = loaded.dataset.warnings.iter();
        self.warnings.extend(warnings.map(document::notes::warning));
        Ok(loaded.dataset.provenance)
    }

    fn add_load(&mut self, folder: &Path, keep_going: bool) -> Result<Provenance, LoadError> {
        let load = load::read(folder, keep_going)?;
        let (header, asked) = (&load.file.header, &load.file.asked);
        let run = with_origin(Run::of_load(&load.figures), header, asked.seed);
        self.side.add(&load_config(&asked.shape), None, run);
        self.side.cache.merge(load.cache);
        self.side.requested += u64::from(asked.requests);
        self.side.completed += u64::from(load.figures.outcomes.completed);
        self.add_nonce(header, asked.seed);
        self.settings.extend(serde_json::to_value(asked));
        self.warnings
            .extend(load.skipped.iter().map(SkippedPart::line));
        self.warnings.extend(load.warnings);
        Ok(header.provenance)
    }

    fn add_capacity(&mut self, folder: &Path, keep_going: bool) -> Result<Provenance, LoadError> {
        let read = capacity::read(folder, keep_going)?;
        let (header, asked) = (&read.record.header, &read.record.asked);
        let run = |run| with_origin(run, header, asked.seed);
        // A level that was tested again counts as it was tested last.
        let mut seen = BTreeSet::new();
        for level in read.levels.iter().rev() {
            self.side.cache.merge(level.cache);
            let figures = level.figures.as_ref();
            let Some(figures) = figures.filter(|figures| seen.insert(figures.agents)) else {
                continue;
            };
            let mut level = run(Run::of_load(&figures.load));
            // The search chooses how long a level lasts.
            level.set("wall_s", None);
            level.set("tokens_per_s", Some(figures.tokens_per_s.mean));
            level.set("requests_per_s", Some(figures.requests_per_s));
            level.set("good_per_s", Some(figures.goodput_per_s));
            let id = config(&format!("agents-{}", figures.agents));
            self.side.add(&id, None, level);
        }
        self.side
            .configs
            .sort_by_cached_key(|c| natural_key(c.config.as_str()));
        if let Some(agents) = most_passing(&read.record.observed()) {
            let mut whole = run(Run::default());
            whole.set("agents_carried", Some(f64::from(agents)));
            self.side.add(&config("capacity"), None, whole);
        }
        self.add_nonce(header, asked.seed);
        self.settings.extend(serde_json::to_value(asked));
        let provenance = header.provenance;
        self.warnings.extend(read.warnings);
        Ok(provenance)
    }

    fn add_nonce(&mut self, header: &RunHeader, seed: u64) {
        self.nonces
            .extend(header.nonce.filter(|nonce| nonce.value() != seed));
    }
}

/// The run with what its prompts and arrivals were drawn from, and when it started.
fn with_origin(run: Run, header: &RunHeader, seed: u64) -> Run {
    Run {
        drawn_from: Some(seed.to_string()),
        started_at: Some(header.started_at.clone()),
        ..run
    }
}

/// The names of the settings in which any two loads or capacity runs differ.
pub(super) fn differing_settings(base: &Input, new: &Input) -> Vec<String> {
    let all: Vec<&Value> = base.settings.iter().chain(&new.settings).collect();
    // A key may be absent on either side. Repetitions differ in their seed.
    let keys = all.iter().filter_map(|settings| settings.as_object());
    let keys: BTreeSet<&String> = keys.flat_map(|settings| settings.keys()).collect();
    let is_equal = |key: &String| all.iter().map(|settings| settings.get(key)).all_equal();
    let differing = keys
        .into_iter()
        .filter(|key| *key != "seed" && !is_equal(key));
    differing.cloned().collect()
}

/// True when two runs on servers that stay up began their prompts with the same nonces.
pub(super) fn repeat_prompts(base: &Input, new: &Input) -> bool {
    let mut seen = BTreeSet::new();
    let mut all = base.nonces.iter().chain(&new.nonces);
    all.any(|nonce| !seen.insert(nonce.value()))
}
