//! A table as aligned Markdown and as CSV.

use std::fmt::Write as _;

use super::number::{machine, plain, signed};
use super::{Cell, Kind, Table};

impl Cell {
    /// The cell as a reader sees it.
    pub fn show(&self) -> String {
        match self {
            Self::Text(text) => text.replace('|', "\\|"),
            Self::Number {
                value,
                decimals,
                signed: with_sign,
                interval,
                ..
            } => {
                let show = |v: f64| {
                    if *with_sign {
                        signed(v, *decimals)
                    } else {
                        plain(v, *decimals)
                    }
                };
                match interval {
                    Some((lo, hi)) => format!("{} [{}, {}]", show(*value), show(*lo), show(*hi)),
                    None => show(*value),
                }
            }
            Self::P(p) if *p < 0.001 => "<0.001".to_owned(),
            Self::P(p) => plain(*p, 3),
            Self::Unknown => "unknown".to_owned(),
            Self::Empty => "–".to_owned(),
        }
    }
}

impl Table {
    /// The table as Markdown, its columns aligned in the source as well; without title and note.
    pub fn to_markdown(&self) -> String {
        let headings: Vec<String> = self
            .columns
            .iter()
            .map(|c| c.heading.replace('|', "\\|"))
            .collect();
        let rows: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| row.iter().map(Cell::show).collect())
            .collect();
        let width = |i: usize| {
            rows.iter()
                .map(|row| row[i].chars().count())
                .chain([headings[i].chars().count(), 3])
                .max()
                .unwrap_or(3)
        };
        let widths: Vec<usize> = (0..headings.len()).map(width).collect();
        let right: Vec<bool> = self.columns.iter().map(|c| c.kind != Kind::Text).collect();
        let mut text = String::new();
        let line = |text: &mut String, cells: &[String]| {
            for ((cell, width), right) in cells.iter().zip(&widths).zip(&right) {
                let _ = if *right {
                    write!(text, "| {cell:>width$} ")
                } else {
                    write!(text, "| {cell:<width$} ")
                };
            }
            text.push_str("|\n");
        };
        line(&mut text, &headings);
        for (width, right) in widths.iter().zip(&right) {
            let dashes = "-".repeat(width - usize::from(*right));
            let _ = write!(text, "| {dashes}{} ", if *right { ":" } else { "" });
        }
        text.push_str("|\n");
        for row in &rows {
            line(&mut text, row);
        }
        text
    }

    /// The table for a terminal: columns two spaces apart, a rule under the headings.
    pub fn to_text(&self) -> String {
        let mut lines: Vec<Vec<String>> =
            vec![self.columns.iter().map(|c| c.heading.clone()).collect()];
        lines.extend(
            self.rows
                .iter()
                .map(|row| row.iter().map(Cell::show).collect()),
        );
        let widths: Vec<usize> = (0..self.columns.len())
            .map(|i| {
                lines
                    .iter()
                    .map(|l| l[i].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            let mut row = String::new();
            for ((cell, width), column) in line.iter().zip(&widths).zip(&self.columns) {
                let _ = if column.kind == Kind::Text {
                    write!(row, "{cell:<width$}  ")
                } else {
                    write!(row, "{cell:>width$}  ")
                };
            }
            text.push_str(row.trim_end());
            text.push('\n');
            if number == 0 {
                let rule: usize = widths.iter().map(|w| w + 2).sum();
                text.push_str(&"-".repeat(rule.saturating_sub(2)));
                text.push('\n');
            }
        }
        text
    }

    /// The table as CSV. An estimate fills four columns: mean, `_lo`, `_hi`, `_n`. Unknown cells
    /// are empty; so are cells that do not apply.
    pub fn to_csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut header = Vec::new();
        for column in &self.columns {
            header.push(column.key.clone());
            if column.kind == Kind::Estimate {
                header.extend(["lo", "hi", "n"].map(|end| format!("{}_{end}", column.key)));
            }
        }
        let mut records = vec![header];
        for row in &self.rows {
            let mut record = Vec::new();
            for (cell, column) in row.iter().zip(&self.columns) {
                let (value, interval, n) = match cell {
                    Cell::Text(text) => (text.clone(), None, None),
                    Cell::Number {
                        value, interval, n, ..
                    } => (machine(*value), *interval, *n),
                    Cell::P(p) => (machine(*p), None, None),
                    Cell::Unknown | Cell::Empty => (String::new(), None, None),
                };
                record.push(value);
                if column.kind == Kind::Estimate {
                    record.push(interval.map_or(String::new(), |(lo, _)| machine(lo)));
                    record.push(interval.map_or(String::new(), |(_, hi)| machine(hi)));
                    record.push(n.map_or(String::new(), |n| n.to_string()));
                }
            }
            records.push(record);
        }
        for record in records {
            writer
                .write_record(&record)
                .expect("every record is as long as the header, and memory takes them all");
        }
        let bytes = writer.into_inner().expect("memory flushes");
        String::from_utf8(bytes).expect("made of text")
    }
}
