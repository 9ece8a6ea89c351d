//! Two data sets side by side, for a terminal and for a pull request. What is compared and what
//! may be said of it is [`metrics::compare`]'s business.

use std::fmt::Write as _;

use document::{Block, Document, Field, Front, Kind, Section, provenance_word, safe, verdict};
use domain::plan::Topology;
use domain::record::Provenance;
use metrics::compare::{
    Change, Comparison, ComparisonRow, GateCase, GateOutcome, GateReport, Told,
};
use metrics::{Dataset, Summary};
use serde_json::{Value, json};

use crate::kind;
use crate::report::ReportOptions;
use crate::tables::{Cell, Origin, Table, short_number, signed, topology_cell, topology_word};

/// Figures that are shown whether they changed or not.
const ALWAYS: [&str; 3] = ["wall_s", "speedup", "throughput_together"];

/// A comparison with its gates, ready to be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    comparison: Comparison,
    gates: Vec<GateReport>,
    provenance: [Provenance; 2],
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
        provenance: [base, new].map(|set| set.provenance),
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
        let rows = &self.comparison.rows;
        let count = |told: Told| rows.iter().filter(|r| r.told == told).count();
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
        let pair = |[a, b]: [&str; 2]| format!(" (base: {a}, new: {b})");
        text.extend(self.serving.map(|both| pair(both.map(topology_word))));
        if self.provenance[0] != self.provenance[1] {
            text.push_str(&pair(self.provenance.map(provenance_word)));
        }
        text
    }

    /// The comparison as a document: the gates and what only one side has, the notable figures, and then
    /// all of them.
    pub fn document(&self) -> Document {
        let Comparison { base, new, .. } = &self.comparison;
        let options = ReportOptions {
            name: format!("{base} → {new}"),
            ..ReportOptions::default()
        };
        // What was simulated on either side is no measurement of a change.
        let provenance = match self.provenance {
            [_, Provenance::Simulated] => Provenance::Simulated,
            [base, _] => base,
        };
        let all = self.table(|_| true);
        let title = format!("All {} figures", all.rows.len());
        let figures = json!({
            "provenance": {
                "base": provenance_word(self.provenance[0]),
                "new": provenance_word(self.provenance[1]),
            },
            "serving": self.serving,
            "comparison": self.comparison,
            "gates": self.gates.iter().map(gate_json).collect::<Vec<_>>(),
        });
        let source = format!("{base} and {new}");
        Document {
            front: Front {
                question: format!("What changed from {base} to {new}?"),
                answer: self.headline(),
                why: self.gates.iter().map(gate_in_words).collect(),
                next: self.missing(),
                figures: self.table(is_notable),
                ..Front::default()
            },
            sections: vec![Section::new(title, vec![Block::Inline(all)])],
            limits: vec![
                "Changes in brackets are 95 % intervals, from three runs on; p values are Holm-corrected over all \
                 rows."
                    .to_owned(),
            ],
            figures: figures.as_object().cloned().unwrap_or_default(),
            ..kind::page("compare", &options, provenance, source, Vec::new())
        }
    }

    /// The configurations that one side alone has.
    fn missing(&self) -> Vec<String> {
        let Comparison {
            base,
            new,
            only_base,
            only_new,
            ..
        } = &self.comparison;
        let sides = [(base, only_base), (new, only_new)].into_iter();
        let said = sides
            .filter(|(_, only)| !only.is_empty())
            .map(|(side, only)| {
                let names = only.iter().map(|(id, topology)| match topology {
                    Some(t) => format!("{id} ({})", topology_word(*t)),
                    None => id.to_string(),
                });
                let names: Vec<String> = names.collect();
                format!("Only in {side}: {}.", names.join(", "))
            });
        said.collect()
    }

    fn table(&self, shown: impl Fn(&ComparisonRow) -> bool) -> Table {
        let rows = &self.comparison.rows;
        let mut columns = vec![Field::label("config", "config", |r: &ComparisonRow| {
            Cell::text(r.config.as_str())
        })];
        if rows.iter().any(|r| r.topology != rows[0].topology) {
            columns.push(Field::label("topology", "servers", |r: &ComparisonRow| {
                topology_cell(r.topology)
            }));
        }
        let text = |key, heading, cell: fn(&ComparisonRow) -> Cell| {
            Field::new(key, heading, Kind::Number, Origin::Derived, cell)
        };
        columns.extend([
            Field::label("figure", "figure", figure_cell),
            text("base", "base", |r| Cell::text(short_number(r.base.mean))),
            text("new", "new", |r| Cell::text(short_number(r.new.mean))),
            text("n", "n", |r| {
                Cell::text(match r.pairs {
                    Some(pairs) => format!("{pairs} pairs"),
                    None => format!("{}, {}", r.base.n, r.new.n),
                })
            }),
            text("difference", "difference", |r| {
                changed(&r.difference, 1.0, 3)
            }),
            text("relative", "change (%)", |r| {
                r.relative.map_or(Cell::Empty, |r| changed(&r, 100.0, 1))
            }),
            text("p_holm", "p", |r| Cell::p_value(r.p_holm)),
            Field::label("told", "reading", |r: &ComparisonRow| {
                Cell::text(verdict::told(r.told))
            }),
        ]);
        Table::of(
            "compare",
            "Comparison",
            columns,
            rows.iter().filter(|r| shown(r)),
        )
    }
}

/// Whether a figure is shown at once: it changed, or everybody asks for it.
fn is_notable(row: &ComparisonRow) -> bool {
    ALWAYS.contains(&row.figure) || matches!(row.told, Told::Better | Told::Worse | Told::Different)
}

/// A gate with its reasons in words.
fn gate_json(gate: &GateReport) -> Value {
    let mut value = json!(gate);
    for (case, shown) in gate
        .cases
        .iter()
        .zip(value["cases"].as_array_mut().into_iter().flatten())
    {
        shown["reason"] = json!(verdict::gate_reason(gate.limit, case.reason));
    }
    value
}

/// A gate, its outcome, and each configuration that does not pass it.
fn gate_in_words(gate: &GateReport) -> String {
    let case = |case: &GateCase| {
        let reason = verdict::gate_reason(gate.limit, case.reason);
        let (config, outcome) = (
            safe::code(case.config.as_str()),
            verdict::gate(case.outcome),
        );
        format!("{config}: {outcome}, {}", safe::markdown(&reason))
    };
    let failing = gate.cases.iter().filter(|c| c.outcome != GateOutcome::Pass);
    let mut reasons: Vec<String> = failing.map(case).collect();
    if gate.cases.is_empty() {
        reasons.push("no configuration has this figure on both sides".to_owned());
    }
    let outcome = std::iter::once(verdict::gate(gate.outcome).to_owned());
    let said: Vec<String> = outcome.chain(reasons).collect();
    format!("gate {}: {}", safe::code(&gate.gate), said.join("; "))
}

fn figure_cell(row: &ComparisonRow) -> Cell {
    Cell::text(if row.unit.is_empty() || row.figure.ends_with("_s") {
        row.figure.to_owned()
    } else {
        format!("{} ({})", row.figure, row.unit)
    })
}

fn changed(change: &Change, factor: f64, decimals: usize) -> Cell {
    let show = |v: f64| signed(v * factor, decimals);
    let interval = change.lo.zip(change.hi);
    let interval = interval.map(|(lo, hi)| format!(" [{}, {}]", show(lo), show(hi)));
    Cell::text(show(change.value) + &interval.unwrap_or_default())
}
