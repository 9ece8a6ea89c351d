//! What charts of rows and bars have in common: names, sections, axes, error bars.

use super::bars::Category;
use super::canvas::{Align, Canvas, Font, paint};
use super::page::Page;
use super::scale::{Scale, Ticks};
use super::{Chart, ChartError, Color, Theme};

/// Height of a section's heading, px.
pub(crate) const SECTION: i32 = 48;

/// Axis and grid of a lying chart.
pub(crate) struct HorizontalAxes {
    pub(crate) above: i32,
    plot_height: i32,
    below: i32,
}

impl HorizontalAxes {
    pub(crate) fn new(theme: &Theme, room_above: bool, plot_height: i32) -> Self {
        let above = if room_above { 44 } else { 8 };
        Self {
            above,
            plot_height,
            below: 2 * Font::new(theme.small_em, theme.quiet).leading() + 14,
        }
    }

    pub(crate) fn body(&self) -> i32 {
        self.above + self.plot_height + self.below
    }

    pub(crate) fn draw(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        scale: &Scale,
        marks: &Ticks,
        top: i32,
        label: &str,
    ) -> Result<(), ChartError> {
        let small = Font::new(theme.small_em, theme.quiet);
        let bottom = top + self.plot_height;
        for (value, text) in marks.values.iter().zip(&marks.labels) {
            let x = scale.at(*value);
            canvas.rect((x, top, 1, self.plot_height), theme.grid)?;
            canvas.text_inside(text, (x, bottom + 20), small)?;
        }
        let middle = i32::midpoint(scale.from, scale.to);
        let label = small.elide(label, theme.width_px() - 2 * theme.margin_px());
        canvas.text_inside(&label, (middle, bottom + 20 + small.leading()), small)
    }
}

/// An error bar with caps between two pixels; `upright` or lying.
pub(crate) fn whisker(
    canvas: &Canvas<'_>,
    color: Color,
    (from, to): (i32, i32),
    middle: i32,
    upright: bool,
) -> Result<(), ChartError> {
    let length = (to - from).max(1);
    if upright {
        canvas.rect((middle - 1, from, 2, length), color)?;
        canvas.rect((middle - 6, from - 1, 12, 2), color)?;
        canvas.rect((middle - 6, to - 1, 12, 2), color)
    } else {
        canvas.rect((from, middle - 1, length, 2), color)?;
        canvas.rect((from - 1, middle - 6, 2, 12), color)?;
        canvas.rect((to - 1, middle - 6, 2, 12), color)
    }
}

/// Width of the column of names, px.
pub(crate) fn name_column(theme: &Theme, categories: &[Category]) -> i32 {
    let label = Font::new(theme.label_em, theme.ink);
    let small = Font::new(theme.small_em, theme.quiet);
    categories
        .iter()
        .map(|category| {
            let note = small.width(&category.note);
            label.width(&category.label) + if note > 0 { note + 14 } else { 0 }
        })
        .max()
        .unwrap_or(0)
        .min(theme.width_px() * 3 / 8)
}

/// A category's name, with its note after it, ending at the plot.
pub(crate) fn draw_name(
    canvas: &Canvas<'_>,
    theme: &Theme,
    category: &Category,
    column: i32,
    middle: i32,
) -> Result<(), ChartError> {
    let font = Font::new(theme.label_em, theme.ink);
    let small = Font::new(theme.small_em, theme.quiet);
    let right = theme.margin_px() + column;
    let note = small.elide(&category.note, column / 2);
    let note_width = if note.is_empty() {
        0
    } else {
        small.width(&note) + 14
    };
    let label = font.elide(&category.label, column - note_width);
    canvas.text(&note, (right, middle), Align::Right, small)?;
    canvas.text(&label, (right - note_width, middle), Align::Right, font)
}

/// The name of a section, at the left edge.
pub(crate) fn draw_section(
    canvas: &Canvas<'_>,
    theme: &Theme,
    name: &str,
    y: i32,
) -> Result<(), ChartError> {
    let font = Font::new(theme.label_em, theme.ink).bold();
    let left = theme.margin_px();
    let width = theme.width_px() - 2 * left;
    let name = font.elide(name, width);
    // Nothing of the plot shows between sections.
    canvas.rect(
        (left, y, theme.width_px() - left, SECTION),
        Color(255, 255, 255),
    )?;
    canvas.rect((left, y + 4, width, 1), theme.grid)?;
    canvas.text(&name, (left, y + 28), Align::Left, font)
}

/// For each category, whether a named section starts at it.
pub(crate) fn section_starts<'s>(sections: impl Iterator<Item = &'s str>) -> Vec<bool> {
    let mut last = "";
    sections
        .map(|section| {
            let starts = section != last && !section.is_empty();
            last = section;
            starts
        })
        .collect()
}

/// How many sections start.
pub(crate) fn count_of(starts: &[bool]) -> i32 {
    count_from(starts.iter().filter(|starts| **starts).count())
}

/// A picture that says there are no data.
pub(crate) fn empty(theme: &Theme, page: &Page<'_>, title: &str) -> Result<Chart, ChartError> {
    let body = 160;
    paint(title, theme.width_px(), page.height(body), |canvas| {
        page.draw(canvas, body)?;
        let middle = (theme.width_px() / 2, page.top() + body / 2);
        let font = Font::new(theme.label_em, theme.quiet);
        canvas.text("no data to show", middle, Align::Middle, font)
    })
}

/// A length as pixels or as a divisor: at least 1.
pub(crate) fn count(length: usize) -> i32 {
    count_from(length.max(1))
}

/// A length or index as `i32`.
pub(crate) fn count_from(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX / 4096)
}
