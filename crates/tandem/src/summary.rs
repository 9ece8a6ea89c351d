//! The summary at the end of a sweep: a table with the verdicts, and the paths of the results.

use std::fmt::Write as _;
use std::num::NonZeroU32;
use std::path::Path;

use document::json::lifted;
use document::table::Origin;
use document::words::{not_completed, plural};
use document::{Cell, Invocation, choice, findings, notes, verdict};
use domain::exit::Fatal;
use domain::plan::SweepPlan;
use domain::record::{JOURNAL_FILE, MANIFEST_FILE, Provenance, TELEMETRY_FILE};
use metrics::advice::FindingKind;
use metrics::summary::{ConfigSummary, Summary, Verdicts};
use metrics::{Dataset, Decoding, Estimate};
use results::LeftOut;
use runtime::SweepSummary;

use crate::terminal;

pub(crate) fn describe_plan(plan: &SweepPlan, repetitions: u32, simulated: bool) -> String {
    let arms = plan.expand(repetitions).len();
    let scenarios = plan.scenarios();
    let scenarios: Vec<_> = scenarios.iter().map(|(s, n)| format!("{n} {s}")).collect();
    format!(
        "{}: {} configurations ({}), {}, {arms} arms{}",
        plan.name,
        plan.configs.len(),
        scenarios.join(", "),
        plural(repetitions, "repetition"),
        if simulated { ", on the simulator" } else { "" },
    )
}

/// Prints the summary of the results folder, including parts of earlier runs of a resumed sweep.
pub(crate) fn print(dir: &Path, sweep: &SweepSummary, json: bool) -> Result<(), Fatal> {
    let dataset = read(dir)?;
    let summary = Summary::of(&dataset);
    if json {
        let mut document = serde_json::json!(summary);
        document["configs"] = notes::configs(&summary);
        document["warnings"] = notes::warnings(&summary).into();
        let line = serde_json::json!({
            "event": "sweep_ended",
            "results": dir,
            "complete": sweep.is_complete(),
            "interrupted": sweep.interrupted,
            "failed_steps": sweep.failed_steps,
            "arms": sweep.arms,
            "summary": lifted(&document, "stats")?,
        });
        return terminal::write(&format!("{line}\n"));
    }
    let mut out = String::new();
    let simulated = dataset.provenance == Provenance::Simulated;
    let _ = writeln!(out, "\n{}", table(&summary));
    if let Some(choice) = &summary.choice {
        let simulated = if simulated { "SIMULATED: " } else { "" };
        let said = choice::in_words(choice, &summary.topologies, "");
        let sentences = [said.answer, said.qualifications].concat();
        let _ = writeln!(out, "{simulated}{}\n", sentences.join("\n"));
    }
    let admission = dataset.manifest.as_ref().and_then(|m| m.header.admission);
    let _ = writeln!(out, "{}\n", verdict_line(&summary, simulated, admission));
    let mut found = metrics::advice::findings(&dataset, &summary);
    found.retain(|finding| finding.kind == FindingKind::Offload);
    for finding in findings::together(&found, Origin::Derived) {
        let _ = writeln!(out, "{}", finding.sentence);
    }
    for warning in notes::warnings(&summary) {
        let _ = writeln!(out, "warning: {warning}");
    }
    let left_out = not_completed(&sweep.requests);
    if !left_out.is_empty() {
        let left_out = left_out.join(", ");
        let rows = "all are rows in the journal";
        let _ = writeln!(out, "Not every request completed ({left_out}); {rows}.");
    }
    let _ = writeln!(out, "Wrote {}", dir.join(MANIFEST_FILE).display());
    let _ = writeln!(out, "      {}", dir.join(JOURNAL_FILE).display());
    if !dataset.telemetry.is_empty() {
        let _ = writeln!(out, "      {}", dir.join(TELEMETRY_FILE).display());
    }
    let typed = |rest| Invocation::from_environment().command(&format!("{rest} {}", dir.display()));
    if sweep.is_complete() {
        let _ = writeln!(out, "Next: {}", typed("report --input"));
    } else {
        let _ = writeln!(out, "Not complete. Continue: {}", typed("sweep --resume"));
    }
    terminal::write(&out)
}

fn table(summary: &Summary) -> String {
    let several = summary.overall.len() > 1;
    let row = |config: &ConfigSummary| {
        let stats = &config.stats;
        let topology = config.topology.map(|t| Cell::text(t.to_string()));
        let overlap = stats.decode_overlap.as_ref();
        let mut row = vec![Cell::text(config.id.as_str())];
        row.extend(several.then(|| topology.unwrap_or(Cell::Unknown)));
        row.extend([
            Cell::text(config.verdict.word()),
            with_interval(stats.speedup.as_ref()),
            main_loss(config),
            Cell::known(overlap.map(|e| 100.0 * e.mean), 0),
            mean(stats.wall_s.as_ref(), 1),
            mean(stats.speedup_est.as_ref(), 2),
        ]);
        row
    };
    let servers = if several { "<servers | " } else { "" };
    let figures = "speedup [95 %] | <lost mostly to | overlap % | wall s | TR113's speedup";
    let headings = format!("<configuration | {servers}<verdict | {figures}");
    terminal::table(&headings, summary.configs.iter().map(row))
}

fn mean(estimate: Option<&Estimate>, decimals: usize) -> Cell {
    Cell::known(estimate.map(|e| e.mean), decimals)
}

/// The mean with its interval, or with the number of runs when they are too few for one.
fn with_interval(estimate: Option<&Estimate>) -> Cell {
    match estimate {
        Some(few) if few.lo.is_none() => Cell::text(format!("{:.2} (n = {})", few.mean, few.n)),
        known => Cell::estimate(known, 2),
    }
}

fn main_loss(config: &ConfigSummary) -> Cell {
    let Some(lost) = &config.stats.lost_s else {
        return Cell::Unknown;
    };
    let largest = lost.costliest().filter(|(_, seconds)| *seconds >= 0.05);
    Cell::text(largest.map_or_else(
        || "nothing".to_owned(),
        |(cause, seconds)| format!("{} {seconds:.1} s", cause.replace('_', " ")),
    ))
}

fn verdict_line(summary: &Summary, simulated: bool, admission: Option<NonZeroU32>) -> String {
    let configs = summary.configs.len();
    if summary.configs.iter().all(|c| c.stats.wall_s.is_none()) {
        let no = if simulated { "SIMULATED" } else { "No answer" };
        return format!(
            "{no}: no run of {configs} configurations completed every request, so there is no verdict."
        );
    }
    let unmeasured = summary.configs.iter().all(|c| c.stats.speedup.is_none());
    let on = if simulated {
        "SIMULATED: on the simulated server"
    } else {
        "On this server"
    };
    let limit = admission.map_or_else(String::new, |most| {
        format!(" with at most {most} in flight (--admission)")
    });
    let on = format!("{on}{limit}, ");
    if unmeasured {
        return format!(
            "{on}{} ran together only; {}. Whether that paid is unknown without a \
             sequential arm: use --protocol rigorous.",
            plural(configs as u64, "configuration"),
            decoded(&Verdicts::of(&summary.configs))
        );
    }
    let would = verdict::would_decide(summary.configs.iter());
    let several = summary.overall.len() > 1;
    let each = summary.overall.iter().map(|part| {
        let place = part.topology.filter(|_| several);
        let place = place.map_or_else(
            || " ".to_owned(),
            |t| format!("\n- on {}: ", verdict::topology(t)),
        );
        let tally = verdict::tally(&part.verdicts);
        format!("{place}{tally}; {}.", decoded(&part.verdicts))
    });
    let each: String = each.collect();
    let would = would.map_or_else(String::new, |would| {
        format!("{}{would}", if several { '\n' } else { ' ' })
    });
    format!("{on}whether running the agents together pays:{each}{would}")
}

/// Whether the agents decoded in turn or at the same time, as a clause.
fn decoded(verdicts: &Verdicts) -> String {
    let of_all = |n| of_all(n, verdicts.len());
    let in_turn = verdicts.served(Decoding::InTurn);
    match (in_turn, verdicts.served(Decoding::Overlapping)) {
        (0, 0) => "whether agents decoded at the same time is unknown".to_owned(),
        (turn, 0) => format!("agents decoded in turn {}", of_all(turn)),
        (0, beside) => format!("agents decoded at the same time {}", of_all(beside)),
        (turn, beside) => {
            format!("agents decoded in turn in {turn} and at the same time in {beside}")
        }
    }
}

/// `in the one configuration`, `in both`, `in all 4`, `in 2`.
fn of_all(n: usize, all: usize) -> String {
    match n {
        1 if all == 1 => "in the one configuration".to_owned(),
        2 if all == 2 => "in both".to_owned(),
        n if n == all => format!("in all {n}"),
        n => format!("in {n}"),
    }
}

pub(crate) fn read(dir: &Path) -> Result<Dataset, Fatal> {
    let records = results::sweep::read(dir, &mut LeftOut::default())?;
    Ok(metrics::from_records::dataset(records))
}
