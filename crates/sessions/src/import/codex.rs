//! Logs of Codex CLI, as it writes them under `~/.codex/sessions`.

use serde::Deserialize;
use serde_json::Value;

use super::Input;
use super::timed::{Ids, Recording, TimedCall, TimedSession};
use crate::error::FileError;
use crate::file::{Call, GapKind, SessionLine, StopReason};

const NOTES: [&str; 5] = [
    "Which text prompts share is not recorded: prompts have no blocks, only the tokens that the server cached.",
    "A call counts from the tool result or the user's text before it to the count of its tokens: what the client does \
     before it sends is part of the call, and the time to the first token is unknown.",
    "Stop reasons are not recorded: an answer with a call of a tool stopped for it, and any other was complete.",
    "Tools may run before the answer has ended; a gap counts from the answer's end.",
    "A sub-agent has a log of its own, which is imported as a session without a parent.",
];

#[derive(Deserialize)]
struct Record {
    timestamp: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    payload: Value,
}

#[derive(Deserialize)]
struct Count {
    total_token_usage: Option<Usage>,
    last_token_usage: Usage,
}

#[derive(Deserialize, PartialEq, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the names of the log")]
struct Usage {
    input_tokens: u32,
    #[serde(default)]
    cached_input_tokens: u32,
    output_tokens: u32,
}

/// What has been seen since the last count of tokens.
#[derive(Default)]
struct Round {
    /// The last moment at which the client had something to send.
    input: Option<i64>,
    gap_kind: GapKind,
    /// True once the model has answered something.
    has_answer: bool,
    calls_tool: bool,
    /// What came behind the first part of the answer, and so is for the next call, which counts from the answer's end.
    next: GapKind,
}

pub(super) fn read(inputs: &[Input]) -> Result<Recording, FileError> {
    let mut recording = Recording {
        notes: NOTES.map(str::to_owned).to_vec(),
        ..Recording::default()
    };
    let logs: Vec<Log> = inputs.iter().map(read_log).collect::<Result<_, _>>()?;
    let (mut copied, mut unknown) = (0, 0);
    let mut ids = Ids::default();
    for (at, log) in logs.iter().enumerate() {
        let mut session = TimedSession {
            line: log.session.line.clone(),
            calls: log.session.calls.clone(),
        };
        if let Some(fork) = &log.fork {
            match fork.copied(&session, &logs) {
                Some(count) => {
                    copied += count;
                    session.calls.drain(..count);
                    if let Some(first) = session.calls.first_mut() {
                        first.call.gap_kind = GapKind::Unknown;
                    }
                }
                None => unknown += session.calls.len(),
            }
        }
        session.line.id = ids.unique(&session.line.id);
        recording.inputs.insert(session.line.id.clone(), at);
        recording.sessions.push(session);
    }
    let what = "Calls of the parent that the log of a fork repeats";
    recording.note_count(what, copied, "they are left out of the fork");
    let what =
        "Calls of forks, of which the first may be the parent's, that the log does not tell apart";
    let then = "import the parent's log with the fork's, or do not add up their tokens";
    recording.note_count(what, unknown, then);
    Ok(recording)
}

/// A log, with the calls that a fork repeats.
struct Log {
    session: TimedSession,
    fork: Option<Fork>,
}

/// A session that began as a copy of another one, whose records its log repeats.
struct Fork {
    parent: String,
    start: i64,
}

impl Fork {
    /// How many of its first calls are the parent's: those that the parent's log has as well, or else those with moments
    /// up to the fork's start. `None` when neither tells.
    fn copied(&self, session: &TimedSession, logs: &[Log]) -> Option<usize> {
        let parent = logs.iter().find(|log| log.session.line.id == self.parent);
        if let Some(parent) = parent {
            let tokens = |timed: &TimedCall| {
                let Call {
                    prompt_tokens,
                    cached_tokens,
                    output_tokens,
                    ..
                } = timed.call;
                (prompt_tokens, cached_tokens, output_tokens)
            };
            let pairs = session.calls.iter().zip(&parent.session.calls);
            let equal = pairs.take_while(|(own, other)| tokens(own) == tokens(other));
            return Some(equal.count());
        }
        let old = session
            .calls
            .iter()
            .take_while(|timed| timed.latest() <= self.start);
        Some(old.count()).filter(|count| *count > 0)
    }
}

fn read_log(input: &Input) -> Result<Log, FileError> {
    let line = SessionLine {
        id: input.name(),
        ..SessionLine::default()
    };
    let mut session = TimedSession {
        line,
        ..TimedSession::default()
    };
    let (mut round, mut model, mut total) = (Round::default(), None, None);
    let (mut has_meta, mut fork) = (false, None);
    for record in input.json_lines::<Record>() {
        let (
            line,
            Record {
                timestamp,
                kind,
                payload,
            },
        ) = record?;
        let moment = input.moment(line, &timestamp)?;
        let what = payload["type"].as_str().unwrap_or_default();
        let text = |key: &str| payload[key].as_str().map(str::to_owned);
        match (kind.as_str(), what) {
            // A fork has the parent's record behind its own.
            ("session_meta", _) if !has_meta => {
                has_meta = true;
                session.line.id = text("id").unwrap_or(session.line.id);
                let start = text("timestamp").map(|start| input.moment(line, &start));
                let start = start.transpose()?.unwrap_or(moment);
                fork = text("forked_from_id").map(|parent| Fork { parent, start });
            }
            ("turn_context", _) => model = text("model").or(model),
            ("event_msg", "user_message" | "task_started") => {
                round.take_input(moment, GapKind::User);
            }
            ("event_msg", "token_count") if !payload["info"].is_null() => {
                let count = Count::deserialize(&payload["info"]).map_err(|error| {
                    input.mistake(line, format!("payload.info: {error}; remove the record"))
                })?;
                // The same count comes again with the limits of the account.
                if count.total_token_usage.is_some() && count.total_token_usage == total {
                    continue;
                }
                total = count.total_token_usage;
                let before = session.calls.last().map(TimedCall::latest);
                let call = round.end(before, moment, model.clone(), count.last_token_usage);
                session.calls.push(call);
                round = Round {
                    gap_kind: round.next,
                    ..Round::default()
                };
            }
            ("response_item", "message") if payload["role"] != "assistant" => {}
            ("response_item", what) if what.ends_with("_output") => {
                round.take_input(moment, GapKind::Tool);
            }
            ("response_item", what) => {
                round.has_answer = true;
                round.calls_tool |= what.ends_with("_call");
            }
            _ => {}
        }
    }
    Ok(Log { session, fork })
}

impl Round {
    fn take_input(&mut self, moment: i64, kind: GapKind) {
        if self.has_answer {
            self.next = kind;
            return;
        }
        self.input = Some(moment);
        if self.gap_kind != GapKind::User {
            self.gap_kind = kind;
        }
    }

    fn end(&self, before: Option<i64>, end: i64, model: Option<String>, usage: Usage) -> TimedCall {
        TimedCall {
            start: self.input.max(before).unwrap_or(end).min(end),
            end: Some(end),
            call: Call {
                model,
                prompt_tokens: Some(usage.input_tokens),
                output_tokens: Some(usage.output_tokens),
                cached_tokens: Some(usage.cached_input_tokens),
                stop: Some(if self.calls_tool {
                    StopReason::ToolUse
                } else {
                    StopReason::End
                }),
                gap_kind: if before.is_some() {
                    self.gap_kind
                } else {
                    GapKind::Unknown
                },
                ..Call::default()
            },
        }
    }
}
