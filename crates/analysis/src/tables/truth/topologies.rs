//! One server against several.

use document::Field;
use metrics::summary::{BothWays, TopologyComparison};

use super::super::view::View;
use super::super::{Cell, Origin, Table};

/// One server against one per agent, a table per configuration measured on both.
pub(super) fn topologies(view: &View<'_>) -> impl Iterator<Item = Table> {
    let compared = &view.summary.topologies;
    let one = |comparison| topology(view.origin(), comparison, compared.len());
    compared.iter().map(one)
}

/// A quantity of a comparison: name with unit, values, factor to that unit, decimals.
type Quantity<'a> = (&'static str, &'a BothWays, f64, usize);

fn topology(origin: Origin, comparison: &TopologyComparison, configs: usize) -> Table {
    let p = comparison.p;
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
        Field::estimate("ratio", "ratio", Origin::Derived, |q: &Quantity<'_>| {
            Cell::estimate(Some(&q.1.ratio), 3)
        }),
        Field::number("p", "p", Origin::Derived, move |q: &Quantity<'_>| {
            if q.0 == WALL {
                Cell::p_value(p)
            } else {
                Cell::Empty
            }
        }),
    ];
    let id = &comparison.id;
    let title = format!("One server or one per agent: {id}");
    let rows = both_ways(comparison);
    Table::of(format!("servers-{id}"), title, fields, rows).note(format!(
        "{} {}repetitions. Ratio: `a server per agent` over `one server`, averaged on logarithms. The wall time ranks; \
         the other quantities stand beside it. Intervals of ratios and p hold for all {configs} configurations at \
         once; p: none below three repetitions.",
        comparison.repetitions,
        if comparison.paired { "paired " } else { "" },
    ))
}

const WALL: &str = "wall time (s)";

/// The quantities of a comparison that are known on both sides.
fn both_ways(of: &TopologyComparison) -> impl Iterator<Item = Quantity<'_>> {
    let all = [
        (WALL, Some(&of.wall_s), 1.0, 2),
        (
            "aggregate throughput (tok/s)",
            of.throughput.as_ref(),
            1.0,
            1,
        ),
        ("TTFT, mean over agents (s)", of.ttft_s.as_ref(), 1.0, 2),
        ("decode rate per agent (tok/s)", of.rate.as_ref(), 1.0, 1),
        ("speedup est (×)", of.speedup_est.as_ref(), 1.0, 3),
        ("true speedup (×)", of.speedup.as_ref(), 1.0, 3),
        (
            "peak device memory (GB)",
            of.memory_peak_bytes.as_ref(),
            1e-9,
            2,
        ),
    ];
    let known = all.into_iter();
    known.filter_map(|(name, both, factor, decimals)| Some((name, both?, factor, decimals)))
}
