//! Computes a published figure again.

use std::collections::BTreeMap;

use metrics::stats;

use super::condition::Condition;
use super::error::RecomputeError;
use super::figures::{Sources, Value};
use super::method::{Operand, Recompute, Stat, Tell};
use super::rows::{Row, Rows};

/// What a method is evaluated in.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Rows and figures.
    pub sources: &'a Sources,
    /// Named methods of the file.
    pub quantities: &'a BTreeMap<String, Recompute>,
    /// The rows of methods that name none.
    pub default_rows: &'a str,
}

/// Quantities within quantities, at most this deep.
const DEEPEST: u32 = 16;

impl Context<'_> {
    /// Computes.
    pub fn evaluate(&self, method: &Recompute) -> Result<Value, RecomputeError> {
        self.value(method, 0)
    }

    fn value(&self, method: &Recompute, depth: u32) -> Result<Value, RecomputeError> {
        match method {
            Recompute::Text { key } => match self.sources.figure(key) {
                Some(value @ Value::Text(_)) => Ok(value.clone()),
                Some(Value::Number(_)) => Err(kind(key, "a number", "a text")),
                None => Err(self.unknown(key)),
            },
            Recompute::Best {
                rows,
                column,
                condition,
                lowest,
            } => self.best(rows.as_deref(), column, condition.as_ref(), *lowest),
            other => self.number(other, depth).map(Value::Number),
        }
    }

    fn number(&self, method: &Recompute, depth: u32) -> Result<f64, RecomputeError> {
        let operand = |operand: &Operand| self.operand(operand, depth);
        let divide = |a: &Operand, b: &Operand| {
            let (a, b) = (operand(a)?, operand(b)?);
            if b == 0.0 {
                return Err(RecomputeError::Zero {
                    what: method.to_string(),
                });
            }
            Ok(a / b)
        };
        match method {
            Recompute::Stat {
                stat,
                rows,
                column,
                condition,
                absolute,
            } => {
                let rows = self.rows(rows.as_deref())?;
                let mut values = select(rows, column, condition.as_ref(), *stat == Stat::Count)?;
                if *absolute {
                    for value in &mut values {
                        *value = value.abs();
                    }
                }
                stat.of(&values, rows)
            }
            Recompute::Count { rows, condition } => {
                let rows = self.rows(rows.as_deref())?;
                condition.check(rows)?;
                Ok(rows.iter().filter(|row| condition.holds(row)).count() as f64)
            }
            Recompute::Rate {
                rows,
                that,
                condition,
            } => {
                let rows = self.rows(rows.as_deref())?;
                that.check(rows)?;
                if let Some(condition) = condition {
                    condition.check(rows)?;
                }
                let among = rows.iter().filter(|row| holds(condition.as_ref(), row));
                let (all, some) = among.fold((0_u32, 0_u32), |(all, some), row| {
                    (all + 1, some + u32::from(that.holds(row)))
                });
                if all == 0 {
                    return Err(no_rows(rows, "config", condition.as_ref()));
                }
                Ok(100.0 * f64::from(some) / f64::from(all))
            }
            Recompute::MeanOfScenarios { rows, column } => {
                let rows = self.rows(rows.as_deref())?;
                rows.require(column)?;
                let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
                for row in rows.iter() {
                    if let (Some(scenario), Some(value)) = (row.cell("scenario"), row.get(column)) {
                        let group = groups.entry(format!("{scenario:?}")).or_default();
                        group.push(value);
                    }
                }
                let means: Vec<f64> = groups
                    .values()
                    .filter_map(|group| stats::mean(group))
                    .collect();
                Stat::Mean.of(&means, rows)
            }
            Recompute::Pairs {
                tell,
                rows,
                column,
                condition,
            } => self.pairs(*tell, rows.as_deref(), column, condition.as_ref()),
            Recompute::Agreement {
                left,
                left_is,
                right,
                right_is,
            } => {
                let (left, right) = (self.sources.rows(left)?, self.sources.rows(right)?);
                left_is.check(left)?;
                right_is.check(right)?;
                let together = matched(left, right)
                    .filter(|(left, right)| left_is.holds(left) == right_is.holds(right));
                Ok(together.count() as f64)
            }
            Recompute::Deviation {
                left,
                right,
                column,
                right_column,
            } => {
                let (left, right) = (self.sources.rows(left)?, self.sources.rows(right)?);
                let right_column = right_column.as_deref().unwrap_or(column);
                left.require(column)?;
                right.require(right_column)?;
                matched(left, right)
                    .filter_map(|(a, b)| Some((a.get(column)? - b.get(right_column)?).abs()))
                    .reduce(f64::max)
                    .ok_or_else(|| no_rows(left, column, None))
            }
            Recompute::Figure { key } => self.figure(key, depth),
            Recompute::Seconds { key } => match self.sources.figure(key) {
                Some(Value::Text(stamp)) => super::derive::seconds(stamp)
                    .ok_or_else(|| kind(key, "another text", "an RFC 3339 stamp")),
                Some(Value::Number(_)) => Err(kind(key, "a number", "an RFC 3339 stamp")),
                None => Err(self.unknown(key)),
            },
            Recompute::Difference { a, b } => Ok(operand(a)? - operand(b)?),
            Recompute::Ratio { a, b } => divide(a, b),
            Recompute::Percent { a, b } => Ok(100.0 * divide(a, b)?),
            Recompute::Efficiency { speedup, agents } => Ok(100.0 * divide(speedup, agents)?),
            Recompute::PercentChange { from, to } => Ok(100.0 * (divide(to, from)? - 1.0)),
            Recompute::Sum { terms } => terms.iter().map(operand).sum(),
            Recompute::Product { terms } => terms.iter().map(operand).product(),
            Recompute::Mean { terms } => {
                let values: Result<Vec<f64>, _> = terms.iter().map(operand).collect();
                stats::mean(&values?).ok_or_else(|| RecomputeError::Zero {
                    what: "a mean of no terms".to_owned(),
                })
            }
            Recompute::Text { key } => Err(kind(key, "a text", "a number")),
            Recompute::Best { column, .. } => Err(kind(column, "a configuration", "a number")),
        }
    }

    fn operand(&self, operand: &Operand, depth: u32) -> Result<f64, RecomputeError> {
        match operand {
            Operand::Number(number) => Ok(*number),
            Operand::Key(key) => self.figure(key, depth),
            Operand::Method(method) => self.number(method, depth + 1),
        }
    }

    fn figure(&self, key: &str, depth: u32) -> Result<f64, RecomputeError> {
        if depth > DEEPEST {
            return Err(RecomputeError::Circular {
                key: key.to_owned(),
            });
        }
        if let Some(method) = self.quantities.get(key) {
            return self.number(method, depth + 1);
        }
        match self.sources.figure(key) {
            Some(Value::Number(number)) => Ok(*number),
            Some(Value::Text(_)) => Err(kind(key, "a text", "a number")),
            None => Err(self.unknown(key)),
        }
    }

    fn unknown(&self, key: &str) -> RecomputeError {
        RecomputeError::UnknownFigure {
            key: key.to_owned(),
            near: self.sources.nearest(key, self.quantities.keys()),
        }
    }

    fn rows(&self, name: Option<&str>) -> Result<&Rows, RecomputeError> {
        self.sources.rows(name.unwrap_or(self.default_rows))
    }

    fn best(
        &self,
        rows: Option<&str>,
        column: &str,
        condition: Option<&Condition>,
        lowest: bool,
    ) -> Result<Value, RecomputeError> {
        let rows = self.rows(rows)?;
        rows.require(column)?;
        if let Some(condition) = condition {
            condition.check(rows)?;
        }
        let sign = if lowest { -1.0 } else { 1.0 };
        rows.iter()
            .filter(|row| holds(condition, row))
            .filter_map(|row| Some((row.config(), sign * row.get(column)?)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(config, _)| Value::Text(config.to_owned()))
            .ok_or_else(|| no_rows(rows, column, condition))
    }

    fn pairs(
        &self,
        tell: Tell,
        rows: Option<&str>,
        column: &str,
        condition: Option<&Condition>,
    ) -> Result<f64, RecomputeError> {
        let rows = self.rows(rows)?;
        for needed in [column, "scenario", "num_gpu", "num_ctx", "temperature"] {
            rows.require(needed)?;
        }
        if let Some(condition) = condition {
            condition.check(rows)?;
        }
        let chosen: Vec<&Row> = rows.iter().filter(|row| holds(condition, row)).collect();
        let mut differences = Vec::new();
        for (index, left) in chosen.iter().enumerate() {
            for right in &chosen[index + 1..] {
                let alike = ["scenario", "num_gpu", "num_ctx"]
                    .iter()
                    .all(|column| left.cell(column) == right.cell(column));
                let temperatures = (left.get("temperature"), right.get("temperature"));
                let (Some(at_left), Some(at_right)) = temperatures else {
                    continue;
                };
                if let (true, Some(a), Some(b)) = (alike, left.get(column), right.get(column)) {
                    match at_left.total_cmp(&at_right) {
                        std::cmp::Ordering::Less => differences.push(a - b),
                        std::cmp::Ordering::Greater => differences.push(b - a),
                        std::cmp::Ordering::Equal => {}
                    }
                }
            }
        }
        match tell {
            Tell::Pairs => Ok(differences.len() as f64),
            Tell::LowerIsLarger => Ok(differences.iter().filter(|d| **d > 0.0).count() as f64),
            Tell::Mean => Stat::Mean.of(&differences, rows),
            Tell::Min => Stat::Min.of(&differences, rows),
            Tell::Max => Stat::Max.of(&differences, rows),
        }
    }
}

fn holds(condition: Option<&Condition>, row: &Row) -> bool {
    condition.is_none_or(|condition| condition.holds(row))
}

fn matched<'a>(left: &'a Rows, right: &'a Rows) -> impl Iterator<Item = (&'a Row, &'a Row)> {
    left.iter().filter_map(|a| {
        let b = right.iter().find(|b| b.config() == a.config())?;
        Some((a, b))
    })
}

fn select(
    rows: &Rows,
    column: &str,
    condition: Option<&Condition>,
    may_be_empty: bool,
) -> Result<Vec<f64>, RecomputeError> {
    rows.require(column)?;
    if let Some(condition) = condition {
        condition.check(rows)?;
    }
    let values: Vec<f64> = rows
        .iter()
        .filter(|row| holds(condition, row))
        .filter_map(|row| row.get(column))
        .collect();
    if values.is_empty() && !may_be_empty {
        return Err(no_rows(rows, column, condition));
    }
    Ok(values)
}

fn no_rows(rows: &Rows, column: &str, condition: Option<&Condition>) -> RecomputeError {
    RecomputeError::NoRows {
        rows: rows.name().to_owned(),
        column: column.to_owned(),
        condition: condition.map_or_else(|| "anything holds".to_owned(), Condition::to_string),
    }
}

fn kind(key: &str, found: &'static str, wanted: &'static str) -> RecomputeError {
    RecomputeError::Kind {
        key: key.to_owned(),
        found,
        wanted,
    }
}

impl Stat {
    fn of(self, values: &[f64], rows: &Rows) -> Result<f64, RecomputeError> {
        let n = values.len();
        let least = if self == Self::Sd { 2 } else { 1 };
        let value = match self {
            Self::Mean => stats::mean(values),
            Self::Sd => stats::sample_sd(values),
            Self::PopulationSd => stats::population_sd(values),
            Self::Median => stats::median(values),
            Self::Min => values.iter().copied().reduce(f64::min),
            Self::Max => values.iter().copied().reduce(f64::max),
            Self::Sum => Some(values.iter().sum()),
            Self::Count => Some(n as f64),
        };
        value.ok_or_else(|| RecomputeError::TooFew {
            needs: self.name(),
            least,
            rows: rows.name().to_owned(),
            have: n,
        })
    }
}
