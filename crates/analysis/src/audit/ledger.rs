//! The ledger: each claim with its finding.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value as Json, json};

use super::claims::{Claim, Claims};
use super::error::{AuditError, RecomputeError};
use super::judge::{Judge, Verdict};
use super::sources::Sources;
use super::value::{Computed, Value};

/// The result of an audit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ledger {
    pub counts: Counts,
    /// In the claims file's order.
    pub entries: Vec<LedgerEntry>,
}

/// The number of claims by finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// All claims.
    pub claims: usize,
    pub reproduced: usize,
    /// Reproduced only under another definition.
    pub redefined: usize,
    pub contradicted: usize,
    pub undecided: usize,
    pub not_testable: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub struct LedgerEntry {
    pub claim: Claim,
    pub finding: Finding,
}

/// What the data say of a claim.
#[derive(Debug, Clone, PartialEq)]
pub enum Finding {
    /// The data give the published value under the document's own definition.
    Reproduced { recomputed: Computed },
    /// The data give the published value only under another definition.
    Redefined {
        /// What the document's own definition gives.
        recomputed: Computed,
        under: OtherDefinition,
    },
    /// The data give something else under every definition tried.
    Contradicted {
        /// What the document's own definition gives.
        recomputed: Computed,
        /// Recomputed minus published value (of a range, minus its nearer end), in the claim's unit; `None` for texts.
        difference: Option<f64>,
        /// The difference as a multiple of the tolerance; `None` for texts and estimates, and where the tolerance is 0.
        tolerances: Option<f64>,
        /// Results of the other definitions, none of which gives the published value.
        also_tried: Vec<OtherDefinition>,
    },
    /// The recorded runs are compatible with the claim and with its opposite.
    Undecided {
        recomputed: Computed,
        /// How many times as many runs would decide, if the estimate stayed the same; `None` where
        /// there are fewer than three.
        times_as_many_runs: Option<f64>,
    },
    /// The data cannot test the claim; the claim says why.
    NotTestable,
}

/// The result of an alternative definition.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OtherDefinition {
    pub definition: String,
    pub gives: Computed,
}

/// Writes one object: the claim's own keys, the finding's name, and the finding's figures.
impl Serialize for LedgerEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claim = &self.claim;
        let relation = (claim.not_testable.is_none()).then_some(claim.relation);
        let figures = match &self.finding {
            Finding::Reproduced { .. } => Vec::new(),
            Finding::Redefined { under, .. } => vec![
                ("definition", json!(under.definition)),
                ("under_it", json!(under.gives)),
            ],
            Finding::Contradicted {
                difference,
                tolerances,
                also_tried,
                ..
            } => vec![
                ("difference", json!(difference)),
                ("tolerances", json!(tolerances)),
                ("also_tried", json!(also_tried)),
            ],
            Finding::Undecided {
                times_as_many_runs, ..
            } => vec![("times_as_many_runs", json!(times_as_many_runs))],
            Finding::NotTestable => vec![("why", json!(claim.not_testable))],
        };
        let recomputed = self.finding.recomputed();
        let interval = recomputed.and_then(Computed::interval);
        let recomputed = [
            ("recomputed", json!(recomputed)),
            ("interval", json!(interval.map(|i| [i.lo, i.hi]))),
        ];
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
            ("method", json!(claim.method())),
            ("finding", json!(self.finding.key())),
        ];
        let shown = own.into_iter().chain(recomputed).filter(known);
        let note = [("note", json!(claim.note))].into_iter().filter(known);
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in shown.chain(figures).chain(note) {
            map.serialize_entry(key, &value)?;
        }
        map.end()
    }
}

impl Finding {
    /// The finding's key in JSON.
    fn key(&self) -> &'static str {
        match self {
            Self::Reproduced { .. } => "reproduced",
            Self::Redefined { .. } => "redefined",
            Self::Contradicted { .. } => "contradicted",
            Self::Undecided { .. } => "undecided",
            Self::NotTestable => "not_testable",
        }
    }

    /// The finding in words, as reports print it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reproduced { .. } => "reproduced",
            Self::Redefined { .. } => "reproduced only under another definition",
            Self::Contradicted { .. } => "contradicted",
            Self::Undecided { .. } => "undecided",
            Self::NotTestable => "not testable",
        }
    }

    /// The result of the document's own definition.
    pub fn recomputed(&self) -> Option<&Computed> {
        match self {
            Self::Reproduced { recomputed }
            | Self::Redefined { recomputed, .. }
            | Self::Contradicted { recomputed, .. }
            | Self::Undecided { recomputed, .. } => Some(recomputed),
            Self::NotTestable => None,
        }
    }
}

impl Claims {
    /// Recomputes every claim. Fails when a view or a query cannot be run, or gives a number where a text is published
    /// or the reverse.
    pub fn audit(&self, sources: &Sources) -> Result<Ledger, AuditError> {
        let sources = sources.clone();
        let sources = sources.with_views(&self.path, &self.text, &self.views)?;
        let entry = |claim: &Claim| {
            Ok(LedgerEntry {
                finding: self.finding(claim, &sources)?,
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

    fn finding(&self, claim: &Claim, sources: &Sources) -> Result<Finding, AuditError> {
        let Some(published) = claim
            .published
            .as_ref()
            .filter(|_| claim.not_testable.is_none())
        else {
            return Ok(Finding::NotTestable);
        };
        let judge = Judge {
            published,
            relation: claim.relation,
            tolerance: claim.tolerance.unwrap_or(0.0),
        };
        let judge_result = |key: &str, computed: Result<Computed, RecomputeError>| {
            let refuse = |problem: &str| claim.error(&self.path, key, problem);
            let computed = computed.map_err(|problem| refuse(&problem.to_string()))?;
            match judge.verdict(&computed) {
                Some(verdict) => Ok((computed, verdict)),
                None => Err(refuse(match computed.value {
                    Value::Number(_) => "gives a number where a text is published",
                    Value::Text(_) => "gives a text where a number is published",
                })),
            }
        };
        let (recomputed, verdict) = match (&claim.estimate, &claim.recompute) {
            (Some(estimate), _) => judge_result("estimate", sources.estimate(estimate))?,
            (None, query) => {
                let query = query.as_deref().unwrap_or_default();
                judge_result("recompute", sources.exact(query))?
            }
        };
        // All alternatives are computed, even those that are not needed, so that an invalid one is reported.
        let mut also_tried = Vec::new();
        let mut found = None;
        for other in &claim.alternatives {
            let (gives, verdict) = judge_result("alternatives", sources.exact(&other.recompute))?;
            let tried = OtherDefinition {
                definition: other.definition.clone(),
                gives,
            };
            if verdict == Verdict::Holds && found.is_none() {
                found = Some(tried);
            } else {
                also_tried.push(tried);
            }
        }
        Ok(match (verdict, found) {
            (Verdict::Holds, _) => Finding::Reproduced { recomputed },
            (Verdict::Undecided(times_as_many_runs), _) => Finding::Undecided {
                recomputed,
                times_as_many_runs,
            },
            (Verdict::Fails, Some(under)) => Finding::Redefined { recomputed, under },
            (Verdict::Fails, None) => {
                let difference = judge.difference(&recomputed.value);
                let has_tolerance = judge.tolerance > 0.0 && recomputed.interval().is_none();
                let measurable = difference.filter(|_| has_tolerance);
                Finding::Contradicted {
                    tolerances: measurable.map(|difference| difference / judge.tolerance),
                    recomputed,
                    difference,
                    also_tried,
                }
            }
        })
    }
}

impl Counts {
    /// Counts entries by their finding.
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a LedgerEntry>) -> Self {
        let mut counts = Self::default();
        for entry in entries {
            counts.claims += 1;
            *(match entry.finding {
                Finding::Reproduced { .. } => &mut counts.reproduced,
                Finding::Redefined { .. } => &mut counts.redefined,
                Finding::Contradicted { .. } => &mut counts.contradicted,
                Finding::Undecided { .. } => &mut counts.undecided,
                Finding::NotTestable => &mut counts.not_testable,
            }) += 1;
        }
        counts
    }
}
