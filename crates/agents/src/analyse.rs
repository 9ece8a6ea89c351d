//! The agents' analysis of the tables they read: CPU work, and findings for their prompts.

use std::fmt::Write as _;

use domain::Nanos;
use itertools::Itertools as _;
use statrs::statistics::Statistics as _;

use crate::ingest::{Column, Figures, Table};

/// The analysis also sums the primes below this, so that it takes CPU time even for small tables.
pub(crate) const PRIME_LIMIT: usize = 200_000;

/// Duration of the analysis in virtual time; an assumed value.
pub(crate) const THINK_MODELLED: Nanos = Nanos::from_millis(1);

/// Duration of reading in virtual time: 0.2 ms for each file and 1 GB/s.
pub(crate) fn read_modelled(tables: &[Table]) -> Nanos {
    let time = |table: &Table| Nanos::from_millis_f64(0.2) + Nanos(table.bytes);
    tables.iter().map(time).sum()
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
    let mut text = String::new();
    for table in tables {
        let _ = write!(text, "- {}: {} rows", table.name, table.rows);
        for column in &table.columns {
            let Some(Figures {
                n,
                min,
                median,
                max,
            }) = column.figures()
            else {
                continue;
            };
            let (name_of, median) = (&column.name, short(median));
            if name != "collector" {
                if max > min {
                    let _ = write!(text, "; median {name_of} {median}");
                }
                continue;
            }
            let (min, max) = (short(min), short(max));
            let _ = write!(text, "; {name_of} {min}..{max}, median {median}");
            if n < table.rows {
                let _ = write!(text, " ({} empty)", table.rows - n);
            }
        }
        if name != "collector"
            && let Some((a, b, r)) = strongest(&table.columns)
        {
            let _ = write!(text, "; {a} moves with {b} (r = {r:+.2})");
        }
        text.push('\n');
    }
    let prime_sum = prime_sum(PRIME_LIMIT);
    Findings { text, prime_sum }
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

/// The two columns that are most strongly correlated, by Pearson's r.
fn strongest(columns: &[Column]) -> Option<(&str, &str, f64)> {
    let pairs = columns.iter().tuple_combinations();
    let pairs = pairs.filter_map(|(a, b)| Some((a.name.as_str(), b.name.as_str(), pearson(a, b)?)));
    pairs.reduce(|best, next| {
        if next.2.abs() > best.2.abs() {
            next
        } else {
            best
        }
    })
}

/// Pearson's r over the rows in which both columns have a number; `None` for fewer than three
/// such rows or a column that does not vary.
fn pearson(a: &Column, b: &Column) -> Option<f64> {
    let rows = a.numbers.as_ref()?.iter().zip(b.numbers.as_ref()?);
    let (a, b): (Vec<f64>, Vec<f64>) = rows.filter_map(|(a, b)| a.zip(*b)).unzip();
    let r = (&a).covariance(&b) / ((&a).std_dev() * (&b).std_dev());
    (a.len() >= 3 && r.is_finite()).then_some(r)
}

/// A number with at most two decimals, for prompts.
fn short(value: f64) -> String {
    if value.abs() >= 100.0 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
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
        let down = pearson(&up, &column(&[6.0, 4.0, 2.0])).unwrap();
        assert!((down + 1.0).abs() < 1e-12, "{down}");
        assert_eq!(pearson(&up, &column(&[5.0, 5.0, 5.0])), None);
    }

    #[test]
    fn figures_are_short() {
        let values = [15416.2, 0.5, 12.0, 100.0];
        assert_eq!(values.map(short), ["15416", "0.5", "12", "100"]);
    }
}
