//! Shows a running sweep: a bar on a terminal, plain lines without one, JSON lines on request.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use document::output;
use domain::Stamp;
use domain::event::{Event, Observer};
use domain::plan::ArmSpec;
use domain::record::ArmRecord;
use indicatif::ProgressBar;
use serde_json::json;

use crate::terminal;

#[derive(Debug)]
pub(crate) struct Progress {
    /// Print a JSON object for each event on standard output, and nothing else.
    json: bool,
    /// Hidden unless standard error is a terminal; then each arm prints a line instead.
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<ArmSpec>,
    /// Chunks of the current arm, and the window that the live rate is taken over.
    window: Option<(Stamp, u64)>,
    chunks_per_s: Option<f64>,
}

/// Clock time the live rate is averaged over.
const RATE_WINDOW_S: f64 = 1.0;

impl Progress {
    pub(crate) fn new(json: bool) -> Self {
        let template = "{bar:24} {pos}/{len} arms  {wide_msg}  {elapsed} elapsed, {left}";
        Self {
            json,
            bar: terminal::bar(json, Some(0), template, None),
            state: Mutex::default(),
        }
    }

    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    /// Prints a message above the bar, or as an event.
    pub(crate) fn say(&self, text: &str) {
        if self.json {
            print_json(&json!({ "event": "message", "text": text }));
        } else {
            self.bar.suspend(|| output::say(text));
        }
    }

    fn show_current(&self, state: &State) {
        let Some(spec) = &state.current else { return };
        let rate = state.chunks_per_s.map(|r| format!("  {r:.0} chunks/s"));
        let (run, arm, rate) = (&spec.run, spec.arm, rate.unwrap_or_default());
        // `bvc_g60_c512_t0.6 repetition 2 together  96 chunks/s`.
        let message = format!("{} repetition {} {arm}{rate}", run.config, run.repetition);
        self.bar.set_message(message);
    }

    fn ended(&self, record: &ArmRecord, completed: u32, not_completed: u32) {
        self.bar.inc(1);
        let took = record.ended.since(record.started).as_secs_f64();
        let (run, arm) = (&record.run, record.arm);
        if self.json {
            print_json(&json!({
                "event": "arm_ended", "config": run.config, "topology": run.topology,
                "repetition": run.repetition, "arm": arm, "complete": record.complete,
                "took_s": took, "completed": completed, "not_completed": not_completed,
            }));
            return;
        }
        if self.bar.is_hidden() {
            let failed = match not_completed {
                0 => String::new(),
                n => format!(", {n} not completed"),
            };
            let (ended, arms) = (self.bar.position(), self.bar.length().unwrap_or_default());
            output::say(format_args!(
                "[{ended}/{arms}] {} repetition {} {arm}: {took:.1} s, {completed} completed{failed}",
                run.config, run.repetition,
            ));
        }
        for note in &record.notes {
            self.say(&format!("note: {} {arm}: {note}", run.config));
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
                self.bar.set_length(*arms as u64);
                self.bar.enable_steady_tick(terminal::TICK);
                if self.json {
                    print_json(&json!({
                        "event": "sweep_started", "arms": arms, "already_complete": already_complete,
                    }));
                } else if *already_complete > 0 {
                    let complete = format!("{already_complete} arms are complete already");
                    self.say(&format!("{complete}; {arms} to run"));
                }
            }
            Event::ArmStarted { spec, at } => {
                state.current = Some(spec.clone());
                state.window = Some((*at, 0));
                state.chunks_per_s = None;
                self.show_current(&state);
            }
            Event::Tokens { at, count, .. } => {
                let (since, before) = state.window.unwrap_or((*at, 0));
                let (seconds, chunks) = (at.since(since).as_secs_f64(), before + count);
                state.window = Some((since, chunks));
                if seconds >= RATE_WINDOW_S {
                    state.chunks_per_s = Some(chunks as f64 / seconds);
                    state.window = Some((*at, 0));
                    self.show_current(&state);
                }
            }
            Event::ArmEnded {
                record,
                completed,
                not_completed,
            } => self.ended(record, *completed, *not_completed),
            Event::Warning(text) if self.json => {
                print_json(&json!({ "event": "warning", "text": text }));
            }
            Event::Warning(text) => self.say(&format!("warning: {text}")),
        }
    }
}

fn print_json(value: &serde_json::Value) {
    // A closed standard output does not stop the measurement.
    let _ = writeln!(output::stdout(), "{value}");
}
