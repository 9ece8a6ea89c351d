//! Charts of rows: names at the left, values along one axis beneath, sections between.

use super::canvas::{Align, Canvas, Font, WHITE, paint};
use super::chart::{Chart, ChartError};
use super::labels::Taken;
use super::page::{Entry, Heading, Page};
use super::scale::{Scale, px, ticks};
use super::theme::Theme;
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

impl From<&str> for Category {
    fn from(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            ..Self::default()
        }
    }
}

/// Height of a section's heading, px.
const SECTION: i32 = 48;

/// What a chart of rows is laid out from.
pub(crate) struct Rows<'a> {
    pub(crate) theme: &'a Theme,
    pub(crate) heading: &'a Heading,
    pub(crate) legend: Vec<Entry>,
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

/// A text beside what a row shows, from its left end.
pub(crate) struct Written {
    pub(crate) text: String,
    pub(crate) at: (i32, i32),
}

impl Rows<'_> {
    /// Draws it. `draw` draws the row of an index from a height down and returns its texts, which
    /// are written last: no line runs through them.
    pub(crate) fn render(
        self,
        draw: impl Fn(&Canvas<'_>, &Scale, usize, i32) -> Result<Vec<Written>, ChartError>,
    ) -> Result<Chart, ChartError> {
        let theme = self.theme;
        let small = Font::new(theme.small_em, theme.quiet);
        let page = Page::new(theme, self.heading, self.legend.clone());
        let starts = self.section_starts();
        let sections = px(starts.iter().filter(|starts| **starts).count());
        let height = px(self.categories.len()) * self.row + sections * SECTION;
        let labelled = self.reference_lines.iter().any(|l| !l.label.is_empty());
        let above = if labelled { 44 } else { 8 };
        let body = above + height + 2 * small.leading() + 14;
        let column = self.name_column();
        let plot = theme.margin_px() + column + 16;
        let (low, high) = self.range;
        let scale = Scale {
            low,
            high,
            from: plot,
            to: plot + self.length(theme.width_px() - theme.margin_px() - plot),
        };
        let page_height = page.height(body);
        let title = &self.heading.title;
        paint(title, theme.width_px(), page_height, |canvas| {
            page.draw(canvas, body)?;
            let top = page.top() + above;
            let bottom = top + height;
            let (marks, _) = ticks(low, high, 7, false);
            for (value, text) in marks.values.iter().zip(&marks.labels) {
                let x = scale.at(*value);
                canvas.rect((x, top, 1, height), theme.grid)?;
                canvas.text_inside(text, (x, bottom + 20), small)?;
            }
            let label = small.elide(self.value_label, theme.width_px() - 2 * theme.margin_px());
            let middle = i32::midpoint(scale.from, scale.to);
            canvas.text_inside(&label, (middle, bottom + 20 + small.leading()), small)?;

            let mut texts = Vec::new();
            let mut headings = Vec::new();
            let mut y = top;
            for (index, category) in self.categories.iter().enumerate() {
                if starts[index] {
                    headings.push((&category.section, y));
                    y += SECTION;
                }
                self.draw_name(canvas, category, column, y + self.row / 2)?;
                texts.extend(draw(canvas, &scale, index, y)?);
                canvas.rect((scale.at(0.0) - 1, y, 2, self.row), theme.axis)?;
                y += self.row;
            }
            self.draw_references(canvas, &scale, (top, height))?;
            for (name, y) in headings {
                self.draw_section(canvas, name, y)?;
            }
            for written in texts {
                canvas.text_on_white(&written.text, written.at, small)?;
            }
            Ok(())
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
        let label = Font::new(self.theme.label_em, self.theme.ink);
        let widths = self
            .categories
            .iter()
            .map(|c| label.width(&c.label) + self.note_width(&c.note));
        widths.max().unwrap_or(0).min(self.theme.width_px() * 3 / 8)
    }

    fn note_width(&self, note: &str) -> i32 {
        match Font::new(self.theme.small_em, self.theme.quiet).width(note) {
            0 => 0,
            width => width + 14,
        }
    }

    /// A category's name, with its note after it, ending at the plot.
    fn draw_name(
        &self,
        canvas: &Canvas<'_>,
        category: &Category,
        column: i32,
        middle: i32,
    ) -> Result<(), ChartError> {
        let font = Font::new(self.theme.label_em, self.theme.ink);
        let small = Font::new(self.theme.small_em, self.theme.quiet);
        let right = self.theme.margin_px() + column;
        let note = small.elide(&category.note, column / 2);
        let end = right - self.note_width(&note);
        let label = font.elide(&category.label, end - self.theme.margin_px());
        canvas.text(&note, (right, middle), Align::Right, small)?;
        canvas.text(&label, (end, middle), Align::Right, font)
    }

    /// The name of a section, at the left edge; nothing of the plot shows beside it.
    fn draw_section(&self, canvas: &Canvas<'_>, name: &str, y: i32) -> Result<(), ChartError> {
        let theme = self.theme;
        let font = Font::new(theme.label_em, theme.ink).bold();
        let left = theme.margin_px();
        let width = theme.width_px() - 2 * left;
        canvas.rect((left, y, width + left, SECTION), WHITE)?;
        canvas.rect((left, y + 4, width, 1), theme.grid)?;
        canvas.text(&font.elide(name, width), (left, y + 28), Align::Left, font)
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

    fn draw_references(
        &self,
        canvas: &Canvas<'_>,
        scale: &Scale,
        (top, height): (i32, i32),
    ) -> Result<(), ChartError> {
        let font = Font::new(self.theme.small_em, self.theme.ink);
        let left = self.theme.margin_px();
        let right = self.theme.width_px() - left;
        let mut taken = Taken::default();
        for line in self.reference_lines.iter().filter(|l| l.value.is_finite()) {
            let x = scale.at(line.value);
            canvas.dashes((x, top - 6), (x, top + height), self.theme.ink)?;
            let label = font.elide(&line.label, right - left);
            let width = font.width(&label);
            let start = (x - width / 2).clamp(left, (right - width).max(left));
            // A label that would run into another goes without: its line still stands.
            if taken.claim((start - 6, top - 34, width + 12, 24)) {
                canvas.text(&label, (start, top - 22), Align::Left, font)?;
            }
        }
        Ok(())
    }
}
