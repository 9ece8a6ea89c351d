//! The ledger: what became of each claim.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value as Json, json};

use super::claims::{Claim, Claims};
use super::error::AuditError;
use super::formula::Context;
use super::judge::Judge;
use super::sources::Sources;
use super::value::Value;

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
    /// The claim.
    pub claim: Claim,
    /// What became of it.
    pub finding: Finding,
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
        /// The other definition, and what that gives.
        under: Tried,
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
    /// The data cannot tell; the claim says why.
    NotTestable,
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
        let claim = &self.claim;
        let relation = claim.recompute.as_ref().map(|_| claim.relation);
        let figures = match &self.finding {
            Finding::Reproduced { recomputed } => vec![("recomputed", json!(recomputed))],
            Finding::Redefined { recomputed, under } => vec![
                ("recomputed", json!(recomputed)),
                ("definition", json!(under.definition)),
                ("under_it", json!(under.gives)),
            ],
            Finding::Contradicted {
                recomputed,
                difference,
                tolerances,
                also_tried,
            } => vec![
                ("recomputed", json!(recomputed)),
                ("difference", json!(difference)),
                ("tolerances", json!(tolerances)),
                ("also_tried", json!(also_tried)),
            ],
            Finding::NotTestable => vec![("why", json!(claim.not_testable))],
        };
        let known = |entry: &(&str, Json)| !entry.1.is_null();
        let own = [
            ("id", json!(claim.id)),
            ("document", json!(claim.document)),
            ("section", json!(claim.section)),
            ("claim", json!(claim.claim)),
            ("published", json!(claim.published)),
            ("relation", json!(relation)),
            ("unit", json!(claim.unit)),
            ("tolerance", json!(claim.tolerance)),
            ("method", json!(claim.recompute)),
            ("finding", json!(self.finding.key())),
        ];
        let note = [("note", json!(claim.note))].into_iter().filter(known);
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in own.into_iter().filter(known).chain(figures).chain(note) {
            map.serialize_entry(key, &value)?;
        }
        map.end()
    }
}

impl Finding {
    /// The finding's name in JSON.
    fn key(&self) -> &'static str {
        match self {
            Self::Reproduced { .. } => "reproduced",
            Self::Redefined { .. } => "redefined",
            Self::Contradicted { .. } => "contradicted",
            Self::NotTestable => "not_testable",
        }
    }

    /// The finding's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reproduced { .. } => "reproduced",
            Self::Redefined { .. } => "reproduced only under another definition",
            Self::Contradicted { .. } => "contradicted",
            Self::NotTestable => "not testable",
        }
    }
}

impl Claims {
    /// Computes every claim again and says what became of it. `the rows` of its formulas are the
    /// published ones.
    pub fn audit(&self, sources: &Sources) -> Result<Ledger, AuditError> {
        let context = Context::new(&self.path, sources, &self.quantities, "published")?;
        let entry = |claim: &Claim| {
            Ok(LedgerEntry {
                finding: self.finding(claim, &context)?,
                claim: claim.clone(),
            })
        };
        let entries = self.claims.iter().map(entry);
        let entries = entries.collect::<Result<Vec<_>, AuditError>>()?;
        Ok(Ledger {
            counts: Counts::of(&entries),
            entries,
        })
    }

    fn finding(&self, claim: &Claim, context: &Context<'_>) -> Result<Finding, AuditError> {
        let (Some(published), Some(recompute)) = (&claim.published, &claim.recompute) else {
            return Ok(Finding::NotTestable);
        };
        let judge = Judge {
            published,
            relation: claim.relation,
            tolerance: claim.tolerance.unwrap_or(0.0),
        };
        // What a formula gives, and whether that is the published value.
        let judged = |key: &str, formula: &str| {
            let refuse = |problem: &str| claim.refused(&self.path, key, problem);
            let value = context.evaluate(formula);
            let value = value.map_err(|problem| refuse(&problem.to_string()))?;
            match judge.holds(&value) {
                Some(holds) => Ok((value, holds)),
                None => Err(refuse(&format!(
                    "gives {value:?}, the published value is {published:?}; both must be numbers or both texts"
                ))),
            }
        };
        let (recomputed, holds) = judged("recompute", recompute)?;
        // Alternatives are computed even where they are not needed, so that a wrong one is found at
        // once.
        let mut also_tried = Vec::new();
        let mut found = None;
        for other in &claim.alternatives {
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
        Ok(match (holds, found) {
            (true, _) => Finding::Reproduced { recomputed },
            (false, Some(under)) => Finding::Redefined { recomputed, under },
            (false, None) => {
                let difference = judge.difference(&recomputed);
                let tolerated = difference.filter(|_| judge.tolerance > 0.0);
                Finding::Contradicted {
                    tolerances: tolerated.map(|difference| difference / judge.tolerance),
                    recomputed,
                    difference,
                    also_tried,
                }
            }
        })
    }
}

impl Counts {
    /// Counts findings.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a LedgerEntry>) -> Self {
        let mut counts = Self::default();
        for entry in entries {
            counts.claims += 1;
            *(match entry.finding {
                Finding::Reproduced { .. } => &mut counts.reproduced,
                Finding::Redefined { .. } => &mut counts.redefined,
                Finding::Contradicted { .. } => &mut counts.contradicted,
                Finding::NotTestable => &mut counts.not_testable,
            }) += 1;
        }
        counts
    }
}

impl Ledger {
    /// The entry of a claim.
    pub fn entry(&self, id: &str) -> Option<&LedgerEntry> {
        self.entries.iter().find(|entry| entry.claim.id == id)
    }
}
