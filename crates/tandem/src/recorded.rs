//! Recorded sessions: how the commands open them, and what they say of them.

use std::fmt::Write as _;

use document::number::{count, plain};
use document::words::plural;
use domain::exit::{Fatal, Hint as _};
use serde::Serialize;
use sessions::measure::{Figures, Totals};
use sessions::{Seconds, Source, Workload};

use crate::flags::SessionFiles;
use crate::terminal;

/// Opens a sessions file, or imports the files. Fails when one cannot be read or has a mistake.
pub(crate) fn open(input: &SessionFiles) -> Result<Workload, Fatal> {
    let opened = sessions::open(&input.files, input.from);
    opened.hint("docs/sessions.md describes the formats")
}

/// What both commands print as JSON first.
#[derive(Serialize)]
pub(crate) struct About<'w> {
    source: &'w Source,
    notes: &'w [String],
}

impl<'w> About<'w> {
    pub(crate) fn of(workload: &'w Workload) -> Self {
        let header = workload.header();
        Self {
            source: &header.source,
            notes: &header.notes,
        }
    }
}

/// The source, the totals and the notes, a line each.
pub(crate) fn summary(workload: &Workload, figures: &Figures) -> String {
    let header = workload.header();
    let mut text = String::new();
    let files = match header.source.files.len() {
        0 => String::new(),
        n => format!(", {}", plural(n as u64, "file")),
    };
    let totals = &figures.totals;
    let lines = [
        ("source", format!("{}{files}", header.source.kind)),
        ("sessions", sessions_in_words(totals)),
        ("calls", count(totals.work.calls as u64)),
        ("tokens in", tokens_in(totals)),
        ("tokens out", tokens(totals.work.output_tokens, totals)),
        ("from first start to last end", time(totals.span_s)),
        ("sum over sessions", lasted(totals)),
    ];
    for (name, value) in lines {
        let _ = writeln!(text, "{name:<30}{value}");
    }
    if !header.notes.is_empty() {
        text.push_str("What the recording lacks, and what that means for a replay:\n");
    }
    for note in &header.notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

fn sessions_in_words(totals: &Totals) -> String {
    let of = match totals.sub_agents {
        0 => "no sub-agents".to_owned(),
        n => plural(n as u64, "sub-agent"),
    };
    format!("{} and {of}", count(totals.sessions as u64))
}

fn tokens(known: u64, totals: &Totals) -> String {
    match totals.work.calls_without_tokens {
        0 => count(known),
        n if n == totals.work.calls && known == 0 => "unknown".to_owned(),
        n => format!(
            "{}, without {} that do not state both",
            count(known),
            plural(n as u64, "call")
        ),
    }
}

fn tokens_in(totals: &Totals) -> String {
    let all = tokens(totals.work.prompt_tokens, totals);
    match totals.work.cached_tokens {
        Some(cached) => format!("{all}; {} of them cached", count(cached)),
        None => all,
    }
}

/// How long the sessions are, and how much of it are calls.
fn lasted(totals: &Totals) -> String {
    let spent = &totals.work.time;
    let calls = match spent.calls_without_time {
        n if n == totals.work.calls => "time in calls is unknown".to_owned(),
        0 => format!("{} in calls", time(spent.in_calls_s)),
        n => format!(
            "{} in calls, without {} of unknown duration",
            time(spent.in_calls_s),
            plural(n as u64, "call")
        ),
    };
    format!("{}; {calls}", time(totals.lasted_s))
}

/// A time in seconds below two minutes, and else in hours, minutes and seconds.
pub(crate) fn time(time: Seconds) -> String {
    if time.get() < 120.0 {
        format!("{} s", plain(time.get(), 1))
    } else {
        terminal::time(std::time::Duration::from_secs_f64(time.get().round()))
    }
}
