//! The ledger: each claim with its finding.

use serde::Serialize;
use serde::ser::Serializer;
use serde_json::{Value as Json, json};

use super::claims::{Claim, Claims};
use super::error::{AuditError, RecomputeError};
use super::judge::{Judge, Verdict};
use super::sources::Sources;
use super::value::{Computed, Value};

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
    /// What the document's own definition gives; `None` for a claim that cannot be tested.
    pub recomputed: Option<Computed>,
    pub finding: Finding,
}

#[derive(Debug, Clone, PartialEq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Finding {
    /// The data give the published value under the document's own definition.
    Reproduced,
    /// The data give the published value only under another definition.
    Redefined(OtherDefinition),
    /// The data give something else under every definition tried.
    Contradicted {
        /// Recomputed less published (less the nearer end of a range); `None` for texts.
        difference: Option<f64>,
        /// The difference in tolerances; `None` for texts and estimates, and where the tolerance is 0.
        tolerances: Option<f64>,
        /// Results of the other definitions, none of which gives the published value.
        also_tried: Vec<OtherDefinition>,
    },
    /// The recorded runs are compatible with the claim and with its opposite.
    Undecided {
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

/// The figures of the finding stand beside those of the claim. What is absent is left out.
impl Serialize for LedgerEntry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claim = &self.claim;
        let relation = (claim.not_testable.is_none()).then_some(claim.relation);
        let figures = match &self.finding {
            Finding::Reproduced | Finding::NotTestable => Vec::new(),
            Finding::Redefined(under) => vec![
                ("definition", json!(under.definition)),
                ("under_it", json!(under.gives)),
            ],
            Finding::Contradicted {
                difference,
                tolerances,
                also_tried,
            } => vec![
                ("difference", json!(difference)),
                ("tolerances", json!(tolerances)),
                ("also_tried", json!(also_tried)),
            ],
            Finding::Undecided {
                times_as_many_runs: times,
            } => vec![("times_as_many_runs", json!(times))],
        };
        let interval = self.recomputed.as_ref().and_then(Computed::interval);
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
            ("recomputed", json!(self.recomputed)),
            ("interval", json!(interval.map(|i| [i.lo, i.hi]))),
        ];
        let last = [
            ("why", json!(claim.not_testable)),
            ("note", json!(claim.note)),
        ];
        let [own, last] = [own.to_vec(), last.to_vec()].map(|all| all.into_iter().filter(known));
        serializer.collect_map(own.chain(figures).chain(last))
    }
}

impl Finding {
    /// Its key in JSON.
    pub fn key(&self) -> &'static str {
        self.into()
    }
}

impl Claims {
    /// Judges every claim by its data. Fails when a view or a query is invalid, and names the claim's line.
    pub fn audit(&self, sources: &Sources) -> Result<Ledger, AuditError> {
        let sources = sources.clone();
        let sources = sources.with_views(&self.path, &self.text, &self.views)?;
        let entries = self.claims.iter().map(|claim| self.entry(claim, &sources));
        let entries = entries.collect::<Result<Vec<_>, AuditError>>()?;
        Ok(Ledger {
            counts: Counts::of(&entries),
            entries,
        })
    }

    fn entry(&self, claim: &Claim, sources: &Sources) -> Result<LedgerEntry, AuditError> {
        let entry = |recomputed, finding| LedgerEntry {
            claim: claim.clone(),
            recomputed,
            finding,
        };
        let published = claim.published.as_ref();
        let Some(published) = published.filter(|_| claim.not_testable.is_none()) else {
            return Ok(entry(None, Finding::NotTestable));
        };
        let judge = Judge {
            published,
            relation: claim.relation,
            tolerance: claim.tolerance.unwrap_or(0.0),
        };
        let judged = |key: &str, computed: Result<Computed, RecomputeError>| {
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
            (Some(estimate), _) => judged("estimate", sources.estimate(estimate))?,
            (None, query) => {
                let query = query.as_deref().unwrap_or_default();
                judged("recompute", sources.exact(query))?
            }
        };
        // All alternatives are computed, even those that are not needed, so that an invalid one is reported.
        let mut also_tried = Vec::new();
        let mut found = None;
        for other in &claim.alternatives {
            let (gives, verdict) = judged("alternatives", sources.exact(&other.recompute))?;
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
        let finding = match (verdict, found) {
            (Verdict::Holds, _) => Finding::Reproduced,
            (Verdict::Undecided(times_as_many_runs), _) => {
                Finding::Undecided { times_as_many_runs }
            }
            (Verdict::Fails, Some(under)) => Finding::Redefined(under),
            (Verdict::Fails, None) => {
                let difference = judge.difference(&recomputed.value);
                let exact = judge.tolerance > 0.0 && recomputed.interval().is_none();
                let tolerated = difference.filter(|_| exact);
                Finding::Contradicted {
                    tolerances: tolerated.map(|difference| difference / judge.tolerance),
                    difference,
                    also_tried,
                }
            }
        };
        Ok(entry(Some(recomputed), finding))
    }
}

impl Counts {
    pub fn of<'a>(entries: impl IntoIterator<Item = &'a LedgerEntry>) -> Self {
        let mut counts = Self::default();
        for entry in entries {
            counts.claims += 1;
            *(match entry.finding {
                Finding::Reproduced => &mut counts.reproduced,
                Finding::Redefined(_) => &mut counts.redefined,
                Finding::Contradicted { .. } => &mut counts.contradicted,
                Finding::Undecided { .. } => &mut counts.undecided,
                Finding::NotTestable => &mut counts.not_testable,
            }) += 1;
        }
        counts
    }
}
