//! The agents' analysis of the tables they read: CPU work, and findings for their prompts.

use std::fmt::Write as _;

use domain::Nanos;

use crate::ingest::{Column, Table};

/// The analysis also sums the primes below this, so that it takes CPU time even for small tables.
pub(crate) const PRIME_LIMIT: usize = 200_000;

/// Duration of the analysis in virtual time; an assumed value.
pub(crate) const THINK_MODELLED: Nanos = Nanos::from_millis(1);

/// Duration of reading in virtual time: 0.2 ms for each file and 1 GB/s.
pub(crate) fn read_modelled(tables: &[Table]) -> Nanos {
    tables
        .iter()
        .map(|table| Nanos::from_millis_f64(0.2) + Nanos(table.bytes))
        .sum()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Text for the prompt.
    pub(crate) text: String,
    /// Sum of the primes below [`PRIME_LIMIT`].
    pub(crate) prime_sum: u64,
}

/// Analyses the tables. The collector lists them; every other agent looks for correlated columns.
pub(crate) fn think(name: &str, tables: &[Table]) -> Findings {
    Findings {
        text: if name == "collector" {
            inventory(tables)
        } else {
            relations(tables)
        },
        prime_sum: prime_sum(PRIME_LIMIT),
    }
}

fn prime_sum(below: usize) -> u64 {
    let mut composite = vec![false; below];
    let mut sum = 0;
    for n in 2..below {
        if !composite[n] {
            sum += n as u64;
            for multiple in (n * n..below).step_by(n) {
                composite[multiple] = true;
            }
        }
    }
    sum
}

fn inventory(tables: &[Table]) -> String {
    let mut text = String::new();
    for table in tables {
        let _ = write!(text, "- {}: {} rows", table.name, table.rows);
        for column in &table.columns {
            if let Some(f) = column.figures() {
                let _ = write!(
                    text,
                    "; {} {}..{}, median {}",
                    column.name,
                    short(f.min),
                    short(f.max),
                    short(f.median)
                );
                if f.n < table.rows {
                    let _ = write!(text, " ({} empty)", table.rows - f.n);
                }
            }
        }
        text.push('\n');
    }
    text
}

fn relations(tables: &[Table]) -> String {
    let mut text = String::new();
    for table in tables {
        let _ = write!(text, "- {}: {} rows", table.name, table.rows);
        for column in &table.columns {
            if let Some(f) = column.figures()
                && f.max > f.min
            {
                let _ = write!(text, "; median {} {}", column.name, short(f.median));
            }
        }
        if let Some((a, b, r)) = strongest(&table.columns) {
            let _ = write!(text, "; {a} moves with {b} (r = {r:+.2})");
        }
        text.push('\n');
    }
    text
}

/// The two columns that are most strongly correlated, by Pearson's r.
fn strongest(columns: &[Column]) -> Option<(&str, &str, f64)> {
    let mut best: Option<(&str, &str, f64)> = None;
    for (i, a) in columns.iter().enumerate() {
        for b in &columns[i + 1..] {
            if let Some(r) = pearson(a, b)
                && best.is_none_or(|(_, _, known)| r.abs() > known.abs())
            {
                best = Some((&a.name, &b.name, r));
            }
        }
    }
    best
}

/// Pearson's r over the rows in which both columns have a number; `None` for fewer than three
/// such rows or a column that does not vary.
fn pearson(a: &Column, b: &Column) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = a
        .numbers
        .as_ref()?
        .iter()
        .zip(b.numbers.as_ref()?)
        .filter_map(|(a, b)| Some(((*a)?, (*b)?)))
        .collect();
    if pairs.len() < 3 {
        return None;
    }
    let n = pairs.len() as f64;
    let mean_a = pairs.iter().map(|(a, _)| a).sum::<f64>() / n;
    let mean_b = pairs.iter().map(|(_, b)| b).sum::<f64>() / n;
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in &pairs {
        ab += (a - mean_a) * (b - mean_b);
        aa += (a - mean_a).powi(2);
        bb += (b - mean_b).powi(2);
    }
    (aa > 0.0 && bb > 0.0).then(|| ab / (aa * bb).sqrt())
}

/// A number with at most two decimals, for prompts.
fn short(value: f64) -> String {
    let text = if value.abs() >= 100.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primes_sum_to_the_known_figure() {
        assert_eq!(prime_sum(10), 17);
        assert_eq!(prime_sum(PRIME_LIMIT), 1_709_600_813);
    }

    #[test]
    fn correlation_is_signed_and_absent_where_nothing_varies() {
        let column = |numbers: &[f64]| Column {
            name: String::new(),
            numbers: Some(numbers.iter().copied().map(Some).collect()),
        };
        let up = column(&[1.0, 2.0, 3.0]);
        assert_eq!(pearson(&up, &column(&[6.0, 4.0, 2.0])), Some(-1.0));
        assert_eq!(pearson(&up, &column(&[5.0, 5.0, 5.0])), None);
    }

    #[test]
    fn figures_are_short() {
        assert_eq!(short(15416.2), "15416");
        assert_eq!(short(0.5), "0.5");
        assert_eq!(short(12.0), "12");
        assert_eq!(short(100.0), "100");
    }
}
