//! The ledger: what became of each claim.

use std::path::Path;

use serde::Serialize;

use super::claims::{Alternative, Claim, Claims, Document, Published, Relation, Test};
use super::error::AuditError;
use super::figures::{Sources, Value};
use super::method::Recompute;
use super::recompute::Context;

/// Slack for the last binary digits, relative to the figures compared.
const ROUNDING: f64 = 1e-9;

/// Every claim with its finding.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ledger {
    /// How many of each finding.
    pub counts: Counts,
    /// The claims, in the file's order.
    pub entries: Vec<LedgerEntry>,
}

/// How many claims of each finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// All.
    pub claims: usize,
    /// Reproduced.
    pub reproduced: usize,
    /// Reproduced only under another definition.
    pub redefined: usize,
    /// Contradicted.
    pub contradicted: usize,
    /// Not testable.
    pub not_testable: usize,
}

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LedgerEntry {
    /// The claim's name.
    pub id: String,
    /// Whose claim.
    pub document: Document,
    /// Where it stands.
    pub section: String,
    /// What is claimed, in our words.
    pub claim: String,
    /// What is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// How the recomputed value must stand to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<Relation>,
    /// Unit of the published value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What may differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<f64>,
    /// How it was computed, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub finding: Finding,
    /// Besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "finding", rename_all = "snake_case")]
pub enum Finding {
    /// The data give the published value under the document's own definition.
    Reproduced {
        /// What they give.
        recomputed: Value,
    },
    /// They give it only under another definition.
    Redefined {
        /// What the document's own definition gives.
        recomputed: Value,
        /// The other definition.
        definition: String,
        /// What that gives.
        under_it: Value,
    },
    /// They give something else under every definition tried.
    Contradicted {
        /// What the document's own definition gives.
        recomputed: Value,
        /// Recomputed less published (less the nearer end of a range); `None` for texts.
        difference: Option<f64>,
        /// The difference in tolerances; `None` for texts and where the tolerance is 0.
        tolerances: Option<f64>,
        /// Other definitions that were tried and do not give it either.
        also_tried: Vec<Tried>,
    },
    /// The data cannot tell.
    NotTestable {
        /// Why.
        why: String,
    },
}

/// A definition that was tried.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tried {
    /// The definition.
    pub definition: String,
    /// What it gives.
    pub gives: Value,
}

impl Claims {
    /// Computes every claim again and says what became of it. The rows of methods that name none
    /// are the published ones.
    pub fn audit(&self, sources: &Sources) -> Result<Ledger, AuditError> {
        let context = Context {
            sources,
            quantities: &self.quantities,
            default_rows: "published",
        };
        let entries = self
            .claims
            .iter()
            .map(|claim| entry(claim, &context, &self.path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Ledger::new(entries))
    }
}

impl Counts {
    /// Counts findings.
    pub fn of<'a>(entries: impl Iterator<Item = &'a LedgerEntry>) -> Self {
        let mut counts = Self::default();
        for entry in entries {
            counts.claims += 1;
            *(match entry.finding {
                Finding::Reproduced { .. } => &mut counts.reproduced,
                Finding::Redefined { .. } => &mut counts.redefined,
                Finding::Contradicted { .. } => &mut counts.contradicted,
                Finding::NotTestable { .. } => &mut counts.not_testable,
            }) += 1;
        }
        counts
    }
}

impl Ledger {
    fn new(entries: Vec<LedgerEntry>) -> Self {
        let counts = Counts::of(entries.iter());
        Self { counts, entries }
    }

    /// The entry of a claim.
    pub fn entry(&self, id: &str) -> Option<&LedgerEntry> {
        self.entries.iter().find(|entry| entry.id == id)
    }
}

fn entry(claim: &Claim, context: &Context<'_>, path: &Path) -> Result<LedgerEntry, AuditError> {
    let evaluate = |key: &str, method: &Recompute| {
        context
            .evaluate(method)
            .map_err(|problem| AuditError::Entry {
                path: path.to_owned(),
                line: claim.line,
                entry: format!("claim `{}`, key `{key}`", claim.id),
                problem: problem.to_string(),
            })
    };
    let bare = LedgerEntry {
        id: claim.id.clone(),
        document: claim.document,
        section: claim.section.clone(),
        claim: claim.claim.clone(),
        published: None,
        relation: None,
        unit: None,
        tolerance: None,
        method: None,
        finding: Finding::NotTestable { why: String::new() },
        note: claim.note.clone(),
    };
    match &claim.test {
        Test::NotTestable(why) => Ok(LedgerEntry {
            finding: Finding::NotTestable { why: why.clone() },
            ..bare
        }),
        Test::Recompute {
            published,
            unit,
            relation,
            tolerance,
            recompute,
            alternatives,
        } => {
            let judge = Judge {
                published,
                relation: *relation,
                tolerance: tolerance.unwrap_or(0.0),
            };
            let recomputed = evaluate("recompute", recompute)?;
            let mismatch = |key: &str, value: &Value| AuditError::Entry {
                path: path.to_owned(),
                line: claim.line,
                entry: format!("claim `{}`, key `{key}`", claim.id),
                problem: format!(
                    "gives {value:?}, the published value is {published:?}; both must be numbers or both texts"
                ),
            };
            let holds = judge
                .holds(&recomputed)
                .ok_or_else(|| mismatch("recompute", &recomputed))?;
            // Alternatives are computed even where they are not needed, so that a wrong one is
            // found at once.
            let mut tried = Vec::new();
            let mut found = None;
            for Alternative {
                definition,
                recompute,
            } in alternatives
            {
                let gives = evaluate("alternatives", recompute)?;
                let fits = judge
                    .holds(&gives)
                    .ok_or_else(|| mismatch("alternatives", &gives))?;
                let one = Tried {
                    definition: definition.clone(),
                    gives,
                };
                if fits && found.is_none() {
                    found = Some(one);
                } else {
                    tried.push(one);
                }
            }
            let finding = match (holds, found) {
                (true, _) => Finding::Reproduced { recomputed },
                (false, Some(under)) => Finding::Redefined {
                    recomputed,
                    definition: under.definition,
                    under_it: under.gives,
                },
                (false, None) => {
                    let difference = judge.difference(&recomputed);
                    Finding::Contradicted {
                        tolerances: difference
                            .filter(|_| judge.tolerance > 0.0)
                            .map(|difference| difference / judge.tolerance),
                        recomputed,
                        difference,
                        also_tried: tried,
                    }
                }
            };
            Ok(LedgerEntry {
                published: Some(published.clone()),
                relation: Some(*relation),
                unit: unit.clone(),
                tolerance: *tolerance,
                method: Some(recompute.to_string()),
                finding,
                ..bare
            })
        }
    }
}

/// Holds a recomputed value against a published one.
struct Judge<'a> {
    published: &'a Published,
    relation: Relation,
    tolerance: f64,
}

impl Judge<'_> {
    /// Whether the claim holds; `None` when a number meets a text.
    fn holds(&self, recomputed: &Value) -> Option<bool> {
        match (self.published, recomputed) {
            (Published::One(Value::Text(published)), Value::Text(recomputed)) => {
                Some(match self.relation {
                    Relation::VersionAtLeast => version(published) >= version(recomputed),
                    _ => published == recomputed,
                })
            }
            (Published::One(Value::Number(published)), Value::Number(recomputed)) => {
                let difference = recomputed - published;
                let slack = self.slack(*published, *recomputed);
                Some(match self.relation {
                    Relation::AtLeast => difference >= -slack,
                    Relation::AtMost => difference <= slack,
                    Relation::MoreThan => difference > 0.0,
                    Relation::LessThan => difference < 0.0,
                    _ => difference.abs() <= slack,
                })
            }
            (Published::Range([low, high]), Value::Number(recomputed)) => {
                let slack = self.slack(*high, *recomputed);
                Some(*recomputed >= low - slack && *recomputed <= high + slack)
            }
            _ => None,
        }
    }

    fn slack(&self, a: f64, b: f64) -> f64 {
        self.tolerance + ROUNDING * a.abs().max(b.abs()).max(1.0)
    }

    fn difference(&self, recomputed: &Value) -> Option<f64> {
        match (self.published, recomputed) {
            (Published::One(Value::Number(published)), Value::Number(recomputed)) => {
                Some(recomputed - published)
            }
            (Published::Range([low, high]), Value::Number(recomputed)) => {
                Some(if recomputed < low {
                    recomputed - low
                } else {
                    recomputed - high
                })
            }
            _ => None,
        }
    }
}

/// A version's numbers, for ordering.
fn version(text: &str) -> Vec<u64> {
    text.trim_start_matches('v')
        .split('.')
        .map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap_or(0)
        })
        .collect()
}
