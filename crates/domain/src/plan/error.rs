//! Errors in a plan. Each names the file, the key and the fix.

use std::fmt;

use super::limits::NAME_CHARACTERS;
use crate::exit::{Exit, Fails};

/// A mistake in a file that a user wrote: its place and kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused<K> {
    /// The file, the flag or the name it came from.
    pub origin: String,
    pub line: Option<usize>,
    /// The key, as a path: `configs[0].axes.num_ctx`.
    pub key: Option<String>,
    pub kind: K,
}

pub type PlanError = Refused<PlanErrorKind>;

impl<K: fmt::Debug + fmt::Display + Send + Sync + 'static> Fails for Refused<K> {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl<K> Refused<K> {
    /// For a command-line flag, or for a file as a whole.
    pub fn whole(origin: &str, kind: K) -> Self {
        Self {
            origin: origin.to_owned(),
            line: None,
            key: None,
            kind,
        }
    }

    pub fn key(origin: &str, key: impl Into<String>, kind: K) -> Self {
        let key = Some(key.into());
        Self {
            key,
            ..Self::whole(origin, kind)
        }
    }

    /// Adds the line of the key in the file's text, or of the table that lacks the key.
    #[must_use]
    pub(super) fn in_text(self, text: &str) -> Self {
        let line = self.line.or_else(|| line_of(self.key.as_deref()?, text));
        Self { line, ..self }
    }
}

fn line_of(key: &str, text: &str) -> Option<usize> {
    let table = toml::de::DeTable::parse(text).ok()?;
    let mut steps = key.split(['.', '[']).map(|step| step.trim_end_matches(']'));
    let mut value = table.get_ref().get(steps.next()?)?;
    for step in steps {
        let next = match step.parse::<usize>() {
            Ok(place) => value.get_ref().get(place),
            Err(_) => value.get_ref().get(step),
        };
        let Some(next) = next else { break };
        value = next;
    }
    Some(text[..value.span().start].matches('\n').count() + 1)
}

impl<K: From<String>> Refused<K> {
    pub fn toml(origin: &str, text: &str, error: &toml::de::Error) -> Self {
        let before = |span: std::ops::Range<usize>| &text[..span.start.min(text.len())];
        let line = |span| before(span).matches('\n').count() + 1;
        Self {
            line: error.span().map(line),
            ..Self::whole(origin, error.message().to_owned().into())
        }
    }
}

impl<K: fmt::Display> fmt::Display for Refused<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.origin)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(key) = &self.key {
            write!(f, ": {key}")?;
        }
        write!(f, ": {}", self.kind)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanErrorKind {
    /// Not TOML, or a value of the wrong type.
    #[error("{0}")]
    Syntax(String),
    #[error("schema {found} is newer than this program understands ({supported}); update tandem")]
    NewerSchema { found: u32, supported: u32 },
    #[error("{value} is not a duration; write a number with a unit, such as \"30s\" or \"2min\"")]
    BadDuration { value: String },
    #[error("{value} is out of range; {expected}")]
    OutOfRange { value: String, expected: String },
    #[error("the plan has no configurations; add at least one [[configs]] entry")]
    Empty,
    #[error("the axis has no values; give at least one or remove it")]
    EmptyAxis,
    #[error(
        "two configurations have the id `{id}`; rename one, or let the id template use every axis"
    )]
    DuplicateId { id: String },
    #[error("two agents are called `{name}`; rename one")]
    DuplicateAgent { name: String },
    #[error("a name has 1 to {NAME_CHARACTERS} characters, and this one has {found}")]
    NameLength { found: usize },
    #[error("`{id}` cannot be an id; use letters, digits, `.`, `_` and `-`")]
    BadId { id: String },
    #[error("the id template uses {{{name}}}, which is not an axis; axes here: {}", axes.join(", "))]
    UnknownPlaceholder { name: String, axes: Vec<String> },
    #[error("no preset `{name}`; defined: {}", if defined.is_empty() { "none".to_owned() } else { defined.join(", ") })]
    UnknownPreset { name: String, defined: Vec<String> },
    #[error("no agents; add at least one [[agents]] entry with a name")]
    NoAgents,
    /// Fewer endpoints than the topology `per_agent` needs.
    #[error(
        "names {} of the {needed} servers that the plan's topology `per_agent` needs for {agents} agents; give it once \
         for each server, or leave `per_agent` out of the plan's `topologies`{}",
        given,
        if *given > 1 { format!(", or let agents share with `per_agent_servers = {given}`") } else { String::new() }
    )]
    TooFewEndpoints {
        /// Different endpoints that are named.
        given: usize,
        needed: usize,
        /// The most agents that run at one time.
        agents: usize,
    },
    #[error("no configuration matches {}; the plan has: {}", globs.join(", "), known.join(", "))]
    NothingMatches {
        globs: Vec<String>,
        known: Vec<String>,
    },
    #[error("{0}")]
    BadGlob(String),
}

impl From<String> for PlanErrorKind {
    fn from(what: String) -> Self {
        Self::Syntax(what)
    }
}
