//! Traces of requests: starts and lengths, as `tandem load --trace` reads them.

use std::collections::BTreeMap;

use super::Input;
use super::timed::{Ids, Recording, TimedCall, TimedSession};
use crate::error::FileError;
use crate::file::{Call, SessionLine};
use crate::trace::{Trace, TraceEntry, TracePrompt};

const NOTES: [&str; 3] = [
    "Durations are not recorded: a gap counts from the start of the call before.",
    "Models, stop reasons and blocks of prompts are not recorded: which text prompts share is unknown.",
    "A request without a session is a session of its own.",
];

pub(super) fn read(inputs: &[Input]) -> Result<Recording, FileError> {
    let mut recording = Recording {
        notes: NOTES.map(str::to_owned).to_vec(),
        ..Recording::default()
    };
    let mut ids = Ids::default();
    for (at, input) in inputs.iter().enumerate() {
        let trace = Trace::parse(&input.path, &input.text).map_err(FileError::of_trace)?;
        let name = trace.name.clone();
        let mut note = |words: String| recording.notes.push(format!("{name}: {words}."));
        note(format!("starts are {}", trace.starts));
        if trace.skipped > 0 {
            note(format!(
                "{} requests without a response are left out",
                trace.skipped
            ));
        }
        if !trace.unused.is_empty() {
            note(format!(
                "columns that are not imported: {}",
                trace.unused.join(", ")
            ));
        }
        if trace
            .entries
            .iter()
            .any(|entry| matches!(entry.prompt, TracePrompt::Text(_)))
        {
            note("texts of prompts are not kept, and their tokens are unknown".to_owned());
        }
        let mut sessions: BTreeMap<(u32, u32), Vec<TimedCall>> = BTreeMap::new();
        for (entry, alone) in trace.entries.iter().zip(0..) {
            let key = entry.session.map_or((1, alone), |session| (0, session));
            sessions.entry(key).or_default().push(call(entry));
        }
        for ((kind, number), calls) in sessions {
            let what = ["session", "request"][kind as usize];
            let id = ids.unique(&format!("{name}/{what}-{number}"));
            recording.inputs.insert(id.clone(), at);
            let line = SessionLine {
                id,
                ..SessionLine::default()
            };
            recording.sessions.push(TimedSession { line, calls });
        }
    }
    Ok(recording)
}

fn call(entry: &TraceEntry) -> TimedCall {
    let prompt_tokens = match entry.prompt {
        TracePrompt::Tokens(tokens) => Some(tokens),
        TracePrompt::Text(_) | TracePrompt::Unknown => None,
    };
    TimedCall {
        start: i64::try_from(entry.start.0).unwrap_or(i64::MAX),
        end: None,
        call: Call {
            prompt_tokens,
            output_tokens: entry.output_tokens,
            ..Call::default()
        },
    }
}
