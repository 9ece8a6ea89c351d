//! The simulated model's output: deterministic text, decided when a request arrives.

mod generate;
pub(crate) mod likelihood;
mod script;

pub(crate) use script::{Answer, Message, Script, ScriptSpec, ToolCall};
