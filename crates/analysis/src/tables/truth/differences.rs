//! What a published table says against what its runs give.

use polars::prelude::IntoLazy as _;
use serde_json::json;

use super::super::facts::section;
use super::super::figures::FIGURES;
use super::super::frame::{collect, frame, number};
use super::super::view::View;
use super::super::{Table, plain};
use crate::audit::{CellCheck, Published, Value};

/// A published figure beside the recomputed one.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where it is published: `3.1 bvc_g60_c512_t0.6 speedup`.
    pub place: String,
    /// What it was recomputed from.
    pub from: &'static str,
    pub published: DisplayedFigure,
    /// As recomputed; none where it cannot be computed.
    pub recomputed: Option<DisplayedFigure>,
    /// Whether the recomputed figure is off by more than half a unit of the last published place.
    pub differs: bool,
}

/// A figure as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum DisplayedFigure {
    /// A number with its decimals.
    Number(f64, usize),
    Word(String),
    /// As a report prints it, with its value where that is a single number.
    Printed(String, Option<f64>),
}

impl DisplayedFigure {
    fn show(&self) -> String {
        match self {
            Self::Number(value, decimals) => plain(*value, *decimals),
            Self::Word(word) | Self::Printed(word, _) => word.clone(),
        }
    }

    /// For `report.json`.
    pub(crate) fn json(&self) -> serde_json::Value {
        match self {
            Self::Number(value, _) | Self::Printed(_, Some(value)) => serde_json::json!(value),
            Self::Word(word) | Self::Printed(word, None) => serde_json::json!(word),
        }
    }
}

/// Every figure of the published rows beside what the recorded runs of the same configuration give.
pub(crate) fn differences(view: &View<'_>) -> Vec<Difference> {
    let mut all = Vec::new();
    let figures = collect(view.configs_frame());
    let rows = || view.rows.iter().enumerate();
    for (place, row) in rows().filter(|(_, row)| row.summary.is_none()) {
        let mut measured = rows().filter(|(_, own)| own.summary.is_some());
        let Some((own_place, own)) = measured.find(|(_, own)| own.config == row.config) else {
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
        for figure in FIGURES {
            let mean = |place| number(&figures, &format!("{}.mean", figure.column), place);
            let Some(published) = mean(place) else {
                continue;
            };
            let recomputed = mean(own_place);
            // Half a unit of the last printed place, plus rounding of floats.
            let half = 0.5 / 10_f64.powf(figure.decimals as f64);
            let tolerance = half + 1e-9 * published.abs().max(1.0);
            let shown = |value| DisplayedFigure::Number(value, figure.decimals);
            let differs = recomputed.is_some_and(|v| (v - published).abs() > tolerance);
            add(
                figure.name,
                shown(published),
                recomputed.map(shown),
                differs,
            );
        }
        let [published, recorded] = [row, own].map(|row| row.contended.map(|share| share > 0.0));
        let word = |flag: bool| DisplayedFigure::Word(if flag { "yes" } else { "no" }.to_owned());
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
        Value::Number(v) => DisplayedFigure::Number(*v, decimals),
        Value::Text(word) => DisplayedFigure::Word(word.clone()),
    });
    Difference {
        place: format!("{} {}: {}", cell.section, cell.row, cell.column),
        from: "published rows",
        published: DisplayedFigure::Printed(
            cell.printed.clone(),
            match &cell.value {
                Published::One(Value::Number(v)) => Some(*v),
                _ => None,
            },
        ),
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
            "published": d.published.show(),
            "recomputed": d.recomputed.as_ref().map(DisplayedFigure::show),
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
