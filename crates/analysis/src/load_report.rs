//! The report of a load.

mod pictures;
mod series;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use document::number::plain;
use document::words::sentence;
use document::{Block, Section};
use serde_json::json;

use crate::kind;
use crate::load::{Load, SkippedPart};
use crate::report::{Report, ReportError, ReportOptions};
use series::Series;

/// Most rows that a table in the report shows; the CSV has all.
const MAX_ROWS: usize = 12;

/// The source line of the report.
pub(crate) fn source(load: &Load) -> String {
    let source = kind::source("load", &load.file.header);
    let requests = plain(load.requests.len() as f64, 0);
    format!("{source}; {requests} requests")
}

/// Builds the report in memory. Fails when a chart cannot be drawn.
pub fn build(load: &Load, options: &ReportOptions) -> Result<Report, ReportError> {
    let series = Series::of(load);
    let pictures = pictures::draw(load, &series)?;
    let (file, header) = (&load.file, &load.file.header);
    let mut page = kind::page("load", options, header, source(load), pictures);
    words::front(load, &series, &mut page.front);
    page.tables = tables::all(load, &series);
    let table = |id: &&str| Block::Rows((*id).to_owned(), MAX_ROWS);
    let shown = ["outcomes", "failures", "phases", "turns", "agents"];
    page.sections = vec![
        Section::new("Latency", vec![table(&"latency")]),
        kind::evidence(&page.pictures),
        Section::new("Tables", shown.iter().map(table).collect()),
    ];
    page.method = words::method(load);
    page.environment = kind::environment(&page, header, kind::client(header), "load", options);
    let skipped = load.skipped.iter().map(SkippedPart::line);
    let sample =
        "One load is one sample of the server: nothing here says how another run would differ.";
    let limits = skipped.chain([sample.to_owned()]);
    let limits = limits.chain(file.asked.cache_warning(&load.figures));
    page.limits = limits.map(|words| sentence(&words)).collect();
    let client = file.result.as_ref().map(|result| &result.client);
    page.figures = kind::figures(json!({
        "asked": file.asked,
        "figures": load.figures,
        "fairness": load.fairness,
        "busiest_second_chunks": series.busiest_second,
        "probes": load.probes,
        "client": client,
        "client_budget": file.header.client_budget,
        "warnings": load.warnings,
        "skipped": load.skipped.len(),
    }));
    Report::of(&page)
}
