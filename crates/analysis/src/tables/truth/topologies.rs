//! One server against several.

use document::Field;
use metrics::summary::{Paired, TopologyComparison};

use super::super::view::View;
use super::super::{Cell, Origin, Table};

/// One server against one per agent, a table per configuration measured on both.
pub(super) fn topologies(view: &View<'_>) -> impl Iterator<Item = Table> {
    let compared = view.summary.topologies.iter();
    compared.map(|comparison| topology(view.origin(), comparison))
}

/// A quantity of a comparison: name with unit, values, factor to that unit, decimals.
pub(crate) type Quantity<'a> = (&'static str, &'a Paired, f64, usize);

fn topology(origin: Origin, comparison: &TopologyComparison) -> Table {
    let quantity = Field::label("quantity", "quantity", |q: &Quantity<'_>| Cell::text(q.0));
    let fields = vec![
        quantity,
        Field::estimate("one_server", "one server", origin, |q: &Quantity<'_>| {
            Cell::scaled(Some(&q.1.shared), q.2, q.3, false)
        }),
        Field::estimate(
            "per_agent",
            "a server per agent",
            origin,
            |q: &Quantity<'_>| Cell::scaled(Some(&q.1.per_agent), q.2, q.3, false),
        ),
        Field::estimate(
            "difference",
            "difference",
            Origin::Derived,
            |q: &Quantity<'_>| Cell::scaled(Some(&q.1.difference), q.2, q.3, true),
        ),
        Field::estimate("ratio", "ratio", Origin::Derived, |q: &Quantity<'_>| {
            Cell::estimate(q.1.ratio.as_ref(), 3)
        }),
        Field::number("p_holm", "p", Origin::Derived, |q: &Quantity<'_>| {
            Cell::p_value(q.1.p_holm)
        }),
    ];
    let TopologyComparison { id, pairs, .. } = comparison;
    let title = format!("One server or one per agent: {id}");
    Table::of(format!("servers-{id}"), title, fields, paired(comparison)).note(format!(
        "{pairs} paired repetitions. Difference and ratio are `a server per agent` against `one server`. p \
         is Holm-corrected over these quantities; none below three pairs."
    ))
}

/// The quantities of a comparison that are known on both sides.
pub(crate) fn paired(of: &TopologyComparison) -> impl Iterator<Item = Quantity<'_>> {
    let all = [
        ("wall time (s)", &of.wall_s, 1.0, 2),
        ("aggregate throughput (tok/s)", &of.throughput, 1.0, 1),
        ("TTFT, mean over agents (s)", &of.ttft_s, 1.0, 2),
        ("decode rate per agent (tok/s)", &of.rate, 1.0, 1),
        ("speedup est (×)", &of.speedup_est, 1.0, 3),
        ("true speedup (×)", &of.speedup, 1.0, 3),
        ("peak device memory (GB)", &of.memory_peak_bytes, 1e-9, 2),
    ];
    let known = all.into_iter();
    known.filter_map(|(name, paired, factor, decimals)| {
        Some((name, paired.as_ref()?, factor, decimals))
    })
}
