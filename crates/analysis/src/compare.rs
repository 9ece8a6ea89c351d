//! Compares two sets of runs, for a terminal and for a pull request. [`metrics::compare`] defines what is
//! compared and tested.

mod input;

use document::words::plural;
use document::{Block, Document, Front, Section, safe, verdict};
use domain::plan::{ConfigId, Topology};
use domain::record::Provenance;
use itertools::Itertools as _;
use metrics::compare::{
    Change, Comparison, ComparisonRow, Gate, GateCase, GateOutcome, GateReport, Reading, Side,
};
use serde_json::{Value, json};

use crate::kind;
use crate::tables::{Origin, Table, short_number, signed, table_of, topology_word};

pub use input::{Input, read};

/// What is tested besides the default figures.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    pub gates: Vec<Gate>,
    /// Tests the gates on each configuration instead of on the mean over all.
    pub each: bool,
    /// Further primary figures.
    pub primary: Vec<String>,
}

/// A comparison with the results of its gates.
#[derive(Debug, Clone, PartialEq)]
pub struct ComparisonReport {
    comparison: Comparison,
    gates: Vec<GateReport>,
    provenance: [Provenance; 2],
    /// How each side was served, where the sides differ in that.
    serving: Option<[Topology; 2]>,
    /// Keys of the load settings that differ.
    differing_settings: Vec<String>,
    /// Runs repeat prompts of other runs, on servers that may have cached them.
    repeats_prompts: bool,
    is_load: bool,
    /// Warnings from reading either side, each with the side's name.
    warnings: Vec<String>,
}

/// Compares two sides and applies the gates. Fails when the sides cannot be compared or a figure does
/// not exist.
pub fn compare(
    base: Input,
    new: Input,
    options: &CompareOptions,
) -> Result<ComparisonReport, String> {
    if base.kind != new.kind {
        let kind = |input: &Input| format!("{} is {}", input.side.name, input.kind.words());
        let [base, new] = [base, new].map(|input| kind(&input));
        return Err(format!("{base} and {new}; give two of one kind"));
    }
    let differing_settings = input::differing_settings(&base, &new);
    let is_load = base.kind == results::Kind::Load;
    let repeats_prompts = input::repeat_prompts(&base, &new);
    let provenance = [base.provenance, new.provenance];
    let serving = match [&base.side, &new.side].map(Side::only_topology) {
        [Some(a), Some(b)] if a != b => Some([a, b]),
        _ => None,
    };
    let warnings = [&base, &new].into_iter().flat_map(|input| {
        let name = &input.side.name;
        let warnings = input.warnings.iter();
        warnings.map(move |warning| format!("{name}: {warning}"))
    });
    let warnings = warnings.collect();
    let mut sides = [base.side, new.side];
    if serving.is_some() {
        // The comparison is between two ways of serving, which must not keep equal configurations apart.
        let configs = sides.iter_mut().flat_map(|side| &mut side.configs);
        configs.for_each(|config| config.topology = None);
    }
    let [base, new] = &sides;
    let comparison = metrics::compare::compare(base, new, &options.primary)?;
    Ok(ComparisonReport {
        serving,
        gates: metrics::compare::check(&options.gates, &comparison, options.each),
        comparison,
        provenance,
        differing_settings,
        repeats_prompts,
        is_load,
        warnings,
    })
}

impl ComparisonReport {
    /// The worst outcome of the gates; `None` without gates.
    pub fn outcome(&self) -> Option<GateOutcome> {
        self.gates.iter().map(|g| g.outcome).max()
    }

    /// One line: how each primary figure changed.
    pub fn headline(&self) -> String {
        let rows = self.primary().filter(|row| self.is_headline(row));
        let changes: Vec<String> = rows.map(|row| self.change_in_words(row)).collect();
        let changes = match (changes.is_empty(), self.comparison.configs.is_empty()) {
            (_, true) => "no configuration is on both sides".to_owned(),
            (true, false) => "no figure that is tested is on both sides".to_owned(),
            (false, false) => changes.join("; "),
        };
        let Comparison { base, new, .. } = &self.comparison;
        let [a, b] = self.provenance.map(|provenance| provenance.to_string());
        let pair = |[a, b]: [&str; 2]| format!(" (base: {a}, new: {b})");
        let serving = self.serving.map(|both| pair(both.map(topology_word)));
        let provenance = (a != b).then(|| pair([&a, &b]));
        let [serving, provenance] = [serving, provenance].map(Option::unwrap_or_default);
        format!("{base} → {new}: {changes}{serving}{provenance}")
    }

    /// The rows of the primary figures.
    fn primary(&self) -> impl Iterator<Item = &ComparisonRow> {
        let rows = self.comparison.rows.iter();
        rows.filter(|row| row.reading != Reading::Exploratory)
    }

    /// True for the mean over all configurations, and for the one configuration that has the figure.
    fn is_headline(&self, row: &ComparisonRow) -> bool {
        let others = || self.primary().filter(|other| other.figure == row.figure);
        row.config.is_none() || others().count() == 1
    }

    /// How a figure changed; says first when it improved in some configurations and got worse in others.
    fn change_in_words(&self, row: &ComparisonRow) -> String {
        let of_configs = self
            .primary()
            .filter(|r| r.figure == row.figure && r.config.is_some());
        let readings: Vec<Reading> = of_configs.map(|r| r.reading).collect();
        let count = |reading| readings.iter().filter(|r| **r == reading).count();
        let name = match row.figure {
            "wall_s" => "wall time",
            "ttft_s" => "TTFT",
            "throughput_together" | "tokens_per_s" => "throughput",
            "agents_carried" => "agents carried",
            other => other,
        };
        let change = match &row.relative {
            Some(relative) => format_change(relative, 100.0, 1, " %"),
            None => format_change(&row.difference, 1.0, 3, &format!(" {}", row.unit)),
        };
        let (better, worse) = (count(Reading::Better), count(Reading::Worse));
        let whole = if better > 0 && worse > 0 {
            let all = readings.len();
            format!("better in {better} and worse in {worse} of {all} configurations, on the mean ")
        } else {
            String::new()
        };
        format!("{name} {whole}{change}: {}", self.reading_in_words(row))
    }

    /// The reading of a row. A figure that got worse by less than a gate forbids is called so.
    fn reading_in_words(&self, row: &ComparisonRow) -> String {
        let is_of = |gate: &&GateReport| {
            let (figure, limit) = gate.gate.split_once(['<', '>']).unwrap_or_default();
            // A limit on the value itself, without a sign, says nothing of changes.
            figure.trim() == row.figure && limit.contains(['%', '+', '-'])
        };
        let is_case = |case: &&GateCase| match &case.config {
            None => self.is_headline(row),
            config => *config == row.config && case.topology == row.topology,
        };
        let passes = |gate: &GateReport| {
            let case = gate.cases.iter().find(is_case);
            case.is_some_and(|case| case.outcome == GateOutcome::Pass)
        };
        let reading = verdict::reading(row.reading);
        if row.reading == Reading::Worse && self.gates.iter().filter(is_of).any(passes) {
            return format!("{reading}, by less than its gate forbids");
        }
        reading.to_owned()
    }

    /// The comparison as a document: the gates and what only one side has, then the primary figures,
    /// then all others.
    pub fn document(&self) -> Document {
        let Comparison { base, new, .. } = &self.comparison;
        // With a simulated side, the comparison does not measure a real change.
        let provenance = match self.provenance {
            [_, Provenance::Simulated] => Provenance::Simulated,
            [base, _] => base,
        };
        let tested = |row: &ComparisonRow| row.reading != Reading::Exploratory;
        let others = self.table(|row| !tested(row)).without_empty_columns(&[]);
        let mut sections = Vec::new();
        if !others.rows.is_empty() {
            let title = format!("{} exploratory figures", others.rows.len());
            sections.push(Section::new(title, vec![Block::Inline(others)]));
        }
        let figures = json!({
            "provenance": { "base": self.provenance[0], "new": self.provenance[1] },
            "serving": self.serving,
            "asked_differently": self.differing_settings,
            "warnings": self.warnings,
            "comparison": self.comparison,
            "gates": self.gates.iter().map(gate_json).collect::<Vec<_>>(),
        });
        Document {
            kind: "compare",
            name: format!("{base} → {new}"),
            provenance,
            source: format!("{base} and {new}"),
            front: Front {
                question: format!("What changed from {base} to {new}?"),
                answer: self.headline(),
                spoilt: self.other_causes(),
                why: self.gates.iter().map(gate_in_words).collect(),
                next: self.only_on_one_side(),
                figures: self.table(tested),
                ..Front::default()
            },
            sections,
            limits: vec![
                "Changes in brackets are intervals, from three runs of each side on. Those of the tested figures \
                 hold together at 95 %, corrected as their p values are; those of exploratory figures hold at 95 % each, \
                 so that of many some exclude no change by chance."
                    .to_owned(),
            ],
            figures: kind::figures(figures),
            ..Document::default()
        }
    }

    /// Causes other than the server that may have changed the figures.
    fn other_causes(&self) -> Vec<String> {
        let compared = &self.comparison;
        let (base, new) = (&compared.base, &compared.new);
        let cache = compared.cached_share.map(|shares| {
            let [a, b] = shares.map(|share| format!("{:.0} %", 100.0 * share));
            format!(
                "The servers' caches held {a} of the prompts' tokens in {base} and {b} in {new}: these changes are not \
                 the servers' own. Run both again with prompts that no cache knows."
            )
        });
        let asked = (!self.differing_settings.is_empty()).then(|| {
            let keys = self.differing_settings.join("`, `");
            format!("The runs were not asked for the same; they differ in `{keys}`.")
        });
        let repeats = self.repeats_prompts.then(|| {
            "Some of these runs sent the same prompts, with the nonce of another run: a cache that a server kept \
             between them may have helped the later one."
                .to_owned()
        });
        let [all_a, all_b] = compared.completed.map(|(asked, _)| asked);
        let [a, b] = compared
            .completed
            .map(|(asked, done)| asked.saturating_sub(done));
        let (how, what, figures) = if self.is_load {
            ("Not completed", "requests", "latencies and throughput")
        } else {
            ("Left out", "runs", "all figures")
        };
        let incomplete = (a + b > 0).then(|| {
            format!(
                "{how}: {a} of {all_a} {what} of {base}, {b} of {all_b} of {new}; {figures} are those of the others."
            )
        });
        let far = compared.configs.iter().flat_map(|config| {
            let sides = [base, new].into_iter().zip(&config.far);
            sides.flat_map(move |(side, notes)| {
                let name = safe::code(config.config.as_str());
                let notes = notes.iter().map(document::notes::note);
                notes.map(move |note| format!("{side}, {name}: {note}."))
            })
        });
        let own = [cache, asked, repeats, incomplete].into_iter().flatten();
        let warnings = self.warnings.iter().map(|warning| safe::markdown(warning));
        own.chain(far).chain(warnings).collect()
    }

    /// The configurations that only one side has.
    fn only_on_one_side(&self) -> Vec<String> {
        let compared = &self.comparison;
        let base = (&compared.base, &compared.only_base);
        let sides = [base, (&compared.new, &compared.only_new)].into_iter();
        let line = |(side, only): (&String, &Vec<(ConfigId, Option<Topology>)>)| {
            let mut names = only.iter().map(|(id, topology)| match topology {
                Some(t) => format!("{id} ({})", topology_word(*t)),
                None => id.to_string(),
            });
            format!("Only in {side}: {}.", names.join(", "))
        };
        let known = sides.filter(|(_, only)| !only.is_empty());
        known.map(line).collect()
    }

    fn table(&self, shown: impl Fn(&ComparisonRow) -> bool) -> Table {
        let rows = &self.comparison.rows;
        let named = rows.iter().filter(|row| row.config.is_some());
        let several = !named.map(|row| row.topology).all_equal();
        let row = |row: &ComparisonRow| {
            let n = match (row.pairs, &row.config) {
                (Some(pairs), _) => plural(pairs, "pair"),
                (None, Some(_)) => format!("{}, {}", row.base.n, row.new.n),
                (None, None) => format!("{} configurations", row.base.n),
            };
            let figure = if row.unit.is_empty() || row.figure.ends_with("_s") {
                row.figure.to_owned()
            } else {
                format!("{} ({})", row.figure, row.unit)
            };
            json!({
                "config": row.config.as_ref().map_or("all", |config| config.as_str()),
                "topology": row.topology.filter(|_| several).map(topology_word),
                "figure": figure,
                "base": short_number(row.base.mean),
                "new": short_number(row.new.mean),
                "n": n,
                "difference": format_change(&row.difference, 1.0, 3, ""),
                "relative": row.relative.map(|change| format_change(&change, 100.0, 1, "")),
                "p": row.p,
                "reading": self.reading_in_words(row),
            })
        };
        let rows = rows.iter().filter(|row| shown(row)).map(row);
        let table = table_of("compare", Origin::Derived, rows);
        table.without_empty_columns(&["relative", "p"])
    }
}

fn gate_json(gate: &GateReport) -> Value {
    let mut value = json!(gate);
    let shown = value["cases"].as_array_mut().into_iter().flatten();
    for (case, shown) in gate.cases.iter().zip(shown) {
        shown["reason"] = json!(verdict::gate_reason(case.reason));
    }
    value
}

/// A gate with its outcome and each case that does not pass.
fn gate_in_words(gate: &GateReport) -> String {
    let case = |case: &GateCase| {
        let reason = safe::markdown(&verdict::gate_reason(case.reason));
        match &case.config {
            Some(config) => {
                let (config, outcome) = (safe::code(config.as_str()), verdict::gate(case.outcome));
                format!("{config}: {outcome}, {reason}")
            }
            None => reason,
        }
    };
    let is_shown = |c: &&GateCase| c.config.is_none() || c.outcome != GateOutcome::Pass;
    let mut reasons: Vec<String> = gate.cases.iter().filter(is_shown).map(case).collect();
    if gate.cases.is_empty() {
        reasons.push("no configuration has this figure on both sides".to_owned());
    }
    reasons.insert(0, verdict::gate(gate.outcome).to_owned());
    format!("gate {}: {}", safe::code(&gate.gate), reasons.join("; "))
}

/// A change with its unit and, where there is one, its interval.
fn format_change(change: &Change, factor: f64, decimals: usize, unit: &str) -> String {
    let show = |v: f64| signed(v * factor, decimals);
    let interval = change.lo.zip(change.hi);
    let interval = interval.map(|(lo, hi)| format!(" [{}, {}]", show(lo), show(hi)));
    show(change.value) + unit.trim_end() + &interval.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use metrics::compare::Run;

    use super::*;

    fn input(wall_s: f64) -> Input {
        let mut side = Side::new("side");
        for draw in 1..=5 {
            let mut run = Run {
                drawn_from: Some(draw.to_string()),
                ..Run::default()
            };
            run.set("wall_s", Some(wall_s + 0.001 * f64::from(draw)));
            side.add(&ConfigId::new("a").unwrap(), None, run);
        }
        Input::new(side, results::Kind::Sweep, Provenance::Measured)
    }

    #[test]
    fn a_figure_that_got_worse_by_less_than_its_gate_forbids_is_called_so() {
        let within = ": worse, by less than its gate forbids";
        for (gate, words) in [
            (None, ": worse"),
            (Some("wall_s > +5%"), within),
            (Some("wall_s > +0.01%"), ": worse"),
            // The value is within, which says nothing of its change.
            (Some("wall_s > 20"), ": worse"),
            (Some("ttft_s > +5%"), ": worse"),
        ] {
            let options = CompareOptions {
                gates: gate.map(|gate| gate.parse().unwrap()).into_iter().collect(),
                ..CompareOptions::default()
            };
            let report = compare(input(10.0), input(10.01), &options).unwrap();
            let headline = report.headline();
            assert!(headline.ends_with(words), "{gate:?}: {headline}");
        }
    }
}
