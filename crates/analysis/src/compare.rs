//! Two data sets side by side, for a terminal and for a pull request. What is compared and what
//! may be said of it is [`metrics::compare`]'s business.

use std::fmt::Write as _;

use document::{provenance_word, verdict};
use domain::plan::Topology;
use metrics::compare::{Change, Comparison, ComparisonRow, GateOutcome, GateReport, Told};
use metrics::{Dataset, Summary};

use crate::tables::{Cell, Kind, Origin, Table, short_number, signed, topology_word};

/// Figures that are shown whether they changed or not.
const ALWAYS: [&str; 3] = ["wall_s", "speedup", "throughput_together"];

/// A comparison with its gates, ready to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    comparison: Comparison,
    gates: Vec<GateReport>,
    provenance: [&'static str; 2],
    /// How each side was served, where that is the difference between them.
    serving: Option<[Topology; 2]>,
}

/// The topology of every configuration, where there is one.
fn only_topology(summary: &Summary) -> Option<Topology> {
    let first = summary.configs.first()?.topology?;
    let same = summary.configs.iter().all(|c| c.topology == Some(first));
    same.then_some(first)
}

/// Compares two data sets and applies the gates.
pub fn compare(base: &Dataset, new: &Dataset, gates: &[metrics::compare::Gate]) -> Shown {
    let (mut before, mut after) = (Summary::of(base), Summary::of(new));
    let servings = [&before, &after].map(only_topology);
    let mut serving = None;
    if let [Some(a), Some(b)] = servings
        && a != b
    {
        // Two ways of serving are what is compared: they must not keep equal configurations apart.
        for summary in [&mut before, &mut after] {
            summary.configs.iter_mut().for_each(|c| c.topology = None);
            summary.runs.iter_mut().for_each(|r| r.topology = None);
        }
        serving = Some([a, b]);
    }
    let comparison = metrics::compare::compare(&before, &after);
    Shown {
        serving,
        gates: gates.iter().map(|gate| gate.check(&comparison)).collect(),
        comparison,
        provenance: [base, new].map(|set| provenance_word(set.provenance)),
    }
}

impl Shown {
    /// The comparison.
    pub fn comparison(&self) -> &Comparison {
        &self.comparison
    }

    /// The gates, with what became of each.
    pub fn gates(&self) -> &[GateReport] {
        &self.gates
    }

    /// The worst outcome of the gates; none without gates.
    pub fn outcome(&self) -> Option<GateOutcome> {
        self.gates.iter().map(|g| g.outcome).max()
    }

    /// One line: how many figures are better, worse, and cannot be told apart.
    pub fn headline(&self) -> String {
        let count = |told: Told| {
            self.comparison
                .rows
                .iter()
                .filter(|r| r.told == told)
                .count()
        };
        let mut text = format!(
            "{} → {}: {} figures better, {} worse, {} cannot be told apart from no change, {} with too \
             few runs to say",
            self.comparison.base,
            self.comparison.new,
            count(Told::Better),
            count(Told::Worse),
            count(Told::NotToldApart),
            count(Told::TooFew)
        );
        let different = count(Told::Different);
        if different > 0 {
            let _ = write!(text, ", {different} different with neither way better");
        }
        if let Some([a, b]) = self.serving {
            let _ = write!(
                text,
                " (base: {}, new: {})",
                topology_word(a),
                topology_word(b)
            );
        }
        if self.provenance.contains(&"simulated") {
            let _ = write!(
                text,
                " (SIMULATED: base {}, new {})",
                self.provenance[0], self.provenance[1]
            );
        }
        text
    }

    /// For a terminal.
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n\n", self.headline());
        let shown = self.table(true);
        if !shown.rows.is_empty() {
            text.push_str(&shown.to_text(usize::MAX));
            text.push('\n');
        }
        text.push_str(&self.missing());
        for gate in &self.gates {
            let _ = writeln!(text, "gate {}: {}", gate.gate, verdict::gate(gate.outcome));
            for case in gate.cases.iter().filter(|c| c.outcome != GateOutcome::Pass) {
                let _ = writeln!(
                    text,
                    "  {}: {}, {}",
                    case.config,
                    verdict::gate(case.outcome),
                    case.reason
                );
            }
            if gate.cases.is_empty() {
                text.push_str("  no configuration has this figure on both sides\n");
            }
        }
        text
    }

    /// For a pull request.
    pub fn to_markdown(&self) -> String {
        let mut text = format!("### {}\n\n", self.headline());
        if !self.gates.is_empty() {
            text.push_str(&self.gate_table().to_markdown());
            text.push('\n');
        }
        let shown = self.table(true);
        if !shown.rows.is_empty() {
            text.push_str(&shown.to_markdown());
            text.push('\n');
        }
        text.push_str(&self.missing());
        let all = self.table(false);
        let _ = write!(
            text,
            "<details><summary>All {} figures</summary>\n\n{}\n</details>\n\nChanges in brackets are 95 % \
             intervals, from three runs on; p values are Holm-corrected over all rows.\n",
            all.rows.len(),
            all.to_markdown()
        );
        text
    }

    /// For machines.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&serde_json::json!({
            "schema": 1,
            "provenance": { "base": self.provenance[0], "new": self.provenance[1] },
            "serving": self.serving,
            "comparison": self.comparison,
            "gates": self.gates,
        }))
    }

    fn missing(&self) -> String {
        let mut text = String::new();
        for (side, only) in [
            (&self.comparison.base, &self.comparison.only_base),
            (&self.comparison.new, &self.comparison.only_new),
        ] {
            if only.is_empty() {
                continue;
            }
            let names: Vec<String> = only
                .iter()
                .map(|(id, topology)| match topology {
                    Some(t) => format!("{id} ({})", topology_word(*t)),
                    None => id.to_string(),
                })
                .collect();
            let _ = write!(text, "Only in {side}: {}.\n\n", names.join(", "));
        }
        text
    }

    fn gate_table(&self) -> Table {
        let mut table = Table::new("gates", "Gates");
        table.label("gate", "gate");
        table.label("outcome", "outcome");
        table.label("because", "because");
        for gate in &self.gates {
            let reasons: Vec<String> = gate
                .cases
                .iter()
                .filter(|c| c.outcome == gate.outcome && c.outcome != GateOutcome::Pass)
                .map(|c| format!("{}: {}", c.config, c.reason))
                .collect();
            let because = if gate.cases.is_empty() {
                "no configuration has this figure on both sides".to_owned()
            } else {
                reasons.join("; ")
            };
            table.row(vec![
                Cell::code(&*gate.gate),
                Cell::text(verdict::gate(gate.outcome)),
                Cell::text(because),
            ]);
        }
        table
    }

    fn table(&self, only_notable: bool) -> Table {
        let mut table = Table::new("compare", "Comparison");
        let several = self
            .comparison
            .rows
            .iter()
            .any(|r| r.topology != self.comparison.rows[0].topology);
        table.label("config", "config");
        if several {
            table.label("topology", "servers");
        }
        table.label("figure", "figure");
        for (key, heading) in [
            ("base", "base"),
            ("new", "new"),
            ("n", "n"),
            ("difference", "difference"),
            ("relative", "change (%)"),
        ] {
            table.column(key, heading, Kind::Number, Origin::Derived);
        }
        table.column("p_holm", "p", Kind::Number, Origin::Derived);
        table.label("told", "reading");
        let notable = |row: &&ComparisonRow| {
            !only_notable
                || ALWAYS.contains(&row.figure)
                || matches!(row.told, Told::Better | Told::Worse | Told::Different)
        };
        for row in self.comparison.rows.iter().filter(notable) {
            let mut cells = vec![Cell::text(row.config.as_str())];
            if several {
                cells.push(
                    row.topology
                        .map_or(Cell::Unknown, |t| Cell::text(topology_word(t))),
                );
            }
            cells.extend([
                Cell::text(if row.unit.is_empty() || row.figure.ends_with("_s") {
                    row.figure.to_owned()
                } else {
                    format!("{} ({})", row.figure, row.unit)
                }),
                Cell::text(short_number(row.base.mean)),
                Cell::text(short_number(row.new.mean)),
                Cell::text(match row.pairs {
                    Some(pairs) => format!("{pairs} pairs"),
                    None => format!("{}, {}", row.base.n, row.new.n),
                }),
                Cell::text(changed(&row.difference, 1.0, 3)),
                row.relative
                    .map_or(Cell::Empty, |r| Cell::text(changed(&r, 100.0, 1))),
                Cell::p_value(row.p_holm),
                Cell::text(verdict::told(row.told)),
            ]);
            table.row(cells);
        }
        table
    }
}

fn changed(change: &Change, factor: f64, decimals: usize) -> String {
    let show = |v: f64| signed(v * factor, decimals);
    match change.lo.zip(change.hi) {
        Some((lo, hi)) => format!("{} [{}, {}]", show(change.value), show(lo), show(hi)),
        None => show(change.value),
    }
}
