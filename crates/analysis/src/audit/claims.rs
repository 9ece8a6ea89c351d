//! The claims file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::AuditError;
use super::judge::{Published, Relation};
use super::value::Value;

/// The newest layout of a file that this code reads.
const SCHEMA: i64 = 1;

/// A file's layout.
#[derive(Debug, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Schema;

impl TryFrom<i64> for Schema {
    type Error = String;

    fn try_from(schema: i64) -> Result<Self, String> {
        match schema {
            SCHEMA => Ok(Self),
            _ => Err(format!("must be {SCHEMA}")),
        }
    }
}

/// A file of claims, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// Where it was read from.
    pub path: PathBuf,
    /// Formulas that several claims name.
    pub quantities: BTreeMap<String, String>,
    /// The claims, in the file's order.
    pub claims: Vec<Claim>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "schema")]
    _schema: Schema,
    #[serde(default)]
    quantities: BTreeMap<String, String>,
    claims: Vec<Claim>,
}

/// One claim of a report.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// Its name in the ledger.
    pub id: String,
    /// Line in the file, from 1.
    #[serde(skip)]
    pub line: usize,
    /// Whose claim it is.
    pub document: Document,
    /// Where it stands.
    pub section: String,
    /// What is claimed, in our words.
    pub claim: String,
    /// What is published.
    pub published: Option<Published>,
    /// Unit, for reading.
    pub unit: Option<String>,
    /// How the recomputed value must stand to the published one.
    #[serde(default)]
    pub relation: Relation,
    /// Half a unit in the last printed place, or what the claim's wording allows; `None` for
    /// texts.
    pub tolerance: Option<f64>,
    /// The definition as the document states it, as a formula.
    pub recompute: Option<String>,
    /// Other definitions, tried in order.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
    /// Why it cannot be tested; instead of `recompute`.
    pub not_testable: Option<String>,
    /// What a reader should know besides.
    pub note: Option<String>,
}

/// Whose claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    /// TR113.
    Tr113,
    /// The multi-agent report that TR113 follows.
    Tr110Report,
}

impl Document {
    /// As a heading.
    pub fn title(self) -> &'static str {
        match self {
            Self::Tr113 => "TR113",
            Self::Tr110Report => "The TR110 report",
        }
    }
}

/// Another definition under which the published value might arise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// The definition in words, to stand after "reproduced only as".
    pub definition: String,
    /// How it is computed.
    pub recompute: String,
}

impl Claims {
    /// Reads and checks a claims file.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        Self::parse(path, &AuditError::read(path)?)
    }

    /// Checks the text of a claims file; `path` is for errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, AuditError> {
        let file: File = AuditError::toml(path, text)?;
        let mut claims = file.claims;
        let mut names = BTreeSet::new();
        for (claim, line) in claims.iter_mut().zip(lines(text, "[[claims]]")) {
            claim.line = line;
            let problem = if names.insert(claim.id.clone()) {
                claim.problem()
            } else {
                Some(("id", "is used twice; give each claim its own"))
            };
            if let Some((key, problem)) = problem {
                return Err(claim.refused(path, key, problem));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            quantities: file.quantities,
            claims,
        })
    }
}

/// The lines of an array's tables, from 1. The parser keeps no place for them; their headers do.
pub(super) fn lines(text: &str, header: &str) -> impl Iterator<Item = usize> {
    let lines = text.lines().zip(1..);
    lines.filter_map(move |(line, number)| (line.trim() == header).then_some(number))
}

impl Claim {
    pub(super) fn refused(&self, path: &Path, key: &str, problem: &str) -> AuditError {
        let problem = format!("claim `{}`, key `{key}`: {problem}", self.id);
        AuditError::refused(path, self.line, problem)
    }

    /// The first key that does not fit the others, and why.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        use Published::{One, Range};
        use Relation::{Equals, VersionAtLeast, Within};
        match (&self.recompute, &self.not_testable) {
            (Some(_), None) => {}
            (None, Some(_)) => return None,
            (Some(_), Some(_)) => {
                return Some((
                    "not_testable",
                    "stands beside `recompute`; keep one of them",
                ));
            }
            (None, None) => {
                return Some((
                    "recompute",
                    "is missing; say how it is computed, or `not_testable` and why",
                ));
            }
        }
        let Some(published) = &self.published else {
            return Some(("published", "is missing; type what the document prints"));
        };
        Some(match (published, self.relation, self.tolerance) {
            (Range([low, high]), Within, _) if low > high => (
                "published",
                "is a range whose low end lies above its high end",
            ),
            (Range(_), relation, _) if relation != Within => {
                ("relation", "of a range must be `within`")
            }
            (One(_), Within, _) => ("published", "must be a range `[low, high]` for `within`"),
            (One(Value::Text(_)), Equals | VersionAtLeast, None) => return None,
            (One(Value::Text(_)), Equals | VersionAtLeast, Some(_)) => {
                ("tolerance", "has no meaning for a text; leave it out")
            }
            (One(Value::Text(_)), ..) => (
                "relation",
                "of a text must be `equals` or `version_at_least`",
            ),
            (One(_), VersionAtLeast, _) => (
                "published",
                "must be a version in quotes for `version_at_least`",
            ),
            (_, _, None) => (
                "tolerance",
                "is missing; give half a unit in the last printed place, 0 for a count",
            ),
            (_, _, Some(tolerance)) if tolerance.is_finite() && tolerance >= 0.0 => return None,
            (_, _, Some(_)) => ("tolerance", "must be 0 or a positive number"),
        })
    }
}
