//! The ledger: what became of each claim.

use std::path::Path;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::claims::{Claim, Claims, Document, Test};
use super::error::AuditError;
use super::figures::{Sources, Value};
use super::judge::{Judge, Published, Relation};
use super::method::Recompute;
use super::recompute::Context;

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
#[derive(Debug, Clone, PartialEq)]
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
    pub published: Option<Published>,
    /// How the recomputed value must stand to it.
    pub relation: Option<Relation>,
    /// Unit of the published value.
    pub unit: Option<String>,
    /// What may differ.
    pub tolerance: Option<f64>,
    /// How it was computed, in words.
    pub method: Option<String>,
    /// What became of it.
    pub finding: Finding,
    /// Besides.
    pub note: Option<String>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq)]
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

/// The finding's figures stand beside the claim's, under its name.
impl Serialize for LedgerEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("document", &self.document)?;
        map.serialize_entry("section", &self.section)?;
        map.serialize_entry("claim", &self.claim)?;
        known(&mut map, "published", self.published.as_ref())?;
        known(&mut map, "relation", self.relation.as_ref())?;
        known(&mut map, "unit", self.unit.as_ref())?;
        known(&mut map, "tolerance", self.tolerance.as_ref())?;
        known(&mut map, "method", self.method.as_ref())?;
        map.serialize_entry("finding", self.finding.key())?;
        match &self.finding {
            Finding::Reproduced { recomputed } => map.serialize_entry("recomputed", recomputed)?,
            Finding::Redefined {
                recomputed,
                definition,
                under_it,
            } => {
                map.serialize_entry("recomputed", recomputed)?;
                map.serialize_entry("definition", definition)?;
                map.serialize_entry("under_it", under_it)?;
            }
            Finding::Contradicted {
                recomputed,
                difference,
                tolerances,
                also_tried,
            } => {
                map.serialize_entry("recomputed", recomputed)?;
                map.serialize_entry("difference", difference)?;
                map.serialize_entry("tolerances", tolerances)?;
                map.serialize_entry("also_tried", also_tried)?;
            }
            Finding::NotTestable { why } => map.serialize_entry("why", why)?,
        }
        known(&mut map, "note", self.note.as_ref())?;
        map.end()
    }
}

/// An entry of what is known.
fn known<M: SerializeMap>(
    map: &mut M,
    key: &str,
    value: Option<&impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, value))
}

impl Finding {
    /// The finding's name in JSON.
    fn key(&self) -> &'static str {
        match self {
            Self::Reproduced { .. } => "reproduced",
            Self::Redefined { .. } => "redefined",
            Self::Contradicted { .. } => "contradicted",
            Self::NotTestable { .. } => "not_testable",
        }
    }
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
    let (published, unit, relation, tolerance, recompute, alternatives) = match &claim.test {
        Test::NotTestable(why) => {
            let finding = Finding::NotTestable { why: why.clone() };
            return Ok(LedgerEntry { finding, ..bare });
        }
        Test::Recompute {
            published,
            unit,
            relation,
            tolerance,
            recompute,
            alternatives,
        } => (
            published,
            unit,
            *relation,
            *tolerance,
            recompute,
            alternatives,
        ),
    };
    let judge = Judge {
        published,
        relation,
        tolerance: tolerance.unwrap_or(0.0),
    };
    // What a method gives, and whether that is the published value.
    let judged = |key: &str, method: &Recompute| {
        let refuse = |problem: String| {
            let entry = format!("claim `{}`, key `{key}`", claim.id);
            AuditError::entry(path, claim.line, entry, problem)
        };
        let value = context
            .evaluate(method)
            .map_err(|p| refuse(p.to_string()))?;
        let holds = judge.holds(&value).ok_or_else(|| {
            refuse(format!(
                "gives {value:?}, the published value is {published:?}; both must be numbers or both texts"
            ))
        })?;
        Ok::<_, AuditError>((value, holds))
    };
    let (recomputed, holds) = judged("recompute", recompute)?;
    // Alternatives are computed even where they are not needed, so that a wrong one is found at
    // once.
    let mut also_tried = Vec::new();
    let mut found = None;
    for other in alternatives {
        let (gives, fits) = judged("alternatives", &other.recompute)?;
        let tried = Tried {
            definition: other.definition.clone(),
            gives,
        };
        if fits && found.is_none() {
            found = Some(tried);
        } else {
            also_tried.push(tried);
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
                also_tried,
            }
        }
    };
    Ok(LedgerEntry {
        published: Some(published.clone()),
        relation: Some(relation),
        unit: unit.clone(),
        tolerance,
        method: Some(recompute.to_string()),
        finding,
        ..bare
    })
}
