//! Weka's JSON: the conversations of the KV-Cache-Tester collection.

use std::num::NonZeroU32;

use serde::Deserialize;

use super::Input;
use super::timed::{Ids, Recording, TimedCall, TimedSession};
use crate::error::FileError;
use crate::file::{Blocks, Call, GapKind, SessionLine, StopReason};
use crate::seconds::Seconds;

const NOTES: [&str; 4] = [
    "Texts are not recorded, only hashes of blocks: a replay makes up text, equal where the hashes are equal.",
    "Starts are whole seconds in most files, so that a gap is known to a second.",
    "A sub-agent starts `duration_ms` before the moment of its entry, and the parent's next call waits for it.",
    "Each file is a recording of its own: how conversations lay beside each other in time is unknown.",
];

#[derive(Deserialize)]
struct Conversation {
    id: String,
    block_size: NonZeroU32,
    #[serde(default)]
    hash_id_scope: String,
    requests: Vec<Entry>,
    totals: Option<Totals>,
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Entry {
    #[serde(rename = "s")]
    Streamed(Request),
    #[serde(rename = "n")]
    Whole(Request),
    #[serde(rename = "subagent")]
    SubAgent(SubAgent),
}

#[derive(Deserialize)]
struct Request {
    t: Seconds,
    model: Option<String>,
    #[serde(rename = "in")]
    prompt_tokens: u32,
    #[serde(rename = "out")]
    output_tokens: u32,
    hash_ids: Option<Vec<u64>>,
    #[serde(default)]
    input_types: Vec<String>,
    #[serde(default)]
    stop: String,
    api_time: Option<Seconds>,
    ttft: Option<Seconds>,
}

#[derive(Deserialize)]
struct SubAgent {
    t: Seconds,
    agent_id: String,
    subagent_type: Option<String>,
    #[serde(default)]
    duration_ms: u64,
    requests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Totals {
    combined_tokens: Tokens,
    subagent_count: usize,
}

#[derive(Deserialize)]
struct Tokens {
    input: u64,
    output: u64,
}

/// What the sessions of one file share.
struct File<'f> {
    recording: &'f mut Recording,
    ids: &'f mut Ids,
    scope: Option<String>,
    /// Place of the input.
    input: usize,
}

pub(super) fn read(inputs: &[Input]) -> Result<Recording, FileError> {
    let mut recording = Recording {
        notes: NOTES.map(str::to_owned).to_vec(),
        ..Recording::default()
    };
    let mut ids = Ids::default();
    for (at, input) in inputs.iter().enumerate() {
        let read: Conversation = serde_json::from_str(&input.text)
            .map_err(|error| FileError::json(&input.path, None, &error))?;
        let size = *recording.block_tokens.get_or_insert(read.block_size);
        if size != read.block_size {
            let what = format!(
                "block_size is {} and {size} in an earlier file; import files of one size together",
                read.block_size
            );
            return Err(FileError::new(&input.path, None, what));
        }
        let first = recording.sessions.len();
        let id = ids.unique(&read.id);
        let mut file = File {
            recording: &mut recording,
            ids: &mut ids,
            scope: (read.hash_id_scope != "global").then(|| id.clone()),
            input: at,
        };
        file.add(&id, None, 0, read.requests);
        if let Some(totals) = read.totals
            && let Some(differs) = totals.difference(&recording.sessions[first..])
        {
            recording
                .notes
                .push(format!("{}: {differs}.", input.name()));
        }
    }
    let calls = recording.sessions.iter().map(|session| &session.calls);
    let empty = calls.filter(|calls| calls.is_empty()).count();
    let what = "Conversations and sub-agents without a request";
    recording.note_count(what, empty, "they are left out");
    Ok(recording)
}

impl File<'_> {
    /// Adds a session whose requests count from `origin`, and those that it starts. Returns its place.
    fn add(&mut self, id: &str, agent: Option<String>, origin: i64, entries: Vec<Entry>) -> usize {
        let is_root = agent.is_none();
        let line = SessionLine {
            id: id.to_owned(),
            agent,
            scope: self.scope.clone(),
            ..SessionLine::default()
        };
        let (mut calls, mut started) = (Vec::<TimedCall>::new(), Vec::new());
        let mut blocks_before = Vec::new();
        for entry in entries {
            let (request, stream) = match entry {
                Entry::Streamed(request) => (request, true),
                Entry::Whole(request) => (request, false),
                Entry::SubAgent(sub) => {
                    started.push((calls.len(), sub));
                    continue;
                }
            };
            let blocks = request.hash_ids.clone().unwrap_or_default();
            let start = origin.saturating_add(request.t.nanos());
            let end = request
                .api_time
                .map(|api| start.saturating_add(api.nanos()));
            calls.push(TimedCall {
                start,
                end,
                call: Call {
                    blocks: request
                        .hash_ids
                        .as_ref()
                        .map(|_| Blocks::after(&blocks_before, &blocks)),
                    gap_kind: request.gap_kind(is_root, calls.last()),
                    model: request.model.filter(|model| !model.is_empty()),
                    prompt_tokens: Some(request.prompt_tokens),
                    output_tokens: Some(request.output_tokens),
                    stop: StopReason::of_word(&request.stop),
                    stream: Some(stream),
                    ttft_s: request.ttft,
                    ..Call::default()
                },
            });
            blocks_before = blocks;
        }
        let place = self.recording.sessions.len();
        self.recording.inputs.insert(line.id.clone(), self.input);
        self.recording.sessions.push(TimedSession { line, calls });
        for (calls_before, sub) in started {
            let child_id = self.ids.unique(&format!("{id}/{}", sub.agent_id));
            let lasted = i64::try_from(sub.duration_ms)
                .unwrap_or(i64::MAX)
                .saturating_mul(1_000_000);
            let start = origin.saturating_add(sub.t.nanos()).saturating_sub(lasted);
            let agent = sub.subagent_type.unwrap_or_else(|| "sub-agent".to_owned());
            let child = self.add(&child_id, Some(agent), start, sub.requests);
            if self.recording.sessions[child].calls.is_empty() {
                continue;
            }
            match calls_before.checked_sub(1) {
                Some(starter) => {
                    self.recording
                        .start_child(place, starter, child, Some(calls_before));
                }
                None => self.recording.notes.push(format!(
                    "{} starts before any call of its parent, and is a session of its own.",
                    self.recording.sessions[child].line.id
                )),
            }
        }
        place
    }
}

impl Request {
    fn gap_kind(&self, is_root: bool, before: Option<&TimedCall>) -> GapKind {
        let has = |kind: &str| self.input_types.iter().any(|input| input == kind);
        match before {
            Some(before) if before.end.is_none() => GapKind::Unknown,
            Some(_) if has("tool_result") => GapKind::Tool,
            Some(_) if is_root && has("text") => GapKind::User,
            _ => GapKind::Unknown,
        }
    }
}

impl Totals {
    /// How the sessions of the file differ from its totals, if they do.
    fn difference(&self, sessions: &[TimedSession]) -> Option<String> {
        let calls = || sessions.iter().flat_map(|session| &session.calls);
        let sum = |tokens: fn(&Call) -> Option<u32>| -> u64 {
            calls()
                .filter_map(|timed| tokens(&timed.call))
                .map(u64::from)
                .sum()
        };
        [
            (
                "input tokens",
                sum(|call| call.prompt_tokens),
                self.combined_tokens.input,
            ),
            (
                "output tokens",
                sum(|call| call.output_tokens),
                self.combined_tokens.output,
            ),
            (
                "sub-agents",
                sessions.len() as u64 - 1,
                self.subagent_count as u64,
            ),
        ]
        .into_iter()
        .find(|(_, found, stated)| found != stated)
        .map(|(what, found, stated)| {
            format!("the file holds {found} {what} and its totals state {stated}")
        })
    }
}
