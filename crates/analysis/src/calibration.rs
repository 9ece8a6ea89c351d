//! The report of a calibration: how late the client's own stamps are at rising load, and how much CPU the
//! client needs.

mod pictures;
mod tables;
#[cfg(test)]
mod tests;
mod words;

pub use words::warnings;

use document::environment::{Line, line};
use document::number::plain;
use document::words::known;
use document::{Block, Document, Section};
use domain::record::{BudgetStep, Calibration};
use metrics::budget;
pub use results::calibration::read;
use serde_json::json;

use crate::kind;
use crate::report::{Report, ReportError, ReportOptions};

/// Telemetry's name for the load average among a machine's facts.
const LOAD_FACT: &str = "load_1m_at_start";

/// The source line of the report.
fn source(calibration: &Calibration) -> String {
    let source = kind::source("calibration", &calibration.header);
    format!("{source}; {} loads", calibration.budget.steps.len())
}

/// The steps in ascending order of received tokens per second.
fn steps_by_rate(calibration: &Calibration) -> Vec<&BudgetStep> {
    let mut steps: Vec<&BudgetStep> = calibration.budget.steps.iter().collect();
    steps.sort_by(|a, b| a.tokens_per_s.total_cmp(&b.tokens_per_s));
    steps
}

/// Builds the report in memory. Fails when a chart cannot be drawn.
pub fn build(calibration: &Calibration, options: &ReportOptions) -> Result<Report, ReportError> {
    let steps = steps_by_rate(calibration);
    let pictures = pictures::draw(calibration, &steps)?;
    let (header, source) = (&calibration.header, source(calibration));
    let mut page = kind::page("calibration", options, header, source, pictures);
    words::front(calibration, &steps, &mut page.front);
    page.tables = tables::all(&steps);
    let tables = page.tables.iter().map(|t| Block::Table(t.id.clone()));
    page.sections = vec![
        kind::evidence(&page.pictures),
        Section::new("Tables", tables.collect()),
    ];
    page.method = kind::statements("calibration:method");
    page.environment = environment(calibration, &page, options);
    page.limits = kind::statements("calibration:limits");
    let calibrated = budget::calibrated_to(&calibration.budget);
    page.figures = kind::figures(json!({
        "calibrated_to_tokens_per_s": calibrated.map(|step| step.tokens_per_s),
        "client_budget": calibration.budget,
        "warnings": warnings(calibration),
    }));
    Report::of(&page)
}

/// The machine without its GPU, which a calibration does not use, and the client.
fn environment(calibration: &Calibration, page: &Document, options: &ReportOptions) -> Vec<Line> {
    let budget = &calibration.budget;
    let load = budget.load_average.map(|load| plain(load, 2));
    let client = vec![
        line("client", words::client(budget)),
        kind::http_client(Some(&budget.runtime)),
        line("cores", words::cores(budget)),
        line("load average before", known(load)),
    ];
    let header = &calibration.header;
    let mut lines = kind::environment(page, header, client, "calibration", options);
    let apart = ["GPU", "not readable", LOAD_FACT];
    lines.retain(|(name, _)| !apart.contains(&&**name));
    lines
}
