//! The syntax of limits: `ttft_p95 < 2s and goodput >= 95%`. One grammar for the limits of a request (`load --slo`), of
//! a level (`capacity --slo`) and of a comparison (`compare --fail-if`); docs/limits.md describes it.

use std::fmt;
use std::str::FromStr;

use domain::Nanos;
use itertools::Itertools as _;
use strum::VariantArray as _;

use crate::request::{LatencyFigure, RequestMetrics};

/// Limits that each request, or a level as a whole, must keep together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Objective {
    text: String,
    /// Limits on each request.
    each: Vec<(LatencyFigure, Nanos)>,
    /// Limits on all requests together.
    criteria: Vec<Criterion>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Criterion {
    /// A percentile or the mean of a latency is below a time.
    Latency {
        figure: LatencyFigure,
        statistic: Statistic,
        below: Nanos,
    },
    /// At least this share of the requests, in 0..=1, keeps every limit on a request's own latency.
    Goodput { at_least: f64 },
    /// Less than this share of the requests, in 0..=1, does not complete.
    Failed { below: f64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// A percentile, 50 to 99.
    Percentile(u8),
    /// The arithmetic mean of completed requests.
    Mean,
}

impl Objective {
    /// The limits as given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The limits on all requests together, in the order given.
    pub fn criteria(&self) -> &[Criterion] {
        &self.criteria
    }

    /// Limits that a single request keeps or breaks: its own, and those on percentiles of TTFT, TPOT and E2E.
    pub(crate) fn per_request(&self) -> impl Iterator<Item = (LatencyFigure, Nanos)> + '_ {
        let percentiles = self.criteria.iter().filter_map(|c| match c {
            Criterion::Latency {
                figure,
                statistic: Statistic::Percentile(_),
                below,
            } if *figure != LatencyFigure::Itl => Some((*figure, *below)),
            _ => None,
        });
        self.each.iter().copied().chain(percentiles)
    }

    /// True if a completed request keeps every limit on a single request.
    pub(crate) fn is_met(&self, of: &RequestMetrics, tokens: u64) -> bool {
        self.per_request().all(|limit| of.keeps(limit, tokens))
    }

    /// Parses limits on each request of a load, such as `ttft < 2s and tpot < 80ms`. Fails when the text is no limit, or
    /// limits something other than a latency of a request.
    pub fn of_requests(text: &str) -> Result<Self, String> {
        let read = Self::read(text)?;
        match read.criteria.first() {
            None => Ok(read),
            Some(other) => Err(format!(
                "{} is no limit on a request; a load counts the requests that keep a limit on ttft, \
                 ttft_scheduled, tpot or e2e",
                other.name()
            )),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let mut read = Self {
            text: text.to_owned(),
            ..Self::default()
        };
        let clauses = Clause::all(text)?;
        let figure = |clause: &Clause| latency(&clause.name).ok_or_else(|| clause.name.clone());
        for (i, clause) in clauses.iter().enumerate() {
            read.add(clause)?;
            let mut earlier = clauses[..i].iter();
            if earlier.any(|before| figure(before) == figure(clause)) {
                return Err(format!("{} is limited twice", clause.name));
            }
        }
        Ok(read)
    }

    fn add(&mut self, clause: &Clause) -> Result<(), String> {
        let name = clause.name.as_str();
        let (is_above, share) = (name == "goodput", clause.share());
        if clause.is_above != is_above {
            let sign = if is_above { ">=" } else { "<" };
            let value = &clause.value;
            return Err(format!(
                "{name} is limited with {sign}, as {name} {sign} {value}"
            ));
        }
        self.criteria.push(match (name, latency(name)) {
            ("goodput", _) => Criterion::Goodput { at_least: share? },
            ("failed", _) => Criterion::Failed { below: share? },
            (_, Some((LatencyFigure::Itl, None))) => {
                return Err("a request has many values of itl: limit itl_p99 or itl_mean".to_owned());
            }
            (_, Some((figure, None))) => {
                self.each.push((figure, clause.time()?));
                return Ok(());
            }
            (_, Some((figure, Some(statistic)))) => Criterion::Latency {
                figure,
                statistic,
                below: clause.time()?,
            },
            (_, None) => {
                let known = LatencyFigure::VARIANTS.iter().map(|f| f.name()).join(", ");
                return Err(format!(
                    "no figure `{name}`; there are {known}, each with _p50 to _p99, _mean or nothing, \
                     and goodput and failed"
                ));
            }
        });
        Ok(())
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self.each.iter();
        let each = each.map(|(figure, below)| format!("{} < {}", figure.name(), time(*below)));
        let of_all = self.criteria.iter().map(ToString::to_string);
        f.write_str(&each.chain(of_all).join(" and "))
    }
}

impl Criterion {
    /// The limited figure: `ttft_p95`, `goodput`.
    pub fn name(&self) -> String {
        match self {
            Self::Latency {
                figure, statistic, ..
            } => match statistic {
                Statistic::Percentile(p) => format!("{}_p{p}", figure.name()),
                Statistic::Mean => format!("{}_mean", figure.name()),
            },
            Self::Goodput { .. } => "goodput".to_owned(),
            Self::Failed { .. } => "failed".to_owned(),
        }
    }
}

impl fmt::Display for Criterion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Latency { below, .. } => write!(f, "{name} < {}", time(*below)),
            Self::Goodput { at_least } => write!(f, "{name} >= {}%", percent(*at_least)),
            Self::Failed { below } => write!(f, "{name} < {}%", percent(*below)),
        }
    }
}

/// A share as a percentage, without rounding noise.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// A time in whole numbers of units: `80ms`, `1s 500ms`.
fn time(t: Nanos) -> humantime::FormattedDuration {
    humantime::format_duration(t.as_duration())
}

impl FromStr for Objective {
    type Err = String;

    /// Parses limits of a level. Limits on each request only count through its goodput.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = Self::read(text)?;
        let is_goodput = |c: &Criterion| matches!(c, Criterion::Goodput { .. });
        match read.each.first() {
            Some((figure, _)) if !read.criteria.iter().any(is_goodput) => {
                let name = figure.name();
                Err(format!(
                    "say what of {name} is limited: {name}_p95 or {name}_mean; or add goodput >= 95%"
                ))
            }
            _ => Ok(read),
        }
    }
}

/// The latency of that name and its statistic; no statistic if the name is that of each request's value.
pub(crate) fn latency(name: &str) -> Option<(LatencyFigure, Option<Statistic>)> {
    if let Ok(figure) = name.parse() {
        return Some((figure, None));
    }
    let (figure, statistic) = name.rsplit_once('_')?;
    let statistic = match statistic {
        "mean" | "s" => Statistic::Mean,
        p => match p.strip_prefix('p')?.parse() {
            Ok(p @ 50..=99) => Statistic::Percentile(p),
            _ => return None,
        },
    };
    Some((figure.parse().ok()?, Some(statistic)))
}

/// One condition: `FIGURE < VALUE` or `FIGURE > VALUE`, in lowercase. `<=` and `>=` mean the same, because no measured
/// time equals a limit exactly.
#[derive(Debug)]
pub(crate) struct Clause {
    pub(crate) name: String,
    pub(crate) is_above: bool,
    pub(crate) value: String,
}

impl Clause {
    /// Splits a text at `and` and commas into conditions.
    pub(crate) fn all(text: &str) -> Result<Vec<Self>, String> {
        let lower = text.to_lowercase().replace(',', " and ");
        lower.split(" and ").map(Self::read).collect()
    }

    fn read(text: &str) -> Result<Self, String> {
        let at = text.find(['<', '>']).ok_or_else(|| {
            format!(
                "`{}` has neither `<` nor `>`; write FIGURE < VALUE, such as ttft_p95 < 2s",
                text.trim()
            )
        })?;
        let (name, rest) = text.split_at(at);
        let value = rest[1..].strip_prefix('=').unwrap_or(&rest[1..]);
        Ok(Self {
            name: name.trim().to_owned(),
            is_above: rest.starts_with('>'),
            value: value.trim().to_owned(),
        })
    }

    fn time(&self) -> Result<Nanos, String> {
        let value = &self.value;
        match Limit::read(value, "s") {
            // A number alone may be meant as milliseconds.
            Some(Limit::Value(s)) if s >= 1e-9 && value.ends_with(char::is_alphabetic) => {
                Ok(Nanos::from_secs_f64(s))
            }
            _ => Err(format!(
                "`{value}` is not a time above zero, such as 80ms or 1.5s"
            )),
        }
    }

    fn share(&self) -> Result<f64, String> {
        let (name, value) = (&self.name, &self.value);
        // To the precision of the canonical form.
        let rounded = share(value).map(|share| (share * 1e8).round() / 1e8);
        let fits = rounded.filter(|share| *share > 0.0 && *share < 1.0);
        fits.ok_or_else(|| {
            format!("`{value}` of {name} is not a share between 0 and 100%, such as 95%")
        })
    }
}

/// The value that a figure is compared with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Relative change, as a fraction; or a share.
    Relative(f64),
    /// Change in the figure's unit.
    Change(f64),
    /// The value itself in the figure's unit.
    Value(f64),
}

impl Limit {
    /// Parses a limit, in lowercase, on a figure with this unit.
    pub(crate) fn read(text: &str, unit: &str) -> Option<Self> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|v| v.is_finite());
        if let Some(percent) = text.strip_suffix('%') {
            return number(percent).map(|p| Self::Relative(p / 100.0));
        }
        let size = text.strip_prefix(['+', '-']).unwrap_or(text);
        let unit = unit.to_lowercase();
        let own = if unit.is_empty() { "x" } else { &unit };
        let size = match (number(size.strip_suffix(own).unwrap_or(size)), own) {
            (Some(size), _) => size,
            (None, "s") => humantime::parse_duration(size).ok()?.as_secs_f64(),
            (None, "ms") => 1e3 * humantime::parse_duration(size).ok()?.as_secs_f64(),
            _ => return None,
        };
        Some(match text.as_bytes().first()? {
            b'+' => Self::Change(size),
            b'-' => Self::Change(-size),
            _ => Self::Value(size),
        })
    }
}

/// A share from its text, `95%` or `0.95`.
pub fn share(text: &str) -> Option<f64> {
    match Limit::read(text, "")? {
        Limit::Relative(share) | Limit::Value(share) => Some(share),
        Limit::Change(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a section of `limit/cases.txt`.
    fn rows(section: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
        let sections = include_str!("limit/cases.txt").split("\n\n");
        let rows = sections
            .filter_map(move |text| text.strip_prefix(section))
            .flat_map(str::lines);
        rows.filter_map(|row| row.split_once(" => "))
    }

    #[test]
    fn limits_are_read_and_written_back_in_one_form() {
        for (given, canonical) in rows("of a level") {
            for text in [given, canonical] {
                let read: Objective = text.parse().unwrap();
                assert_eq!(read.to_string(), canonical);
            }
        }
        for (given, canonical) in rows("of requests") {
            let [read, again] = [given, canonical].map(|t| Objective::of_requests(t).unwrap());
            assert_eq!((read.to_string().as_str(), read.text()), (canonical, given));
            assert_eq!((again.each, again.criteria), (read.each, read.criteria));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let of_level = |text: &str| text.parse::<Objective>().unwrap_err();
        let of_requests = |text: &str| Objective::of_requests(text).unwrap_err();
        let mistakes = rows("mistakes").chain([("", "write FIGURE < VALUE")]);
        for (text, part) in mistakes {
            for error in [of_level(text), of_requests(text)] {
                assert!(error.contains(part), "{text}: {error}");
            }
        }
        assert_eq!(rows("").count(), 25);
        for text in ["ttft < 2s", "ttft < 2s and failed < 1%"] {
            let error = of_level(text);
            assert!(
                error.contains("ttft_p95 or ttft_mean; or add goodput"),
                "{error}"
            );
        }
        for text in ["ttft_p95 < 2s", "ttft < 1s, goodput >= 95%"] {
            let error = of_requests(text);
            assert!(error.contains("is no limit on a request"), "{error}");
        }
    }

    #[test]
    fn limits_on_a_request_are_its_own_and_those_on_percentiles() {
        let all =
            "ttft_p95 < 2s, itl_p99 < 1s, e2e_mean < 9s, tpot_p50 < 80ms, e2e < 5s, goodput > 50%";
        let all: Objective = all.parse().unwrap();
        let limits = all
            .per_request()
            .map(|(figure, below)| (figure.name(), below.as_millis_f64()));
        assert!(limits.eq([("e2e", 5000.0), ("ttft", 2000.0), ("tpot", 80.0)]));
    }
}
