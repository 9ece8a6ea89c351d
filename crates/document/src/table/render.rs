//! A table as aligned Markdown, as text for a terminal and as CSV.

use std::fmt::Write as _;

use super::{Cell, Kind, Table};
use crate::number::{machine, plain, signed};
use crate::safe;

/// Spaces between the columns of a terminal's table.
const GAP: usize = 2;

impl Cell {
    /// The cell as a reader sees it, with words made safe for the output.
    fn show(&self, text: impl Fn(&str) -> String) -> String {
        match self {
            Self::Text(words) => text(words),
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

    pub fn in_markdown(&self) -> String {
        self.show(safe::markdown)
    }

    pub fn in_terminal(&self) -> String {
        self.show(|words| safe::terminal(words).into_owned())
    }
}

/// The width of each column of `lines`, at least `least`.
fn widths(lines: &[Vec<String>], least: usize) -> Vec<usize> {
    let columns = lines.first().map_or(0, Vec::len);
    let width = |i: usize| lines.iter().map(|line| line[i].chars().count()).max();
    (0..columns)
        .map(|i| width(i).unwrap_or(0).max(least))
        .collect()
}

impl Table {
    fn lines(&self, heading: fn(&str) -> String, cell: fn(&Cell) -> String) -> Vec<Vec<String>> {
        let headings = self.columns.iter().map(|c| heading(&c.heading)).collect();
        let rows = self.rows.iter().map(|row| row.iter().map(cell).collect());
        std::iter::once(headings).chain(rows).collect()
    }

    /// The table as Markdown, its columns aligned in the source as well; without title and note.
    pub fn to_markdown(&self) -> String {
        let lines = self.lines(safe::markdown, Cell::in_markdown);
        let widths = widths(&lines, 3);
        let right: Vec<bool> = self.columns.iter().map(|c| c.kind != Kind::Text).collect();
        let mut text = String::new();
        for (number, line) in lines.iter().enumerate() {
            for ((cell, width), right) in line.iter().zip(&widths).zip(&right) {
                let _ = if *right {
                    write!(text, "| {cell:>width$} ")
                } else {
                    write!(text, "| {cell:<width$} ")
                };
            }
            text.push_str("|\n");
            if number == 0 {
                for (width, right) in widths.iter().zip(&right) {
                    let dashes = "-".repeat(width - usize::from(*right));
                    let _ = write!(text, "| {dashes}{} ", if *right { ":" } else { "" });
                }
                text.push_str("|\n");
            }
        }
        text
    }

    /// For a terminal of `width` characters. Columns that do not fit are left out from the last one on and named under
    /// the table; the first always stays.
    pub fn to_text(&self, width: usize) -> String {
        let mut lines = self.lines(|h| safe::terminal(h).into_owned(), Cell::in_terminal);
        let mut widths = widths(&lines, 0);
        let needed =
            |widths: &[usize]| (widths.iter().map(|w| w + GAP).sum::<usize>()).saturating_sub(GAP);
        let mut left_out = Vec::new();
        while widths.len() > 1 && needed(&widths) > width {
            widths.pop();
            left_out.insert(0, lines[0].pop().unwrap_or_default());
            lines
                .iter_mut()
                .skip(1)
                .for_each(|line| line.truncate(widths.len()));
        }
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
                text.push_str(&"-".repeat(needed(&widths)));
                text.push('\n');
            }
        }
        if !left_out.is_empty() {
            let columns = left_out.join(", ");
            let _ = writeln!(
                text,
                "Left out, because the terminal is too narrow: {columns}."
            );
        }
        text
    }

    /// An estimate fills four columns: mean, `_lo`, `_hi`, `_n`. Unknown cells and those that do not apply are empty.
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
                    Cell::Text(text) => (safe::csv_cell(text), None, None),
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
