//! Limits that a request keeps or breaks.

use std::str::FromStr;

use domain::Nanos;

use crate::RequestMetrics;
use crate::request::LatencyFigure;

/// Limits that a request must keep, all of them, to count as good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slo {
    text: String,
    limits: Vec<(LatencyFigure, Nanos)>,
}

/// The figures that a request has one of.
const FIGURES: [LatencyFigure; 4] = [
    LatencyFigure::Ttft,
    LatencyFigure::TtftScheduled,
    LatencyFigure::Tpot,
    LatencyFigure::E2e,
];

impl Slo {
    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// True when a completed request lies below every limit.
    pub fn is_met(&self, of: &RequestMetrics, tokens: u64) -> bool {
        self.limits.iter().all(|limit| of.keeps(*limit, tokens))
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

fn limit(text: &str) -> Result<(LatencyFigure, Nanos), String> {
    let (name, time) = text
        .split_once('<')
        .ok_or_else(|| format!("`{}` is not FIGURE<TIME, such as ttft<2s", text.trim()))?;
    let name = name.trim();
    let figure = LatencyFigure::named(&FIGURES, name)
        .map_err(|known| format!("no figure `{name}`; there are {known}"))?;
    let time = humantime::parse_duration(time.trim())
        .map_err(|e| format!("`{}` is not a time such as 80ms: {e}", time.trim()))?;
    Ok((figure, Nanos::from(time)))
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
                (LatencyFigure::Ttft, Nanos::from_secs(2)),
                (LatencyFigure::Tpot, Nanos::from_millis(80))
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
