//! Conditions on rows: `scenario = chimera_homo and abs(ttft_delta_ms) > 3000`.

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use super::error::RecomputeError;
use super::row::{Cell, Row};
use super::rows::Rows;

/// Terms joined by `and`; every one must hold. A term compares a column, or `abs(column)`, with a
/// literal, or with another column written in brackets: `b_ttft_ms > [a_ttft_ms]`. A row whose
/// cell is empty never holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct Condition {
    text: String,
    terms: Vec<Term>,
}

#[derive(Debug, Clone, PartialEq)]
struct Term {
    column: String,
    absolute: bool,
    operator: Operator,
    right: Right,
}

#[derive(Debug, Clone, PartialEq)]
enum Right {
    Literal(String),
    Column(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// A condition that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "condition `{term}` cannot be read; write `column operator value`, operator one of = != < <= > >="
)]
pub struct ConditionError {
    term: String,
}

impl FromStr for Condition {
    type Err = ConditionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let terms = text
            .split(" and ")
            .map(|term| {
                Term::parse(term).ok_or_else(|| ConditionError {
                    term: term.trim().to_owned(),
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.trim().to_owned(),
            terms,
        })
    }
}

impl TryFrom<String> for Condition {
    type Error = ConditionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Term {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (left, operator, right) = (words.next()?, words.next()?, words.next()?);
        if words.next().is_some() {
            return None;
        }
        let operator = match operator {
            "=" => Operator::Equal,
            "!=" => Operator::NotEqual,
            "<" => Operator::Less,
            "<=" => Operator::LessOrEqual,
            ">" => Operator::Greater,
            ">=" => Operator::GreaterOrEqual,
            _ => return None,
        };
        let inner = left
            .strip_prefix("abs(")
            .map(|rest| rest.strip_suffix(')').ok_or(()));
        let (column, absolute) = match inner {
            Some(column) => (column.ok()?, true),
            None => (left, false),
        };
        let right = match right.strip_prefix('[') {
            Some(rest) => Right::Column(rest.strip_suffix(']')?.to_owned()),
            None => Right::Literal(right.to_owned()),
        };
        Some(Self {
            column: column.to_owned(),
            absolute,
            operator,
            right,
        })
    }

    fn holds(&self, row: &Row) -> bool {
        let Some(left) = row.cell(&self.column) else {
            return false;
        };
        let right = match &self.right {
            Right::Literal(text) => Cell::parse(text),
            Right::Column(column) => match row.cell(column) {
                Some(cell) => cell.clone(),
                None => return false,
            },
        };
        match (left, &right) {
            (Cell::Number(left), Cell::Number(right)) => {
                let left = if self.absolute { left.abs() } else { *left };
                self.operator.orders(left.partial_cmp(right))
            }
            (left, right) => match self.operator {
                Operator::Equal => left == right,
                Operator::NotEqual => left != right,
                _ => false,
            },
        }
    }
}

impl Operator {
    fn orders(self, ordering: Option<std::cmp::Ordering>) -> bool {
        ordering.is_some_and(|ordering| match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        })
    }
}

impl Condition {
    /// Whether every term holds for the row.
    pub fn holds(&self, row: &Row) -> bool {
        self.terms.iter().all(|term| term.holds(row))
    }

    /// Refuses columns that the rows do not have.
    pub(super) fn check(&self, rows: &Rows) -> Result<(), RecomputeError> {
        for term in &self.terms {
            rows.require(&term.column)?;
            if let Right::Column(column) = &term.right {
                rows.require(column)?;
            }
        }
        Ok(())
    }
}
