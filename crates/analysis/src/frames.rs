//! Results folders as data frames: requests, chunks, runs, agents and telemetry samples.
//!
//! Figures are those of `metrics`; a frame only arranges them in typed columns, with nulls for what is
//! absent. `docs/export.md` describes every column.

mod columns;
mod export;
mod schema;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;

use domain::plan::Arm;
use domain::record::{JournalLine, Provenance, RequestRecord, RequestRole, RunHeader, RunKey};
use domain::telemetry::Sample;
use metrics::{RequestMetrics, Summary};
use polars::prelude::{DataFrame, PolarsResult};

use crate::load::{self, InputKind, Kind, LeftOut, SkippedPart};
use crate::{capacity, kind, load_report};
pub use export::{Export, ExportError, Format, export};
pub(crate) use schema::name;
use schema::{AgentRow, RequestRow, RunRow};
use strum::{IntoStaticStr, VariantArray};

/// A frame of a results folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum Frame {
    /// One row for each request.
    Requests,
    /// One row for each chunk with output.
    Chunks,
    /// One row for each run of a sweep, for a load, or for each level of a capacity run.
    Runs,
    /// One row for each agent of a run of a sweep, or of a load.
    Agents,
    /// One row for each reading of the telemetry.
    Samples,
}

impl Frame {
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The name of the frame and of its file.
    pub const fn name(self) -> &'static str {
        self.into_str()
    }
}

/// What a results folder says of itself, and what could not be read of it.
#[derive(Debug, Clone)]
pub struct Source {
    /// The run's name.
    pub name: String,
    pub provenance: Provenance,
    /// Where the data come from, in words.
    pub source: String,
    pub warnings: Vec<String>,
    /// What was left out, with `keep_going`.
    pub skipped: Vec<SkippedPart>,
}

impl Source {
    fn new(
        header: &RunHeader,
        source: String,
        warnings: Vec<String>,
        skipped: Vec<SkippedPart>,
    ) -> Self {
        Self {
            name: header.name.clone(),
            provenance: header.provenance,
            source,
            warnings,
            skipped,
        }
    }
}

/// Reads a results folder and passes its frames to `take`, in one or more parts each. A load's requests
/// and chunks come in parts of a few thousand requests, so that a large load need not fit into memory.
pub(crate) fn read(
    folder: &Path,
    keep_going: bool,
    take: &mut dyn FnMut(Frame, DataFrame) -> Result<(), ExportError>,
) -> Result<Source, ExportError> {
    let mut parts = Parts { take, requests: 0 };
    match load::detect(folder)? {
        InputKind::Results(Kind::Sweep) => parts.sweep(folder, keep_going),
        InputKind::Results(Kind::Load) => parts.load(folder, keep_going),
        InputKind::Results(Kind::Capacity) => parts.capacity(folder, keep_going),
        _ => Err(ExportError::NotExportable(folder.to_owned())),
    }
}

/// The requests of a folder, numbered from 0 as they come.
struct Parts<'t> {
    take: &'t mut dyn FnMut(Frame, DataFrame) -> Result<(), ExportError>,
    requests: u32,
}

impl Parts<'_> {
    fn sweep(&mut self, folder: &Path, keep_going: bool) -> Result<Source, ExportError> {
        let mut left_out = LeftOut::new(keep_going);
        let mut records = results::sweep::read(folder, &mut left_out)?;
        let mut last_complete: HashMap<(RunKey, Arm), u32> = HashMap::new();
        for line in &mut records.journal {
            match line {
                JournalLine::Arm(arm) if arm.complete => {
                    let attempt = last_complete.entry((arm.run.clone(), arm.arm)).or_default();
                    *attempt = arm.attempt.max(*attempt);
                }
                JournalLine::Request(request) if request.role == RequestRole::Main => {
                    request.settle_load(&records.manifest.header.endpoints);
                }
                _ => {}
            }
        }
        let requests = records.journal.iter().filter_map(|line| match line {
            JournalLine::Request(request) => Some(request),
            _ => None,
        });
        let is_final = |request: &RequestRecord| {
            let last = last_complete.get(&(request.run.clone(), request.arm));
            last == Some(&request.attempt)
        };
        let frames = of_requests(requests, None, is_final);
        self.add_requests(frames)?;
        (self.take)(Frame::Samples, samples(&records.telemetry))?;
        let dataset = metrics::from_records::dataset(records);
        let summary = Summary::of(&dataset);
        let runs = summary.runs.iter().map(|run| RunRow {
            sweep: Some(run),
            agents: Some(run.agents),
            ..RunRow::default()
        });
        (self.take)(Frame::Runs, schema::runs().frame(runs.clone()))?;
        let agents = runs.zip(&dataset.runs).flat_map(|(run, observed)| {
            let agents = observed.arms().next().map_or(&[][..], |arm| &arm.agents);
            let figures = run.sweep.map_or(&[][..], |run| &run.per_agent);
            figures.iter().map(move |agent| AgentRow {
                run,
                agent: agent.agent,
                sweep: Some(agent),
                load: None,
                options: agents.get(agent.agent as usize).map(|agent| &agent.options),
            })
        });
        (self.take)(Frame::Agents, schema::agents().frame(agents))?;
        let warnings = dataset.warnings.iter();
        let warnings = warnings.map(document::notes::warning).collect();
        Ok(Source {
            name: dataset.name,
            provenance: dataset.provenance,
            source: dataset.source,
            warnings,
            skipped: left_out.skipped,
        })
    }

    fn load(&mut self, folder: &Path, keep_going: bool) -> Result<Source, ExportError> {
        let load = load::read(folder, keep_going)?;
        let header = &load.file.header;
        let (schema, _) = results::load::read(folder)?;
        let path = folder.join(domain::record::load::REQUESTS_FILE);
        let mut written = Ok(());
        results::load::fold(
            &path,
            schema,
            // Reading the figures has already reported what is wrong with these lines.
            &mut LeftOut::new(keep_going),
            |mut rows| {
                for row in &mut rows {
                    row.settle_load(&header.endpoints);
                }
                of_requests(rows.iter(), None, |_| true)
            },
            |frames| {
                if written.is_ok() {
                    written = self.add_requests(frames);
                }
            },
        )?;
        written?;
        let run = RunRow {
            load: Some(&load.figures),
            agents: u32::try_from(load.agents.len()).ok(),
            ..RunRow::default()
        };
        (self.take)(Frame::Runs, schema::runs().frame([run].iter()))?;
        let agents = load.agents.iter().map(|agent| AgentRow {
            run,
            agent: agent.agent,
            sweep: None,
            load: Some(agent),
            options: None,
        });
        (self.take)(Frame::Agents, schema::agents().frame(agents))?;
        (self.take)(Frame::Samples, samples(&[]))?;
        let source = load_report::source(&load);
        Ok(Source::new(header, source, load.warnings, load.skipped))
    }

    fn capacity(&mut self, folder: &Path, keep_going: bool) -> Result<Source, ExportError> {
        let run = capacity::read(folder, keep_going)?;
        let header = &run.record.header;
        let (schema, _) = results::capacity::read(folder)?;
        // A run that was killed in its first level has no level, but its frames exist all the same.
        self.add_requests(of_requests(std::iter::empty(), None, |_| true))?;
        for level in &run.levels {
            let left_out = &mut LeftOut::new(keep_going);
            let probe = &level.probe;
            let mut rows = results::capacity::rows(folder, schema, probe, left_out)?;
            for row in &mut rows {
                row.settle_load(&header.endpoints);
            }
            self.add_requests(of_requests(rows.iter(), Some(&probe.folder), |_| true))?;
        }
        let runs = run.levels.iter().map(|level| RunRow {
            level: Some(level),
            agents: Some(level.probe.agents),
            ..RunRow::default()
        });
        (self.take)(Frame::Runs, schema::runs().frame(runs))?;
        let none: [AgentRow<'_>; 0] = [];
        (self.take)(Frame::Agents, schema::agents().frame(none.iter()))?;
        (self.take)(Frame::Samples, samples(&[]))?;
        let source = kind::source("capacity run", header);
        Ok(Source::new(header, source, run.warnings, run.skipped))
    }

    /// Renumbers requests to follow those passed on before, and passes their frames on.
    fn add_requests(&mut self, frames: [DataFrame; 2]) -> Result<(), ExportError> {
        let numbers = frames[0].height();
        for (frame, mut part) in [Frame::Requests, Frame::Chunks].into_iter().zip(frames) {
            renumber(&mut part, self.requests).expect("the column is there and holds numbers");
            (self.take)(frame, part)?;
        }
        self.requests = self
            .requests
            .saturating_add(u32::try_from(numbers).unwrap_or(u32::MAX));
        Ok(())
    }
}

fn renumber(part: &mut DataFrame, first: u32) -> PolarsResult<()> {
    let numbers = part.column("request")?.u32()? + first;
    part.apply("request", |_| numbers)?;
    Ok(())
}

/// The frames `requests` and `chunks` of these requests, numbered from 0.
fn of_requests<'a>(
    records: impl Iterator<Item = &'a RequestRecord>,
    level: Option<&'a str>,
    is_final_attempt: impl Fn(&RequestRecord) -> bool,
) -> [DataFrame; 2] {
    let rows: Vec<RequestRow<'a>> = (0..)
        .zip(records)
        .map(|(number, record)| RequestRow {
            number,
            level,
            record,
            metrics: RequestMetrics::of(&record.times),
            is_final_attempt: is_final_attempt(record),
        })
        .collect();
    let chunks = rows.iter().flat_map(|row| {
        let gaps = row.metrics.itl.as_deref().unwrap_or_default();
        // The first chunk has no gap before it.
        let gaps = std::iter::once(None).chain(gaps.iter().copied().map(Some));
        let gaps = gaps.chain(std::iter::repeat(None));
        let arrivals = (0..).zip(&row.record.times.chunks).zip(gaps);
        arrivals.map(|((place, at), gap)| (row.number, place, *at, gap))
    });
    let chunks = schema::chunks().frame(chunks);
    [schema::requests().frame(rows.iter()), chunks]
}

pub(crate) fn samples(samples: &[Sample]) -> DataFrame {
    schema::samples().frame(schema::readings(samples))
}
