//! Charts of rows: names at the left, values along one axis beneath, sections between.

use super::canvas::{Align, Canvas};
use super::chart::{Chart, ChartError, Heading};
use super::labels::Taken;
use super::page::{Entry, Page};
use super::scale::{Scale, px, ticks};
use super::text::Font;
use super::theme::{AXIS, GRID, INK, MARGIN, WHITE};
use super::value::ReferenceLine;

/// What a row is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Category {
    /// Its name; empty: the row belongs to the name above it.
    pub label: String,
    /// A quiet remark after the name, `n = 5` for example; may be empty.
    pub note: String,
    /// Categories of one section stand together under its name; empty: no section.
    pub section: String,
}

/// Height of a section's heading, px.
const SECTION: i32 = 48;

/// What a chart of rows is laid out from.
pub(crate) struct Rows<'a> {
    pub(crate) heading: &'a Heading,
    pub(crate) width: i32,
    /// One for each row.
    pub(crate) categories: Vec<&'a Category>,
    /// Height of a row, px.
    pub(crate) row: i32,
    /// Name and unit of the values.
    pub(crate) value_label: &'a str,
    pub(crate) reference_lines: &'a [ReferenceLine],
    /// Ends of the axis; zero lies within.
    pub(crate) range: (f64, f64),
    /// Where something drawn ends and how much room, px, the text to its right takes.
    pub(crate) beyond: Vec<(f64, i32)>,
}

/// A text beside what a row shows, and its left end.
pub(crate) type Written = (String, (i32, i32));

impl Rows<'_> {
    /// Draws it. `draw` draws the row of an index from a height down and returns its texts, which
    /// are written last: no line runs through them.
    pub(crate) fn render(
        &self,
        legend: Vec<Entry>,
        draw: impl Fn(&Canvas<'_>, &Scale, usize, i32) -> Vec<Written>,
    ) -> Result<Option<Chart>, ChartError> {
        let page = Page::new(self.heading, self.width, legend);
        let starts = self.section_starts();
        let sections = px(starts.iter().filter(|starts| **starts).count());
        let height = px(self.categories.len()) * self.row + sections * SECTION;
        let labelled = self.reference_lines.iter().any(|l| !l.label.is_empty());
        let above = if labelled { 44 } else { 8 };
        let body = above + height + 2 * Font::SMALL.leading() + 14;
        let column = self.name_column();
        let plot = MARGIN + column + 16;
        let length = self.length(self.width - MARGIN - plot);
        let scale = Scale::new(self.range, (plot, plot + length));
        page.paint(body, |canvas, top| {
            let top = top + above;
            let bottom = top + height;
            for (value, text) in ticks(scale.low, scale.high, 7, false).0 {
                let x = scale.at(value);
                canvas.rect((x, top, 1, height), GRID);
                canvas.text_inside(&text, (x, bottom + 20), Font::SMALL);
            }
            let label = Font::SMALL.elide(self.value_label, self.width - 2 * MARGIN);
            let middle = i32::midpoint(scale.from, scale.to);
            let at = (middle, bottom + 20 + Font::SMALL.leading());
            canvas.text_inside(&label, at, Font::SMALL);

            let mut texts = Vec::new();
            let mut headings = Vec::new();
            let mut y = top;
            for (index, category) in self.categories.iter().enumerate() {
                if starts[index] {
                    headings.push((&category.section, y));
                    y += SECTION;
                }
                draw_name(canvas, category, column, y + self.row / 2);
                texts.extend(draw(canvas, &scale, index, y));
                canvas.rect((scale.at(0.0) - 1, y, 2, self.row), AXIS);
                y += self.row;
            }
            self.draw_references(canvas, &scale, (top, height));
            for (name, y) in headings {
                self.draw_section(canvas, name, y);
            }
            for (text, at) in texts {
                canvas.text_on_white(&text, at, Font::SMALL);
            }
        })
    }

    /// The longest axis that leaves each row room for its text, px.
    fn length(&self, room: i32) -> i32 {
        let (low, high) = self.range;
        let longest = self.beyond.iter().map(|(reach, text)| {
            let share = ((reach - low) / (high - low)).max(0.01);
            (f64::from(room - text) / share) as i32
        });
        longest.fold(room - 30, i32::min).max(room / 4)
    }

    /// Width of the column of names, px.
    fn name_column(&self) -> i32 {
        let names = self.categories.iter();
        let widths = names.map(|c| Font::LABEL.width(&c.label) + note_width(&c.note));
        widths.max().unwrap_or(0).min(self.width * 3 / 8)
    }

    /// The name of a section, at the left edge; nothing of the plot shows beside it.
    fn draw_section(&self, canvas: &Canvas<'_>, name: &str, y: i32) {
        let width = self.width - 2 * MARGIN;
        canvas.rect((MARGIN, y, width + MARGIN, SECTION), WHITE);
        canvas.rect((MARGIN, y + 4, width, 1), GRID);
        let font = Font::LABEL.bold();
        let name = font.elide(name, width);
        canvas.text(&name, (MARGIN, y + 28), Align::Left, font);
    }

    /// For each row, whether a named section starts at it.
    fn section_starts(&self) -> Vec<bool> {
        let mut last = "";
        let sections = self.categories.iter().map(|category| {
            let starts = category.section != last && !category.section.is_empty();
            last = &category.section;
            starts
        });
        sections.collect()
    }

    fn draw_references(&self, canvas: &Canvas<'_>, scale: &Scale, (top, height): (i32, i32)) {
        let font = Font::SMALL.color(INK);
        let right = self.width - MARGIN;
        let mut taken = Taken::default();
        for line in self.reference_lines.iter().filter(|l| l.value.is_finite()) {
            let x = scale.at(line.value);
            canvas.dashes((x, top - 6), (x, top + height), INK);
            let label = font.elide(&line.label, right - MARGIN);
            let width = font.width(&label);
            let start = (x - width / 2).clamp(MARGIN, (right - width).max(MARGIN));
            // A label that would run into another goes without: its line still stands.
            if taken.claim((start - 6, top - 34, width + 12, 24)) {
                canvas.text(&label, (start, top - 22), Align::Left, font);
            }
        }
    }
}

fn note_width(note: &str) -> i32 {
    match Font::SMALL.width(note) {
        0 => 0,
        width => width + 14,
    }
}

/// A category's name, with its note after it, ending at the plot.
fn draw_name(canvas: &Canvas<'_>, category: &Category, column: i32, middle: i32) {
    let right = MARGIN + column;
    let note = Font::SMALL.elide(&category.note, column / 2);
    let end = right - note_width(&note);
    let label = Font::LABEL.elide(&category.label, end - MARGIN);
    canvas.text(&note, (right, middle), Align::Right, Font::SMALL);
    canvas.text(&label, (end, middle), Align::Right, Font::LABEL);
}
