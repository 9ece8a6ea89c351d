//! A capacity run's report: how many agents a server carries, and what that rests on. Every number
//! is derived again from the levels' requests.

mod pictures;
mod read;
mod tables;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use document::capacity::Answer;
use metrics::capacity::{LevelFigures, Objective, Scaling, ScalingFigures};
use serde_json::json;

use crate::load::provenance_word;
use crate::report::{
    Content, REPORT_SCHEMA, Report, ReportError, ReportOptions, column_dictionary,
};
use crate::tables::Table;

pub use read::{CapacityRun, Level, read};

/// What is said of a run.
pub(crate) struct Material<'a> {
    pub(crate) run: &'a CapacityRun,
    pub(crate) objective: &'a Objective,
    pub(crate) options: &'a ReportOptions,
    pub(crate) answer: Answer,
    pub(crate) scaling: Option<Scaling>,
    /// Levels that were whole and steady, by agents.
    pub(crate) levels: Vec<LevelFigures>,
}

impl Material<'_> {
    pub(crate) fn simulated(&self) -> bool {
        self.run.record.provenance == domain::record::Provenance::Simulated
    }
}

/// Makes the report of a run.
pub fn build(run: &CapacityRun, options: &ReportOptions) -> Result<Report, ReportError> {
    let mut levels = run.whole();
    let scaling = Scaling::of(&levels);
    let answer = document::capacity::answer(&run.record, &run.objective, &levels, scaling.as_ref());
    levels.sort_by_key(|l| l.agents);
    let material = Material {
        run,
        objective: &run.objective,
        options,
        answer,
        scaling,
        levels,
    };
    let tables = tables::all(&material);
    let pictures = pictures::draw(&material)?;
    let mut files = BTreeMap::new();
    for picture in &pictures {
        let path = format!("charts/{}.png", picture.name);
        files.insert(path, Content::Png(picture.png.clone()));
    }
    for table in &tables {
        let path = format!("tables/{}.csv", table.id);
        files.insert(path, Content::Text(table.to_csv()));
    }
    let csv: Vec<&Table> = tables.iter().collect();
    files.insert(
        "tables/columns.csv".to_owned(),
        Content::Text(column_dictionary(&csv)),
    );
    let text = write::markdown(&material, &tables, &pictures);
    files.insert("report.md".to_owned(), Content::Text(text));
    let names: Vec<String> = files.keys().cloned().collect();
    let text = json(&material, &names)?;
    files.insert("report.json".to_owned(), Content::Text(text));
    Ok(Report {
        name: options.name.clone(),
        answer: material.answer.sentence,
        files,
    })
}

fn json(material: &Material<'_>, files: &[String]) -> Result<String, serde_json::Error> {
    let run = material.run;
    let levels: Vec<_> = run
        .levels
        .iter()
        .map(|level| {
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
        })
        .collect();
    let document = json!({
        "schema": REPORT_SCHEMA,
        "kind": "capacity",
        "name": material.options.name,
        "provenance": provenance_word(run.record.provenance),
        "source": run.source,
        "inputs": material.options.inputs,
        "answer": material.answer.sentence,
        "capacity": material.answer,
        "asked": run.record.asked,
        "end": run.record.end,
        "client_budget": run.record.client_budget,
        "levels": levels,
        "scaling": material.scaling.as_ref().map(ScalingFigures::from),
        "warnings": run.warnings,
        "files": files,
    });
    let mut text = serde_json::to_string_pretty(&document)?;
    text.push('\n');
    Ok(text)
}
