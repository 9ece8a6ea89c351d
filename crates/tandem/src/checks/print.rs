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
        let _ = writeln!(
            text,
            "  {}  {}",
            word(finding.level),
            wrapped(&finding.what, INDENT)
        );
        if let Some(todo) = &finding.todo {
            let _ = writeln!(text, "{:INDENT$}-> {}", "", wrapped(todo, INDENT + 3));
        }
    }
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
    findings
        .iter()
        .filter(|f| f.level >= Level::Warning)
        .map(|f| {
            let server = f.server.and_then(|place| facts.servers.get(place));
            let at = server.map_or_else(String::new, |s| format!("{}: ", s.url));
            let todo = f.todo.as_ref();
            let todo = todo.map_or_else(String::new, |todo| format!(" ({todo})"));
            let is_problem = f.level == Level::Problem;
            let level = if is_problem { "problem" } else { "warning" };
            format!("{level}: {at}{}{todo}", f.what)
        })
        .collect()
}

fn conclusion(findings: &[Finding]) -> String {
    let count = |level| findings.iter().filter(|f| f.level == level).count() as u64;
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    let parts = [(problems, "problem"), (warnings, "warning")].into_iter();
    let parts: Vec<_> = parts
        .filter(|(n, _)| *n > 0)
        .map(|(n, noun)| plural(n, noun))
        .collect();
    match (problems, warnings) {
        (0, 0) => "Ready for a sweep.".to_owned(),
        (0, _) => {
            let less = "a sweep would run, but its figures would be less reliable";
            format!("{}: {less}.", parts[0])
        }
        _ => format!("{}: a sweep would fail.", parts.join(" and ")),
    }
}
