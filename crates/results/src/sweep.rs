//! A sweep's folder: `manifest.json`, `journal.jsonl`, `telemetry.jsonl`.

mod folder;
mod same;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use domain::plan::{Arm, ArmSpec};
use domain::record::{
    JOURNAL_FILE, JournalLine, MANIFEST_FILE, Manifest, MarkKind, RESULTS_SCHEMA, RunKey,
    StepRecord, SweepRecords, TELEMETRY_FILE, schema1,
};

pub use folder::{ResultsDir, ResumePoint, read_manifest, write_manifest};

use crate::lines::{self, ReadLine};
use crate::{LeftOut, LoadError, listed, read_versioned};

/// Reads a sweep's folder; no arm need be complete. The warnings are moved into the records. Fails when the manifest
/// cannot be read, and without `keep_going` when a line cannot.
pub fn read(folder: &Path, left_out: &mut LeftOut) -> Result<SweepRecords, LoadError> {
    let earlier = left_out.warnings.len();
    let (schema, mut manifest): (_, Manifest) = read_versioned(
        &folder.join(MANIFEST_FILE),
        "manifest",
        1..=RESULTS_SCHEMA,
        schema1::manifest,
    )?;
    manifest.header.settle_provenance();
    let read_line: ReadLine<JournalLine> = match schema {
        1 => lifted,
        _ => lines::line,
    };
    let path = folder.join(JOURNAL_FILE);
    let journal = lines::read(&path, "journal line", "sweep", left_out, read_line)?;
    let path = folder.join(TELEMETRY_FILE);
    let bytes = path.metadata().map(|file| file.len());
    let telemetry = if bytes.as_ref().is_ok_and(|bytes| *bytes > 0) {
        lines::read(&path, "telemetry sample", "sweep", left_out, lines::line)?
    } else {
        // A sweep can be over before the first sample.
        let what = bytes.map_or("no", |_| "no sample in");
        left_out.warnings.push(format!(
            "{what} {TELEMETRY_FILE}: device and host use are unknown"
        ));
        Vec::new()
    };
    let mut warnings = left_out.warnings.split_off(earlier);
    describe_gaps(&manifest, &journal, &mut warnings);
    warnings.extend(manifest.header.machine_warnings().cloned());
    Ok(SweepRecords {
        manifest,
        journal,
        telemetry,
        warnings,
    })
}

/// Reads a line of a journal of schema 1.
fn lifted(line: &[u8]) -> serde_json::Result<JournalLine> {
    serde_json::from_value(schema1::journal_line(serde_json::from_slice(line)?))
}

/// Adds warnings about missing, repeated and unplanned arms, failed steps and an interruption.
fn describe_gaps(manifest: &Manifest, journal: &[JournalLine], warnings: &mut Vec<String>) {
    let planned = manifest.plan.expand(manifest.repetitions);
    let mut attempts: BTreeMap<(&RunKey, Arm), (u32, bool)> = BTreeMap::new();
    let mut started: BTreeSet<(&RunKey, Arm)> = BTreeSet::new();
    let mut failed_steps = Vec::new();
    let mut last_mark = None;
    for line in journal {
        match line {
            JournalLine::Arm(arm) => {
                started.insert((&arm.run, arm.arm));
                let seen = attempts.entry((&arm.run, arm.arm)).or_default();
                seen.0 += 1;
                seen.1 |= arm.complete;
                for note in &arm.notes {
                    warnings.push(format!("{}: {note}", place(&arm.run, arm.arm)));
                }
            }
            JournalLine::Request(request) => {
                started.insert((&request.run, request.arm));
            }
            JournalLine::Step(step) => {
                failed_steps.extend(step.failure().map(|why| {
                    let StepRecord { run, arm, .. } = step;
                    format!(
                        "{}, agent {}, {}: {why}",
                        place(run, *arm),
                        step.agent,
                        step.step
                    )
                }));
            }
            JournalLine::Mark(mark) => last_mark = Some(mark.what),
        }
    }
    let is_missing = |spec: &&ArmSpec| !started.contains(&(&spec.run, spec.arm));
    let never = planned.iter().filter(is_missing);
    let never: Vec<String> = never.map(ArmSpec::to_string).collect();
    if !never.is_empty() {
        warnings.push(format!(
            "{} of {} planned arms were never run: {}",
            never.len(),
            planned.len(),
            listed(&never, 4)
        ));
    }
    let retried = |(n, done): &&(u32, bool)| *n > 1 && *done;
    let retried = attempts.values().filter(retried).count();
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
    if let Some(first) = failed_steps.first() {
        let number = failed_steps.len();
        warnings.push(format!(
            "{number} steps of agents failed; the first: {first}"
        ));
    }
    if last_mark == Some(MarkKind::Interrupted) {
        warnings.push("the sweep was interrupted and not resumed".to_owned());
    }
}

fn place(run: &RunKey, arm: Arm) -> String {
    let run = run.clone();
    ArmSpec { run, arm }.to_string()
}
