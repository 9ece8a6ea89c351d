//! The claims file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::entries::Entries;
use super::error::AuditError;
use super::figures::Value;
use super::judge::{Published, Relation};
use super::method::Recompute;

/// A file of claims, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// Where it was read from.
    pub path: PathBuf,
    /// Methods that several claims name.
    pub quantities: BTreeMap<String, Recompute>,
    /// The claims, in the file's order.
    pub claims: Vec<Claim>,
}

/// One claim of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// Its name in the ledger.
    pub id: String,
    /// Line in the file, from 1.
    pub line: usize,
    /// Whose claim it is.
    pub document: Document,
    /// Where it stands.
    pub section: String,
    /// What is claimed, in our words.
    pub claim: String,
    /// How it is tested.
    pub test: Test,
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

/// How a claim is tested.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// By computing it again.
    Recompute {
        /// What is published.
        published: Published,
        /// Unit, for reading.
        unit: Option<String>,
        /// How the recomputed value must stand to the published one.
        relation: Relation,
        /// Half a unit in the last printed place, or what the claim's wording allows; `None` for
        /// texts.
        tolerance: Option<f64>,
        /// The definition as the document states it.
        recompute: Box<Recompute>,
        /// Other definitions, tried in order.
        alternatives: Vec<Alternative>,
    },
    /// It cannot be tested, and why.
    NotTestable(String),
}

/// Another definition under which the published value might arise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// The definition in words, to stand after "reproduced only as".
    pub definition: String,
    /// How it is computed.
    pub recompute: Recompute,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClaim {
    id: String,
    document: Document,
    section: String,
    claim: String,
    published: Option<Published>,
    unit: Option<String>,
    #[serde(default)]
    relation: Relation,
    tolerance: Option<f64>,
    recompute: Option<Recompute>,
    #[serde(default)]
    alternatives: Vec<Alternative>,
    not_testable: Option<String>,
    note: Option<String>,
}

impl Claims {
    /// Reads and checks a claims file.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        Self::parse(path, &AuditError::read(path)?)
    }

    /// Checks the text of a claims file; `path` is for errors.
    pub fn parse(path: &Path, text: &str) -> Result<Self, AuditError> {
        let file = Entries::parse(path, text, "claims")?;
        let mut names = BTreeSet::new();
        let mut claims = Vec::new();
        for (index, entry) in file.entries.into_iter().enumerate() {
            let id = entry.name("id", index, "claim");
            let line = entry.line;
            let raw: RawClaim = entry.read(path, &id)?;
            let refuse = |key: &str, problem: &str| {
                AuditError::entry(path, line, format!("{id}, key `{key}`"), problem)
            };
            if !names.insert(raw.id.clone()) {
                return Err(refuse("id", "is used twice; give each claim its own"));
            }
            let test = raw.test().map_err(|(key, problem)| refuse(key, problem))?;
            claims.push(Claim {
                id: raw.id,
                line,
                document: raw.document,
                section: raw.section,
                claim: raw.claim,
                test,
                note: raw.note,
            });
        }
        Ok(Self {
            path: path.to_owned(),
            quantities: file.quantities,
            claims,
        })
    }
}

impl RawClaim {
    fn test(&self) -> Result<Test, (&'static str, &'static str)> {
        let (recompute, published) = match (&self.recompute, &self.not_testable) {
            (None, Some(why)) => return Ok(Test::NotTestable(why.clone())),
            (Some(_), Some(_)) => {
                return Err((
                    "not_testable",
                    "stands beside `recompute`; keep one of them",
                ));
            }
            (None, None) => {
                return Err((
                    "recompute",
                    "is missing; say how it is computed, or `not_testable` and why",
                ));
            }
            (Some(recompute), None) => (
                recompute,
                self.published
                    .as_ref()
                    .ok_or(("published", "is missing; type what the document prints"))?,
            ),
        };
        check(published, self.relation, self.tolerance)?;
        Ok(Test::Recompute {
            published: published.clone(),
            unit: self.unit.clone(),
            relation: self.relation,
            tolerance: self.tolerance,
            recompute: Box::new(recompute.clone()),
            alternatives: self.alternatives.clone(),
        })
    }
}

/// Whether a published value, its relation and its tolerance fit together.
fn check(
    published: &Published,
    relation: Relation,
    tolerance: Option<f64>,
) -> Result<(), (&'static str, &'static str)> {
    match (published, relation) {
        (Published::Range([low, high]), Relation::Within) if low <= high => {}
        (Published::Range(_), Relation::Within) => {
            return Err((
                "published",
                "is a range whose low end lies above its high end",
            ));
        }
        (Published::Range(_), _) => {
            return Err(("relation", "of a range must be `within`"));
        }
        (Published::One(_), Relation::Within) => {
            return Err(("published", "must be a range `[low, high]` for `within`"));
        }
        (Published::One(Value::Text(_)), Relation::Equals | Relation::VersionAtLeast) => {}
        (Published::One(Value::Text(_)), _) => {
            return Err((
                "relation",
                "of a text must be `equals` or `version_at_least`",
            ));
        }
        (Published::One(Value::Number(_)), Relation::VersionAtLeast) => {
            return Err((
                "published",
                "must be a version in quotes for `version_at_least`",
            ));
        }
        (Published::One(Value::Number(_)), _) => {}
    }
    match (published, tolerance) {
        (Published::One(Value::Text(_)), Some(_)) => {
            Err(("tolerance", "has no meaning for a text; leave it out"))
        }
        (Published::One(Value::Text(_)), None) => Ok(()),
        (_, None) => Err((
            "tolerance",
            "is missing; give half a unit in the last printed place, 0 for a count",
        )),
        (_, Some(tolerance)) if tolerance.is_finite() && tolerance >= 0.0 => Ok(()),
        (_, Some(_)) => Err(("tolerance", "must be 0 or a positive number")),
    }
}
