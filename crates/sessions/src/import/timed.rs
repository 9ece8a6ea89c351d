//! Recorded calls with their moments, of which gaps are made.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use crate::file::{Call, FORMAT, GapKind, Header, Parent, SessionLine, Source, VERSION};
use crate::graph::{CHARACTERS, Place, Workload};
use crate::seconds::Seconds;

/// A call and its moments, in nanoseconds on the clock of the source.
#[derive(Debug, Clone, Default)]
pub(super) struct TimedCall {
    pub(super) start: i64,
    /// Unknown if absent.
    pub(super) end: Option<i64>,
    /// Without its session, number, gap and `api_s`.
    pub(super) call: Call,
}

impl TimedCall {
    /// The end, or the start where the end is unknown.
    pub(super) fn latest(&self) -> i64 {
        self.end.unwrap_or(self.start)
    }
}

#[derive(Debug, Default)]
pub(super) struct TimedSession {
    pub(super) line: SessionLine,
    /// In the order of their starts.
    pub(super) calls: Vec<TimedCall>,
}

impl TimedSession {
    pub(super) fn end(&self) -> i64 {
        self.calls
            .iter()
            .map(TimedCall::latest)
            .max()
            .unwrap_or_default()
    }
}

#[derive(Debug, Default)]
pub(super) struct Recording {
    pub(super) sessions: Vec<TimedSession>,
    pub(super) block_tokens: Option<NonZeroU32>,
    pub(super) notes: Vec<String>,
    /// Place of the input of each session, by the session's id; absent where several may be.
    pub(super) inputs: HashMap<String, usize>,
}

impl Recording {
    /// Adds a note that begins with what is counted, unless there is none.
    pub(super) fn note_count(&mut self, what: &str, count: usize, then: &str) {
        if count > 0 {
            self.notes.push(format!("{what}: {count}; {then}."));
        }
    }

    /// Makes `child` a session that the call `number` of `parent` starts and the call `joined` waits for; without
    /// such a call, the child is detached.
    pub(super) fn start_child(
        &mut self,
        parent: usize,
        number: usize,
        child: usize,
        joined: Option<usize>,
    ) {
        let id = self.sessions[child].line.id.clone();
        let calls = &mut self.sessions[parent].calls;
        let joining = joined
            .filter(|joined| *joined > number)
            .and_then(|joined| calls.get_mut(joined));
        let is_joined = joining.is_some();
        if let Some(timed) = joining {
            timed.call.waits_for.push(id);
        }
        let parent = Parent {
            session: self.sessions[parent].line.id.clone(),
            call: number as u32,
        };
        let TimedSession { line, calls } = &mut self.sessions[child];
        if let Some(first) = calls.first_mut() {
            first.call.gap_kind = GapKind::Tool;
        }
        line.parent = Some(parent);
        line.detached = !is_joined;
    }

    /// Fails when the sessions do not fit together, with the place of the input if it is known.
    pub(super) fn into_workload(
        mut self,
        source: Source,
    ) -> Result<Workload, (Option<usize>, String)> {
        let roots = self
            .sessions
            .iter()
            .filter(|session| session.line.parent.is_none());
        let starts = roots.filter_map(|session| Some(session.calls.first()?.start));
        let earliest = starts.min().unwrap_or_default();
        let ends: HashMap<String, i64> = {
            let end = |session: &TimedSession| (session.line.id.clone(), session.end());
            self.sessions.iter().map(end).collect()
        };
        let call_ends: HashMap<String, Vec<i64>> = {
            let latest =
                |session: &TimedSession| session.calls.iter().map(TimedCall::latest).collect();
            let of = |session: &TimedSession| (session.line.id.clone(), latest(session));
            self.sessions.iter().map(of).collect()
        };
        let (mut lines, mut calls, mut overlaps) =
            (Vec::<SessionLine>::new(), Vec::<Call>::new(), Vec::new());
        // The place of the session and the number of each call.
        let mut of_calls: Vec<(usize, u32)> = Vec::new();
        let mut impossible = 0;
        for TimedSession {
            mut line,
            calls: timed,
        } in self.sessions.drain(..)
        {
            let Some(first) = timed.first() else {
                continue;
            };
            let started_by = line.parent.as_ref().and_then(|parent| {
                call_ends
                    .get(&parent.session)?
                    .get(parent.call as usize)
                    .copied()
            });
            if started_by.is_none() {
                let start = Seconds::between(earliest, first.start);
                line.start_s = Some(start).filter(|start| *start > Seconds::ZERO);
            }
            let mut free = started_by.unwrap_or(first.start);
            let session = lines.len();
            for (
                number,
                TimedCall {
                    start,
                    end,
                    mut call,
                },
            ) in (0..).zip(timed)
            {
                let waited = call.waits_for.iter().filter_map(|id| ends.get(id));
                free = waited.copied().fold(free, i64::max);
                if start < free {
                    overlaps.push(Seconds::between(start, free));
                }
                call.session.clone_from(&line.id);
                call.number = number;
                call.gap_s = Seconds::between(free, start);
                call.api_s = end.map(|end| Seconds::between(start, end));
                impossible += forget_impossible(&mut call);
                free = free.max(end.unwrap_or(start));
                calls.push(call);
                of_calls.push((session, number));
            }
            lines.push(line);
        }
        if let Some(longest) = overlaps.iter().max() {
            let by = longest.get();
            let what =
                format!("Calls that start before what they follow has ended, by at most {by:.3} s");
            let then = "their gaps are 0, and they are laid end to end, so that the span and the critical path are \
                        longer than recorded";
            self.note_count(&what, overlaps.len(), then);
        }
        let untimed = calls.iter().filter(|call| call.api_s.is_none()).count();
        let then = "the gap after such a call holds it, and its kind is unknown";
        self.note_count("Calls without a recorded duration", untimed, then);
        let what =
            "Tokens from a cache above the prompt's, and times to the first token above the call's";
        self.note_count(what, impossible, "they are taken as unknown");
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            source,
            block_tokens: self.block_tokens,
            notes: self.notes.iter().map(|note| fitting(note)).collect(),
        };
        // For the mistakes.
        let ids: Vec<String> = lines.iter().map(|line| line.id.clone()).collect();
        Workload::new(header, lines, calls).map_err(|(place, what)| {
            let (session, what) = match place {
                Place::Header => return (None, what),
                Place::Session(session) => (session, what),
                Place::Call(at) => {
                    let (session, number) = of_calls[at];
                    let what = format!("call {number} of session {}: {what}", ids[session]);
                    (session, what)
                }
            };
            (self.inputs.get(&ids[session]).copied(), what)
        })
    }
}

/// Makes values unknown that cannot be, and counts them.
fn forget_impossible(call: &mut Call) -> usize {
    let is_above_prompt = call
        .cached_tokens
        .zip(call.prompt_tokens)
        .is_some_and(|(cached, prompt)| cached > prompt);
    if is_above_prompt {
        call.cached_tokens = None;
    }
    let is_after_end = call
        .ttft_s
        .zip(call.api_s)
        .is_some_and(|(first, end)| first > end);
    if is_after_end {
        call.ttft_s = None;
    }
    usize::from(is_above_prompt) + usize::from(is_after_end)
}

/// A text without control characters, cut to the length that a file may have.
pub(super) fn fitting(text: &str) -> String {
    let shown = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(shown).take(CHARACTERS).collect()
}

/// Ids that are used once.
#[derive(Debug, Default)]
pub(super) struct Ids(HashSet<String>);

impl Ids {
    /// The wanted id, with a number behind it if it is taken.
    pub(super) fn unique(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|n| format!("{wanted}#{n}"));
        let mut ids = std::iter::once(wanted.to_owned()).chain(numbered);
        let id = ids
            .find(|id| !self.0.contains(id))
            .expect("numbers do not end");
        self.0.insert(id.clone());
        id
    }
}
