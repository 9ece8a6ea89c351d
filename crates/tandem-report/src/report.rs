//! `report`: makes a report, or checks the committed ones.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use analysis::calibration;
use analysis::capacity;
use analysis::load::{self, InputKind, Kind};
use analysis::load_report;
use analysis::report::{self as reporting, CheckOutcome, Report, ReportOptions};
use document::Invocation;
use domain::exit::{Exit, Fatal, Hint as _};
use domain::record::Provenance;
use serde_json::json;

use crate::args::ReportArgs;

const REPORTS: &str = "reports";
const RESULTS: &str = "results";

pub(crate) fn run(args: &ReportArgs, out: &mut impl Write) -> Result<Exit, Fatal> {
    if args.check && args.input.is_empty() && args.out.is_none() {
        return check_all(args, out);
    }
    let inputs = if args.input.is_empty() {
        let sweep = Invocation::from_environment().command("sweep");
        let hint = format!("run `{sweep}` first, or name the data with --input PATH");
        vec![load::newest(Path::new(RESULTS)).hint(hint)?]
    } else {
        args.input.clone()
    };
    let made = make(&inputs, args.name.as_deref(), args.keep_going)?;
    let report = &made.report;
    let usual = || Path::new(REPORTS).join(&report.name);
    let dir = args.out.clone().unwrap_or_else(usual);
    if args.check {
        let outcome = report.check(&dir)?;
        return write_checks(args, out, &[(report.name.clone(), dir, outcome)]);
    }
    let files = report.write(&dir)?;
    write_report(args, out, &made, &dir, &files)?;
    Ok(Exit::Done)
}

struct Made {
    report: Report,
    skipped: Vec<load::SkippedPart>,
    warnings: Vec<String>,
}

fn make(inputs: &[PathBuf], name: Option<&str>, keep_going: bool) -> Result<Made, Fatal> {
    let options = |own: &str| {
        let name = name.unwrap_or(own);
        if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
            let what = format!("`{name}` cannot be a report's name; give one with --name");
            return Err(Fatal::usage(what));
        }
        let path = |p: &PathBuf| p.to_string_lossy().replace('\\', "/");
        let published = inputs.iter().find(|p| p.join("claims.toml").is_file());
        Ok(ReportOptions {
            name: name.to_owned(),
            inputs: inputs.iter().map(path).collect(),
            published: published.cloned(),
        })
    };
    if let [input] = inputs {
        match load::detect(input)? {
            InputKind::Results(Kind::Load) => {
                let loaded = load::read(input, keep_going)?;
                return Ok(Made {
                    report: load_report::build(&loaded, &options(&loaded.file.header.name)?)?,
                    skipped: loaded.skipped,
                    warnings: loaded.warnings,
                });
            }
            InputKind::Results(Kind::Capacity) => {
                let run = capacity::read(input, keep_going)?;
                return Ok(Made {
                    report: capacity::build(&run, &options(&run.record.header.name)?)?,
                    skipped: run.skipped,
                    warnings: run.warnings,
                });
            }
            InputKind::Results(Kind::Calibration) => {
                let measured = calibration::read(input)?;
                return Ok(Made {
                    report: calibration::build(&measured, &options(&measured.header.name)?)?,
                    skipped: Vec::new(),
                    warnings: calibration::warnings(&measured),
                });
            }
            _ => {}
        }
    }
    let loaded = load::load_all(inputs, keep_going)?;
    let dataset = loaded.dataset;
    let warnings = dataset.warnings.iter().map(document::notes::warning);
    Ok(Made {
        warnings: warnings.collect(),
        report: reporting::build(&dataset, &options(&dataset.name)?)?,
        skipped: loaded.skipped,
    })
}

fn write_report(
    args: &ReportArgs,
    out: &mut impl Write,
    made: &Made,
    dir: &Path,
    files: &[PathBuf],
) -> Result<(), Fatal> {
    let report = &made.report;
    if args.json {
        let skipped = made.skipped.iter().map(load::SkippedPart::line);
        let document = json!({
            "name": report.name,
            "dir": dir,
            "provenance": report.provenance,
            "source": report.source,
            "answer": report.answer,
            "files": files,
            "skipped": skipped.collect::<Vec<_>>(),
            "warnings": made.warnings,
        });
        return Ok(writeln!(out, "{document:#}")?);
    }
    write_provenance(out, report.provenance)?;
    writeln!(out, "{}\n", report.answer)?;
    for skipped in &made.skipped {
        writeln!(out, "{}", skipped.line())?;
    }
    writeln!(out, "{}", dir.join("report.md").display())?;
    let count = |ending: &str| {
        let ends = |file: &&PathBuf| file.extension().is_some_and(|e| e == ending);
        files.iter().filter(ends).count()
    };
    let (json, pictures, tables) = (dir.join("report.json"), count("png"), count("csv"));
    let json = json.display();
    let beside = format!("{pictures} pictures, {tables} tables beside it");
    writeln!(out, "{json} and {beside}")?;
    Ok(())
}

/// Writes that data are simulated, if they are.
pub(crate) fn write_provenance(out: &mut impl Write, provenance: Provenance) -> Result<(), Fatal> {
    if provenance == Provenance::Simulated {
        let words = "SIMULATED: the data come from the simulator, not from a real server.";
        writeln!(out, "{words}")?;
    }
    Ok(())
}

/// The part of a committed `report.json` that says how to make the report again.
#[derive(serde::Deserialize)]
struct Committed {
    name: String,
    inputs: Vec<PathBuf>,
}

fn check_all(args: &ReportArgs, out: &mut impl Write) -> Result<Exit, Fatal> {
    let entries = fs::read_dir(REPORTS).map_err(|e| match e.kind() {
        io::ErrorKind::NotFound => Fatal::usage(format!("no folder `{REPORTS}` here"))
            .hint("run from the repository's root"),
        _ => e.into(),
    })?;
    let dirs = entries.map(|entry| Ok(entry?.path()));
    let mut dirs = dirs.collect::<io::Result<Vec<PathBuf>>>()?;
    dirs.retain(|dir| {
        let named = |name: &String| dir.file_name().is_some_and(|n| n == name.as_str());
        dir.join("report.json").is_file() && args.name.as_ref().is_none_or(named)
    });
    dirs.sort();
    if dirs.is_empty() {
        let what = format!("nothing to check: no {REPORTS}/*/report.json");
        return Err(Fatal::usage(what));
    }
    let mut checks = Vec::new();
    for dir in dirs {
        let path = dir.join("report.json");
        let Committed { name, inputs } = serde_json::from_str(&fs::read_to_string(&path)?)
            .map_err(|e| Fatal::usage(format!("{}:{}: {e}", path.display(), e.line())))?;
        // The results of a sweep are not committed: its report is checked where they still are.
        let mut results = inputs.iter().filter(|input| input.starts_with(RESULTS));
        if let Some(gone) = results.find(|input| !input.exists()) {
            tracing::warn!(report = %name, input = %gone.display(), "not checked: its input is missing");
            continue;
        }
        let report = make(&inputs, Some(&name), args.keep_going)?.report;
        let outcome = report.check(&dir)?;
        checks.push((name, dir, outcome));
    }
    write_checks(args, out, &checks)
}

fn write_checks(
    args: &ReportArgs,
    out: &mut impl Write,
    checks: &[(String, PathBuf, CheckOutcome)],
) -> Result<Exit, Fatal> {
    let differs = checks.iter().any(|(.., outcome)| !outcome.is_match());
    let exit = Exit::of_run(false, differs);
    if args.json {
        let report = |(name, dir, outcome): &(String, PathBuf, CheckOutcome)| {
            json!({
                "name": name,
                "dir": dir,
                "match": outcome.is_match(),
                "compared": outcome.compared,
                "differences": outcome.differences,
                "written": outcome.written,
            })
        };
        let reports: Vec<_> = checks.iter().map(report).collect();
        writeln!(out, "{:#}", json!({ "reports": reports }))?;
        return Ok(exit);
    }
    for (_, dir, outcome) in checks {
        let (dir, compared) = (dir.display(), outcome.compared);
        if outcome.is_match() {
            writeln!(out, "{dir}: {compared} files as committed")?;
            continue;
        }
        for difference in &outcome.differences {
            writeln!(out, "{}", difference.trim_end())?;
        }
        for path in &outcome.written {
            writeln!(out, "written for comparison: {}", path.display())?;
        }
        let differing = outcome.differences.len();
        let of_all = format!("{differing} of {compared} files");
        writeln!(out, "{dir}: {of_all} differ from the committed report")?;
    }
    Ok(exit)
}
