//! Errors in a plan. Each names the file, the key and the fix.

use std::fmt;

use super::limits::NAME_CHARACTERS;
use crate::exit::{Exit, Fails};

/// A mistake in a file that a user wrote: its place and kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused<K> {
    /// The file, the flag or the name it came from.
    pub origin: String,
    /// The line in the file, when known.
    pub line: Option<usize>,
    /// The key, as a path: `configs[0].axes.num_ctx`.
    pub key: Option<String>,
    /// What is wrong, and what would be right.
    pub kind: K,
}

/// A plan was refused.
pub type PlanError = Refused<PlanErrorKind>;

impl<K: fmt::Debug + fmt::Display + Send + Sync + 'static> Fails for Refused<K> {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl<K> Refused<K> {
    /// What is wrong with a command-line flag, or with a file as a whole.
    pub fn whole(origin: &str, kind: K) -> Self {
        Self {
            origin: origin.to_owned(),
            line: None,
            key: None,
            kind,
        }
    }

    /// What is wrong with the value of a key.
    pub fn key(origin: &str, key: impl Into<String>, kind: K) -> Self {
        let key = Some(key.into());
        Self {
            key,
            ..Self::whole(origin, kind)
        }
    }
}

impl<K> Refused<K> {
    /// With the line of the key in the file's text, or of what holds it where the key is absent.
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
    /// What TOML's reader says of a text.
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

/// What is wrong with a plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanErrorKind {
    /// Not TOML, or a value of the wrong type.
    #[error("{0}")]
    Syntax(String),
    /// A newer plan.
    #[error("schema {found} is newer than this program understands ({supported}); update tandem")]
    NewerSchema {
        /// The file's.
        found: u32,
        /// Ours.
        supported: u32,
    },
    /// A duration that is not one.
    #[error("{value} is not a duration; write a number with a unit, such as \"30s\" or \"2min\"")]
    BadDuration {
        /// What was written.
        value: String,
    },
    /// A number out of range.
    #[error("{value} is out of range; {expected}")]
    OutOfRange {
        /// What was written.
        value: String,
        /// What is accepted.
        expected: String,
    },
    /// No configuration at all.
    #[error("the plan has no configurations; add at least one [[configs]] entry")]
    Empty,
    /// An axis without values.
    #[error("the axis has no values; give at least one or remove it")]
    EmptyAxis,
    /// Two configurations with one id.
    #[error(
        "two configurations have the id `{id}`; rename one, or let the id template use every axis"
    )]
    DuplicateId {
        /// The id.
        id: String,
    },
    /// Two agents of a configuration with one name.
    #[error("two agents are called `{name}`; rename one")]
    DuplicateAgent {
        /// The name.
        name: String,
    },
    /// A name that is too long for tables and pictures.
    #[error("a name has 1 to {NAME_CHARACTERS} characters, and this one has {found}")]
    NameLength {
        /// Characters that it has.
        found: usize,
    },
    /// An id that cannot be a file name.
    #[error("`{id}` cannot be an id; use letters, digits, `.`, `_` and `-`")]
    BadId {
        /// The id.
        id: String,
    },
    /// A placeholder in an id template that is no axis.
    #[error("the id template uses {{{name}}}, which is not an axis; axes here: {}", axes.join(", "))]
    UnknownPlaceholder {
        /// The placeholder.
        name: String,
        /// The axes.
        axes: Vec<String>,
    },
    /// A preset that is not defined.
    #[error("no preset `{name}`; defined: {}", if defined.is_empty() { "none".to_owned() } else { defined.join(", ") })]
    UnknownPreset {
        /// The name asked for.
        name: String,
        /// The names defined.
        defined: Vec<String>,
    },
    /// A configuration without agents.
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
        /// Endpoints needed.
        needed: usize,
        /// The most agents that run at one time.
        agents: usize,
    },
    /// `--only` matched nothing.
    #[error("no configuration matches {}; the plan has: {}", globs.join(", "), known.join(", "))]
    NothingMatches {
        /// The globs.
        globs: Vec<String>,
        /// The ids there are.
        known: Vec<String>,
    },
    /// A glob that is not one.
    #[error("{0}")]
    BadGlob(String),
}

impl From<String> for PlanErrorKind {
    fn from(what: String) -> Self {
        Self::Syntax(what)
    }
}
