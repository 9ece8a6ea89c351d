//! Limits that a request keeps or breaks.

use std::str::FromStr;

use crate::RequestMetrics;
use domain::Nanos;

/// Limits that a request must keep, all of them, to count as good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slo {
    text: String,
    limits: Vec<(Figure, Nanos)>,
}

/// A figure that can be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// Time to first token, from the send.
    Ttft,
    /// Time to first token, from the planned start.
    TtftScheduled,
    /// Time per output token after the first.
    Tpot,
    /// From the send to the final object.
    E2e,
}

const FIGURES: &[(&str, Figure)] = &[
    ("ttft", Figure::Ttft),
    ("ttft_scheduled", Figure::TtftScheduled),
    ("tpot", Figure::Tpot),
    ("e2e", Figure::E2e),
];

impl Slo {
    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True when a completed request lies below every limit. One without a limited figure does
    /// not, except that a request of a single token has no TPOT to break.
    pub fn is_met(&self, of: &RequestMetrics, tokens: u64) -> bool {
        self.limits.iter().all(|(figure, limit)| {
            let below = |d: Option<Nanos>| d.is_some_and(|d| d < *limit);
            match figure {
                Figure::Ttft => below(of.ttft),
                Figure::TtftScheduled => below(of.ttft_scheduled),
                Figure::Tpot if tokens == 1 => true,
                Figure::Tpot => of.tpot.is_some_and(|s| s < limit.as_secs_f64()),
                Figure::E2e => below(of.e2e),
            }
        })
    }
}

impl FromStr for Slo {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let limits = text.split(',').map(limit).collect::<Result<_, _>>()?;
        Ok(Self {
            text: text.to_owned(),
            limits,
        })
    }
}

fn limit(text: &str) -> Result<(Figure, Nanos), String> {
    let (name, time) = text
        .split_once('<')
        .ok_or_else(|| format!("`{}` is not FIGURE<TIME, such as ttft<2s", text.trim()))?;
    let name = name.trim();
    let (_, figure) = FIGURES
        .iter()
        .find(|(known, _)| *known == name)
        .ok_or_else(|| {
            let known: Vec<_> = FIGURES.iter().map(|(known, _)| *known).collect();
            format!("no figure `{name}`; there are {}", known.join(", "))
        })?;
    let time = humantime::parse_duration(time.trim())
        .map_err(|e| format!("`{}` is not a time such as 80ms: {e}", time.trim()))?;
    Ok((*figure, Nanos::from(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_and_mistakes_are_named() {
        let slo: Slo = "ttft<2s, tpot < 80ms".parse().unwrap();
        assert_eq!(
            slo.limits,
            [
                (Figure::Ttft, Nanos::from_secs(2)),
                (Figure::Tpot, Nanos::from_millis(80))
            ]
        );
        for (text, part) in [
            ("", "not FIGURE<TIME"),
            ("ttft", "not FIGURE<TIME"),
            ("itl<3s", "no figure `itl`; there are ttft"),
            ("ttft<fast", "not a time such as 80ms"),
        ] {
            let error = text.parse::<Slo>().unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}
