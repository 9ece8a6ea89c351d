//! Decides whether a recomputed value supports the published one.

use serde::{Deserialize, Serialize};

use super::value::{Computed, Evidence, Value};

/// Relative tolerance for floating-point rounding.
const ROUNDING: f64 = 1e-9;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Published {
    One(Value),
    /// A range, both ends included.
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
    MoreThan,
    LessThan,
    /// Inside the published range, within the tolerance.
    Within,
    /// The published version is the recomputed one or a later one.
    VersionAtLeast,
}

/// Compares a recomputed value with a published one, in its unit.
pub(super) struct Judge<'a> {
    pub(super) published: &'a Published,
    pub(super) relation: Relation,
    pub(super) tolerance: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Verdict {
    Holds,
    Fails,
    /// The runs do not decide it. The number is how many times as many runs would, if the estimate stayed the same;
    /// `None` where there are too few runs for an estimate.
    Undecided(Option<f64>),
}

impl Judge<'_> {
    /// The verdict on a figure; `None` when a number meets a text.
    ///
    /// An exact figure holds or it fails. An estimate fails when its whole interval lies outside of
    /// what is claimed. It holds when its whole interval lies inside, or, where the claim is a value
    /// or a range, when the estimate itself does and its interval is no wider than the claim.
    pub(super) fn verdict(&self, computed: &Computed) -> Option<Verdict> {
        let at = self.holds(&computed.value)?;
        let interval = match computed.evidence {
            Evidence::Exact if at => return Some(Verdict::Holds),
            Evidence::Exact => return Some(Verdict::Fails),
            Evidence::TooFew => return Some(Verdict::Undecided(None)),
            Evidence::Interval(interval) => interval,
        };
        let [low, high] = [interval.lo, interval.hi].map(Value::Number);
        let width = interval.hi - interval.lo;
        let claimed = self.width();
        if claimed.map_or(self.holds(&low)? && self.holds(&high)?, |claimed| {
            at && width <= claimed
        }) {
            return Some(Verdict::Holds);
        }
        let (below, above) = (self.difference(&low)?, self.difference(&high)?);
        if !self.holds(&low)? && !self.holds(&high)? && below.signum() == above.signum() {
            return Some(Verdict::Fails);
        }
        // An interval narrows with the square root of the number of runs.
        let needed = match claimed {
            Some(claimed) if at => claimed,
            _ => 2.0 * self.difference(&computed.value)?.abs(),
        };
        Some(Verdict::Undecided(Some((width / needed).powi(2))))
    }

    /// The ends of what is published, the same for a single number; `None` for a text.
    fn ends(&self) -> Option<[f64; 2]> {
        match self.published {
            Published::One(Value::Text(_)) => None,
            Published::One(Value::Number(number)) => Some([*number; 2]),
            Published::Range(ends) => Some(*ends),
        }
    }

    /// The width of a claimed value or range, its tolerance included; `None` for a bound.
    fn width(&self) -> Option<f64> {
        let [low, high] = self.ends()?;
        let is_bound = !matches!(self.relation, Relation::Equals | Relation::Within);
        (!is_bound).then_some(high - low + 2.0 * self.tolerance)
    }

    /// True when the published value holds; `None` when a number is compared with a text.
    pub(super) fn holds(&self, recomputed: &Value) -> Option<bool> {
        let number = match (self.published, recomputed) {
            (Published::One(Value::Text(published)), Value::Text(recomputed)) => {
                return Some(match self.relation {
                    Relation::VersionAtLeast => version(published) >= version(recomputed),
                    _ => published == recomputed,
                });
            }
            (_, Value::Text(_)) => return None,
            (_, Value::Number(number)) => *number,
        };
        let [low, high] = self.ends()?;
        let slack = self.tolerance + ROUNDING * number.abs().max(high.abs()).max(1.0);
        Some(match self.relation {
            Relation::AtLeast => number - low >= -slack,
            Relation::AtMost => number - high <= slack,
            Relation::MoreThan => number > low,
            Relation::LessThan => number < high,
            _ => number - low >= -slack && number - high <= slack,
        })
    }

    /// The recomputed number less the published one, or less an end of a range.
    pub(super) fn difference(&self, recomputed: &Value) -> Option<f64> {
        let Value::Number(number) = recomputed else {
            return None;
        };
        let [low, high] = self.ends()?;
        Some(number - if *number < low { low } else { high })
    }
}

/// The numbers of a version, for ordering.
fn version(text: &str) -> Vec<u64> {
    text.trim_start_matches('v')
        .split('.')
        .map(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
            digits.parse().unwrap_or(0)
        })
        .collect()
}
