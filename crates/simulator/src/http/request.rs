//! A generation request, in one form for every protocol.

use std::fmt::Write as _;

use domain::ModelOptions;
use domain::backend::KeepAlive;
use serde_json::Value;

use super::go_types;
use super::keep_alive;
use super::options::ParsedOptions;
use super::refusal::Refusal;
use super::wire::{
    self, ChatWire, CommonWire, GenerateWire, OpenAiMessageWire, OpenAiWire, ToolWire,
};

/// The ways to ask for a generation, by path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString)]
pub(crate) enum Dialect {
    #[default]
    #[strum(serialize = "/api/generate")]
    Generate,
    #[strum(serialize = "/api/chat")]
    Chat,
    #[strum(serialize = "/v1/chat/completions")]
    V1Chat,
    #[strum(serialize = "/v1/completions")]
    V1Completion,
}

impl Dialect {
    pub(crate) fn is_v1(self) -> bool {
        matches!(self, Self::V1Chat | Self::V1Completion)
    }
}

/// Levels of thinking, as thinking tokens for each token of the answer.
pub(crate) const MEDIUM_THINKING: f64 = 1.0;
const THINK_LEVELS: [(&str, f64); 4] = [
    ("low", 0.5),
    ("medium", MEDIUM_THINKING),
    ("high", 1.5),
    ("max", 2.0),
];
/// The levels of /v1 that have other names.
const V1_LEVELS: [(&str, f64); 4] = [
    ("none", 0.0),
    ("minimal", 0.5),
    ("xhigh", 2.0),
    ("ultra", 2.0),
];

/// One turn of a conversation; generate has a single one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Turn {
    pub(crate) role: String,
    pub(crate) text: String,
}

/// Any role is accepted; how it is rendered is up to the model's template.
fn turn(role: &str, mut text: String, tool_calls: &[Value]) -> Turn {
    for call in tool_calls {
        text.push_str(&call.to_string());
    }
    let role = role.to_lowercase();
    Turn { role, text }
}

/// The shape of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Format {
    Json,
    Schema(Value),
}

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a member of the request"
)]
#[derive(Debug, Default)]
pub(crate) struct GenerationRequest {
    pub(crate) dialect: Dialect,
    pub(crate) model: String,
    pub(crate) turns: Vec<Turn>,
    /// Ids of generate's deprecated `context`.
    pub(crate) context: Vec<u32>,
    pub(crate) raw: bool,
    pub(crate) suffix: bool,
    pub(crate) tools: Vec<ToolWire>,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) format: Option<Format>,
    pub(crate) keep_alive: Option<KeepAlive>,
    pub(crate) parsed: ParsedOptions,
    /// Thinking tokens for each token of the answer; 0 turns thinking off.
    pub(crate) think_ratio: Option<f64>,
    pub(crate) no_truncation: bool,
    pub(crate) shift: Option<bool>,
    /// Report each token's probability, with this many alternatives.
    pub(crate) logprobs: Option<usize>,
}

/// The number of alternatives, when log probabilities are requested.
fn logprobs(wanted: Option<bool>, top: Option<i64>) -> Result<Option<usize>, Refusal> {
    let top = usize::try_from(top.unwrap_or(0)).ok().filter(|n| *n <= 20);
    let top = top.ok_or_else(|| Refusal::bad("top_logprobs must be between 0 and 20"))?;
    Ok(wanted.unwrap_or(false).then_some(top))
}

fn think(value: Option<&Value>) -> Result<Option<f64>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(if *on { MEDIUM_THINKING } else { 0.0 })),
        Some(Value::String(name)) => match level(&[THINK_LEVELS], name) {
            None => Err(Refusal::bad(format!(
                "invalid think value: {name:?} (must be \"high\", \"medium\", \"low\", \"max\", true, or false)"
            ))),
            level => Ok(level),
        },
        Some(_) => Err(Refusal::bad(
            "think must be a boolean or string (\"high\", \"medium\", \"low\", \"max\", true, or false)",
        )),
    }
}

fn v1_think(effort: &str) -> Result<Option<f64>, Refusal> {
    match level(&[THINK_LEVELS, V1_LEVELS], effort) {
        None if !effort.is_empty() => Err(Refusal::bad(format!(
            "invalid reasoning value: {effort:?} (must be \"minimal\", \"low\", \"medium\", \"high\", \"xhigh\", \"ultra\", \"max\", or \"none\")"
        ))),
        level => Ok(level),
    }
}

fn level(tables: &[[(&str, f64); 4]], name: &str) -> Option<f64> {
    let mut levels = tables.iter().flatten();
    levels
        .find(|(level, _)| *level == name)
        .map(|(_, share)| *share)
}

fn format(value: Option<Value>) -> Result<Option<Format>, Refusal> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.is_empty() => Ok(None),
        Some(Value::String(text)) if text == "json" => Ok(Some(Format::Json)),
        Some(schema @ Value::Object(_)) => Ok(Some(Format::Schema(schema))),
        // Detected only by the engine, hence not 400; the value is quoted as Go quotes its JSON.
        Some(other) => Err(Refusal::new(
            500,
            format!(
                "invalid format: {:?}; expected \"json\" or a valid JSON Schema object",
                other.to_string()
            ),
        )),
    }
}

impl GenerationRequest {
    pub(crate) fn read(dialect: Dialect, body: &[u8]) -> Result<Self, Refusal> {
        match dialect {
            Dialect::Generate => {
                let (own, common) = wire::read_native(body)?;
                Self::from_generate(own, common)
            }
            Dialect::Chat => {
                let (own, common) = wire::read_native(body)?;
                Self::from_chat(own, common)
            }
            Dialect::V1Chat | Dialect::V1Completion => Self::from_v1(dialect, wire::read_v1(body)?),
        }
    }

    fn native(
        dialect: Dialect,
        model: String,
        turns: Vec<Turn>,
        common: CommonWire,
    ) -> Result<Self, Refusal> {
        let keep_alive = keep_alive::read(common.keep_alive.as_ref())?;
        let logprobs = logprobs(common.logprobs, common.top_logprobs)?;
        Ok(Self {
            dialect,
            model,
            turns,
            stream: common.stream.unwrap_or(true),
            format: format(common.format)?,
            keep_alive,
            parsed: ParsedOptions::read(&common.options),
            think_ratio: think(common.think.as_ref())?,
            no_truncation: common.truncate == Some(false),
            shift: common.shift,
            logprobs,
            ..Self::default()
        })
    }

    fn from_generate(wire: GenerateWire, common: CommonWire) -> Result<Self, Refusal> {
        if wire.raw
            && !(wire.system.is_empty() && wire.template.is_empty() && wire.context.is_empty())
        {
            let words = "raw mode does not support template, system, or context";
            return Err(Refusal::bad(words));
        }
        let mut turns = Vec::new();
        if !wire.prompt.is_empty() {
            if !wire.system.is_empty() {
                turns.push(turn("system", wire.system, &[]));
            }
            let mut prompt = wire.prompt;
            if !wire.suffix.is_empty() {
                prompt = format!("{prompt}\n{}", wire.suffix);
            }
            turns.push(turn("user", prompt, &[]));
        }
        Ok(Self {
            raw: wire.raw,
            suffix: !wire.suffix.is_empty(),
            context: wire.context.iter().map(|id| *id as u32).collect(),
            ..Self::native(Dialect::Generate, wire.model, turns, common)?
        })
    }

    fn from_chat(wire: ChatWire, common: CommonWire) -> Result<Self, Refusal> {
        if wire.model.is_empty() {
            return Err(Refusal::bad("model is required"));
        }
        let turns = wire.messages.into_iter().map(|message| {
            let mut text = message.content;
            for part in [message.thinking, message.tool_name] {
                if !part.is_empty() {
                    text.push('\n');
                    text.push_str(&part);
                }
            }
            turn(&message.role, text, &message.tool_calls)
        });
        Ok(Self {
            tools: wire.tools,
            ..Self::native(Dialect::Chat, wire.model, turns.collect(), common)?
        })
    }

    fn from_v1(dialect: Dialect, wire: OpenAiWire) -> Result<Self, Refusal> {
        let chat = dialect == Dialect::V1Chat;
        let turns = if chat {
            if wire.messages.is_empty() {
                return Err(Refusal::bad("[] is too short - 'messages'"));
            }
            let turns = wire.messages.iter().map(v1_turn);
            turns.collect::<Result<_, _>>()?
        } else {
            match wire.prompt {
                None => Vec::new(),
                Some(Value::String(text)) if text.is_empty() => Vec::new(),
                Some(Value::String(text)) => vec![turn("user", text, &[])],
                Some(other) => {
                    let kind = go_types::json_kind(&other);
                    return Err(Refusal::bad(format!(
                        "json: cannot unmarshal {kind} into Go struct field \
                         CompletionRequest.prompt of type string"
                    )));
                }
            }
        };
        let options = ModelOptions {
            // Forced when absent, unlike the native routes' defaults.
            temperature: Some(wire.temperature.unwrap_or(1.0)),
            top_p: Some(wire.top_p.unwrap_or(1.0)),
            num_predict: wire.max_tokens,
            seed: wire.seed,
            frequency_penalty: wire.frequency_penalty,
            presence_penalty: wire.presence_penalty,
            stop: v1_stop(wire.stop.as_ref(), chat)?,
            ..ModelOptions::default()
        };
        let format = wire.response_format.unwrap_or_default();
        let format = match format["type"].as_str() {
            Some("json_object") => Some(Format::Json),
            Some("json_schema") => Some(Format::Schema(format["json_schema"]["schema"].clone())),
            _ => None,
        };
        let think = v1_think(wire.reasoning_effort.as_deref().unwrap_or_default())?;
        let logprobs = match dialect {
            Dialect::V1Chat => logprobs(wire.logprobs, wire.top_logprobs)?,
            _ => None,
        };
        Ok(Self {
            dialect,
            model: wire.model,
            turns,
            tools: wire.tools,
            stream: wire.stream,
            include_usage: wire.stream_options.include_usage,
            format,
            parsed: ParsedOptions {
                options,
                ..ParsedOptions::default()
            },
            think_ratio: think,
            logprobs,
            ..Self::default()
        })
    }

    /// The conversation as one text, roles marked, as a template would render it.
    pub(crate) fn rendered(&self, turns: &[Turn]) -> String {
        if self.raw || (turns.len() == 1 && self.dialect == Dialect::V1Completion) {
            return turns.iter().map(|turn| turn.text.as_str()).collect();
        }
        let mut text = String::new();
        for tool in &self.tools {
            let function = &tool.function;
            let _ = writeln!(text, "<tool>{}{}", function.name, function.parameters);
        }
        for turn in turns {
            let _ = writeln!(text, "<{}>{}", turn.role, turn.text);
        }
        text.push_str("<assistant>");
        text
    }

    /// The tool that the last message names, or the first one; none once a tool has answered.
    pub(crate) fn tool(&self) -> Option<&ToolWire> {
        let last = self.turns.last().filter(|turn| turn.role != "tool")?;
        self.tools
            .iter()
            .find(|tool| last.text.contains(&tool.function.name))
            .or_else(|| self.tools.first())
            .filter(|tool| !tool.function.name.is_empty())
    }
}

fn v1_turn(message: &OpenAiMessageWire) -> Result<Turn, Refusal> {
    let invalid = |kind| Refusal::bad(format!("invalid message content type: {kind}"));
    let mut text = match &message.content {
        // An assistant's turn with tool calls needs no content.
        None if !message.tool_calls.is_empty() => String::new(),
        None => return Err(invalid("<nil>")),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(parts)) => {
            let texts: Vec<_> = parts
                .iter()
                .filter_map(|part| part["text"].as_str())
                .collect();
            texts.join("\n")
        }
        Some(other) => return Err(invalid(go_types::type_of(other))),
    };
    if let Some(name) = &message.name {
        text.push('\n');
        text.push_str(name);
    }
    Ok(turn(&message.role, text, &message.tool_calls))
}

/// Stop strings of /v1. Chat ignores items that are not text, completions refuse them; both ignore
/// a value that is neither text nor a list.
fn v1_stop(stop: Option<&Value>, chat: bool) -> Result<Option<Vec<String>>, Refusal> {
    let many = match stop {
        Some(Value::String(one)) => return Ok(Some(vec![one.clone()])),
        Some(Value::Array(many)) => many,
        _ => return Ok(None),
    };
    if let Some(other) = many.iter().find(|one| !one.is_string() && !chat) {
        let kind = go_types::type_of(other);
        return Err(Refusal::bad(format!(
            "invalid type for 'stop' field: {kind}"
        )));
    }
    let texts = many.iter().filter_map(Value::as_str);
    Ok(Some(texts.map(str::to_owned).collect()))
}
