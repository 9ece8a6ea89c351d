//! Logs of Claude Code, as it writes them under `~/.claude/projects`.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use indexmap::IndexMap;
use itertools::Itertools as _;
use serde::Deserialize;
use serde_json::Value;

use super::Input;
use super::timed::{Ids, Recording, TimedCall, TimedSession};
use crate::error::FileError;
use crate::file::{Call, GapKind, SessionLine, StopReason};

const NOTES: [&str; 4] = [
    "Which text prompts share is not recorded: prompts have no blocks, only the tokens that the server cached.",
    "A call counts from the tool result or the user's text before it to its last record: what the client does before \
     it sends is part of the call, and the time to the first token is unknown.",
    "Tools may run before the answer has ended; a gap counts from the answer's end.",
    "A session that was resumed in a new log repeats its calls there; each is imported once.",
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(rename = "type")]
    kind: Option<String>,
    uuid: Option<String>,
    parent_uuid: Option<String>,
    #[serde(default)]
    is_sidechain: bool,
    /// True for text that the program put in.
    #[serde(default)]
    is_meta: bool,
    agent_id: Option<String>,
    session_id: Option<String>,
    timestamp: Option<String>,
    message: Option<Message>,
    #[serde(default)]
    tool_use_result: Value,
}

impl Record {
    /// The id of the answer that it is part of.
    fn answer(&self) -> Option<&str> {
        let message = self.message.as_ref()?;
        let id = message.id.as_deref().or(self.uuid.as_deref());
        id.filter(|_| self.kind.as_deref() == Some("assistant"))
    }
}

#[derive(Deserialize)]
struct Message {
    id: Option<String>,
    model: Option<String>,
    #[serde(default)]
    content: Value,
    stop_reason: Option<String>,
    usage: Option<Usage>,
}

impl Message {
    /// Its parts of one type.
    fn parts<'m>(&'m self, kind: &'m str) -> impl Iterator<Item = &'m Value> {
        let parts = self.content.as_array().into_iter().flatten();
        parts.filter(move |part| part["type"] == kind)
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the names of the log")]
struct Usage {
    input_tokens: Option<u32>,
    cache_creation_input_tokens: Option<u32>,
    cache_read_input_tokens: Option<u32>,
    output_tokens: Option<u32>,
}

/// The records of one agent.
#[derive(Default)]
struct Chain {
    /// Calls by the ids of their messages.
    calls: IndexMap<String, TimedCall>,
    is_sidechain: bool,
    agent_id: Option<String>,
    /// Text that a sub-agent begins with.
    task: Option<String>,
    /// The moment of its first record.
    first: Option<i64>,
    /// The latest end of its calls.
    latest: Option<i64>,
    /// The last moment at which the client had something to send.
    last_input: Option<i64>,
    gap_kind: GapKind,
}

/// A call of a tool: its chain, its call, its moment, and the text given to a sub-agent.
struct ToolUse {
    chain: String,
    call: usize,
    moment: i64,
    task: Option<String>,
    agent: Option<String>,
}

/// A tool's result: the call that it is given to, and the sub-agent that made it.
struct ToolResult {
    next_call: usize,
    agent_id: Option<String>,
}

#[derive(Default)]
struct Log {
    chains: IndexMap<String, Chain>,
    /// Chain of each record of a sub-agent without an id.
    of_record: HashMap<String, String>,
    /// Chain of each message.
    of_message: HashMap<String, String>,
    tool_uses: IndexMap<String, ToolUse>,
    tool_results: HashMap<String, ToolResult>,
    /// Files without a record of an answer.
    empty_logs: usize,
}

pub(super) fn read(inputs: &[Input]) -> Result<Recording, FileError> {
    let mut files: Vec<(&Input, Vec<(u64, Record)>)> = Vec::new();
    for input in inputs {
        files.push((input, input.json_lines().try_collect()?));
    }
    sort(&mut files);
    let mut log = Log::default();
    for (input, records) in files {
        log.empty_logs += usize::from(!records.iter().any(|(_, record)| record.answer().is_some()));
        for (line, record) in records {
            log.take(input, line, record)?;
        }
    }
    Ok(log.into_recording())
}

/// Sorts files by the moment of the first answer that no other one has, and then by name: the first file that has an
/// answer owns it.
fn sort(files: &mut [(&Input, Vec<(u64, Record)>)]) {
    let mut owners: HashMap<&str, HashSet<usize>> = HashMap::new();
    for (file, (_, records)) in files.iter().enumerate() {
        for id in records.iter().filter_map(|(_, record)| record.answer()) {
            owners.entry(id).or_default().insert(file);
        }
    }
    let first_own = |(input, records): &(&Input, Vec<(u64, Record)>)| {
        let own = records.iter().filter(|(_, record)| {
            let answer = record.answer();
            answer.is_some_and(|id| owners[id].len() == 1)
        });
        let moment = |(line, record): &(u64, Record)| {
            let moment = record.timestamp.as_ref()?;
            input.moment(*line, moment).ok()
        };
        (own.filter_map(moment).min(), input.name())
    };
    let order: Vec<_> = files.iter().map(first_own).collect();
    let places: HashMap<&Path, _> = files
        .iter()
        .map(|(input, _)| &*input.path)
        .zip(order)
        .collect();
    files.sort_by(|(a, _), (b, _)| places[&*a.path].cmp(&places[&*b.path]));
}

impl Log {
    /// The chain of a record: a session, or a sub-agent in it.
    fn chain_of(&mut self, record: &Record) -> String {
        let session = record.session_id.as_deref().unwrap_or("session");
        if !record.is_sidechain && record.agent_id.is_none() {
            return session.to_owned();
        }
        if let Some(agent) = &record.agent_id {
            return format!("{session}/{agent}");
        }
        // Older logs have sub-agents between the other records, linked by the records' parents alone.
        let parent = record
            .parent_uuid
            .as_ref()
            .and_then(|parent| self.of_record.get(parent));
        let uuid = record.uuid.as_deref().unwrap_or_default();
        let short: String = uuid.chars().take(8).collect();
        let chain = parent
            .cloned()
            .unwrap_or_else(|| format!("{session}/{short}"));
        self.of_record.insert(uuid.to_owned(), chain.clone());
        chain
    }

    fn take(&mut self, input: &Input, line: u64, record: Record) -> Result<(), FileError> {
        let name = self.chain_of(&record);
        let (Some(kind), Some(message), Some(moment)) =
            (record.kind.as_deref(), &record.message, &record.timestamp)
        else {
            return Ok(());
        };
        let moment = input.moment(line, moment)?;
        let chain = self.chains.entry(name.clone()).or_default();
        chain.is_sidechain |= record.is_sidechain || record.agent_id.is_some();
        chain.agent_id = chain.agent_id.take().or(record.agent_id);
        chain.first = Some(chain.first.map_or(moment, |first| first.min(moment)));
        match kind {
            "user" => {
                let mut is_result = false;
                for part in message.parts("tool_result") {
                    is_result = true;
                    let Some(id) = part["tool_use_id"].as_str() else {
                        continue;
                    };
                    let result = ToolResult {
                        next_call: chain.calls.len(),
                        agent_id: record.tool_use_result["agentId"]
                            .as_str()
                            .map(str::to_owned),
                    };
                    // A resumed session repeats the result in its log.
                    self.tool_results.entry(id.to_owned()).or_insert(result);
                }
                if chain.task.is_none() {
                    let text = message.parts("text").find_map(|part| part["text"].as_str());
                    chain.task = message.content.as_str().or(text).map(str::to_owned);
                }
                chain.last_input = chain.last_input.max(Some(moment));
                if !record.is_meta {
                    chain.gap_kind = match is_result {
                        true if chain.gap_kind != GapKind::User => GapKind::Tool,
                        true => chain.gap_kind,
                        false => GapKind::User,
                    };
                }
            }
            "assistant" if message.model.as_deref() != Some("<synthetic>") => {
                let Some(id) = message.id.as_ref().or(record.uuid.as_ref()) else {
                    return Err(
                        input.mistake(line, "an answer has no message.id; remove the record")
                    );
                };
                let owner = self
                    .of_message
                    .entry(id.clone())
                    .or_insert_with(|| name.clone());
                if *owner != name {
                    return Ok(());
                }
                chain.answer(id, message, moment);
                let call = chain.calls.get_index_of(id).expect("it was just added");
                for part in message.parts("tool_use") {
                    let text = |value: &Value| value.as_str().map(str::to_owned);
                    let tool_use = ToolUse {
                        chain: name.clone(),
                        call,
                        moment,
                        task: text(&part["input"]["prompt"]),
                        agent: text(&part["input"]["subagent_type"]),
                    };
                    self.tool_uses
                        .extend(text(&part["id"]).map(|id| (id, tool_use)));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The id of the tool call that started each sub-agent, by the sub-agent's chain: by the agent's id in its result, or
    /// else the latest one with the agent's task before the agent begins. A tool call starts one sub-agent.
    fn starters(&self) -> HashMap<&str, &str> {
        let chains = self.chains.iter();
        let mut chains: Vec<(&str, &Chain)> = chains
            .filter(|(_, chain)| chain.is_sidechain && !chain.calls.is_empty())
            .map(|(name, chain)| (name.as_str(), chain))
            .collect();
        chains.sort_by_key(|(_, chain)| chain.first);
        let mut by_agent: HashMap<&str, &str> = HashMap::new();
        for id in self.tool_uses.keys() {
            let result = self.tool_results.get(id);
            if let Some(agent) = result.and_then(|result| result.agent_id.as_deref()) {
                by_agent.entry(agent).or_insert(id);
            }
        }
        let mut starters: HashMap<&str, &str> = HashMap::new();
        for (name, chain) in &chains {
            let agent = chain.agent_id.as_deref();
            starters.extend(agent.and_then(|agent| Some((*name, *by_agent.get(agent)?))));
        }
        let used: HashSet<&str> = starters.values().copied().collect();
        let mut by_task: HashMap<&str, Vec<(&str, &ToolUse)>> = HashMap::new();
        for (id, tool_use) in &self.tool_uses {
            if let Some(task) = tool_use.task.as_deref().filter(|_| !used.contains(&**id)) {
                by_task.entry(task).or_default().push((id, tool_use));
            }
        }
        for unused in by_task.values_mut() {
            unused.sort_by_key(|(_, tool_use)| tool_use.moment);
        }
        for (name, chain) in chains {
            let task = chain.task.as_deref();
            let Some(unused) = task.and_then(|task| by_task.get_mut(task)) else {
                continue;
            };
            if starters.contains_key(name) {
                continue;
            }
            let before = unused.partition_point(|(_, used)| Some(used.moment) <= chain.first);
            let latest = unused[..before]
                .iter()
                .rposition(|(_, used)| used.chain != name);
            starters.extend(latest.map(|at| (name, unused.remove(at).0)));
        }
        starters
    }

    fn into_recording(self) -> Recording {
        let mut recording = Recording {
            notes: NOTES.map(str::to_owned).to_vec(),
            ..Recording::default()
        };
        let starters = self.starters();
        let mut ids = Ids::default();
        for (name, chain) in &self.chains {
            let starter = starters.get(&**name);
            let agent = starter.and_then(|id| self.tool_uses[*id].agent.clone());
            let line = SessionLine {
                id: ids.unique(name),
                agent: agent.or_else(|| chain.is_sidechain.then(|| "sub-agent".to_owned())),
                ..SessionLine::default()
            };
            let calls = chain.calls.values().cloned().collect();
            recording.sessions.push(TimedSession { line, calls });
        }
        let mut strays = 0;
        for (child, (name, chain)) in self.chains.iter().enumerate() {
            if !chain.is_sidechain || chain.calls.is_empty() {
                continue;
            }
            let place = |tool_use: &ToolUse| self.chains.get_index_of(&tool_use.chain);
            let starter = starters.get(&**name).and_then(|id| {
                let tool_use = &self.tool_uses[*id];
                let next = self.tool_results.get(*id).map(|result| result.next_call);
                Some((tool_use, next, place(tool_use)?))
            });
            let starter = starter.filter(|(tool_use, _, _)| tool_use.chain != *name);
            let Some((tool_use, next, parent)) = starter else {
                strays += 1;
                continue;
            };
            let end = recording.sessions[child].end();
            // The result of a sub-agent that runs in the background comes before the sub-agent's end.
            let waits = |next: &usize| {
                let call = recording.sessions[parent].calls.get(*next);
                call.is_some_and(|call| call.start >= end)
            };
            let joined = next.filter(waits);
            recording.start_child(parent, tool_use.call, child, joined);
        }
        let what = "Sub-agents whose start is in none of the logs";
        recording.note_count(what, strays, "they are sessions without a parent");
        let given = self
            .chains
            .values()
            .filter_map(|chain| chain.agent_id.as_ref());
        let given: HashSet<&String> = given.collect();
        let results = self.tool_results.values();
        let named = results.filter_map(|result| result.agent_id.as_ref());
        let missing = named
            .unique()
            .filter(|agent| !given.contains(agent))
            .count();
        let what = "Sub-agents whose logs were not given";
        recording.note_count(what, missing, "their time is shown as that of tools");
        let then = "they add nothing";
        recording.note_count("Logs that hold no call", self.empty_logs, then);
        recording
            .sessions
            .retain(|session| !session.calls.is_empty());
        recording
    }
}

impl Chain {
    /// Takes a record of an answer; a message has several, each with the same usage.
    fn answer(&mut self, id: &str, message: &Message, moment: i64) {
        let before = self.latest;
        let last_input = self.last_input;
        let gap_kind = match (before, self.is_sidechain) {
            (_, true) => GapKind::Tool,
            (None, false) => GapKind::Unknown,
            (Some(_), false) => self.gap_kind,
        };
        let is_new = !self.calls.contains_key(id);
        let timed = self
            .calls
            .entry(id.to_owned())
            .or_insert_with(|| TimedCall {
                start: last_input.max(before).unwrap_or(moment).min(moment),
                end: None,
                call: Call {
                    gap_kind,
                    ..Call::default()
                },
            });
        if is_new {
            self.gap_kind = GapKind::Unknown;
        }
        timed.end = timed.end.max(Some(moment));
        self.latest = self.latest.max(timed.end);
        let call = &mut timed.call;
        let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        call.model = known(&message.model).or(call.model.take());
        let stop = message.stop_reason.as_deref().and_then(StopReason::of_word);
        call.stop = stop.or(call.stop);
        if let Some(usage) = &message.usage {
            let parts = [
                usage.input_tokens,
                usage.cache_creation_input_tokens,
                usage.cache_read_input_tokens,
            ];
            let prompt = parts.into_iter().flatten().reduce(u32::saturating_add);
            call.prompt_tokens = call.prompt_tokens.max(prompt);
            call.cached_tokens = call.cached_tokens.max(usage.cache_read_input_tokens);
            call.output_tokens = call.output_tokens.max(usage.output_tokens);
        }
    }
}
