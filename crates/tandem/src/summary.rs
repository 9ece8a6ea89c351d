//! What a sweep ends with: a table a person can decide by, and where everything is.

use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal};
use std::num::NonZeroU32;
use std::path::Path;

use comfy_table::{Attribute, Cell, CellAlignment, ContentArrangement, Table, presets};
use domain::exit::{Fatal, OrFatal as _};
use domain::plan::SweepPlan;
use domain::record::{JournalLine, Provenance};
use domain::telemetry::Sample;
use metrics::summary::{ConfigSummary, Summary, Verdict};
use metrics::{Dataset, Estimate, from_records};
use runtime::SweepSummary;
use serde::de::DeserializeOwned;

/// One line on a plan.
pub(crate) fn describe_plan(plan: &SweepPlan, repetitions: u32, simulated: bool) -> String {
    let arms = plan.expand(repetitions).len();
    let scenarios: Vec<_> = plan
        .scenarios()
        .iter()
        .map(|(s, n)| format!("{n} {s}"))
        .collect();
    format!(
        "{}: {} configurations ({}), {repetitions} repetition{}, {arms} arms{}",
        plan.name,
        plan.configs.len(),
        scenarios.join(", "),
        if repetitions == 1 { "" } else { "s" },
        if simulated { ", on the simulator" } else { "" },
    )
}

/// Prints the summary of what the folder holds now, resumed parts included.
pub(crate) fn print(dir: &Path, sweep: &SweepSummary, json: bool) -> Result<(), Fatal> {
    let dataset = read(dir)?;
    let summary = Summary::of(&dataset);
    if json {
        let line = serde_json::json!({
            "event": "sweep_ended",
            "results": dir,
            "complete": sweep.is_complete(),
            "interrupted": sweep.interrupted,
            "arms": sweep.arms,
            "summary": summary,
        });
        println!("{line}");
        return Ok(());
    }
    let simulated = dataset.provenance == Provenance::Simulated;
    println!();
    println!("{}", table(&summary));
    let admission = dataset.manifest.as_ref().and_then(|m| m.admission);
    println!("{}", verdict_line(&summary, simulated, admission));
    println!();
    let r = &sweep.requests;
    let not_completed = r.incomplete + r.failed + r.cancelled + r.timed_out;
    if not_completed > 0 {
        println!(
            "{not_completed} requests did not complete ({} failed, {} incomplete, {} timed out, {} cancelled); \
             they are rows in the journal.",
            r.failed, r.incomplete, r.timed_out, r.cancelled
        );
    }
    println!("Wrote {}", dir.join("manifest.json").display());
    println!("      {}", dir.join("journal.jsonl").display());
    if !dataset.telemetry.is_empty() {
        println!("      {}", dir.join("telemetry.jsonl").display());
    }
    if sweep.is_complete() {
        println!("Next: cargo xtask report --input {}", dir.display());
    } else {
        println!(
            "Not complete. Go on with: cargo xtask sweep --resume {}",
            dir.display()
        );
    }
    Ok(())
}

fn table(summary: &Summary) -> Table {
    let several = summary.overall.len() > 1;
    let bold = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_content_arrangement(ContentArrangement::Disabled);
    let mut headings = vec!["configuration"];
    if several {
        headings.push("servers");
    }
    headings.extend([
        "verdict",
        "speedup, measured [95 %]",
        "speedup as TR113 has it",
        "decode overlap",
        "wall s",
        "lost mostly to",
    ]);
    table.set_header(headings.into_iter().map(|heading| {
        let cell = Cell::new(heading);
        if bold {
            cell.add_attribute(Attribute::Bold)
        } else {
            cell
        }
    }));
    for config in &summary.configs {
        let mut row = vec![Cell::new(&config.id)];
        if several {
            row.push(Cell::new(
                config.topology.map_or("?".to_owned(), |t| t.to_string()),
            ));
        }
        let number = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        row.extend([
            Cell::new(verdict_word(config.verdict)),
            number(with_interval(config.stats.speedup.as_ref(), 2)),
            number(mean(config.stats.speedup_est.as_ref(), 2)),
            number(
                config
                    .stats
                    .decode_overlap
                    .as_ref()
                    .map_or_else(unknown, |e| format!("{:.0} %", 100.0 * e.mean)),
            ),
            number(mean(config.stats.wall_s.as_ref(), 1)),
            Cell::new(main_loss(config)),
        ]);
        table.add_row(row);
    }
    table
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn mean(estimate: Option<&Estimate>, digits: usize) -> String {
    estimate.map_or_else(unknown, |e| format!("{:.digits$}", e.mean))
}

fn with_interval(estimate: Option<&Estimate>, digits: usize) -> String {
    match estimate {
        None => unknown(),
        Some(Estimate {
            mean,
            lo: Some(lo),
            hi: Some(hi),
            ..
        }) => {
            format!("{mean:.digits$} [{lo:.digits$}, {hi:.digits$}]")
        }
        Some(e) => format!("{:.digits$} (n = {})", e.mean, e.n),
    }
}

fn verdict_word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Serial => "serial",
        Verdict::Shared => "shared",
        Verdict::Parallel => "parallel",
        Verdict::Degraded => "degraded",
        Verdict::Undecided => "undecided",
        Verdict::Unknown => "unknown",
    }
}

/// The largest part of the lost seconds, when anything was lost.
fn main_loss(config: &ConfigSummary) -> String {
    let Some(lost) = &config.stats.lost_s else {
        return unknown();
    };
    let (cause, seconds) =
        lost.named().into_iter().fold(
            ("", 0.0),
            |most, part| if part.1 > most.1 { part } else { most },
        );
    if seconds < 0.05 {
        "nothing".to_owned()
    } else {
        format!("{} ({seconds:.1} s)", cause.replace('_', " "))
    }
}

/// The sweep in a sentence or two.
fn verdict_line(summary: &Summary, simulated: bool, admission: Option<NonZeroU32>) -> String {
    let configs = summary.configs.len();
    let count = |verdict| {
        summary
            .configs
            .iter()
            .filter(|c| c.verdict == verdict)
            .count()
    };
    let usable = summary.configs.iter().filter(|c| c.stats.wall_s.is_some());
    if usable.count() == 0 {
        return format!(
            "{}: in no run of {configs} configurations did every request complete, so nothing can be said.",
            if simulated { "SIMULATED" } else { "No answer" }
        );
    }
    let measured = summary
        .configs
        .iter()
        .filter(|c| c.stats.speedup.is_some())
        .count();
    let on = if simulated {
        "SIMULATED: on the simulated server"
    } else {
        "On this server"
    };
    let limit = admission.map_or_else(String::new, |most| {
        format!(" with at most {most} in flight (--admission)")
    });
    let on = format!("{on}{limit}, ");
    let seen = summary.configs.iter().filter(|c| c.stats.overlap.known > 0);
    let overlap = match (count(Verdict::Serial), seen.count()) {
        (_, 0) => "whether agents decoded at the same time is unknown".to_owned(),
        (0, seen) if seen == configs => {
            "in every one of them agents decoded at the same time for some while".to_owned()
        }
        (0, seen) => {
            format!("in all {seen} that can tell agents decoded at the same time for some while")
        }
        (serial, _) if serial == configs => {
            "in none of them did two agents decode at the same time".to_owned()
        }
        (serial, _) => format!("in {serial} of them no two agents decoded at the same time"),
    };
    if measured == 0 {
        return format!(
            "{on}{configs} configurations ran together only; {overlap}. Whether that paid is unknown \
             without the same agents in turn: use --protocol rigorous."
        );
    }
    format!(
        "{on}running the agents together paid in {} of {measured} measured configurations; {overlap}.",
        count(Verdict::Parallel)
    )
}

/// Reads a results folder back from disk.
pub(crate) fn read(dir: &Path) -> Result<Dataset, Fatal> {
    let manifest = runtime::read_manifest(dir)?;
    let journal: Vec<JournalLine> = lines(&dir.join("journal.jsonl"))?;
    let telemetry_file = dir.join("telemetry.jsonl");
    let telemetry: Vec<Sample> = if telemetry_file.exists() {
        lines(&telemetry_file)?
    } else {
        Vec::new()
    };
    Ok(from_records::dataset(
        manifest,
        journal,
        telemetry,
        dir.display().to_string(),
    ))
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, Fatal> {
    let file = File::open(path).or_environment(format!("{} could not be read", path.display()))?;
    BufReader::new(file)
        .lines()
        .enumerate()
        .map(|(i, line)| {
            let at = || format!("{}:{}", path.display(), i + 1);
            serde_json::from_str(&line.or_environment(at())?).or_environment(at())
        })
        .collect()
}
