//! Computes a published figure again.

use std::collections::BTreeMap;

use metrics::stats;

use super::condition::Condition;
use super::derive::seconds;
use super::error::RecomputeError;
use super::figures::{Sources, Value};
use super::method::{Operand, Recompute, Stat, Tell};
use super::row::Row;
use super::rows::Rows;

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
            Recompute::Text { key } => Ok(Value::Text(self.text(key, "a text")?.to_owned())),
            Recompute::Best {
                rows,
                column,
                condition,
                lowest,
            } => self.best(rows.as_ref(), column, condition.as_ref(), *lowest),
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
                let (rows, chosen) = self.chosen(rows.as_ref(), &[column], condition.as_ref())?;
                let size = |value: f64| if *absolute { value.abs() } else { value };
                let values: Vec<f64> = chosen
                    .iter()
                    .filter_map(|row| row.get(column).map(size))
                    .collect();
                if values.is_empty() && *stat != Stat::Count {
                    return Err(no_rows(rows, column, condition.as_ref()));
                }
                stat.of(&values, rows)
            }
            Recompute::Count { rows, condition } => {
                let (_, chosen) = self.chosen(rows.as_ref(), &[], Some(condition))?;
                Ok(chosen.len() as f64)
            }
            Recompute::Rate {
                rows,
                that,
                condition,
            } => {
                let (rows, all) = self.chosen(rows.as_ref(), &[], condition.as_ref())?;
                that.check(rows)?;
                if all.is_empty() {
                    return Err(no_rows(rows, "config", condition.as_ref()));
                }
                let some = all.iter().filter(|row| that.holds(row)).count();
                Ok(100.0 * some as f64 / all.len() as f64)
            }
            Recompute::MeanOfScenarios { rows, column } => {
                let (rows, all) = self.chosen(rows.as_ref(), &[column], None)?;
                let mut groups: BTreeMap<String, Vec<f64>> = BTreeMap::new();
                for row in all {
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
            } => self.pairs(*tell, rows.as_ref(), column, condition.as_ref()),
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
            Recompute::Seconds { key } => seconds(self.text(key, "an RFC 3339 stamp")?)
                .ok_or_else(|| kind(key, "another text", "an RFC 3339 stamp")),
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

    fn text(&self, key: &str, wanted: &'static str) -> Result<&str, RecomputeError> {
        match self.sources.figure(key) {
            Some(Value::Text(text)) => Ok(text),
            Some(Value::Number(_)) => Err(kind(key, "a number", wanted)),
            None => Err(self.unknown(key)),
        }
    }

    /// A set of rows, by default that of the context, and those of its rows for which a condition
    /// holds. Refuses columns that the set does not have.
    fn chosen(
        &self,
        name: Option<&String>,
        columns: &[&str],
        condition: Option<&Condition>,
    ) -> Result<(&Rows, Vec<&Row>), RecomputeError> {
        let rows = self
            .sources
            .rows(name.map_or(self.default_rows, String::as_str))?;
        for column in columns {
            rows.require(column)?;
        }
        if let Some(condition) = condition {
            condition.check(rows)?;
        }
        let holds = |row: &&Row| condition.is_none_or(|condition| condition.holds(row));
        Ok((rows, rows.iter().filter(holds).collect()))
    }

    fn best(
        &self,
        rows: Option<&String>,
        column: &str,
        condition: Option<&Condition>,
        lowest: bool,
    ) -> Result<Value, RecomputeError> {
        let (rows, chosen) = self.chosen(rows, &[column], condition)?;
        let sign = if lowest { -1.0 } else { 1.0 };
        chosen
            .iter()
            .filter_map(|row| Some((row.config(), sign * row.get(column)?)))
            .max_by(|(_, a), (_, b)| a.total_cmp(b))
            .map(|(config, _)| Value::Text(config.to_owned()))
            .ok_or_else(|| no_rows(rows, column, condition))
    }

    fn pairs(
        &self,
        tell: Tell,
        rows: Option<&String>,
        column: &str,
        condition: Option<&Condition>,
    ) -> Result<f64, RecomputeError> {
        let needed = [column, "scenario", "num_gpu", "num_ctx", "temperature"];
        let (rows, chosen) = self.chosen(rows, &needed, condition)?;
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

fn matched<'a>(left: &'a Rows, right: &'a Rows) -> impl Iterator<Item = (&'a Row, &'a Row)> {
    left.iter().filter_map(|a| {
        let b = right.iter().find(|b| b.config() == a.config())?;
        Some((a, b))
    })
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
