//! The findings as text.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};
use document::output;
use document::words::plural;

use super::facts::{Facts, ServerState};
use super::judge::{Finding, Level, OF_PLAN};
use crate::terminal;

/// Longer lines are wrapped, as are those wider than the terminal.
const MOST_WIDTH: usize = 100;

/// Width of the level column, with its margins.
const INDENT: usize = 11;

/// A level, padded, in its colour if colours are allowed.
fn word(level: Level) -> String {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    let (word, style) = match level {
        Level::Ok => ("ok", colour(AnsiColor::Green)),
        Level::Note => ("note", colour(AnsiColor::Cyan)),
        Level::Warning => ("warning", colour(AnsiColor::Yellow)),
        Level::Problem => ("problem", colour(AnsiColor::Red).bold()),
    };
    if output::stdout().has_colours() {
        format!("{style}{word:<7}{style:#}")
    } else {
        format!("{word:<7}")
    }
}

pub(crate) fn report(facts: &Facts, findings: &[Finding]) -> String {
    let mut text = String::new();
    for (place, server) in facts.servers.iter().enumerate() {
        let name = match &server.state {
            ServerState::Answers(report) if report.server.is_simulator() => " (SIMULATED)",
            _ => "",
        };
        let _ = writeln!(text, "{}{name}", server.url);
        block(
            &mut text,
            findings.iter().filter(|f| f.server == Some(place)),
        );
    }
    let plan = &facts.plan;
    let _ = writeln!(
        text,
        "Plan {}: {}, up to {}, model {}",
        plan.name,
        plural(plan.configs as u64, "configuration"),
        plural(plan.agents as u64, "agent"),
        plan.model
    );
    let of_plan = |f: &&Finding| f.server.is_none() && OF_PLAN.contains(&f.code);
    block(&mut text, findings.iter().filter(of_plan));
    if facts.machine.is_some() {
        let _ = writeln!(text, "This machine");
        let of_machine = |f: &&Finding| f.server.is_none() && !OF_PLAN.contains(&f.code);
        block(&mut text, findings.iter().filter(of_machine));
    }
    text.push('\n');
    text.push_str(&conclusion(findings));
    text.push('\n');
    text
}

fn block<'f>(text: &mut String, findings: impl Iterator<Item = &'f Finding>) {
    for finding in findings {
        let _ = write!(text, "  {}  ", word(finding.level));
        wrapped(text, &finding.what, "");
        if let Some(todo) = &finding.todo {
            let _ = write!(text, "{:INDENT$}", "");
            wrapped(text, todo, "-> ");
        }
    }
}

/// Appends wrapped text; further lines are indented.
fn wrapped(text: &mut String, words: &str, mark: &str) {
    let indent = INDENT + mark.len();
    let width = terminal::width().clamp(40, MOST_WIDTH);
    text.push_str(mark);
    let mut column = indent;
    for (i, word) in words.split_whitespace().enumerate() {
        let length = word.chars().count();
        if i > 0 {
            if column + 1 + length > width {
                let _ = write!(text, "\n{:indent$}", "");
                column = indent;
            } else {
                text.push(' ');
                column += 1;
            }
        }
        text.push_str(word);
        column += length;
    }
    text.push('\n');
}

/// Warnings and problems, one a line.
pub(super) fn brief(facts: &Facts, findings: &[Finding]) -> Vec<String> {
    findings
        .iter()
        .filter(|f| f.level >= Level::Warning)
        .map(|f| {
            let server = f.server.and_then(|place| facts.servers.get(place));
            let at = server.map_or_else(String::new, |s| format!("{}: ", s.url));
            let todo = f.todo.as_ref();
            let todo = todo.map_or_else(String::new, |todo| format!(" ({todo})"));
            let level = match f.level {
                Level::Problem => "problem",
                _ => "warning",
            };
            format!("{level}: {at}{}{todo}", f.what)
        })
        .collect()
}

fn conclusion(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|f| f.level == level).count() as u64;
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    match (problems, warnings) {
        (0, 0) => "Ready for a sweep.".to_owned(),
        (0, _) => format!(
            "{}: a sweep would run, but its figures would be less reliable.",
            plural(warnings, "warning")
        ),
        (_, 0) => format!("{}: a sweep would fail.", plural(problems, "problem")),
        _ => format!(
            "{} and {}: a sweep would fail.",
            plural(problems, "problem"),
            plural(warnings, "warning")
        ),
    }
}
