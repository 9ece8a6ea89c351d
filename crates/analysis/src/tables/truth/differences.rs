//! What a published table says against what its runs give.

use document::Field;
use metrics::{Dataset, Summary};

use super::super::facts::section;
use super::super::figures::FIGURES;
use super::super::{Cell, Origin, Table, plain};
use crate::audit::{CellCheck, Published, Value};

/// A published figure beside the recomputed one.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where it is published: `3.1 bvc_g60_c512_t0.6 speedup`.
    pub place: String,
    /// What it was recomputed from.
    pub from: &'static str,
    pub published: Shown,
    /// As recomputed; none where it cannot be computed.
    pub recomputed: Option<Shown>,
    /// Whether the recomputed figure is off by more than half a unit of the last published place.
    pub differs: bool,
}

/// A figure as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// A number with its decimals.
    Number(f64, usize),
    Word(String),
    /// As a report prints it, with its value where that is a single number.
    Printed(String, Option<f64>),
}

impl Shown {
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
pub(crate) fn differences(dataset: &Dataset, summary: &Summary) -> Vec<Difference> {
    let mut all = Vec::new();
    for row in &dataset.published {
        let mut configs = summary.configs.iter();
        let Some(config) = configs.find(|c| c.id == row.config) else {
            continue;
        };
        let section = section(&row.scenario).unwrap_or("table");
        let mut add = |name: &str, published, recomputed, differs| {
            let place = format!("{section} {} {name}", row.config);
            let from = "recorded runs";
            all.push(Difference {
                place,
                from,
                published,
                recomputed,
                differs,
            });
        };
        for figure in FIGURES {
            let Some(published) = (figure.published)(row) else {
                continue;
            };
            let recomputed = (figure.of)(&config.stats).map(|e| e.mean);
            // Half a unit of the last printed place, plus rounding of floats.
            let half = 0.5 / 10_f64.powf(figure.decimals as f64);
            let tolerance = half + 1e-9 * published.abs().max(1.0);
            let shown = |value| Shown::Number(value, figure.decimals);
            let differs = recomputed.is_some_and(|v| (v - published).abs() > tolerance);
            add(
                figure.name,
                shown(published),
                recomputed.map(shown),
                differs,
            );
        }
        let word = |flag: bool| Shown::Word(if flag { "yes" } else { "no" }.to_owned());
        let recorded = config.stats.contention_runs.published.map(|k| k > 0);
        let differs = recorded.is_some_and(|flag| flag != row.contention);
        add(
            "contention",
            word(row.contention),
            recorded.map(word),
            differs,
        );
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
        Value::Number(v) => Shown::Number(*v, decimals),
        Value::Text(word) => Shown::Word(word.clone()),
    });
    Difference {
        place: format!("{} {}: {}", cell.section, cell.row, cell.column),
        from: "published rows",
        published: Shown::Printed(
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
pub(crate) fn differences_table(all: &[Difference], only_differing: bool) -> Table {
    let (id, title) = if only_differing {
        ("differences", "Differences from the published report")
    } else {
        let title = "Every published figure beside the recomputed one";
        ("comparison", title)
    };
    let recomputed = |d: &Difference| {
        let shown = d.recomputed.as_ref().map(Shown::show);
        shown.map_or(Cell::Unknown, Cell::Text)
    };
    let published = |d: &Difference| Cell::text(d.published.show());
    let from = |d: &Difference| Cell::text(d.from);
    let mut fields = vec![
        Field::label("where", "where", |d: &Difference| Cell::text(&*d.place)),
        Field::number("published", "published", Origin::Published, published),
        Field::number("recomputed", "recomputed", Origin::Derived, recomputed),
        Field::label("from", "recomputed from", from),
    ];
    if !only_differing {
        fields.push(Field::label("differs", "differs", |d: &Difference| {
            Cell::text(if d.differs { "yes" } else { "no" })
        }));
    }
    let rows = all.iter().filter(|d| d.differs || !only_differing);
    Table::of(id, title, fields, rows)
}
