//! One server against several.

use metrics::summary::{Paired, TopologyComparison};

use super::super::view::View;
use super::super::{Cell, Kind, Origin, Table};
use super::origin;

/// One server against one per agent, a table per configuration measured on both.
pub(super) fn topologies(view: &View<'_>) -> Vec<Table> {
    view.summary
        .topologies
        .iter()
        .map(|comparison| topology(view, comparison))
        .collect()
}

fn topology(view: &View<'_>, comparison: &TopologyComparison) -> Table {
    let mut table = Table::new(
        format!("servers-{}", comparison.id),
        format!("One server or one per agent: {}", comparison.id),
    )
    .note(format!(
        "{} paired repetitions. Difference and ratio are `a server per agent` against `one server`. p \
         is Holm-corrected over these quantities; none below three pairs.",
        comparison.pairs
    ));
    let origin = origin(view);
    table.label("quantity", "quantity");
    table.column("one_server", "one server", Kind::Estimate, origin);
    table.column("per_agent", "a server per agent", Kind::Estimate, origin);
    table.column("difference", "difference", Kind::Estimate, Origin::Derived);
    table.column("ratio", "ratio", Kind::Estimate, Origin::Derived);
    table.column("p_holm", "p", Kind::Number, Origin::Derived);
    for (name, paired, factor, decimals) in paired(comparison) {
        let Some(paired) = paired else {
            continue;
        };
        table.row(vec![
            Cell::text(name),
            Cell::scaled(Some(&paired.shared), factor, decimals, false),
            Cell::scaled(Some(&paired.per_agent), factor, decimals, false),
            Cell::scaled(Some(&paired.difference), factor, decimals, true),
            Cell::estimate(paired.ratio.as_ref(), 3),
            Cell::p_value(paired.p_holm),
        ]);
    }
    table
}

/// The quantities of a comparison: name with unit, values, factor to that unit, decimals.
pub(crate) fn paired(
    comparison: &TopologyComparison,
) -> [(&'static str, Option<&Paired>, f64, usize); 7] {
    [
        ("wall time (s)", comparison.wall_s.as_ref(), 1.0, 2),
        (
            "aggregate throughput (tok/s)",
            comparison.throughput.as_ref(),
            1.0,
            1,
        ),
        (
            "TTFT, mean over agents (s)",
            comparison.ttft_s.as_ref(),
            1.0,
            2,
        ),
        (
            "decode rate per agent (tok/s)",
            comparison.rate.as_ref(),
            1.0,
            1,
        ),
        ("speedup est (×)", comparison.speedup_est.as_ref(), 1.0, 3),
        ("true speedup (×)", comparison.speedup.as_ref(), 1.0, 3),
        (
            "peak device memory (GB)",
            comparison.memory_peak_bytes.as_ref(),
            1e-9,
            2,
        ),
    ]
}
