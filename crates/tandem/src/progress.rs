//! Shows a running sweep: a bar on a terminal, plain lines without one, JSON lines on request.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::Stamp;
use domain::event::{Event, Observer};
use domain::plan::ArmSpec;
use domain::record::ArmRecord;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// A bar on standard error.
    Bar,
    /// A line per arm on standard error.
    Lines,
    /// A JSON object per event on standard output.
    Json,
}

impl Style {
    /// A bar where a person can see it, lines elsewhere.
    pub(crate) fn choose(json: bool) -> Self {
        if json {
            Self::Json
        } else if std::io::stderr().is_terminal() {
            Self::Bar
        } else {
            Self::Lines
        }
    }
}

/// Watches a sweep and shows it.
#[derive(Debug)]
pub(crate) struct Progress {
    style: Style,
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    arms: usize,
    ended: usize,
    current: Option<(ArmSpec, Stamp)>,
    /// Chunks of the current arm, and the window that the live rate is taken over.
    window: Option<(Stamp, u64)>,
    rate: Option<f64>,
}

/// Clock time the live rate is averaged over.
const RATE_WINDOW_S: f64 = 1.0;

impl Progress {
    pub(crate) fn new(style: Style) -> Self {
        let bar = ProgressBar::with_draw_target(
            None,
            match style {
                Style::Bar => ProgressDrawTarget::stderr(),
                Style::Lines | Style::Json => ProgressDrawTarget::hidden(),
            },
        );
        Self {
            style,
            bar,
            state: Mutex::default(),
        }
    }

    /// Clears the bar, so that what follows stands alone.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Says something without tearing the bar.
    pub(crate) fn say(&self, text: &str) {
        match self.style {
            Style::Bar => self.bar.suspend(|| eprintln!("{text}")),
            Style::Lines => eprintln!("{text}"),
            Style::Json => print_json(&json!({ "event": "message", "text": text })),
        }
    }

    fn started(&self, arms: usize, already_complete: usize) {
        self.bar.set_length(arms as u64);
        if let Ok(style) = ProgressStyle::with_template(
            "{bar:24} {pos}/{len} arms  {wide_msg}  {elapsed} elapsed, {eta} left",
        ) {
            self.bar.set_style(style.progress_chars("━╸─"));
        }
        self.bar.enable_steady_tick(Duration::from_millis(200));
        match self.style {
            Style::Json => print_json(&json!({
                "event": "sweep_started", "arms": arms, "already_complete": already_complete,
            })),
            _ if already_complete > 0 => {
                self.say(&format!(
                    "{already_complete} arms are complete already; {arms} to run"
                ));
            }
            _ => {}
        }
    }

    fn show_current(&self, state: &State) {
        if let Some((spec, _)) = &state.current {
            let rate = state
                .rate
                .map_or_else(String::new, |r| format!("  {r:.0} chunks/s"));
            self.bar.set_message(format!("{}{rate}", describe(spec)));
        }
    }

    fn ended(&self, state: &State, record: &ArmRecord, completed: u32, not_completed: u32) {
        self.bar.inc(1);
        let took = record.ended.since(record.started).as_secs_f64();
        match self.style {
            Style::Json => print_json(&json!({
                "event": "arm_ended",
                "config": record.run.config,
                "topology": record.run.topology,
                "repetition": record.run.repetition,
                "arm": record.arm,
                "complete": record.complete,
                "took_s": took,
                "completed": completed,
                "not_completed": not_completed,
            })),
            Style::Lines => {
                let failed = match not_completed {
                    0 => String::new(),
                    n => format!(", {n} not completed"),
                };
                eprintln!(
                    "[{}/{}] {} repetition {} {}: {took:.1} s, {completed} completed{failed}",
                    state.ended, state.arms, record.run.config, record.run.repetition, record.arm,
                );
            }
            Style::Bar => {}
        }
        if self.style != Style::Json {
            for note in &record.notes {
                self.say(&format!(
                    "note: {} {}: {note}",
                    record.run.config, record.arm
                ));
            }
        }
    }
}

impl Observer for Progress {
    fn on_event(&self, event: &Event) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::SweepStarted {
                arms,
                already_complete,
            } => {
                state.arms = *arms;
                self.started(*arms, *already_complete);
            }
            Event::ArmStarted { spec, at } => {
                state.current = Some((spec.clone(), *at));
                state.window = Some((*at, 0));
                state.rate = None;
                self.show_current(&state);
            }
            Event::Tokens { at, count, .. } => {
                let (since, before) = state.window.unwrap_or((*at, 0));
                let (seconds, chunks) = (at.since(since).as_secs_f64(), before + count);
                state.window = Some((since, chunks));
                if seconds >= RATE_WINDOW_S {
                    state.rate = Some(chunks as f64 / seconds);
                    state.window = Some((*at, 0));
                    self.show_current(&state);
                }
            }
            Event::ArmEnded {
                record,
                completed,
                not_completed,
            } => {
                state.ended += 1;
                self.ended(&state, record, *completed, *not_completed);
            }
            Event::Warning(text) => match self.style {
                Style::Json => print_json(&json!({ "event": "warning", "text": text })),
                Style::Bar | Style::Lines => self.say(&format!("warning: {text}")),
            },
        }
    }
}

/// `bvc_g60_c512_t0.6 repetition 2 together`.
fn describe(spec: &ArmSpec) -> String {
    format!(
        "{} repetition {} {}",
        spec.run.config, spec.run.repetition, spec.arm
    )
}

fn print_json(value: &serde_json::Value) {
    // A closed pipe is no reason to stop measuring.
    let _ = writeln!(std::io::stdout().lock(), "{value}");
}
