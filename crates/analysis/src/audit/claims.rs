//! The claims file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::AuditError;
use super::judge::{Published, Relation};
use super::value::Value;

/// A claims file whose keys have been checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    pub path: PathBuf,
    /// The file's text, to find lines in.
    pub(super) text: String,
    /// Queries whose results other queries can use as tables.
    pub views: Vec<View>,
    /// In the file's order.
    pub claims: Vec<Claim>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(rename = "schema")]
    _schema: i64,
    #[serde(default)]
    views: Vec<View>,
    claims: Vec<Claim>,
}

/// A query whose rows other queries can select from.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct View {
    pub name: toml::Spanned<String>,
    /// `SELECT …`
    pub query: String,
}

/// A statement of a document, and how to recompute it from the data.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    pub id: String,
    /// Line in the file, from 1.
    #[serde(skip)]
    pub line: usize,
    pub document: Document,
    /// The section of the document that makes the claim.
    pub section: String,
    /// What is claimed, in our words.
    pub claim: String,
    pub published: Option<Published>,
    /// The unit of `published` and `tolerance`, for display only.
    pub unit: Option<String>,
    /// How the recomputed value must stand to the published one.
    #[serde(default)]
    pub relation: Relation,
    /// Half a unit in the last printed place, or what the claim's wording allows; `None` for
    /// texts.
    pub tolerance: Option<f64>,
    /// The document's own definition, as a query that gives one cell.
    pub recompute: Option<String>,
    /// As `recompute`, where repeated runs only estimate the value; excludes `recompute`.
    pub estimate: Option<Estimate>,
    /// Other definitions, tried in order.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
    /// Why the claim cannot be tested; excludes `recompute` and `estimate`.
    pub not_testable: Option<String>,
    /// Further information for the reader.
    pub note: Option<String>,
}

/// The document that makes a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Document {
    Tr113,
    /// The multi-agent report that TR113 follows.
    Tr110Report,
}

impl Document {
    /// The document's name, to begin a sentence with.
    pub fn title(self) -> &'static str {
        match self {
            Self::Tr113 => "TR113",
            Self::Tr110Report => "The TR110 report",
        }
    }
}

/// The mean of a sample, with a 95 % interval: a query that gives one column of single runs, or the
/// columns `mean`, `sd` and `runs` of repeated ones.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The query for the sample.
    pub sample: String,
    /// A second sample whose mean is subtracted.
    pub minus: Option<String>,
    /// A baseline sample: the estimate is then the change from it in percent, of geometric means.
    pub change_from: Option<String>,
}

/// Another definition under which the published value might arise.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Alternative {
    /// The definition in words, to stand after "reproduced only as".
    pub definition: String,
    /// A query that gives one cell.
    pub recompute: String,
}

impl Claims {
    /// Reads a claims file. Fails when it cannot be read, and as [`parse`](Self::parse) does.
    pub fn read(path: &Path) -> Result<Self, AuditError> {
        Self::parse(path, &AuditError::read(path)?)
    }

    /// Parses the text of a claims file; `path` is for errors. Fails, with the line, on another schema, an unknown or
    /// missing key, keys that contradict each other, and an id that is used twice.
    pub fn parse(path: &Path, text: &str) -> Result<Self, AuditError> {
        let file: File = AuditError::versioned(path, text)?;
        let mut claims = file.claims;
        if claims.is_empty() {
            let problem = "holds no claim; add a [[claims]]";
            return Err(AuditError::invalid(path, None, problem));
        }
        let mut names = BTreeSet::new();
        for (claim, line) in claims.iter_mut().zip(lines(text, "[[claims]]")) {
            claim.line = line;
            let problem = if names.insert(claim.id.clone()) {
                claim.problem()
            } else {
                Some(("id", "is used twice; give each claim its own"))
            };
            if let Some((key, problem)) = problem {
                return Err(claim.error(path, key, problem));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            text: text.to_owned(),
            views: file.views,
            claims,
        })
    }
}

/// The line numbers, from 1, of an array's tables. The TOML parser does not keep them, so this finds the headers.
pub(super) fn lines(text: &str, header: &str) -> impl Iterator<Item = usize> {
    let lines = text.lines().zip(1..);
    lines.filter_map(move |(line, number)| (line.trim() == header).then_some(number))
}

impl Claim {
    /// The recomputation in one line.
    pub(super) fn method(&self) -> Option<String> {
        let estimate = |estimate: &Estimate| {
            let sample = &estimate.sample;
            match (&estimate.minus, &estimate.change_from) {
                (Some(other), _) => format!("mean of ({sample}) minus mean of ({other})"),
                (None, Some(base)) => {
                    format!("% change of geometric mean from ({base}) to ({sample})")
                }
                (None, None) => format!("mean of ({sample})"),
            }
        };
        let text = self
            .recompute
            .clone()
            .or_else(|| self.estimate.as_ref().map(estimate))?;
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// The error of one key of this claim.
    pub(super) fn error(&self, path: &Path, key: &str, problem: &str) -> AuditError {
        let problem = format!("claim `{}`, key `{key}`: {problem}", self.id);
        AuditError::invalid(path, self.line, problem)
    }

    /// The first key that does not fit the others, and the reason.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        use Published::{One, Range};
        use Relation::{Equals, VersionAtLeast, Within};
        let methods = [
            self.recompute.is_some(),
            self.estimate.is_some(),
            self.not_testable.is_some(),
        ];
        let missing = "is missing; give a query, an `estimate`, or `not_testable` with the reason";
        match methods.into_iter().filter(|given| *given).count() {
            0 => return Some(("recompute", missing)),
            1 if self.not_testable.is_some() => return None,
            1 => {}
            _ => {
                let problem = "keep one of `recompute`, `estimate` and `not_testable`";
                return Some(("recompute", problem));
            }
        }
        let estimate = self.estimate.as_ref();
        if estimate.is_some_and(|e| e.minus.is_some() && e.change_from.is_some()) {
            return Some(("estimate", "keep one of `minus` and `change_from`"));
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
