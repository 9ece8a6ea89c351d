//! Runs the SQL queries of a claims file over the data, with polars.

use std::sync::Once;
use std::{panic, thread};

use itertools::Itertools as _;
use metrics::stats::{self, Location};
use polars::prelude::{AnyValue, DataFrame, DataType, IntoLazy as _, PolarsError};
use polars_sql::{SQLContext, extract_table_identifiers};

use super::claims::Estimate;
use super::error::RecomputeError;
use super::sources::Sources;
use super::value::{Computed, Evidence, LocationAndMean, Value};

/// Most characters of a query. Together with [`STACK_BYTES`], this bounds how deeply it can nest.
const MAX_CHARACTERS: usize = 1_000;
/// Most tables in a query: a join of three could take very long.
const MAX_TABLES: usize = 2;
/// Most rows of a view or a sample.
const MAX_ROWS: usize = 1_000;
/// Stack of the thread that runs a query. Polars plans recursively: an operator takes 80 KiB in a debug build.
const STACK_BYTES: usize = 64 << 20;
/// Name of that thread.
const THREAD: &str = "query";

/// Functions that a query may call. None of them reads a file, generates rows or grows a text.
const FUNCTIONS: &str = "ABS, AVG, COALESCE, COUNT, COVAR_POP, EXP, GREATEST, LEAST, LN, \
    MAX, MEDIAN, MIN, NULLIF, ROUND, SQRT, STDDEV, SUM";
/// Keywords that an opening bracket may follow.
const KEYWORDS: [&str; 18] = [
    "ALL", "AND", "AS", "BY", "ELSE", "FILTER", "FROM", "HAVING", "IN", "JOIN", "NOT", "ON", "OR",
    "SELECT", "THEN", "USING", "WHEN", "WHERE",
];

/// Keeps a panic of polars, which is reported as an error of its query, from also being printed.
fn silence_panics_of_queries() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if thread::current().name() != Some(THREAD) {
                others(panic);
            }
        }));
    });
}

/// Refuses everything but a plain `SELECT`. Quoted names, comments with quotes in them and functions
/// outside of [`FUNCTIONS`] never reach polars.
fn check(sql: &str) -> Result<(), String> {
    let first = sql.split_whitespace().next().unwrap_or_default();
    if !["SELECT", "WITH"]
        .iter()
        .any(|word| first.eq_ignore_ascii_case(word))
    {
        return Err("a query must begin with SELECT or WITH".to_owned());
    }
    if sql.chars().count() > MAX_CHARACTERS {
        return Err(format!(
            "the query is longer than {MAX_CHARACTERS} characters; move a part of it into a view"
        ));
    }
    // Every second piece is a quoted text.
    for (place, piece) in sql.split('\'').enumerate() {
        let others = if place % 2 == 0 {
            "_.,()=<>!+-*/"
        } else {
            "_.:-+% "
        };
        let allowed = |c: char| {
            c.is_ascii_alphanumeric()
                || others.contains(c)
                || (place % 2 == 0 && c.is_ascii_whitespace())
        };
        if let Some(other) = piece.chars().find(|c| !allowed(*c)) {
            return Err(format!(
                "a query must not contain {other:?}; it is one SELECT over plain names"
            ));
        }
        for (bracket, _) in piece.match_indices('(') {
            let before = piece[..bracket].trim_end();
            let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let word = &before[before.trim_end_matches(is_part).len()..];
            let mut known = FUNCTIONS.split(", ").chain(KEYWORDS);
            if !word.is_empty() && !known.any(|known| word.eq_ignore_ascii_case(known)) {
                return Err(format!(
                    "`{word}` is not an allowed function; use {FUNCTIONS}"
                ));
            }
        }
    }
    Ok(())
}

impl Sources {
    /// The rows of a query. Fails where it is not allowed, or polars cannot run it.
    pub(super) fn rows(&self, sql: &str) -> Result<DataFrame, RecomputeError> {
        check(sql).map_err(RecomputeError::InvalidQuery)?;
        silence_panics_of_queries();
        let ran = thread::scope(|scope| {
            let thread = thread::Builder::new().name(THREAD.to_owned());
            let thread = thread.stack_size(STACK_BYTES);
            let thread = thread.spawn_scoped(scope, || self.run(sql));
            thread.map(thread::ScopedJoinHandle::join)
        });
        match ran {
            Ok(Ok(rows)) => rows.map_err(RecomputeError::InvalidQuery),
            Ok(Err(_)) => RecomputeError::wrong("polars fails on this query; write it differently"),
            Err(error) => RecomputeError::wrong(format!("cannot be run: {error}")),
        }
    }

    fn run(&self, sql: &str) -> Result<DataFrame, String> {
        let problem = |error: PolarsError| {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            format!(
                "polars cannot run the query: {}",
                self.with_our_advice(line)
            )
        };
        let tables = extract_table_identifiers(sql, false, false);
        let tables = tables.map_err(problem)?.len();
        if tables > MAX_TABLES {
            return Err(format!(
                "names {tables} tables, {MAX_TABLES} are allowed; move a join into a view"
            ));
        }
        let mut context = SQLContext::new();
        for (name, frame) in &self.tables {
            context.register(name, frame.clone().lazy());
        }
        let rows = context.execute(sql);
        let rows = rows.and_then(|rows| rows.limit(MAX_ROWS as u32 + 1).collect());
        let rows = rows.map_err(problem)?;
        if rows.height() > MAX_ROWS {
            return Err(format!("gives more than {MAX_ROWS} rows; select fewer"));
        }
        Ok(rows)
    }

    /// A message of polars, with what a query here can do about it in the place of what polars advises.
    fn with_our_advice(&self, message: &str) -> String {
        const ADVICE: [(&str, &str); 2] = [
            (
                "; try an explicit cast",
                "; a query has no CAST, so write a number for each text: CASE WHEN … THEN … END",
            ),
            (
                ". It's possible that multiple expressions",
                "; name each column differently, with AS",
            ),
        ];
        for (theirs, ours) in ADVICE {
            if let Some((problem, _)) = message.split_once(theirs) {
                return format!("{problem}{ours}");
            }
        }
        if message.starts_with("relation") {
            return format!("{message}; there are {}", self.tables.keys().join(", "));
        }
        message.to_owned()
    }

    /// The single cell that a query gives.
    pub(super) fn exact(&self, sql: &str) -> Result<Computed, RecomputeError> {
        Ok(Computed {
            value: self.value(sql)?,
            evidence: Evidence::Exact,
        })
    }

    /// The mean of a sample, its difference from another mean, or its change from another in percent.
    pub(super) fn estimate(&self, estimate: &Estimate) -> Result<Computed, RecomputeError> {
        let is_change = estimate.change_from.is_some();
        let (own, mean) = self.location_and_mean(&estimate.sample, is_change)?;
        let Some(other) = estimate.minus.as_ref().or(estimate.change_from.as_ref()) else {
            return Ok(Computed::estimate((own, mean), |x| x));
        };
        let (other, other_mean) = self.location_and_mean(other, is_change)?;
        let difference = own.zip(other).map(|(own, other)| own.minus(other));
        if !is_change {
            return Ok(Computed::estimate((difference, mean - other_mean), |x| x));
        }
        let percent = |ratio: f64| 100.0 * (ratio - 1.0);
        let mean = percent(mean / other_mean);
        Ok(Computed::estimate((difference, mean), |log| {
            percent(log.exp())
        }))
    }

    fn value(&self, sql: &str) -> Result<Value, RecomputeError> {
        let rows = self.rows(sql)?;
        let cell = match rows.shape() {
            (1, 1) => rows.columns()[0].get(0).unwrap_or(AnyValue::Null),
            (0, _) => return RecomputeError::lacking("gives no row; its conditions hold nowhere"),
            (rows, columns) => {
                return RecomputeError::wrong(format!(
                    "gives {rows} rows and {columns} columns; select one cell, with an aggregate or LIMIT 1"
                ));
            }
        };
        match cell {
            AnyValue::Null => RecomputeError::lacking(
                "gives null; no row has the value, or too few have it for the statistic",
            ),
            AnyValue::String(text) => Ok(Value::Text(text.to_owned())),
            AnyValue::StringOwned(text) => Ok(Value::Text(text.to_string())),
            AnyValue::Boolean(_) => {
                RecomputeError::wrong("gives true or false; count the rows for which it holds")
            }
            cell => match cell.extract::<f64>() {
                Some(number) if number.is_finite() => Ok(Value::Number(number)),
                Some(number) => {
                    RecomputeError::lacking(format!("gives {number}; does it divide by 0?"))
                }
                None => RecomputeError::wrong("gives neither a number nor a text"),
            },
        }
    }

    /// The location of the values that a query gives, or with `logs` of their logarithms, and the plain mean of the
    /// values. Fails when the sample is empty or has other columns. The query gives one column of single
    /// runs, or the columns `mean`, `sd` and `runs` of repeated ones, where each row counts once.
    pub(super) fn location_and_mean(
        &self,
        sql: &str,
        logs: bool,
    ) -> Result<LocationAndMean, RecomputeError> {
        let rows = self.rows(sql)?;
        let names = rows.get_column_names();
        let texts = names.iter().map(|name| name.as_str());
        let is_repeated = texts.eq(["mean", "sd", "runs"]);
        if !is_repeated && names.len() != 1 {
            let names = names.iter().join(", ");
            return RecomputeError::wrong(format!(
                "a sample has one column, or mean, sd and runs; this one has {names}"
            ));
        }
        let mut columns = Vec::new();
        for column in rows.columns() {
            let numbers = column.cast(&DataType::Float64).ok();
            let numbers = numbers.filter(|_| column.dtype().is_primitive_numeric());
            let Some(numbers) = numbers.as_ref().and_then(|column| column.f64().ok()) else {
                let name = column.name();
                return RecomputeError::wrong(format!(
                    "column `{name}` of a sample must hold numbers"
                ));
            };
            columns.push(numbers.iter().collect::<Vec<Option<f64>>>());
        }
        let values: Vec<f64> = columns[0].iter().copied().flatten().collect();
        let Some(plain) = stats::mean(&values) else {
            return RecomputeError::lacking("the sample is empty; its conditions hold nowhere");
        };
        let location = if is_repeated {
            let part = |row: usize| {
                let (mean, sd, runs) = (columns[0][row]?, columns[1][row]?, columns[2][row]?);
                let error = sd / runs.sqrt();
                let (centre, error) = if logs {
                    (mean.ln(), error / mean)
                } else {
                    (mean, error)
                };
                let freedom = runs - 1.0;
                (runs >= 3.0).then_some(Location {
                    centre,
                    standard_error: error,
                    freedom,
                })
            };
            let parts: Option<Vec<_>> = (0..rows.height()).map(part).collect();
            parts.and_then(|parts| Location::average(&parts))
        } else if logs {
            Location::of_logs(&values)
        } else {
            Location::of(&values)
        };
        Ok((location, plain))
    }
}
