//! The findings as text.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use document::output;
use document::words::plural;

use super::facts::Facts;
use super::judge::{Finding, Level, OF_PLAN};
use crate::terminal;

/// Longer lines are wrapped, as are those wider than the terminal.
const MOST_WIDTH: usize = 100;

/// Width of the level column, with its margins.
const INDENT: usize = 11;

/// A level, padded, in its colour if colours are allowed.
fn word(level: Level) -> String {
    let (word, colour) = match level {
        Level::Ok => ("ok", AnsiColor::Green),
        Level::Note => ("note", AnsiColor::Cyan),
        Level::Warning => ("warning", AnsiColor::Yellow),
        Level::Problem => ("problem", AnsiColor::Red),
    };
    if !output::stdout().has_colours() {
        return format!("{word:<7}");
    }
    let style = Style::new().fg_color(Some(colour.into()));
    let is_bold = level == Level::Problem;
    let style = if is_bold { style.bold() } else { style };
    format!("{style}{word:<7}{style:#}")
}

pub(crate) fn report(facts: &Facts, findings: &[Finding]) -> String {
    let block = |belongs: &dyn Fn(&Finding) -> bool| -> String {
        let findings = findings.iter().filter(|finding| belongs(finding));
        findings.map(in_lines).collect()
    };
    let mut text = String::new();
    for (place, server) in facts.servers.iter().enumerate() {
        let report = server.report();
        let is_simulator = report.is_some_and(|report| report.server.is_simulator());
        let name = if is_simulator { " (SIMULATED)" } else { "" };
        let of_block = block(&|finding| finding.server == Some(place));
        let _ = write!(text, "{}{name}\n{of_block}", server.url);
    }
    let plan = &facts.plan;
    let configs = plural(plan.configs as u64, "configuration");
    let agents = plural(plan.agents as u64, "agent");
    let (name, model) = (&plan.name, &plan.model);
    let of_block = block(&|finding| finding.server.is_none() && OF_PLAN.contains(&finding.code));
    let heading = format!("Plan {name}: {configs}, up to {agents}, model {model}");
    let _ = write!(text, "{heading}\n{of_block}");
    if facts.machine.is_some() {
        let of_block =
            block(&|finding| finding.server.is_none() && !OF_PLAN.contains(&finding.code));
        let _ = write!(text, "This machine\n{of_block}");
    }
    format!("{text}\n{}\n", conclusion(findings))
}

fn in_lines(finding: &Finding) -> String {
    let level = word(finding.level);
    let what = format!("  {level}  {}\n", wrapped(&finding.what, INDENT));
    let todo = finding.todo.as_ref();
    let todo = todo.map(|todo| format!("{:INDENT$}-> {}\n", "", wrapped(todo, INDENT + 3)));
    what + &todo.unwrap_or_default()
}

/// Text in lines that fit the terminal; those after the first are indented.
fn wrapped(text: &str, indent: usize) -> String {
    let room = terminal::width().clamp(40, MOST_WIDTH) - indent;
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                line.extend([" ", word]);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join(&format!("\n{:indent$}", ""))
}

/// Warnings and problems, one a line.
pub(super) fn brief(facts: &Facts, findings: &[Finding]) -> Vec<String> {
    let line = |f: &Finding| {
        let server = f.server.and_then(|place| facts.servers.get(place));
        let at = server.map_or_else(String::new, |s| format!("{}: ", s.url));
        let todo = f.todo.as_ref().map(|todo| format!(" ({todo})"));
        let is_problem = f.level == Level::Problem;
        let level = if is_problem { "problem" } else { "warning" };
        format!("{level}: {at}{}{}", f.what, todo.unwrap_or_default())
    };
    let serious = findings.iter().filter(|f| f.level >= Level::Warning);
    serious.map(line).collect()
}

fn conclusion(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|f| f.level == level).count() as u64;
    let problems = plural(count(Level::Problem), "problem");
    let warnings = plural(count(Level::Warning), "warning");
    match (count(Level::Problem), count(Level::Warning)) {
        (0, 0) => "Ready for a sweep.".to_owned(),
        (0, _) => {
            format!("{warnings}: a sweep would run, but its figures would be less reliable.")
        }
        (_, 0) => format!("{problems}: a sweep would fail."),
        _ => format!("{problems} and {warnings}: a sweep would fail."),
    }
}
