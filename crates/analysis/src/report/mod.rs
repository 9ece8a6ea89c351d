//! Reports people can read, and the same facts for machines.
//!
//! [`build`] makes a [`Report`] in memory from a data set; [`Report::write`] puts it on disk, all
//! files or none; [`Report::check`] compares it with a committed one.

mod body;
mod client;
mod environment;
mod front;
mod glossary;
mod json;
mod lanes;
mod pictures;
#[cfg(test)]
mod tests;
mod write;

use domain::exit::{Exit, Fails};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use metrics::conditions::Condition;
use metrics::{Dataset, Summary};

use crate::audit::{AuditError, Claims, Ledger, PublishedCells, Sources};
use crate::charts::ChartError;
use crate::tables::{self, Difference, Table, View};
pub use document::Content;
use document::{Document, Picture};
pub use json::REPORT_SCHEMA;
pub use write::CheckOutcome;

/// How a report is made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReportOptions {
    /// The report's name: its folder and its title.
    pub name: String,
    /// The inputs as given, for the command to repeat.
    pub inputs: Vec<String>,
    /// A folder laid out as `fixtures/tr113`, whose claims and table figures are checked as well.
    pub published: Option<PathBuf>,
}

impl ReportOptions {
    /// The command that makes the report again, as code in Markdown.
    pub(crate) fn command(&self) -> String {
        let inputs = self.inputs.iter().map(|i| format!(" --input {i}"));
        format!(
            "`cargo xtask report{} --name {}`",
            inputs.collect::<String>(),
            self.name
        )
    }
}

/// A report in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Its name.
    pub name: String,
    /// The answer, without Markdown, for a terminal.
    pub answer: String,
    /// Its files by relative path with forward slashes.
    pub files: BTreeMap<String, Content>,
}

impl Report {
    /// The files of a document.
    pub(crate) fn of(document: &Document) -> Result<Self, ReportError> {
        Ok(Self {
            name: document.name.clone(),
            answer: document.front.plain_answer(),
            files: document.files()?,
        })
    }
}

/// A report could not be made, written or compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A picture could not be drawn.
    #[error("a chart could not be drawn")]
    Chart(#[from] ChartError),
    /// The published claims or figures could not be read.
    #[error("the published report could not be audited")]
    Audit(#[from] AuditError),
    /// `report.json` could not be made.
    #[error("report.json could not be made")]
    Json(#[from] serde_json::Error),
    /// A file could not be written.
    #[error("{}: cannot be written; the earlier report, if any, is unchanged", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file could not be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The folder holds something that is not a report.
    #[error(
        "{}: is not empty and holds no report.json; give --out a new folder or that of a report",
        .0.display()
    )]
    NotAReport(PathBuf),
}

impl Fails for ReportError {
    fn exit(&self) -> Exit {
        match self {
            Self::Write { .. } | Self::Read { .. } => Exit::Environment,
            _ => Exit::Usage,
        }
    }
}

impl ReportError {
    fn write(path: &Path, source: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            source,
        }
    }

    fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}

/// What the body of a report is written from.
pub(crate) struct Material<'a> {
    pub(crate) options: &'a ReportOptions,
    pub(crate) dataset: &'a Dataset,
    pub(crate) summary: &'a Summary,
    pub(crate) front: front::Front,
    pub(crate) tables: &'a [Table],
    pub(crate) differences: &'a [Difference],
    pub(crate) differing: &'a Table,
    pub(crate) pictures: &'a [Picture],
    pub(crate) ledger: Option<&'a Ledger>,
    pub(crate) conditions: &'a [Condition],
}

/// A finding as it is said.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Finding {
    pub(crate) id: String,
    pub(crate) sentence: String,
    pub(crate) evidence: Vec<metrics::EvidenceRef>,
}

/// Makes a report.
pub fn build(dataset: &Dataset, options: &ReportOptions) -> Result<Report, ReportError> {
    let everything = Summary::of(dataset);
    let summary = tables::with_runs(&everything);
    let view = View::new(dataset, &summary);
    let mut differences = tables::differences(dataset, &summary);
    let mut ledger = None;
    if let Some(folder) = &options.published {
        let sources = Sources::load(folder)?;
        let cells = PublishedCells::read(&folder.join("tables.toml"))?;
        let checks = cells.check(&sources, "published")?;
        differences.extend(checks.iter().map(tables::cell_difference));
        ledger = Some(Claims::read(&folder.join("claims.toml"))?.audit(&sources)?);
    }
    let tables = tables::all(&view);
    let comparison = tables::differences_table(&differences, false);
    let differing = tables::differences_table(&differences, true);
    let pictures = pictures::draw(&view)?;
    let findings: Vec<Finding> = metrics::advice::findings(dataset, &summary)
        .iter()
        .map(|found| Finding {
            id: document::findings::id(found),
            sentence: document::findings::sentence(found),
            evidence: found.evidence.clone(),
        })
        .collect();
    let front = front::write(&view, &findings);
    let answer = front.answer.replace("**", "");
    let conditions = metrics::conditions::conditions(dataset);

    let mut files = BTreeMap::new();
    for picture in &pictures {
        let path = format!("charts/{}.png", picture.name);
        files.insert(path, Content::Png(picture.png.clone()));
    }
    let mut csv: Vec<&Table> = tables.iter().collect();
    if !comparison.rows.is_empty() {
        csv.push(&comparison);
    }
    for table in &csv {
        let path = format!("tables/{}.csv", table.id);
        files.insert(path, Content::Text(table.to_csv()));
    }
    if !csv.is_empty() {
        let text = body::column_dictionary(&csv);
        files.insert("tables/columns.csv".to_owned(), Content::Text(text));
    }
    if let Some(ledger) = &ledger {
        let text = format!("# Audit ledger\n\n{}", ledger.to_markdown(2));
        files.insert("audit.md".to_owned(), Content::Text(text));
        let mut text = ledger.to_json()?;
        text.push('\n');
        files.insert("audit.json".to_owned(), Content::Text(text));
    }
    let text = body::write(
        &Material {
            options,
            dataset,
            summary: &summary,
            front,
            tables: &tables,
            differences: &differences,
            differing: &differing,
            pictures: &pictures,
            ledger: ledger.as_ref(),
            conditions: &conditions,
        },
        &findings,
    );
    files.insert("report.md".to_owned(), Content::Text(text));
    let names: Vec<String> = files.keys().cloned().collect();
    let text = json::write(&json::Parts {
        name: &options.name,
        dataset,
        summary: &everything,
        differences: &differences,
        findings: &findings,
        conditions: &conditions,
        answer: &answer,
        inputs: &options.inputs,
        files: &names,
    })?;
    files.insert("report.json".to_owned(), Content::Text(text));
    Ok(Report {
        name: options.name.clone(),
        answer,
        files,
    })
}
