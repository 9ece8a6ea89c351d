//! The claims file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::error::AuditError;
use super::figures::Value;
use super::method::Recompute;

/// The newest layout of a claims file that this code reads.
const SCHEMA: i64 = 1;

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

/// A published value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Published {
    /// One number or text.
    One(Value),
    /// A range, its ends included.
    Range([f64; 2]),
}

/// How a recomputed value must stand to the published one for the claim to hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Equal within the tolerance.
    #[default]
    Equals,
    /// No smaller, within the tolerance.
    AtLeast,
    /// No larger, within the tolerance.
    AtMost,
    /// Larger.
    MoreThan,
    /// Smaller.
    LessThan,
    /// Inside the published range, within the tolerance.
    Within,
    /// The published version is the recomputed one or a later one.
    VersionAtLeast,
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
        let text = std::fs::read_to_string(path).map_err(|source| AuditError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
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
            let refuse = |key: &str, problem: &str| AuditError::Entry {
                path: path.to_owned(),
                line,
                entry: format!("{id}, key `{key}`"),
                problem: problem.to_owned(),
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

/// A file of one array of tables, with the methods it names.
pub(super) struct Entries {
    pub(super) quantities: BTreeMap<String, Recompute>,
    pub(super) entries: Vec<Entry>,
}

/// One table of the array.
pub(super) struct Entry {
    pub(super) line: usize,
    table: toml::Table,
}

impl Entries {
    pub(super) fn parse(path: &Path, text: &str, array: &str) -> Result<Self, AuditError> {
        let mut file: BTreeMap<String, Spanned<toml::Value>> =
            toml::from_str(text).map_err(|error| toml_error(path, text, &error))?;
        let refuse = |line: usize, entry: String, problem: String| AuditError::Entry {
            path: path.to_owned(),
            line,
            entry,
            problem,
        };
        let schema = file.remove("schema");
        let schema = schema.as_ref().map(Spanned::get_ref);
        if schema != Some(&toml::Value::Integer(SCHEMA)) {
            return Err(refuse(
                1,
                "key `schema`".to_owned(),
                format!("must be there and be {SCHEMA}"),
            ));
        }
        let mut quantities = BTreeMap::new();
        if let Some(table) = file.remove("quantities") {
            let line = line_of(text, table.span().start);
            let toml::Value::Table(table) = table.into_inner() else {
                return Err(refuse(
                    line,
                    "key `quantities`".to_owned(),
                    "must be a table".to_owned(),
                ));
            };
            for (key, value) in table {
                let method = value.try_into().map_err(|error: toml::de::Error| {
                    refuse(
                        line,
                        format!("quantity `{key}`"),
                        error.message().to_owned(),
                    )
                })?;
                quantities.insert(key, method);
            }
        }
        let Some(entries) = file.remove(array) else {
            return Err(refuse(
                1,
                format!("key `{array}`"),
                format!("is missing; the file must hold at least one [[{array}]]"),
            ));
        };
        if let Some((key, value)) = file.first_key_value() {
            return Err(refuse(
                line_of(text, value.span().start),
                format!("key `{key}`"),
                format!("is not known; known are schema, quantities, {array}"),
            ));
        }
        let toml::Value::Array(entries) = entries.into_inner() else {
            return Err(refuse(
                1,
                format!("key `{array}`"),
                format!("must be written as [[{array}]]"),
            ));
        };
        // The parser keeps no place for the elements of an array of tables; their headers do.
        let header = format!("[[{array}]]");
        let mut lines = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim() == header)
            .map(|(index, _)| index + 1);
        let entries = entries
            .into_iter()
            .map(|entry| {
                let line = lines.next().unwrap_or(1);
                match entry {
                    toml::Value::Table(table) => Ok(Entry { line, table }),
                    other => Err(refuse(
                        line,
                        format!("key `{array}`"),
                        format!("holds {}, must hold tables", other.type_str()),
                    )),
                }
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            quantities,
            entries,
        })
    }
}

impl Entry {
    /// How errors call the entry: its name, or its place.
    pub(super) fn name(&self, key: &str, index: usize, what: &str) -> String {
        match self.table.get(key) {
            Some(toml::Value::String(name)) => format!("{what} `{name}`"),
            _ => format!("{what} {}", index + 1),
        }
    }

    pub(super) fn read<T: serde::de::DeserializeOwned>(
        self,
        path: &Path,
        name: &str,
    ) -> Result<T, AuditError> {
        let line = self.line;
        serde_path_to_error::deserialize(toml::Value::Table(self.table)).map_err(|error| {
            let at = error.path().to_string();
            AuditError::Entry {
                path: path.to_owned(),
                line,
                entry: if at == "." {
                    name.to_owned()
                } else {
                    format!("{name}, key `{at}`")
                },
                problem: error.into_inner().message().to_owned(),
            }
        })
    }
}

pub(super) fn toml_error(path: &Path, text: &str, error: &toml::de::Error) -> AuditError {
    AuditError::Entry {
        path: path.to_owned(),
        line: error.span().map_or(1, |span| line_of(text, span.start)),
        entry: "not TOML".to_owned(),
        problem: error.message().to_owned(),
    }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}
