//! The report of a capacity run: how many agents a server carries, with the evidence. Every number
//! is recomputed from the levels' requests.

mod pictures;
mod read;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use document::capacity::{Answer, answer};
use document::{Block, Section};
use metrics::capacity::{LevelFigures, Scaling};
use serde_json::{Value, json};

use crate::kind;
use crate::report::{Report, ReportError, ReportOptions};

pub use read::{CapacityRun, Level, read};

/// The input of a report.
pub(crate) struct Material<'a> {
    pub(crate) run: &'a CapacityRun,
    pub(crate) answer: Answer,
    pub(crate) scaling: Option<Scaling>,
    /// Complete and steady levels, in ascending order of agents.
    pub(crate) levels: Vec<LevelFigures>,
}

/// Builds the report in memory. Fails when a chart cannot be drawn.
pub fn build(run: &CapacityRun, options: &ReportOptions) -> Result<Report, ReportError> {
    let mut levels = read::whole(&run.levels);
    let scaling = Scaling::of(&levels);
    let answer = answer(&run.record, &run.objective, &levels, scaling.as_ref());
    levels.sort_by_key(|l| l.agents);
    let material = Material {
        run,
        answer,
        scaling,
        levels,
    };
    let header = &run.record.header;
    let pictures = pictures::draw(&material)?;
    let mut page = kind::page("capacity", options, header, run.source.clone(), pictures);
    words::front(&material, &mut page.front);
    page.tables = tables::all(&material);
    let table = |id: &str| Block::Table(id.to_owned());
    page.sections = vec![
        Section::new("Levels", vec![table("levels"), table("limits")]),
        kind::evidence(&page.pictures),
        Section::new("Tables", vec![table("fairness"), table("scaling")]),
    ];
    let details = vec![table("latency"), table("search")];
    page.appendix = vec![Section::new("Latencies and search", details)];
    page.method = words::method(&material);
    let http = kind::http_client(header.runtime.as_ref());
    page.environment = kind::environment(&page, header, vec![http], "run", options);
    page.limits = words::limits(&material);
    page.figures = kind::figures(figures(&material));
    Report::of(&page)
}

fn figures(material: &Material<'_>) -> Value {
    let run = material.run;
    let level = |level: &Level| {
        json!({
            "agents": level.probe.agents,
            "phase": level.probe.phase,
            "end": level.probe.end,
            "verdict": level.probe.observed().verdict,
            "decision": level.probe.decision,
            "failing": level.probe.failing,
            "saturation": level.probe.saturation,
            "figures": level.figures,
        })
    };
    json!({
        "capacity": material.answer,
        "asked": run.record.asked,
        "end": run.record.end,
        "client_budget": run.record.header.client_budget,
        "levels": run.levels.iter().map(level).collect::<Value>(),
        "scaling": material.scaling,
        "warnings": run.warnings,
    })
}
