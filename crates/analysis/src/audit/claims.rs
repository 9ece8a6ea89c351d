//! The claims file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::error::AuditError;
use super::judge::{Published, Relation};
use super::value::Value;

/// A file of claims, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// Where it was read from.
    pub path: PathBuf,
    /// Queries that several claims name as tables.
    pub views: Vec<View>,
    /// The claims, in the file's order.
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
    /// Its name as a table.
    pub name: String,
    /// `SELECT …`
    pub query: String,
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
    /// The document's own definition, as a query that gives one cell.
    pub recompute: Option<String>,
    /// The same where repeated runs only estimate the value; instead of `recompute`.
    pub estimate: Option<Estimate>,
    /// Other definitions, tried in order.
    #[serde(default)]
    pub alternatives: Vec<Alternative>,
    /// Why it cannot be tested; instead of `recompute` and `estimate`.
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

/// The mean of a sample, with a 95 % interval: a query that gives one column of single runs, or the
/// columns `mean`, `sd` and `runs` of repeated ones.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Estimate {
    /// The sample.
    pub sample: String,
    /// Less the mean of this sample.
    pub minus: Option<String>,
    /// As the percentage by which it differs from the mean of this sample, both means geometric.
    pub change_from: Option<String>,
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
        let file: File = AuditError::versioned(path, text)?;
        let mut claims = file.claims;
        if claims.is_empty() {
            return Err(AuditError::refused(
                path,
                None,
                "holds no claim; add a [[claims]]".to_owned(),
            ));
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
                return Err(claim.refused(path, key, problem));
            }
        }
        Ok(Self {
            path: path.to_owned(),
            views: file.views,
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
    /// How it is recomputed, in one line.
    pub(super) fn method(&self) -> Option<String> {
        let estimate = |estimate: &Estimate| {
            let Estimate {
                sample,
                minus,
                change_from,
            } = estimate;
            match (minus, change_from) {
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

    pub(super) fn refused(&self, path: &Path, key: &str, problem: &str) -> AuditError {
        let problem = format!("claim `{}`, key `{key}`: {problem}", self.id);
        AuditError::refused(path, self.line, problem)
    }

    /// The first key that does not fit the others, and why.
    fn problem(&self) -> Option<(&'static str, &'static str)> {
        use Published::{One, Range};
        use Relation::{Equals, VersionAtLeast, Within};
        let tests = [
            self.recompute.is_some(),
            self.estimate.is_some(),
            self.not_testable.is_some(),
        ];
        match tests.into_iter().filter(|given| *given).count() {
            0 => {
                let problem =
                    "is missing; give a query, an `estimate`, or `not_testable` with the reason";
                return Some(("recompute", problem));
            }
            1 if self.not_testable.is_some() => return None,
            1 => {}
            _ => {
                let problem = "keep one of `recompute`, `estimate` and `not_testable`";
                return Some(("recompute", problem));
            }
        }
        if let Some(Estimate {
            minus: Some(_),
            change_from: Some(_),
            ..
        }) = &self.estimate
        {
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
