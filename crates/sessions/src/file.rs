//! The lines of a sessions file. `docs/sessions.md` describes each key.

use std::num::NonZeroU32;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::seconds::Seconds;

/// The value of `format`, by which a file is recognised.
pub const FORMAT: &str = "tandem-sessions";
/// The version that is written and read.
pub const VERSION: u32 = 1;

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// `tandem-sessions`.
    pub format: String,
    /// 1.
    pub version: u32,
    /// Where the sessions come from.
    pub source: Source,
    /// Tokens of a block of a prompt; absent when no call has blocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_tokens: Option<NonZeroU32>,
    /// What the source lacks, and how a replay therefore differs from the recording: a sentence each.
    #[serde(default)]
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Format of the files, or how the sessions were made.
    pub kind: SourceKind,
    /// The files that were imported; none for other sources.
    #[serde(default)]
    pub files: Vec<SourceFile>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Its name without its folder.
    pub name: String,
    /// SHA-256 of the file, in lowercase hexadecimal.
    pub sha256: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SourceKind {
    /// JSON of the KV-Cache-Tester collection.
    Weka,
    /// Logs of Claude Code.
    ClaudeCode,
    /// Logs of Codex CLI.
    Codex,
    /// OpenTelemetry spans with GenAI attributes.
    Otel,
    /// A trace of requests: starts and lengths.
    Trace,
    /// A program that recorded calls as they ended.
    Recorder,
    /// A person or a program that made the calls up.
    Written,
}

/// A line after the first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Line {
    /// A session.
    Session(SessionLine),
    /// A call of a session.
    Call(Call),
}

/// One agent's conversation. Its line may come before or after the lines of its calls.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionLine {
    /// Unique in the file.
    pub id: String,
    /// The call after which the session starts; absent for a session that no other one starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// True if no call of the parent waits for the session.
    #[serde(default, skip_serializing_if = "is_false")]
    pub detached: bool,
    /// Seconds from the start of the file's earliest session to the start of this one; absent for none, and for a
    /// session with a parent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_s: Option<Seconds>,
    /// What kind of agent it is, such as `Explore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// Where block ids count: equal ids in sessions of one scope are equal text. Absent for the scope of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Id of the parent's session.
    pub session: String,
    /// Number of the parent's call.
    pub call: u32,
}

/// One model call. What is unknown is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// Id of its session.
    pub session: String,
    /// Place in its session, from 0; the lines of a session's calls come in this order.
    pub number: u32,
    /// Name of the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Tokens of the whole prompt, those from a cache included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt_tokens: Option<u32>,
    /// Tokens of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u32>,
    /// Prompt tokens that the server of the recording took from its cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cached_tokens: Option<u32>,
    /// Blocks of the prompt, from its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocks: Option<Blocks>,
    /// Why the answer ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopReason>,
    /// True if the answer was streamed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// Seconds from sending the request to the end of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_s: Option<Seconds>,
    /// Seconds from sending the request to the first token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttft_s: Option<Seconds>,
    /// Seconds before the call, from the latest of these: the end of the call before in its session, the ends of the
    /// sessions that it waits for, and for the first call, the end of the parent's call or the session's start.
    /// A call without `api_s` counts as ending when it starts.
    pub gap_s: Seconds,
    /// What happened in the gap.
    pub gap_kind: GapKind,
    /// Ids of the sessions whose ends the call waits for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
}

/// The blocks of a prompt, as a change from the prompt of the call before in the session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blocks {
    /// The first so many blocks of the call before come first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub kept: u32,
    /// Ids of the blocks behind them.
    pub new: Vec<u64>,
}

impl Blocks {
    /// The blocks of a prompt behind `before`, that of the call before.
    pub(crate) fn after(before: &[u64], blocks: &[u64]) -> Self {
        let kept = before
            .iter()
            .zip(blocks)
            .take_while(|(a, b)| a == b)
            .count();
        Self {
            kept: kept as u32,
            new: blocks[kept..].to_vec(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// The model called a tool.
    ToolUse,
    /// The answer was complete.
    End,
    /// The limit of tokens.
    Length,
    /// Another reason, such as a filter or an error.
    Other,
}

impl StopReason {
    /// The reason that a server's word states; `None` for an empty word.
    pub(crate) fn of_word(word: &str) -> Option<Self> {
        match word {
            "" => None,
            "tool_use" | "tool_call" | "tool_calls" | "function_call" => Some(Self::ToolUse),
            "end_turn" | "stop" | "stop_sequence" | "end" => Some(Self::End),
            "length" | "max_tokens" => Some(Self::Length),
            _ => Some(Self::Other),
        }
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// The client ran tools, or waited for sessions that the agent started.
    Tool,
    /// The user read or wrote.
    User,
    /// Not recorded, or a time that holds more than a pause.
    #[default]
    Unknown,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(value: &u32) -> bool {
    *value == 0
}
