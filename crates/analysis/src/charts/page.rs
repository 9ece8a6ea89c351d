//! What surrounds every plot: title, badge, legend and source line.

use super::canvas::{Align, Canvas, paint};
use super::chart::{Chart, ChartError, Heading};
use super::scale::px;
use super::text::Font;
use super::theme::{Color, MARGIN, WHITE};

/// What stands before a legend's label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Swatch {
    /// A filled box.
    Fill(Color),
    /// A hatched box.
    Hatch(Color),
    /// A low strip, as drawn under a timeline's lanes.
    Strip(Color),
    /// A line with, perhaps, a dot on it.
    Line(Color, bool),
    /// A dot.
    Dot(Color),
}

/// A legend entry.
pub(crate) type Entry = (Swatch, String);

const SWATCH_WIDTH: i32 = 34;
const SWATCH_GAP: i32 = 10;
const ENTRY_GAP: i32 = 34;
const BADGE: &str = "SIMULATED";
const BADGE_FONT: Font = Font::LABEL.bold().color(WHITE);
pub(crate) const BADGE_COLOR: Color = Color(0x8A, 0x2B, 0x62);

/// A picture's frame, laid out before its height is known.
pub(crate) struct Page<'h> {
    heading: &'h Heading,
    title: Vec<String>,
    subtitle: Vec<String>,
    legend: Vec<Vec<Entry>>,
    source: Vec<String>,
    width: i32,
}

impl<'h> Page<'h> {
    pub(crate) fn new(heading: &'h Heading, width: i32, legend: Vec<Entry>) -> Self {
        let inner = width - 2 * MARGIN;
        let badge = if heading.simulated {
            badge_width() + 24
        } else {
            0
        };
        Self {
            heading,
            title: Font::TITLE.wrap_evenly(&heading.title, inner - badge, 2),
            subtitle: Font::SUBTITLE.wrap_evenly(&heading.subtitle, inner, 2),
            legend: flow(legend, inner),
            source: Font::SMALL.wrap(&heading.source, inner, 3),
            width,
        }
    }

    /// First row below title and legend.
    fn top(&self) -> i32 {
        let mut y = MARGIN - 4 + height(&self.title, Font::TITLE);
        if !self.subtitle.is_empty() {
            y += 4 + height(&self.subtitle, Font::SUBTITLE);
        }
        if !self.legend.is_empty() {
            y += 14 + px(self.legend.len()) * legend_leading();
        }
        y + 18
    }

    /// Makes the picture of a plot that is `body` tall, axes included. `draw` draws it from a
    /// height down.
    pub(crate) fn paint(
        &self,
        body: i32,
        draw: impl FnOnce(&Canvas<'_>, i32),
    ) -> Result<Option<Chart>, ChartError> {
        let below = self.top() + body;
        let source = match &self.source[..] {
            [] => 0,
            lines => 18 + height(lines, Font::SMALL),
        };
        let size = (self.width, below + source + MARGIN - 8);
        paint(&self.heading.title, size, |canvas| {
            self.draw_head(canvas);
            draw(canvas, self.top());
            block(canvas, &self.source, below + 18, Font::SMALL);
        })
        .map(Some)
    }

    /// Draws title, badge and legend.
    fn draw_head(&self, canvas: &Canvas<'_>) {
        let top = MARGIN - 4;
        let mut y = block(canvas, &self.title, top, Font::TITLE);
        if self.heading.simulated {
            let (width, tall) = (badge_width(), 45);
            let x = self.width - MARGIN - width;
            let top = top + (Font::TITLE.leading() - tall) / 2;
            canvas.pill((x, top, width, tall), BADGE_COLOR);
            let middle = (x + width / 2, top + tall / 2);
            canvas.text(BADGE, middle, Align::Middle, BADGE_FONT);
        }
        if !self.subtitle.is_empty() {
            y = block(canvas, &self.subtitle, y + 4, Font::SUBTITLE);
        }
        y += 14;
        for row in &self.legend {
            let middle = y + legend_leading() / 2;
            let mut x = MARGIN;
            for (swatch, label) in row {
                draw_swatch(canvas, *swatch, (x, middle));
                x += SWATCH_WIDTH + SWATCH_GAP;
                canvas.text(label, (x, middle), Align::Left, Font::LABEL);
                x += Font::LABEL.width(label) + ENTRY_GAP;
            }
            y += legend_leading();
        }
    }
}

fn badge_width() -> i32 {
    BADGE_FONT.width(BADGE) + 44
}

fn legend_leading() -> i32 {
    Font::LABEL.leading() + 6
}

/// Puts legend entries into rows.
fn flow(entries: Vec<Entry>, inner: i32) -> Vec<Vec<Entry>> {
    let mut rows: Vec<Vec<Entry>> = Vec::new();
    let mut used = inner + 1;
    for (swatch, label) in entries {
        let label = Font::LABEL.elide(&label, inner - SWATCH_WIDTH - SWATCH_GAP);
        let width = SWATCH_WIDTH + SWATCH_GAP + Font::LABEL.width(&label);
        match rows.last_mut() {
            Some(row) if used + ENTRY_GAP + width <= inner => {
                used += ENTRY_GAP + width;
                row.push((swatch, label));
            }
            _ => {
                used = width;
                rows.push(vec![(swatch, label)]);
            }
        }
    }
    rows
}

fn height(lines: &[String], font: Font) -> i32 {
    px(lines.len()) * font.leading()
}

/// Lines at the left edge from `y` down; returns where they end.
fn block(canvas: &Canvas<'_>, lines: &[String], y: i32, font: Font) -> i32 {
    canvas.lines(lines, (MARGIN, y + font.leading() / 2), font);
    y + height(lines, font)
}

fn draw_swatch(canvas: &Canvas<'_>, swatch: Swatch, (x, y): (i32, i32)) {
    let area = (x, y - 11, SWATCH_WIDTH, 22);
    let middle = (x + SWATCH_WIDTH / 2, y);
    match swatch {
        Swatch::Fill(color) => canvas.rect(area, color),
        Swatch::Hatch(color) => {
            canvas.hatch(area, color);
            canvas.frame(area, color, 2);
        }
        Swatch::Strip(color) => {
            canvas.rect(area, color.tint(22));
            canvas.rect((x, y + 5, SWATCH_WIDTH, 6), color);
        }
        Swatch::Line(color, dot) => {
            canvas.rect((x, y - 2, SWATCH_WIDTH, 4), color);
            if dot {
                canvas.circle(middle, 7, color);
            }
        }
        Swatch::Dot(color) => canvas.circle(middle, 8, color),
    }
}
