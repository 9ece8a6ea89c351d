//! The ledger as Markdown, as terminal text and as JSON.

use std::fmt::Write as _;

use super::claims::Document;
use super::figures::Value;
use super::judge::{Published, Relation};
use super::ledger::{Counts, Finding, Ledger, LedgerEntry};

impl Counts {
    /// One sentence.
    pub fn sentence(&self) -> String {
        format!(
            "{} claims: {} reproduced, {} reproduced only under another definition, {} contradicted, {} not testable.",
            self.claims, self.reproduced, self.redefined, self.contradicted, self.not_testable
        )
    }
}

impl Finding {
    /// The finding's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reproduced { .. } => "reproduced",
            Self::Redefined { .. } => "reproduced only under another definition",
            Self::Contradicted { .. } => "contradicted",
            Self::NotTestable { .. } => "not testable",
        }
    }
}

impl LedgerEntry {
    /// The published value as it reads in a table, with its relation and unit.
    pub fn published_text(&self) -> String {
        let Some(published) = &self.published else {
            return "–".to_owned();
        };
        let sign = match self.relation {
            Some(Relation::AtLeast | Relation::VersionAtLeast) => "≥ ",
            Some(Relation::AtMost) => "≤ ",
            Some(Relation::MoreThan) => "> ",
            Some(Relation::LessThan) => "< ",
            _ => "",
        };
        let value = match published {
            Published::One(Value::Number(number)) => self.printed_text(*number),
            Published::One(Value::Text(text)) => {
                // A version claimed is one version; the relation is about what it must reach.
                return text.clone();
            }
            Published::Range([low, high]) => {
                format!(
                    "{} to {}",
                    self.printed_text(*low),
                    self.printed_text(*high)
                )
            }
        };
        format!("{sign}{value}{}", self.unit_text())
    }

    fn unit_text(&self) -> String {
        match self.unit.as_deref() {
            None => String::new(),
            Some("x") => "x".to_owned(),
            Some(unit) => format!(" {unit}"),
        }
    }

    /// A recomputed value with one decimal more than the published one is good for.
    fn value_text(&self, value: &Value) -> String {
        match value {
            Value::Text(text) => text.clone(),
            Value::Number(number) => {
                format!("{}{}", self.number_text(*number), self.unit_text())
            }
        }
    }

    /// A published number as printed: to the place that its tolerance is half a unit of.
    fn printed_text(&self, number: f64) -> String {
        let tolerance = self.tolerance.unwrap_or(0.0);
        let half_unit = (2.0 * tolerance).log10();
        let shortest = number.to_string();
        if tolerance > 0.0 && (half_unit - half_unit.round()).abs() < 1e-9 {
            let decimals = (-half_unit.round()).clamp(0.0, 7.0) as usize;
            let rounded = format!("{number:.decimals$}");
            if rounded.len() > shortest.len() {
                return grouped(&rounded);
            }
        }
        grouped(&shortest)
    }

    /// The last printed place and one more; at least two digits of a small figure.
    fn number_text(&self, number: f64) -> String {
        let tolerance = self.tolerance.unwrap_or(0.0);
        let whole = (number - number.round()).abs() < 1e-9;
        if number == 0.0 || (whole && (tolerance == 0.0 || tolerance >= 0.5)) {
            return grouped(&format!("{number:.0}"));
        }
        let decimals = if tolerance > 0.0 {
            places(tolerance).saturating_sub(1)
        } else {
            2
        };
        let decimals = decimals.max(places(number.abs()).saturating_sub(1));
        grouped(&format!("{number:.decimals$}"))
    }

    /// What the data give, under the document's own definition.
    pub fn recomputed_text(&self) -> String {
        match &self.finding {
            Finding::Reproduced { recomputed }
            | Finding::Redefined { recomputed, .. }
            | Finding::Contradicted { recomputed, .. } => self.value_text(recomputed),
            Finding::NotTestable { .. } => "–".to_owned(),
        }
    }

    /// The finding in words, with its figures.
    pub fn finding_text(&self) -> String {
        match &self.finding {
            Finding::Reproduced { .. } => "reproduced".to_owned(),
            Finding::Redefined {
                definition,
                under_it,
                ..
            } => format!(
                "reproduced only as {definition} ({})",
                self.value_text(under_it)
            ),
            Finding::Contradicted {
                difference,
                tolerances,
                also_tried,
                ..
            } => {
                let mut text = "contradicted".to_owned();
                if *difference == Some(0.0) {
                    text.push_str(": they are equal");
                } else if let Some(difference) = difference {
                    let sign = if *difference > 0.0 { "+" } else { "" };
                    let unit = match self.unit_text() {
                        // A difference of percentages is in percentage points.
                        unit if unit == " %" => " pp".to_owned(),
                        unit => unit,
                    };
                    _ = write!(text, " by {sign}{}{unit}", self.number_text(*difference));
                }
                if let Some(tolerances) = tolerances {
                    _ = write!(
                        text,
                        ", {} tolerances",
                        grouped(&format!("{:.1}", tolerances.abs()))
                    );
                }
                for (index, tried) in also_tried.iter().enumerate() {
                    let lead = if index == 0 { "; nor as" } else { "," };
                    let gives = self.value_text(&tried.gives);
                    _ = write!(text, "{lead} {} ({gives})", tried.definition);
                }
                text
            }
            Finding::NotTestable { why } => format!("not testable: {why}"),
        }
    }
}

/// Decimals that show two digits of a number of this size, 7 at most.
fn places(size: f64) -> usize {
    (1.0 - size.log10().floor()).clamp(0.0, 7.0) as usize
}

/// `12345.6` as `12,345.6`, a minus as a minus.
fn grouped(text: &str) -> String {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let mut out = sign.to_owned();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) && whole.len() > 4 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A `|` would end a cell, a line break a row.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

impl Ledger {
    /// Documents in the order in which they first appear.
    fn documents(&self) -> Vec<Document> {
        distinct(self.entries.iter().map(|entry| entry.document))
    }

    /// The ledger as Markdown: a summary, then a table for each section of each document.
    /// Headings start at `level` (2 for a section of a report).
    pub fn to_markdown(&self, level: usize) -> String {
        let heading = |depth: usize| "#".repeat(level + depth);
        let mut out = String::new();
        _ = writeln!(out, "{}\n", self.counts.sentence());
        _ = writeln!(
            out,
            "A claim is *reproduced* when the figure computed under the document's own definition differs from the \
             published one by no more than the tolerance (half a unit in the last printed place, or what the wording \
             allows). Differences are recomputed less published.\n"
        );
        out.push_str(
            "| document | claims | reproduced | only under another definition | contradicted | not testable |\n\
             |---|---:|---:|---:|---:|---:|\n",
        );
        for document in self.documents() {
            let counts = Counts::of(self.entries.iter().filter(|e| e.document == document));
            _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} |",
                document.title(),
                counts.claims,
                counts.reproduced,
                counts.redefined,
                counts.contradicted,
                counts.not_testable
            );
        }
        for document in self.documents() {
            _ = writeln!(out, "\n{} {}", heading(0), document.title());
            let of_document: Vec<_> = self
                .entries
                .iter()
                .filter(|entry| entry.document == document)
                .collect();
            let sections = distinct(of_document.iter().map(|entry| entry.section.as_str()));
            for section in sections {
                _ = writeln!(out, "\n{} {section}\n", heading(1));
                out.push_str("| claim | published | recomputed | finding |\n|---|---:|---:|---|\n");
                for entry in of_document.iter().filter(|e| e.section == section) {
                    let mut finding = match entry.finding {
                        Finding::Contradicted { .. } | Finding::Redefined { .. } => {
                            let text = entry.finding_text();
                            let name = match entry.finding {
                                Finding::Redefined { .. } => "reproduced only as",
                                _ => "contradicted",
                            };
                            text.replacen(name, &format!("**{name}**"), 1)
                        }
                        _ => entry.finding_text(),
                    };
                    if let Some(note) = &entry.note {
                        _ = write!(finding, ". {note}");
                    }
                    _ = writeln!(
                        out,
                        "| {} `{}` | {} | {} | {} |",
                        cell(&entry.claim),
                        entry.id,
                        cell(&entry.published_text()),
                        cell(&entry.recomputed_text()),
                        cell(&finding)
                    );
                }
            }
        }
        out.push_str("\nHow each figure was computed again:\n\n| claim | method |\n|---|---|\n");
        for entry in &self.entries {
            if let Some(method) = &entry.method {
                _ = writeln!(out, "| `{}` | {} |", entry.id, cell(method));
            }
        }
        out
    }

    /// The ledger as plain text: `ok` reproduced, `def` only under another definition, `NO`
    /// contradicted, `?` not testable; the counts last.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for document in self.documents() {
            _ = writeln!(out, "{}", document.title());
            let mut section = "";
            for entry in self.entries.iter().filter(|e| e.document == document) {
                if entry.section != section {
                    section = &entry.section;
                    _ = writeln!(out, "\n  {section}");
                }
                let mark = match entry.finding {
                    Finding::Reproduced { .. } => "ok ",
                    Finding::Redefined { .. } => "def",
                    Finding::Contradicted { .. } => "NO ",
                    Finding::NotTestable { .. } => "?  ",
                };
                _ = writeln!(out, "    {mark} {}", entry.claim);
                if !matches!(entry.finding, Finding::NotTestable { .. }) {
                    _ = writeln!(
                        out,
                        "         published {}, recomputed {}",
                        entry.published_text(),
                        entry.recomputed_text()
                    );
                }
                if !matches!(entry.finding, Finding::Reproduced { .. }) {
                    _ = writeln!(out, "         {}", entry.finding_text());
                }
            }
            out.push('\n');
        }
        out.push_str(&self.counts.sentence());
        out.push('\n');
        out
    }

    /// The ledger as JSON, two spaces deep.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self)
    }
}

fn distinct<T: PartialEq>(items: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for item in items {
        if !seen.contains(&item) {
            seen.push(item);
        }
    }
    seen
}
