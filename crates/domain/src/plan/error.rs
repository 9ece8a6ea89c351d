//! What can be wrong with a plan: each error names the file, the key and the fix.

use crate::exit::{Exit, Fails};
use std::fmt;

/// A plan was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct PlanError {
    /// The file, or the flag, it came from.
    pub origin: String,
    /// The line in the file, when known.
    pub line: Option<usize>,
    /// The key, as a path: `configs[0].axes.num_ctx`.
    pub key: Option<String>,
    /// What is wrong.
    pub kind: PlanErrorKind,
}

impl Fails for PlanError {
    fn exit(&self) -> Exit {
        Exit::Usage
    }
}

impl PlanError {
    /// An error about a command-line flag.
    pub fn flag(flag: &str, kind: PlanErrorKind) -> Self {
        Self {
            origin: flag.to_owned(),
            line: None,
            key: None,
            kind,
        }
    }

    pub(super) fn key(origin: &str, key: impl Into<String>, kind: PlanErrorKind) -> Self {
        Self {
            origin: origin.to_owned(),
            line: None,
            key: Some(key.into()),
            kind,
        }
    }
}

impl fmt::Display for PlanError {
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
        "given {given} times, but the plan's topology `per_agent` needs {needed} servers for {agents} agents; give it \
         once for each server, leave `per_agent` out of the plan's `topologies`, or let agents share with \
         `per_agent_servers = {given}`"
    )]
    TooFewEndpoints {
        /// Endpoints named.
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
