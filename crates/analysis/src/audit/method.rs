//! The closed set of methods by which a published figure is computed again.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, MapAccess, Visitor, value::MapAccessDeserializer};

use super::condition::Condition;

/// How a figure is computed again. In a file: `{ method = "stat", stat = "mean", column =
/// "speedup", where = "scenario = chimera_homo" }`. `rows` may be left out where the reader of the
/// file gives a default.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Recompute {
    /// A statistic of one column.
    Stat {
        /// Which.
        stat: Stat,
        /// Of which rows.
        rows: Option<String>,
        /// Of which column; empty cells are left out.
        column: String,
        /// Only where this holds.
        #[serde(rename = "where")]
        condition: Option<Condition>,
        /// Take the column's absolute values.
        #[serde(default)]
        absolute: bool,
    },
    /// How many rows hold.
    Count {
        /// Of which rows.
        rows: Option<String>,
        /// What must hold.
        #[serde(rename = "where")]
        condition: Condition,
    },
    /// The share, in percent, of rows that hold.
    Rate {
        /// Of which rows.
        rows: Option<String>,
        /// What is counted.
        that: Condition,
        /// Out of those where this holds; all by default.
        #[serde(rename = "where")]
        condition: Option<Condition>,
    },
    /// The configuration with the largest value, as text.
    Best {
        /// Of which rows.
        rows: Option<String>,
        /// Largest in this column.
        column: String,
        /// Only where this holds.
        #[serde(rename = "where")]
        condition: Option<Condition>,
        /// The smallest value instead.
        #[serde(default)]
        lowest: bool,
    },
    /// The mean of the scenarios' means: each scenario counts once, however many rows it has.
    MeanOfScenarios {
        /// Of which rows.
        rows: Option<String>,
        /// Of which column.
        column: String,
    },
    /// Pairs of rows that differ in temperature alone (same scenario, same other options): the
    /// value at the lower temperature less the one at the higher.
    Pairs {
        /// What is told of the pairs.
        tell: Tell,
        /// Of which rows.
        rows: Option<String>,
        /// Of which column.
        column: String,
        /// Only where this holds.
        #[serde(rename = "where")]
        condition: Option<Condition>,
    },
    /// In how many configurations, out of those in both sets, one condition on the left rows and
    /// another on the right rows hold or fail together.
    Agreement {
        /// The left rows.
        left: String,
        /// The left condition.
        left_is: Condition,
        /// The right rows.
        right: String,
        /// The right condition.
        right_is: Condition,
    },
    /// The largest absolute difference of a column between two sets of rows, by configuration.
    Deviation {
        /// The left rows.
        left: String,
        /// The right rows.
        right: String,
        /// The column.
        column: String,
        /// The right rows' column, when it has another name.
        right_column: Option<String>,
    },
    /// A figure or a quantity.
    Figure {
        /// Its key.
        key: String,
    },
    /// A text among the figures.
    Text {
        /// Its key.
        key: String,
    },
    /// Seconds since 1970 of a stamp among the figures.
    Seconds {
        /// Its key.
        key: String,
    },
    /// `a - b`.
    Difference {
        /// From this.
        a: Operand,
        /// Subtract this.
        b: Operand,
    },
    /// `a / b`.
    Ratio {
        /// This.
        a: Operand,
        /// Over this.
        b: Operand,
    },
    /// `100 a / b`.
    Percent {
        /// This.
        a: Operand,
        /// Out of this.
        b: Operand,
    },
    /// `100 (to - from) / from`.
    PercentChange {
        /// The base.
        from: Operand,
        /// What it became.
        to: Operand,
    },
    /// `100 speedup / agents`.
    Efficiency {
        /// The speedup.
        speedup: Operand,
        /// How many agents.
        agents: Operand,
    },
    /// The sum of the terms.
    Sum {
        /// The terms.
        terms: Vec<Operand>,
    },
    /// The product of the terms.
    Product {
        /// The terms.
        terms: Vec<Operand>,
    },
    /// The mean of the terms.
    Mean {
        /// The terms.
        terms: Vec<Operand>,
    },
}

/// A number, the key of a figure or quantity, or a method.
#[derive(Debug, Clone, PartialEq)]
pub enum Operand {
    /// A number.
    Number(f64),
    /// A key.
    Key(String),
    /// A method.
    Method(Box<Recompute>),
}

/// A statistic of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stat {
    /// Arithmetic mean.
    Mean,
    /// Sample standard deviation (n - 1).
    Sd,
    /// Population standard deviation (n).
    PopulationSd,
    /// Median.
    Median,
    /// Smallest.
    Min,
    /// Largest.
    Max,
    /// Sum.
    Sum,
    /// How many cells are not empty.
    Count,
}

/// What is told of temperature pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tell {
    /// How many pairs there are.
    Pairs,
    /// In how many the lower temperature has the larger value.
    LowerIsLarger,
    /// The mean difference.
    Mean,
    /// The smallest (most negative) difference.
    Min,
    /// The largest difference.
    Max,
}

impl<'de> Deserialize<'de> for Operand {
    // By hand, so that an error inside a method is told as it is.
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Operand;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number, the key of a figure, or a table with a method")
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Operand, E> {
                Ok(Operand::Number(number as f64))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Operand, E> {
                Ok(Operand::Number(number))
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Operand, E> {
                Ok(Operand::Key(key.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Operand, A::Error> {
                let method = Recompute::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Operand::Method(Box::new(method)))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Stat {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Sd => "sample σ",
            Self::PopulationSd => "population σ",
            Self::Median => "median",
            Self::Min => "smallest",
            Self::Max => "largest",
            Self::Sum => "sum",
            Self::Count => "count",
        }
    }
}

/// The method in words, for the ledger.
impl fmt::Display for Recompute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |rows: &Option<String>| rows.clone().unwrap_or_else(|| "the rows".to_owned());
        let filter = |condition: &Option<Condition>| {
            condition
                .as_ref()
                .map_or_else(String::new, |condition| format!(" where {condition}"))
        };
        match self {
            Self::Stat {
                stat,
                rows,
                column,
                condition,
                absolute,
            } => {
                let bars = if *absolute { "|" } else { "" };
                let (name, rows, filter) = (stat.name(), of(rows), filter(condition));
                write!(f, "{name} of {bars}{column}{bars} in {rows}{filter}")
            }
            Self::Count { rows, condition } => {
                write!(f, "count in {} where {condition}", of(rows))
            }
            Self::Rate {
                rows,
                that,
                condition,
            } => {
                let (rows, filter) = (of(rows), filter(condition));
                write!(f, "% of {rows}{filter} that have {that}")
            }
            Self::Best {
                rows,
                column,
                condition,
                lowest,
            } => {
                let end = if *lowest { "lowest" } else { "highest" };
                let (rows, filter) = (of(rows), filter(condition));
                write!(f, "configuration of {end} {column} in {rows}{filter}")
            }
            Self::MeanOfScenarios { rows, column } => {
                write!(f, "mean of the scenarios' mean {column} in {}", of(rows))
            }
            Self::Pairs {
                tell,
                rows,
                column,
                condition,
            } => {
                let tell = match tell {
                    Tell::Pairs => "count",
                    Tell::LowerIsLarger => "count of those above 0",
                    Tell::Mean => "mean",
                    Tell::Min => "smallest",
                    Tell::Max => "largest",
                };
                let (rows, filter) = (of(rows), filter(condition));
                write!(
                    f,
                    "temperature pairs, {column} at the lower less the higher: {tell}, in {rows}{filter}"
                )
            }
            Self::Agreement {
                left,
                left_is,
                right,
                right_is,
            } => write!(
                f,
                "configurations where {left} ({left_is}) and {right} ({right_is}) agree"
            ),
            Self::Deviation {
                left,
                right,
                column,
                right_column,
            } => {
                let right_column = right_column.as_ref().unwrap_or(column);
                write!(f, "largest |{left} {column} - {right} {right_column}|")
            }
            Self::Figure { key } | Self::Text { key } | Self::Seconds { key } => f.write_str(key),
            Self::Difference { a, b } => write!(f, "({a}) - ({b})"),
            Self::Ratio { a, b } => write!(f, "({a}) / ({b})"),
            Self::Percent { a, b } => write!(f, "100 · ({a}) / ({b})"),
            Self::PercentChange { from, to } => write!(f, "% change from ({from}) to ({to})"),
            Self::Efficiency { speedup, agents } => write!(f, "100 · ({speedup}) / {agents}"),
            Self::Sum { terms } => joined(f, terms, " + "),
            Self::Product { terms } => joined(f, terms, " · "),
            Self::Mean { terms } => {
                f.write_str("mean of ")?;
                joined(f, terms, ", ")
            }
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, terms: &[Operand], with: &str) -> fmt::Result {
    for (index, term) in terms.iter().enumerate() {
        if index > 0 {
            f.write_str(with)?;
        }
        write!(f, "{term}")?;
    }
    Ok(())
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Key(key) => f.write_str(key),
            Self::Method(method) => write!(f, "{method}"),
        }
    }
}
