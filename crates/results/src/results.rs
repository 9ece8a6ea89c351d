//! A results folder of our own: `manifest.json`, `journal.jsonl`, `telemetry.jsonl`.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use domain::plan::Arm;
use domain::record::{JournalLine, Manifest, MarkKind, RESULTS_SCHEMA, RunKey, TimeScale, schema1};
use domain::telemetry::Sample;
use metrics::{ArmObservation, Dataset};
use serde::de::DeserializeOwned;

use crate::lines::{self, Unreadable};
use crate::{LoadError, LoadErrorKind, Skipped, read_versioned};

/// Reads a sweep's folder, in which there must be a run. With `keep_going`, lines that cannot be
/// read are left out and added to `skipped`.
pub fn read(
    folder: &Path,
    keep_going: bool,
    skipped: &mut Vec<Skipped>,
) -> Result<Dataset, LoadError> {
    let dataset = read_as_it_is(folder, keep_going, skipped)?;
    if dataset.runs.is_empty() {
        return Err(LoadError::new(folder, LoadErrorKind::NothingLoaded));
    }
    Ok(dataset)
}

/// Reads a sweep's folder, in which no arm need have come to its end.
pub fn read_as_it_is(
    folder: &Path,
    keep_going: bool,
    skipped: &mut Vec<Skipped>,
) -> Result<Dataset, LoadError> {
    let manifest_path = folder.join("manifest.json");
    let (schema, manifest): (_, Manifest) = read_versioned(
        &manifest_path,
        "manifest",
        1..=RESULTS_SCHEMA,
        schema1::manifest,
    )?;
    let mut warnings = Vec::new();
    let read_line = match schema {
        1 => lifted,
        _ => line,
    };
    let journal: Vec<JournalLine> = read_lines(
        &folder.join("journal.jsonl"),
        read_line,
        "journal line",
        keep_going,
        skipped,
        &mut warnings,
    )?;
    let telemetry_path = folder.join("telemetry.jsonl");
    let telemetry: Vec<Sample> = if telemetry_path.is_file() {
        read_lines(
            &telemetry_path,
            line,
            "telemetry sample",
            keep_going,
            skipped,
            &mut warnings,
        )?
    } else {
        warnings.push("no telemetry.jsonl: device and host use are unknown".to_owned());
        Vec::new()
    };
    describe_gaps(&manifest, &journal, &mut warnings);
    // In virtual time a busy machine changes no figure.
    if manifest.header.time_scale != Some(TimeScale::Virtual) {
        let machine = manifest.header.environment.iter();
        warnings.extend(machine.flat_map(|machine| machine.warnings.clone()));
    }
    let failed_steps = failed_steps(&journal);
    let source = format!(
        "results folder `{}`, written by {} from {}",
        manifest.header.name, manifest.header.tool, manifest.header.started_at
    );
    let mut dataset = metrics::from_records::dataset(manifest, journal, telemetry, source);
    dataset.warnings.extend(warnings);
    leave_out_arms_without_requests(&mut dataset, &failed_steps);
    Ok(dataset)
}

fn line<T: DeserializeOwned>(line: &[u8]) -> serde_json::Result<T> {
    serde_json::from_slice(line)
}

/// Reads a line of a journal of schema 1.
fn lifted(line: &[u8]) -> serde_json::Result<JournalLine> {
    serde_json::from_value(schema1::journal_line(serde_json::from_slice(line)?))
}

/// One JSON value a line.
fn read_lines<T: Send>(
    path: &Path,
    read: fn(&[u8]) -> serde_json::Result<T>,
    what: &'static str,
    keep_going: bool,
    skipped: &mut Vec<Skipped>,
    warnings: &mut Vec<String>,
) -> Result<Vec<T>, LoadError> {
    let unreadable = Unreadable {
        path,
        what,
        writer: "sweep",
        keep_going,
        skipped,
        warnings,
        lines_before: 0,
    };
    lines::read(unreadable, read)
}

/// Puts into words what a reader of the results must know about arms that are not there.
fn describe_gaps(manifest: &Manifest, journal: &[JournalLine], warnings: &mut Vec<String>) {
    let planned = manifest.plan.expand(manifest.repetitions);
    let mut attempts: BTreeMap<(&RunKey, Arm), (u32, bool)> = BTreeMap::new();
    let mut begun: BTreeSet<(&RunKey, Arm)> = BTreeSet::new();
    let mut last_mark = None;
    for line in journal {
        match line {
            JournalLine::Arm(arm) => {
                begun.insert((&arm.run, arm.arm));
                let seen = attempts.entry((&arm.run, arm.arm)).or_default();
                seen.0 += 1;
                seen.1 |= arm.complete;
                for note in &arm.notes {
                    warnings.push(format!("{}: {note}", place(&arm.run, arm.arm)));
                }
            }
            JournalLine::Request(request) => {
                begun.insert((&request.run, request.arm));
            }
            JournalLine::Step(_) => {}
            JournalLine::Mark(mark) => last_mark = Some(mark.what),
        }
    }
    let never: Vec<String> = planned
        .iter()
        .filter(|spec| !begun.contains(&(&spec.run, spec.arm)))
        .map(|spec| place(&spec.run, spec.arm))
        .collect();
    if !never.is_empty() {
        warnings.push(format!(
            "{} of {} planned arms were never run: {}",
            never.len(),
            planned.len(),
            list(&never, 4)
        ));
    }
    let retried = attempts
        .values()
        .filter(|(n, done)| *n > 1 && *done)
        .count();
    if retried > 0 {
        warnings.push(format!(
            "{retried} arms were tried more than once; the last complete attempt counts"
        ));
    }
    let in_plan: BTreeSet<_> = planned.iter().map(|s| (&s.run, s.arm)).collect();
    let strange = attempts.keys().filter(|key| !in_plan.contains(key)).count();
    if strange > 0 {
        warnings.push(format!(
            "{strange} recorded arms are not in the manifest's plan and are left out"
        ));
    }
    if last_mark == Some(MarkKind::Interrupted) {
        warnings.push("the sweep was interrupted and not resumed".to_owned());
    }
}

fn place(run: &RunKey, arm: Arm) -> String {
    format!(
        "{} ({}, repetition {}, {arm})",
        run.config, run.topology, run.repetition
    )
}

/// Agents whose workflow failed outside a request: they may rightly have no request at all.
fn failed_steps(journal: &[JournalLine]) -> BTreeSet<(RunKey, Arm, u32)> {
    let failed = journal.iter().filter_map(|line| match line {
        JournalLine::Step(step) if step.error.is_some() => {
            Some((step.run.clone(), step.arm, step.agent))
        }
        _ => None,
    });
    failed.collect()
}

/// A complete arm has a request of every agent, or a step that says why not. Where it has neither,
/// lines of the journal are lost, and a figure made from the rest would be wrong.
fn leave_out_arms_without_requests(
    dataset: &mut Dataset,
    failed_steps: &BTreeSet<(RunKey, Arm, u32)>,
) {
    let warnings = &mut dataset.warnings;
    for run in &mut dataset.runs {
        let Some(topology) = run.topology else {
            continue;
        };
        let key = RunKey {
            config: run.config.clone(),
            topology,
            repetition: run.repetition,
        };
        for slot in [&mut run.together, &mut run.sequential] {
            let lost = |arm: &ArmObservation| {
                let silent = arm.agents.iter().find(|agent| {
                    agent.requests.is_empty()
                        && !failed_steps.contains(&(key.clone(), arm.arm, agent.agent))
                });
                silent.map(|agent| (arm.arm, agent.name.clone()))
            };
            if let Some((arm, agent)) = slot.as_ref().and_then(lost) {
                warnings.push(format!(
                    "{} is left out: the journal has no request of agent {agent}",
                    place(&key, arm)
                ));
                *slot = None;
            }
        }
    }
    dataset
        .runs
        .retain(|run| run.together.is_some() || run.sequential.is_some());
}

/// The first few of `items`, and how many more.
pub(crate) fn list(items: &[String], most: usize) -> String {
    let mut text = items[..items.len().min(most)].join(", ");
    if items.len() > most {
        let _ = write!(text, " and {} more", items.len() - most);
    }
    text
}
