//! Limits on a level: `ttft_p95 < 2s and goodput >= 95%`.

use std::fmt;
use std::str::FromStr;

use domain::Nanos;

use crate::request::LatencyFigure;

/// Limits that a level must keep, all of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    criteria: Vec<Criterion>,
}

/// One limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Criterion {
    /// A latency's percentile or mean lies below a time.
    Latency {
        /// Which latency.
        figure: LatencyFigure,
        /// What of it.
        statistic: Statistic,
        /// The time.
        below: Nanos,
    },
    /// At least this share of the requests, in 0..=1, keeps every limit on a request's own latency.
    Goodput {
        /// The share.
        at_least: f64,
    },
    /// Less than this share of the requests, in 0..=1, does not complete.
    Failed {
        /// The share.
        below: f64,
    },
}

/// What of a latency is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// A percentile, 50 to 99.
    Percentile(u8),
    /// The arithmetic mean of completed requests.
    Mean,
}

impl Objective {
    /// The limits, in the order given.
    pub fn criteria(&self) -> &[Criterion] {
        &self.criteria
    }

    /// The limits that a single request keeps or breaks: those on the percentiles of TTFT, TPOT and
    /// the end-to-end time.
    pub fn per_request(&self) -> impl Iterator<Item = (LatencyFigure, Nanos)> + '_ {
        self.criteria.iter().filter_map(|c| match c {
            Criterion::Latency {
                figure,
                statistic: Statistic::Percentile(_),
                below,
            } if *figure != LatencyFigure::Itl => Some((*figure, *below)),
            _ => None,
        })
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, criterion) in self.criteria.iter().enumerate() {
            if i > 0 {
                f.write_str(" and ")?;
            }
            criterion.fmt(f)?;
        }
        Ok(())
    }
}

impl Criterion {
    /// What is limited: `ttft_p95`, `goodput`.
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

/// A share as percent, without the noise of the conversion.
fn percent(share: f64) -> f64 {
    (share * 1e8).round() / 1e6
}

/// In the largest unit that needs no more than three decimals.
fn time(t: Nanos) -> String {
    if t.0 >= 1_000_000_000 && t.0.is_multiple_of(1_000_000) {
        format!("{}s", t.as_secs_f64())
    } else if t.0 >= 1_000_000 || t.0.is_multiple_of(1_000_000) {
        format!("{}ms", t.as_millis_f64())
    } else {
        format!("{}us", t.0 as f64 / 1e3)
    }
}

impl FromStr for Objective {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lower = text.to_lowercase();
        let clauses = lower
            .split(',')
            .flat_map(|part| part.split(" and "))
            .map(str::trim);
        let mut criteria = Vec::new();
        for clause in clauses {
            let criterion = criterion(clause)?;
            if criteria
                .iter()
                .any(|known: &Criterion| known.name() == criterion.name())
            {
                return Err(format!("{} is limited twice", criterion.name()));
            }
            criteria.push(criterion);
        }
        Ok(Self { criteria })
    }
}

fn criterion(clause: &str) -> Result<Criterion, String> {
    let at = clause.find(['<', '>']).ok_or_else(|| {
        format!("`{clause}` is not FIGURE < LIMIT, such as ttft_p95 < 2s or goodput >= 95%")
    })?;
    let (name, rest) = clause.split_at(at);
    let name = name.trim();
    let upper = rest.starts_with('<');
    let value = rest[1..].trim_start_matches('=').trim();
    let direction = |wants_upper: bool| {
        if upper == wants_upper {
            Ok(())
        } else {
            let sign = if wants_upper { "<" } else { ">=" };
            Err(format!(
                "{name} is limited with {sign}, as {name} {sign} {value}"
            ))
        }
    };
    match name {
        "goodput" => {
            direction(false)?;
            let at_least = limited_share(name, value)?;
            return Ok(Criterion::Goodput { at_least });
        }
        "failed" => {
            direction(true)?;
            let below = limited_share(name, value)?;
            return Ok(Criterion::Failed { below });
        }
        _ => {}
    }
    let known = |name| LatencyFigure::named(&LatencyFigure::ALL, name);
    if known(name).is_ok() {
        return Err(format!(
            "say what of {name} is limited: {name}_p95 or {name}_mean"
        ));
    }
    let (figure, statistic) = name.rsplit_once('_').unwrap_or((name, ""));
    let figure = known(figure).map_err(|known| {
        format!(
            "no figure `{name}`; there are {known}, each with _p50 to _p99 or _mean, and goodput and failed"
        )
    })?;
    let statistic = match statistic.strip_prefix('p').map(str::parse::<u8>) {
        _ if statistic == "mean" => Statistic::Mean,
        Some(Ok(p @ 50..=99)) => Statistic::Percentile(p),
        _ => {
            return Err(format!(
                "`{statistic}` of {name} is neither p50 to p99 nor mean"
            ));
        }
    };
    direction(true)?;
    let below = parse_time(value)
        .filter(|t| *t > Nanos::ZERO)
        .ok_or_else(|| format!("`{value}` is not a time above zero, such as 80ms or 1.5s"))?;
    Ok(Criterion::Latency {
        figure,
        statistic,
        below,
    })
}

/// A limit on a share of the requests.
fn limited_share(name: &str, text: &str) -> Result<f64, String> {
    share(text)
        .filter(|share| *share > 0.0 && *share < 1.0)
        .ok_or_else(|| format!("`{text}` of {name} is not a share between 0 and 100%, such as 95%"))
}

/// A share from its text, `95%` or `0.95`.
pub fn share(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().ok().map(|n| n / 100.0),
        None => text.parse().ok(),
    }
}

fn parse_time(text: &str) -> Option<Nanos> {
    if let Ok(time) = humantime::parse_duration(text) {
        return Some(Nanos::from(time));
    }
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(unit);
    let seconds = match unit.trim() {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" | "min" => 60.0,
        _ => return None,
    };
    let number: f64 = number.trim().parse().ok()?;
    number
        .is_finite()
        .then(|| Nanos::from_secs_f64(number * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Objective {
        text.parse().unwrap()
    }

    #[test]
    fn limits_are_read_and_written_back_in_one_form() {
        for (given, canonical) in [
            (
                "ttft_p95 < 2s and tpot_p95 < 80ms",
                "ttft_p95 < 2s and tpot_p95 < 80ms",
            ),
            (
                "ttft_p95<2s,tpot_p50<=80ms",
                "ttft_p95 < 2s and tpot_p50 < 80ms",
            ),
            (
                "E2E_MEAN < 1.5s, goodput>=95% and failed < 0.01",
                "e2e_mean < 1.5s and goodput >= 95% and failed < 1%",
            ),
            ("itl_p99 < 250us", "itl_p99 < 250us"),
            ("ttft_scheduled_p90 < 2m", "ttft_scheduled_p90 < 120s"),
            ("ttft_p50 < 1s 500ms", "ttft_p50 < 1.5s"),
        ] {
            assert_eq!(read(given).to_string(), canonical);
            assert_eq!(read(canonical), read(given));
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (text, part) in [
            ("", "is not FIGURE < LIMIT"),
            ("ttft_p95", "is not FIGURE < LIMIT"),
            ("ttft < 2s", "ttft_p95 or ttft_mean"),
            ("ttft_scheduled < 2s", "ttft_scheduled_p95"),
            (
                "latency_p95 < 2s",
                "no figure `latency_p95`; there are ttft",
            ),
            ("ttft_p20 < 2s", "neither p50 to p99 nor mean"),
            ("ttft_p95 > 2s", "ttft_p95 < 2s"),
            ("goodput < 95%", "goodput >= 95%"),
            ("goodput >= 950%", "not a share"),
            ("ttft_p95 < soon", "not a time above zero"),
            ("ttft_p95 < 0s", "not a time above zero"),
            ("ttft_p95 < 2s, ttft_p95 < 3s", "limited twice"),
        ] {
            let error = text.parse::<Objective>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn only_percentiles_of_a_requests_own_latency_limit_a_request() {
        let all = read("ttft_p95 < 2s, itl_p99 < 1s, e2e_mean < 9s, tpot_p50 < 80ms");
        let limits: Vec<_> = all.per_request().collect();
        assert_eq!(
            limits,
            [
                (LatencyFigure::Ttft, Nanos::from_secs(2)),
                (LatencyFigure::Tpot, Nanos::from_millis(80))
            ]
        );
    }
}
