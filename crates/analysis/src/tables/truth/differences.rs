//! What a published table says against what its runs give.

use domain::plan::ConfigId;
use metrics::{ConfigSummary, Dataset, Estimate, Summary};

use super::super::{Cell, Kind, Origin, Table, plain};
use crate::audit::{CellCheck, Published, Value};

/// A published figure beside the recomputed one.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where it is published: `3.1 bvc_g60_c512_t0.6 speedup`.
    pub place: String,
    /// What it was recomputed from.
    pub from: &'static str,
    /// As published.
    pub published: Shown,
    /// As recomputed; none where the data cannot tell.
    pub recomputed: Option<Shown>,
    /// The recomputed figure is not the published one within half a unit of its last place.
    pub differs: bool,
}

/// A figure as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// A number with its decimals.
    Number(f64, usize),
    /// A word.
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
        let Some(config) = single(summary, &row.config) else {
            continue;
        };
        let section = match row.scenario.as_str() {
            "baseline_vs_chimera" => "3.1",
            "chimera_hetero" => "3.2",
            "chimera_homo" => "3.3",
            _ => "table",
        };
        let stats = &config.stats;
        let mean = |e: &Option<Estimate>| e.map(|e| e.mean);
        let figures = [
            (
                "speedup",
                Some(row.speedup),
                mean(&stats.speedup_est),
                3,
                0.0005,
            ),
            (
                "efficiency (%)",
                Some(row.efficiency_percent),
                mean(&stats.efficiency_est),
                1,
                0.05,
            ),
            (
                "TTFT delta (ms)",
                row.ttft_delta_ms,
                mean(&stats.ttft_delta_ms),
                0,
                0.5,
            ),
            (
                "TP delta (tok/s)",
                row.tp_delta,
                mean(&stats.tp_delta),
                2,
                0.005,
            ),
        ];
        for (name, published, recomputed, decimals, tolerance) in figures {
            let Some(published) = published else {
                continue;
            };
            all.push(Difference {
                place: format!("{section} {} {name}", row.config),
                from: "recorded runs",
                published: Shown::Number(published, decimals),
                recomputed: recomputed.map(|v| Shown::Number(v, decimals)),
                differs: recomputed.is_some_and(|v| {
                    (v - published).abs() > tolerance + 1e-9 * published.abs().max(1.0)
                }),
            });
        }
        let word = |flag: bool| Shown::Word(if flag { "yes" } else { "no" }.to_owned());
        let recorded = stats.contention_runs.published.map(|k| k > 0);
        all.push(Difference {
            place: format!("{section} {} contention", row.config),
            from: "recorded runs",
            published: word(row.contention),
            recomputed: recorded.map(word),
            differs: recorded.is_some_and(|flag| flag != row.contention),
        });
    }
    all
}

/// A figure of one of the published report's tables beside what its own rows give.
pub(crate) fn cell_difference(check: &CellCheck<'_>) -> Difference {
    let cell = check.cell;
    // As many decimals as are printed; one more where the recomputed figure needs it to differ.
    let decimals = cell.tolerance.map_or(2, |t| {
        if t <= 0.0 {
            0
        } else {
            (-(2.0 * t).log10()).round().max(0.0) as usize
        }
    });
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

fn single<'s>(summary: &'s Summary, config: &ConfigId) -> Option<&'s ConfigSummary> {
    summary.configs.iter().find(|c| c.id == *config)
}

/// The comparisons as a table; `only_differing` keeps those that differ.
pub(crate) fn differences_table(all: &[Difference], only_differing: bool) -> Table {
    let mut table = if only_differing {
        Table::new("differences", "Differences from the published report")
    } else {
        Table::new(
            "comparison",
            "Every published figure beside the recomputed one",
        )
    };
    table.label("where", "where");
    table.column("published", "published", Kind::Number, Origin::Published);
    table.column("recomputed", "recomputed", Kind::Number, Origin::Derived);
    table.label("from", "recomputed from");
    if !only_differing {
        table.label("differs", "differs");
    }
    for entry in all.iter().filter(|d| d.differs || !only_differing) {
        let mut cells = vec![
            Cell::text(entry.place.as_str()),
            Cell::text(entry.published.show()),
            entry
                .recomputed
                .as_ref()
                .map_or(Cell::Unknown, |r| Cell::text(r.show())),
            Cell::text(entry.from),
        ];
        if !only_differing {
            cells.push(Cell::text(if entry.differs { "yes" } else { "no" }));
        }
        table.row(cells);
    }
    table
}
