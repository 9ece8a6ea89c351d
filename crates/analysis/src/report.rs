//! Reports people can read, and the same facts for machines.
//!
//! [`build`] makes a [`Report`] in memory from a data set; [`Report::write`] puts it on disk, all
//! files or none; [`Report::check`] compares it with a committed one.

mod body;
mod client;
mod front;
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

use domain::record::Provenance;
use metrics::conditions::Condition;
use metrics::{Dataset, Summary};

use crate::audit::{AuditError, Claims, Ledger, Sources, check_cells};
use crate::charts::ChartError;
use crate::replace::ReplaceError;
use crate::tables::{self, Difference, Table, View};
pub use document::{Content, REPORT_SCHEMA};
use document::{Document, Front, Picture};
pub use write::CheckOutcome;

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
            "`tandem report{} --name {}`",
            inputs.collect::<String>(),
            self.name
        )
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    pub name: String,
    /// The answer, without Markdown, for a terminal.
    pub answer: String,
    pub provenance: Provenance,
    /// Where the data come from, in words.
    pub source: String,
    /// Its files by relative path with forward slashes.
    pub files: BTreeMap<String, Content>,
}

impl Report {
    pub(crate) fn of(document: &Document) -> Result<Self, ReportError> {
        Ok(Self {
            name: document.name.clone(),
            answer: document.front.plain_answer(),
            provenance: document.provenance,
            source: document.source.clone(),
            files: document.files()?,
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    #[error("a chart could not be drawn")]
    Chart(#[from] ChartError),
    #[error("the published report could not be audited")]
    Audit(#[from] AuditError),
    #[error("report.json could not be made")]
    Json(#[from] serde_json::Error),
    /// The report's folder could not be written.
    #[error(transparent)]
    Replace(#[from] ReplaceError),
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Fails for ReportError {
    fn exit(&self) -> Exit {
        match self {
            Self::Replace(error) => error.exit(),
            Self::Read { .. } => Exit::Environment,
            _ => Exit::Usage,
        }
    }
}

impl ReportError {
    fn read(path: &Path, source: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            source,
        }
    }
}

/// What the body of a report is written from.
pub(crate) struct Material<'a> {
    options: &'a ReportOptions,
    view: &'a View<'a>,
    tables: &'a [Table],
    differences: &'a [Difference],
    differing: &'a Table,
    pictures: &'a [Picture],
    ledger: Option<&'a Ledger>,
    conditions: &'a [Condition],
}

/// Builds the report in memory. Fails when the published tables or claims are invalid, or a chart cannot be drawn.
pub fn build(dataset: &Dataset, options: &ReportOptions) -> Result<Report, ReportError> {
    let everything = Summary::of(dataset);
    let summary = tables::with_runs(&everything);
    let view = View::new(dataset, &summary);
    let mut differences = tables::differences(&view);
    let mut attachments = BTreeMap::new();
    let mut ledger = None;
    if let Some(folder) = &options.published {
        let sources = Sources::load(folder)?;
        let checks = check_cells(&folder.join("tables.toml"), &sources, "published")?;
        differences.extend(checks.iter().map(tables::cell_difference));
        let claims = Claims::read(&folder.join("claims.toml"))?.audit(&sources)?;
        let text = format!("# Audit ledger\n\n{}", claims.to_markdown(2));
        attachments.insert("audit.md".to_owned(), text);
        attachments.insert("audit.json".to_owned(), claims.to_json()? + "\n");
        ledger = Some(claims);
    }
    let mut tables = tables::all(&view);
    let comparison = tables::differences_table(&view, &differences, false);
    if !comparison.rows.is_empty() {
        tables.push(comparison);
    }
    let differing = tables::differences_table(&view, &differences, true);
    let pictures = pictures::draw(&view)?;
    let conditions = metrics::conditions::conditions(dataset);
    let found = metrics::advice::findings(dataset, &summary);
    let material = Material {
        options,
        view: &view,
        tables: &tables,
        differences: &differences,
        differing: &differing,
        pictures: &pictures,
        ledger: ledger.as_ref(),
        conditions: &conditions,
    };
    let spoilt = body::cache_warning(dataset)
        .into_iter()
        .chain(conditions.iter().map(document::conditions::sentence))
        .collect();
    let (sections, appendix) = body::sections(&material, &found);
    let document = Document {
        kind: "sweep",
        name: options.name.clone(),
        provenance: dataset.provenance,
        source: dataset.source.clone(),
        inputs: options.inputs.clone(),
        front: Front {
            picture: pictures.first().map(|picture| picture.name.clone()),
            ..front::write(&view, &found, spoilt)
        },
        sections,
        appendix,
        method: body::method(&material),
        environment: body::environment(&material),
        limits: body::limits(&material),
        figures: json::figures(&material, &everything, &found)?,
        attachments,
        tables,
        pictures,
    };
    Report::of(&document)
}
