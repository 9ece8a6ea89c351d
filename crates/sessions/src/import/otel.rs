//! OpenTelemetry spans with GenAI attributes: exports as OTLP JSON, and JSON with a span each.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;
use indexmap::map::Entry;
use serde_json::{Deserializer, Map, Value};

use super::Input;
use super::timed::{Ids, Recording, TimedCall, TimedSession};
use crate::error::FileError;
use crate::file::{Call, GapKind, StopReason};
use crate::seconds::Seconds;

const NOTES: [&str; 4] = [
    "Which text prompts share is not recorded: prompts have no blocks.",
    "A gap after a call of a tool is the tool's, a gap after a complete answer is the user's.",
    "Calls are in the order of their starts: a call that ran beside another one of its session follows it.",
    "An agent inside another one's span is its child, which the first later call of the other waits for.",
];

struct Span {
    line: u64,
    id: String,
    parent: Option<String>,
    trace: String,
    start: i64,
    end: i64,
    attributes: Map<String, Value>,
}

/// The spans of all files, by their traces and ids.
#[derive(Default)]
struct Spans<'i> {
    by_id: IndexMap<(String, String), (&'i Input, Span)>,
    repeats: usize,
}

pub(super) fn read(inputs: &[Input]) -> Result<Recording, FileError> {
    let mut spans = Spans::default();
    for input in inputs {
        let mut values = Deserializer::from_str(&input.text).into_iter::<Value>();
        let (mut counted, mut line) = (0, 1);
        loop {
            let rest = input.text[values.byte_offset()..].trim_start();
            let begin = input.text.len() - rest.len();
            line += input.text[counted..begin].matches('\n').count() as u64;
            counted = begin;
            let Some(value) = values.next() else {
                break;
            };
            let value = value.map_err(|error| FileError::json(&input.path, None, &error))?;
            for span in spans_in(&value) {
                let span = Span::of(span, line).map_err(|what| input.mistake(line, what))?;
                match spans.by_id.entry((span.trace.clone(), span.id.clone())) {
                    Entry::Occupied(_) => spans.repeats += 1,
                    Entry::Vacant(free) => {
                        free.insert((input, span));
                    }
                }
            }
        }
    }
    spans.into_recording()
}

/// The spans of an OTLP export, of a list, or the value itself.
fn spans_in(value: &Value) -> Vec<&Value> {
    if let Some(spans) = value.as_array() {
        return spans.iter().flat_map(spans_in).collect();
    }
    let Some(resources) = value.get("resourceSpans") else {
        return vec![value];
    };
    let mut spans = Vec::new();
    for resource in resources.as_array().into_iter().flatten() {
        for scope in resource["scopeSpans"].as_array().into_iter().flatten() {
            spans.extend(scope["spans"].as_array().into_iter().flatten());
        }
    }
    spans
}

impl Span {
    fn of(value: &Value, line: u64) -> Result<Self, String> {
        let text = |keys: [&str; 3]| {
            let found = keys.iter().find_map(|key| value.pointer(key)?.as_str());
            found.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let moment = |keys: [&str; 3]| {
            let found = keys.iter().find_map(|key| value.pointer(key));
            found
                .and_then(nanos)
                .ok_or_else(|| format!("a span has no {}; give one with its times", &keys[0][1..]))
        };
        let id = text(["/spanId", "/span_id", "/context/span_id"]);
        Ok(Self {
            line,
            id: id.ok_or("a span has no spanId; give OTLP JSON, or a span a line")?,
            parent: text(["/parentSpanId", "/parent_span_id", "/parent_id"]),
            trace: text(["/traceId", "/trace_id", "/context/trace_id"]).unwrap_or_default(),
            start: moment(["/startTimeUnixNano", "/start_time_unix_nano", "/start_time"])?,
            end: moment(["/endTimeUnixNano", "/end_time_unix_nano", "/end_time"])?,
            attributes: attributes(&value["attributes"]),
        })
    }

    fn text(&self, key: &str) -> Option<String> {
        let text = self.attributes.get(key)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The first of these attributes that is there, as a count.
    fn count(&self, keys: &[&str]) -> Result<Option<u32>, String> {
        let found = keys
            .iter()
            .find_map(|key| Some((key, self.attributes.get(*key)?)));
        let Some((key, value)) = found else {
            return Ok(None);
        };
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        let is_count = |n: &f64| n.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(n);
        let count = number.filter(is_count).map(|n| n as u32);
        count
            .map(Some)
            .ok_or_else(|| format!("{key} is {value}; give a number of tokens"))
    }

    fn is_agent(&self) -> bool {
        self.text("gen_ai.operation.name")
            .is_some_and(|name| name == "invoke_agent")
    }

    /// True for a call of a model: by its operation, or else by its tokens.
    fn is_call(&self) -> bool {
        match self.text("gen_ai.operation.name").as_deref() {
            Some(name) => matches!(name, "chat" | "text_completion" | "generate_content"),
            None => INPUT_TOKENS
                .iter()
                .any(|key| self.attributes.contains_key(*key)),
        }
    }

    fn call(&self) -> Result<TimedCall, String> {
        let reasons = self.attributes.get("gen_ai.response.finish_reasons");
        let first = reasons.and_then(|reasons| reasons.get(0).unwrap_or(reasons).as_str());
        let ttft = self.attributes.get("gen_ai.response.time_to_first_chunk");
        let stream = self.attributes.get("gen_ai.request.stream");
        let model = self.text("gen_ai.response.model");
        Ok(TimedCall {
            start: self.start,
            end: Some(self.end.max(self.start)),
            call: Call {
                model: model.or_else(|| self.text("gen_ai.request.model")),
                prompt_tokens: self.count(&INPUT_TOKENS)?,
                output_tokens: self.count(&OUTPUT_TOKENS)?,
                cached_tokens: self.count(&["gen_ai.usage.cache_read.input_tokens"])?,
                stop: first.and_then(StopReason::of_word),
                stream: stream.and_then(Value::as_bool),
                ttft_s: ttft
                    .and_then(Value::as_f64)
                    .and_then(|s| Seconds::try_from(s).ok()),
                ..Call::default()
            },
        })
    }
}

const INPUT_TOKENS: [&str; 2] = ["gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"];
const OUTPUT_TOKENS: [&str; 2] = [
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
];

/// Nanoseconds since 1970: a number of them, or a date and time.
fn nanos(value: &Value) -> Option<i64> {
    if let Some(number) = value.as_i64() {
        return Some(number);
    }
    let text = value.as_str()?;
    let date = || {
        chrono::DateTime::parse_from_rfc3339(text)
            .ok()?
            .timestamp_nanos_opt()
    };
    text.parse().ok().or_else(date)
}

/// Attributes as an object, or as OTLP's list of keys and values.
fn attributes(value: &Value) -> Map<String, Value> {
    if let Some(object) = value.as_object() {
        return object.clone();
    }
    let pair = |pair: &Value| Some((pair["key"].as_str()?.to_owned(), plain(&pair["value"])));
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(pair)
        .collect()
}

/// The value inside OTLP's `{"intValue":"7"}` or `{"arrayValue":{"values":[…]}}`.
fn plain(value: &Value) -> Value {
    let inner = value.as_object().and_then(|object| object.values().next());
    match inner {
        Some(Value::Object(list)) => {
            let values = list.get("values").and_then(Value::as_array);
            values.into_iter().flatten().map(plain).collect()
        }
        other => other.cloned().unwrap_or_default(),
    }
}

/// What the calls of a session have in common.
#[derive(PartialEq, Eq, Hash, Clone)]
enum SessionKey {
    /// The trace and the id of the agent's span.
    Agent(String, String),
    Conversation(String),
}

impl Spans<'_> {
    /// The nearest span of an agent around this one.
    fn agent_of(&self, span: &Span) -> Option<&Span> {
        let mut seen = HashSet::new();
        let above = |below: &Span| {
            let parent = (below.trace.clone(), below.parent.clone()?);
            self.by_id.get(&parent).map(|(_, above)| above)
        };
        let mut next = above(span);
        while let Some(span) = next {
            if span.is_agent() || !seen.insert(&span.id) {
                return span.is_agent().then_some(span);
            }
            next = above(span);
        }
        None
    }

    /// The session of a call, by the agent around it: an agent inside another one is a session, and what is left
    /// belongs to its conversation, or else to its trace.
    fn session_of(&self, span: &Span, agent: Option<&Span>) -> SessionKey {
        let inner = agent.filter(|agent| self.agent_of(agent).is_some());
        let conversation = || span.text("gen_ai.conversation.id");
        let of_agent = || agent?.text("gen_ai.conversation.id");
        if let Some(agent) = inner {
            return SessionKey::Agent(agent.trace.clone(), agent.id.clone());
        }
        let name = conversation().or_else(of_agent);
        SessionKey::Conversation(name.unwrap_or_else(|| span.trace.clone()))
    }

    fn into_recording(self) -> Result<Recording, FileError> {
        let mut recording = Recording {
            notes: NOTES.map(str::to_owned).to_vec(),
            ..Recording::default()
        };
        // Each session with the agent's span, if it is a child.
        let mut sessions: IndexMap<SessionKey, (TimedSession, Option<&Span>)> = IndexMap::new();
        for (input, span) in self.by_id.values().filter(|(_, span)| span.is_call()) {
            let call = span.call().map_err(|what| input.mistake(span.line, what))?;
            let agent = self.agent_of(span);
            let key = self.session_of(span, agent);
            let inner = agent.filter(|_| matches!(key, SessionKey::Agent(..)));
            let (session, _) = sessions
                .entry(key)
                .or_insert_with(|| (TimedSession::default(), inner));
            let name = agent.and_then(|agent| agent.text("gen_ai.agent.name"));
            session.line.agent = session.line.agent.take().or(name);
            session.calls.push(call);
        }
        let mut ids = Ids::default();
        for (key, (session, _)) in &mut sessions {
            let (SessionKey::Agent(_, name) | SessionKey::Conversation(name)) = key;
            session.line.id = ids.unique(if name.is_empty() { "spans" } else { name });
            session.calls.sort_by_key(|timed| timed.start);
            let mut before = None;
            for timed in &mut session.calls {
                timed.call.gap_kind = match before {
                    Some(Some(StopReason::ToolUse)) => GapKind::Tool,
                    Some(Some(StopReason::End)) => GapKind::User,
                    _ => GapKind::Unknown,
                };
                before = Some(timed.call.stop);
            }
        }
        let places: HashMap<SessionKey, usize> = sessions.keys().cloned().zip(0..).collect();
        let agents: Vec<Option<&Span>> = sessions.values().map(|(_, agent)| *agent).collect();
        recording.sessions = sessions.into_values().map(|(session, _)| session).collect();
        let mut strays = 0;
        for (child, agent) in agents.into_iter().enumerate() {
            let Some(agent) = agent else {
                continue;
            };
            let outer = self.agent_of(agent);
            let parent = places.get(&self.session_of(agent, outer)).copied();
            let (start, end) = (
                recording.sessions[child].calls[0].start,
                recording.sessions[child].end(),
            );
            let calls = parent.map_or(&[][..], |parent| &recording.sessions[parent].calls);
            let starter = calls.iter().rposition(|timed| timed.latest() <= start);
            let joined = calls.iter().position(|timed| timed.start >= end);
            match parent.zip(starter) {
                Some((parent, starter)) => recording.start_child(parent, starter, child, joined),
                None => strays += 1,
            }
        }
        let what = "Agents inside another one's span that start before its first call has ended";
        recording.note_count(what, strays, "they are sessions without a parent");
        let what = "Spans with the trace and the id of an earlier span";
        recording.note_count(what, self.repeats, "the first of each is imported");
        Ok(recording)
    }
}
