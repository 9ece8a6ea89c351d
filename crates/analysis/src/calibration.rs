//! The report of a calibration: how late the client's own stamps are at rising load, and how much CPU the
//! client needs.

mod pictures;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use document::environment::{Line, line};
use document::number::plain;
use document::{Block, Document, Section};
use domain::record::{BudgetStep, Calibration, Provenance};
use metrics::budget;
pub use results::calibration::read;
use serde_json::json;

use crate::kind;
use crate::report::{Report, ReportError, ReportOptions};

/// Telemetry's name for the load average among a machine's facts.
const LOAD_FACT: &str = "load_1m_at_start";

/// The source line of the report.
pub fn source(calibration: &Calibration) -> String {
    let source = kind::source("calibration", &calibration.header);
    format!("{source}; {} loads", calibration.budget.steps.len())
}

/// The steps in ascending order of received tokens per second.
fn steps_by_rate(calibration: &Calibration) -> Vec<&BudgetStep> {
    let mut steps: Vec<&BudgetStep> = calibration.budget.steps.iter().collect();
    steps.sort_by(|a, b| a.tokens_per_s.total_cmp(&b.tokens_per_s));
    steps
}

/// Builds the report in memory.
pub fn build(calibration: &Calibration, options: &ReportOptions) -> Result<Report, ReportError> {
    let steps = steps_by_rate(calibration);
    let pictures = pictures::draw(calibration, &steps)?;
    let source = source(calibration);
    let mut page = kind::page(
        "calibration",
        options,
        Provenance::Measured,
        source,
        pictures,
    );
    words::front(calibration, &steps, &mut page.front);
    page.tables = tables::all(&steps);
    let tables = page.tables.iter().map(|t| Block::Table(t.id.clone()));
    page.sections = vec![
        kind::evidence(&page.pictures),
        Section::new("Tables", tables.collect()),
    ];
    page.method = METHOD.map(str::to_owned).to_vec();
    page.environment = environment(calibration, &page, options);
    page.limits = LIMITS.map(str::to_owned).to_vec();
    let calibrated = budget::calibrated_to(&calibration.budget);
    for (key, value) in [
        (
            "calibrated_to_tokens_per_s",
            json!(calibrated.map(|step| step.tokens_per_s)),
        ),
        ("client_budget", json!(calibration.budget)),
        ("warnings", json!(warnings(calibration))),
    ] {
        page.figures.insert(key.to_owned(), value);
    }
    Report::of(&page)
}

const METHOD: [&str; 4] = [
    "The product's own client reads streams from a server in the same process, on a thread of its own, which \
     stamps each token with the client's clock just before it hands it to the socket. What the client reports \
     later than that is its error; the server's own lateness is in none of it.",
    "A load counts as calibrated when every stream could be compared and the mean bias of a token's stamp is below \
     1 ms, and so it was for every lower load.",
    "A 99th percentile is given from 662 observations on.",
    "How it is measured stands in `docs/calibration.md` of Tandem's repository.",
];

const LIMITS: [&str; 2] = [
    "The server is on the same machine: the way through a network card is not in these figures.",
    "One calibration is one sample of the machine as it was then. Runs on real servers measure a quick one of their \
     own before they begin.",
];

/// Warnings about the calibration's validity.
pub fn warnings(calibration: &Calibration) -> Vec<String> {
    words::warnings(calibration)
}

/// The machine without its GPU, which a calibration does not use, and the client.
fn environment(calibration: &Calibration, page: &Document, options: &ReportOptions) -> Vec<Line> {
    let budget = &calibration.budget;
    let load = budget.load_average.map(|load| plain(load, 2));
    let client = vec![
        line("client", words::client(budget)),
        line("cores", words::cores(budget)),
        line(
            "load average before",
            load.unwrap_or_else(|| "unknown".to_owned()),
        ),
    ];
    let header = &calibration.header;
    let mut lines = kind::environment(page, header, client, "calibration", options);
    let apart = ["GPU", "not readable", LOAD_FACT];
    lines.retain(|(name, _)| !apart.contains(&&**name));
    lines
}
