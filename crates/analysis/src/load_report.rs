//! The report of a load.

mod pictures;
mod series;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use document::environment::{self, Line, line};
use document::number::{plain, short};
use document::words::sentence;
use document::{Block, Section};
use domain::record::{Provenance, RuntimeFlavour, TimeScale};
use serde_json::json;

use crate::kind;
use crate::load::{Load, Skipped};
use crate::report::{Report, ReportError, ReportOptions};
use series::Series;

/// Rows of a table that a reader takes in; the CSV has all.
const MOST_ROWS: usize = 12;

/// True when the server was a model of one.
fn is_simulated(load: &Load) -> bool {
    load.file.header.provenance == Provenance::Simulated
}

/// Where the data come from, in words.
pub fn source(load: &Load) -> String {
    format!(
        "load `{}`, written by {} from {}; {} requests",
        load.file.header.name,
        load.file.header.tool,
        load.file.header.started_at,
        plain(load.requests.len() as f64, 0)
    )
}

/// Makes the report of a load in memory.
pub fn build(load: &Load, options: &ReportOptions) -> Result<Report, ReportError> {
    let series = Series::of(load);
    let pictures = pictures::draw(load, &series)?;
    let file = &load.file;
    let mut page = kind::page(
        "load",
        options,
        file.header.provenance,
        source(load),
        pictures,
    );
    words::front(load, &series, &mut page.front);
    page.tables = tables::all(load, &series);
    let table = |id: &&str| Block::Rows((*id).to_owned(), MOST_ROWS);
    let shown = ["outcomes", "failures", "phases", "turns", "agents"];
    page.sections = vec![
        Section::new("Latency", vec![table(&"latency")]),
        kind::evidence(&page.pictures),
        Section::new("Tables", shown.iter().map(table).collect()),
    ];
    page.method = words::method(&file.asked);
    page.environment = environment(load, &page.source, options);
    page.limits = load
        .skipped
        .iter()
        .map(|s| sentence(&Skipped::line(s)))
        .collect();
    page.limits.push(
        "One load is one sample of the server: nothing here says how another run would differ."
            .to_owned(),
    );
    let client = file.result.as_ref().map(|result| &result.client);
    for (key, value) in [
        ("asked", json!(file.asked)),
        ("figures", json!(load.figures)),
        ("fairness", json!(load.fairness)),
        ("busiest_second_chunks", json!(series.busiest_second)),
        ("probes", json!(load.probes)),
        ("client", json!(client)),
        ("client_budget", json!(file.header.client_budget)),
        ("warnings", json!(load.warnings)),
        ("skipped", json!(load.skipped.len())),
    ] {
        page.figures.insert(key.to_owned(), value);
    }
    Report::of(&page)
}

fn environment(load: &Load, source: &str, options: &ReportOptions) -> Vec<Line> {
    let file = &load.file;
    let mut lines = vec![line("data", source)];
    lines.extend(environment::machine(file.header.environment.as_ref()));
    lines.extend(environment::servers(&file.header.endpoints));
    if let Some(runtime) = &file.header.runtime {
        let flavour = match runtime.flavour {
            RuntimeFlavour::Multi => "several threads",
            RuntimeFlavour::Current => "one thread",
        };
        let client = format!("{flavour}, {} workers", runtime.workers);
        lines.push(line("client", client));
    }
    let time = match file.header.time_scale {
        Some(TimeScale::Virtual) => Some("simulated; waits were skipped".to_owned()),
        Some(TimeScale::Scaled(scale)) => {
            Some(format!("simulated, {} times as fast", short(scale)))
        }
        None => None,
    };
    lines.extend(time.map(|time| line("time", time)));
    lines.extend([
        environment::command("command of the load", &file.header.command),
        line("command of this report", options.command()),
    ]);
    lines
}
