//! The ledger as Markdown, as terminal text and as JSON.

use std::fmt::Write as _;

use document::number::plain;
use itertools::Itertools as _;
use metrics::grouped_in_order;

use super::claims::Document;
use super::judge::{Published, Relation};
use super::ledger::{Counts, Finding, Ledger, LedgerEntry};
use super::value::{Computed, Value};

impl Counts {
    pub fn sentence(&self) -> String {
        format!(
            "{} claims: {} reproduced, {} reproduced only under another definition, {} contradicted, {} undecided, {} \
             not testable.",
            self.claims,
            self.reproduced,
            self.redefined,
            self.contradicted,
            self.undecided,
            self.not_testable
        )
    }
}

impl LedgerEntry {
    /// The published value for a table, with its relation and unit.
    pub fn published_text(&self) -> String {
        let sign = match self.claim.relation {
            Relation::AtLeast => "≥ ",
            Relation::AtMost => "≤ ",
            Relation::MoreThan => "> ",
            Relation::LessThan => "< ",
            Relation::Equals | Relation::Within | Relation::VersionAtLeast => "",
        };
        let value = match &self.claim.published {
            None => return "–".to_owned(),
            Some(Published::One(Value::Number(number))) => self.printed_text(*number),
            // A claimed version is printed without a sign, though it need only be at least the recomputed one.
            Some(Published::One(Value::Text(text))) => return text.clone(),
            Some(Published::Range(ends)) => ends.map(|end| self.printed_text(end)).join(" to "),
        };
        format!("{sign}{value}{}", self.unit_text())
    }

    fn unit_text(&self) -> String {
        match self.claim.unit.as_deref() {
            None => String::new(),
            Some("x") => "x".to_owned(),
            Some(unit) => format!(" {unit}"),
        }
    }

    /// A recomputed value with one decimal more than the published one, and the
    /// interval of an estimate.
    fn value_text(&self, computed: &Computed) -> String {
        let value = match &computed.value {
            Value::Text(text) => text.clone(),
            Value::Number(number) => format!("{}{}", self.number_text(*number), self.unit_text()),
        };
        computed.interval().map_or(value.clone(), |interval| {
            let ends = [interval.lo, interval.hi].map(|end| self.number_text(end));
            format!("{value} [{}, {}]", ends[0], ends[1])
        })
    }

    /// A published number, rounded to the place that its tolerance is half a unit of.
    fn printed_text(&self, number: f64) -> String {
        let shortest = number.to_string();
        let own = shortest.split_once('.').map_or(0, |(_, rest)| rest.len());
        let tolerance = self.claim.tolerance.unwrap_or(0.0);
        let half_unit = (2.0 * tolerance).log10();
        let is_place = tolerance > 0.0 && (half_unit - half_unit.round()).abs() < 1e-9;
        let decimals = if is_place {
            (-half_unit.round()).clamp(0.0, 7.0) as usize
        } else {
            0
        };
        grouped(number, decimals.max(own))
    }

    /// A number with one place more than the published one; a small figure has at least two digits.
    fn number_text(&self, number: f64) -> String {
        let tolerance = self.claim.tolerance.unwrap_or(0.0);
        let whole = (number - number.round()).abs() < 1e-9;
        if number == 0.0 || (whole && (tolerance == 0.0 || tolerance >= 0.5)) {
            return grouped(number, 0);
        }
        let decimals = if tolerance > 0.0 {
            places(tolerance).saturating_sub(1)
        } else {
            2
        };
        grouped(number, decimals.max(places(number.abs()).saturating_sub(1)))
    }

    /// The result of the document's own definition.
    pub fn recomputed_text(&self) -> String {
        let recomputed = self.recomputed.as_ref();
        recomputed.map_or_else(|| "–".to_owned(), |recomputed| self.value_text(recomputed))
    }

    /// The finding in words, with its figures.
    pub fn finding_text(&self) -> String {
        match &self.finding {
            Finding::Reproduced => "reproduced".to_owned(),
            Finding::Redefined(under) => {
                let gives = self.value_text(&under.gives);
                format!("reproduced only as {} ({gives})", under.definition)
            }
            Finding::Contradicted {
                difference,
                tolerances,
                also_tried,
            } => {
                let by = match difference {
                    None => String::new(),
                    Some(0.0) => ": they are equal".to_owned(),
                    Some(difference) => {
                        let sign = if *difference > 0.0 { "+" } else { "" };
                        // A difference of percentages is in percentage points.
                        let unit = self.unit_text().replace(" %", " pp");
                        format!(" by {sign}{}{unit}", self.number_text(*difference))
                    }
                };
                let tolerances = match (
                    tolerances,
                    self.recomputed.as_ref().and_then(Computed::interval),
                ) {
                    (Some(tolerances), _) => {
                        format!(", {} tolerances", grouped(tolerances.abs(), 1))
                    }
                    (None, Some(_)) => ", which the 95 % interval excludes".to_owned(),
                    (None, None) => String::new(),
                };
                let tried = also_tried.iter().map(|tried| {
                    format!("{} ({})", tried.definition, self.value_text(&tried.gives))
                });
                let tried: Vec<String> = tried.collect();
                let nor = if tried.is_empty() { "" } else { "; nor as " };
                format!("contradicted{by}{tolerances}{nor}{}", tried.join(", "))
            }
            Finding::Undecided { times_as_many_runs } => {
                let needed = match times_as_many_runs {
                    None => "there are fewer than three runs or pairs, and an interval needs three"
                        .to_owned(),
                    Some(times) if *times > 100.0 => {
                        "the 95 % interval allows both, and a hundred times as many runs would too"
                            .to_owned()
                    }
                    Some(times) => format!(
                        "the 95 % interval allows both; about {} times as many runs would decide",
                        grouped(times.ceil().max(2.0), 0)
                    ),
                };
                format!("undecided: {needed}")
            }
            Finding::NotTestable => {
                let why = self.claim.not_testable.as_deref().unwrap_or_default();
                format!("not testable: {why}")
            }
        }
    }
}

/// The decimals that show two digits of a number of this size, at most 7.
fn places(size: f64) -> usize {
    (1.0 - size.log10().floor()).clamp(0.0, 7.0) as usize
}

/// A number with thousands separators from five digits on.
fn grouped(number: f64, decimals: usize) -> String {
    let text = plain(number, decimals);
    let whole = text.trim_start_matches('-').split('.').next();
    if whole.is_some_and(|whole| whole.len() <= "9,999".len()) {
        return text.replace(',', "");
    }
    text
}

/// Writes a row of a Markdown table, with `|` escaped and a space for each line break.
fn row<const N: usize>(out: &mut String, cells: [String; N]) {
    for cell in cells {
        let cell = cell.replace('|', "\\|").replace('\n', " ");
        _ = write!(out, "| {cell} ");
    }
    out.push_str("|\n");
}

impl Ledger {
    /// The documents in order of first appearance, with their claims.
    fn documents(&self) -> Vec<(Document, Vec<&LedgerEntry>)> {
        grouped_in_order(&self.entries, |entry| entry.claim.document)
    }

    /// The ledger as Markdown: a summary, then a table for each section of each document.
    /// Headings start at `level` (2 for a section of a report).
    pub fn to_markdown(&self, level: usize) -> String {
        let heading = "#".repeat(level);
        let mut out = format!(
            "{}\n\nA claim is *reproduced* when the figure computed under the document's own definition differs from \
             the published one by no more than the tolerance (half a unit in the last printed place, or what the \
             wording allows). Differences are recomputed less published.\n\n\
             A figure in brackets is the 95 % interval of an estimate from repeated runs; a figure without one is \
             exact for the runs at hand and says nothing of others. An estimate *contradicts* a claim when its whole \
             interval lies outside of what is claimed. It *reproduces* a claim when the whole interval lies inside \
             or, for a value or a range, when the estimate does and the interval is no wider than the claim. Else \
             the claim is *undecided*: neither shown nor refuted.\n\n\
             | document | claims | reproduced | only under another definition | contradicted | undecided | not \
             testable |\n|---|---:|---:|---:|---:|---:|---:|\n",
            self.counts.sentence()
        );
        for (document, entries) in self.documents() {
            let c = Counts::of(entries);
            let tested = [c.claims, c.reproduced, c.redefined, c.contradicted];
            let mut counts = tested.iter().chain([&c.undecided, &c.not_testable]);
            _ = writeln!(out, "| {} | {} |", document.title(), counts.join(" | "));
        }
        for (document, entries) in self.documents() {
            _ = writeln!(out, "\n{heading} {}", document.title());
            for (section, entries) in
                grouped_in_order(entries, |entry| entry.claim.section.as_str())
            {
                _ = writeln!(out, "\n{heading}# {section}\n");
                out.push_str("| claim | published | recomputed | finding |\n|---|---:|---:|---|\n");
                for entry in entries {
                    let claim = format!("{} `{}`", entry.claim.claim, entry.claim.id);
                    let (published, recomputed) = (entry.published_text(), entry.recomputed_text());
                    let finding = entry.finding_in_markdown();
                    row(&mut out, [claim, published, recomputed, finding]);
                }
            }
        }
        out.push_str("\nHow each figure was computed again:\n\n| claim | method |\n|---|---|\n");
        for LedgerEntry { claim, .. } in &self.entries {
            if let Some(method) = claim.method() {
                row(&mut out, [format!("`{}`", claim.id), method]);
            }
        }
        out
    }

    /// The ledger as plain text: `ok` reproduced, `def` only under another definition, `NO`
    /// contradicted, `und` undecided, `?` not testable; the counts last.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (document, entries) in self.documents() {
            _ = writeln!(out, "{}", document.title());
            let mut section = "";
            for entry in entries {
                if entry.claim.section != section {
                    section = &entry.claim.section;
                    _ = writeln!(out, "\n  {section}");
                }
                let mark = match entry.finding {
                    Finding::Reproduced => "ok ",
                    Finding::Redefined(_) => "def",
                    Finding::Contradicted { .. } => "NO ",
                    Finding::Undecided { .. } => "und",
                    Finding::NotTestable => "?  ",
                };
                _ = writeln!(out, "    {mark} {}", entry.claim.claim);
                if entry.finding != Finding::NotTestable {
                    let (published, recomputed) = (entry.published_text(), entry.recomputed_text());
                    _ = writeln!(
                        out,
                        "         published {published}, recomputed {recomputed}"
                    );
                }
                if mark != "ok " {
                    _ = writeln!(out, "         {}", entry.finding_text());
                }
            }
            out.push('\n');
        }
        out + &self.counts.sentence() + "\n"
    }

    /// The ledger as JSON, indented by two spaces. Fails when a value has no JSON.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

impl LedgerEntry {
    /// The finding with its note, in bold unless it is reproduced.
    fn finding_in_markdown(&self) -> String {
        let mut text = self.finding_text();
        for name in ["reproduced only as", "contradicted", "undecided"] {
            if text.starts_with(name) {
                text = text.replacen(name, &format!("**{name}**"), 1);
            }
        }
        if let Some(note) = &self.claim.note {
            _ = write!(text, ". {note}");
        }
        text
    }
}
