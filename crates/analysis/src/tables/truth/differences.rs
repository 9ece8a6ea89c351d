//! What a published table says against what its runs give.

use polars::prelude::IntoLazy as _;
use serde::{Serialize, Serializer};
use serde_json::json;

use super::super::column::figures;
use super::super::facts::section;
use super::super::frame::frame;
use super::super::view::View;
use super::super::{Table, plain};
use crate::audit::{CellCheck, Published, Value};

/// A published figure beside the recomputed one, and how `report.json` has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Where it is published: `3.1 bvc_g60_c512_t0.6 speedup`.
    #[serde(rename = "where")]
    pub place: String,
    /// What it was recomputed from.
    pub from: &'static str,
    pub published: DisplayedFigure,
    /// As recomputed; none where it cannot be computed.
    pub recomputed: Option<DisplayedFigure>,
    /// Whether the recomputed figure is off by more than half a unit of the last published place.
    #[serde(skip)]
    pub differs: bool,
}

/// A figure as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct DisplayedFigure {
    text: String,
    /// None where it is no single number.
    value: Option<f64>,
}

impl DisplayedFigure {
    fn number(value: f64, decimals: usize) -> Self {
        Self {
            text: plain(value, decimals),
            value: Some(value),
        }
    }

    fn word(word: &str) -> Self {
        Self {
            text: word.to_owned(),
            value: None,
        }
    }
}

/// The number, or the text where there is none.
impl Serialize for DisplayedFigure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Some(value) => value.serialize(serializer),
            None => self.text.serialize(serializer),
        }
    }
}

/// The names of TR113's figures in comparisons.
const NAMES: [&str; 4] = [
    "speedup",
    "efficiency (%)",
    "TTFT delta (ms)",
    "TP delta (tok/s)",
];

/// Every figure of the published rows beside what the recorded runs of the same configuration give.
pub(crate) fn differences(view: &View<'_>) -> Vec<Difference> {
    let mut all = Vec::new();
    let figures = figures();
    let rows = || view.rows.iter().enumerate();
    for (place, row) in rows().filter(|(_, row)| row.summary.is_none()) {
        let mut measured = rows().filter(|(_, own)| own.summary.is_some());
        let Some((own_place, _)) = measured.find(|(_, own)| own.config == row.config) else {
            continue;
        };
        let section = section(row.scenario).unwrap_or("table");
        let mut add = |name: &str, published, recomputed, differs| {
            all.push(Difference {
                place: format!("{section} {} {name}", row.config),
                from: "recorded runs",
                published,
                recomputed,
                differs,
            });
        };
        for (name, figure) in NAMES.into_iter().zip(&figures) {
            let decimals = figure.decimals.unwrap_or_default();
            let mean = |place| view.number(place, &format!("{}.mean", figure.from()));
            let Some(published) = mean(place) else {
                continue;
            };
            let recomputed = mean(own_place);
            // Half a unit of the last printed place, plus rounding of floats.
            let half = 0.5 / 10_f64.powf(decimals as f64);
            let tolerance = half + 1e-9 * published.abs().max(1.0);
            let shown = |value| DisplayedFigure::number(value, decimals);
            let differs = recomputed.is_some_and(|v| (v - published).abs() > tolerance);
            add(name, shown(published), recomputed.map(shown), differs);
        }
        let flag = |place| view.number(place, "contended").map(|share| share > 0.0);
        let (published, recorded) = (flag(place), flag(own_place));
        let word = |flag: bool| DisplayedFigure::word(if flag { "yes" } else { "no" });
        let differs = recorded.is_some() && recorded != published;
        let published = word(published.unwrap_or_default());
        add("contention", published, recorded.map(word), differs);
    }
    all
}

/// A figure of one of the published report's tables beside what its own rows give.
pub(crate) fn cell_difference(check: &CellCheck) -> Difference {
    let cell = &check.cell;
    // As many decimals as are printed; one more where the recomputed figure needs it to differ.
    let decimals = match cell.tolerance {
        None => 2,
        Some(t) if t <= 0.0 => 0,
        Some(t) => (-(2.0 * t).log10()).round().max(0.0) as usize,
    };
    let recomputed = check.recomputed.as_ref().map(|value| match value {
        Value::Number(v) => DisplayedFigure::number(*v, decimals),
        Value::Text(word) => DisplayedFigure::word(word),
    });
    Difference {
        place: format!("{} {}: {}", cell.section, cell.row, cell.column),
        from: "published rows",
        published: DisplayedFigure {
            text: cell.printed.clone(),
            value: match &cell.value {
                Published::One(Value::Number(v)) => Some(*v),
                _ => None,
            },
        },
        recomputed,
        differs: check.differs,
    }
}

/// The comparisons as a table; `only_differing` keeps those that differ.
pub(crate) fn differences_table(
    view: &View<'_>,
    all: &[Difference],
    only_differing: bool,
) -> Table {
    let shown = all.iter().filter(|d| d.differs || !only_differing);
    let rows = shown.map(|d| {
        json!({
            "where": d.place,
            "published": d.published.text,
            "recomputed": d.recomputed.as_ref().map(|shown| &shown.text),
            "from": d.from,
            "differs": if d.differs { "yes" } else { "no" },
        })
    });
    let id = if only_differing {
        "differences"
    } else {
        "comparison"
    };
    view.table(id, frame(rows).lazy())
}
