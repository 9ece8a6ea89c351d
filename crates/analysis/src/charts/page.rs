//! What surrounds every plot: title, badge, legend and source line.

use super::canvas::{Align, Canvas, Font};
use super::chart::ChartError;
use super::theme::{Color, Theme};

/// The words around a plot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heading {
    /// What the picture shows, ideally as a sentence; wrapped to two lines.
    pub title: String,
    /// Units, arm, protocol; wrapped to two lines; may be empty.
    pub subtitle: String,
    /// Draws the SIMULATED badge.
    pub simulated: bool,
    /// Source and number of observations, under the plot; wrapped to three lines; may be empty.
    pub source: String,
}

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
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) swatch: Swatch,
    pub(crate) label: String,
}

impl Entry {
    pub(crate) fn new(swatch: Swatch, label: impl Into<String>) -> Self {
        Self {
            swatch,
            label: label.into(),
        }
    }
}

const SWATCH_WIDTH: i32 = 34;
const SWATCH_GAP: i32 = 10;
const ENTRY_GAP: i32 = 34;
const BADGE: &str = "SIMULATED";
const BADGE_COLOR: Color = Color(0x8A, 0x2B, 0x62);

/// A picture's frame, laid out before its height is known.
pub(crate) struct Page<'t> {
    theme: &'t Theme,
    title: Vec<String>,
    subtitle: Vec<String>,
    simulated: bool,
    legend: Vec<Vec<Entry>>,
    source: Vec<String>,
}

impl<'t> Page<'t> {
    pub(crate) fn new(theme: &'t Theme, heading: &Heading, legend: Vec<Entry>) -> Self {
        let inner = theme.width_px() - 2 * theme.margin_px();
        let mut page = Self {
            theme,
            title: Vec::new(),
            subtitle: Vec::new(),
            simulated: heading.simulated,
            legend: Vec::new(),
            source: Vec::new(),
        };
        let beside_badge = inner
            - if heading.simulated {
                page.badge_width() + 24
            } else {
                0
            };
        page.title = page
            .title_font()
            .wrap_evenly(&heading.title, beside_badge, 2);
        page.subtitle = page
            .subtitle_font()
            .wrap_evenly(&heading.subtitle, inner, 2);
        page.source = page.source_font().wrap(&heading.source, inner, 3);
        page.legend = page.flow(legend, inner);
        page
    }

    fn title_font(&self) -> Font {
        Font::new(self.theme.title_em, self.theme.ink).bold()
    }

    fn subtitle_font(&self) -> Font {
        Font::new(self.theme.subtitle_em, self.theme.quiet)
    }

    fn legend_font(&self) -> Font {
        Font::new(self.theme.label_em, self.theme.ink)
    }

    fn source_font(&self) -> Font {
        Font::new(self.theme.small_em, self.theme.quiet)
    }

    fn badge_font(&self) -> Font {
        Font::new(self.theme.label_em, Color(0xFF, 0xFF, 0xFF)).bold()
    }

    fn badge_width(&self) -> i32 {
        self.badge_font().width(BADGE) + 44
    }

    /// Puts legend entries into rows.
    fn flow(&self, entries: Vec<Entry>, inner: i32) -> Vec<Vec<Entry>> {
        let font = self.legend_font();
        let mut rows: Vec<Vec<Entry>> = Vec::new();
        let mut used = inner + 1;
        for mut entry in entries {
            entry.label = font.elide(&entry.label, inner - SWATCH_WIDTH - SWATCH_GAP);
            let width = SWATCH_WIDTH + SWATCH_GAP + font.width(&entry.label);
            match rows.last_mut() {
                Some(row) if used + ENTRY_GAP + width <= inner => {
                    used += ENTRY_GAP + width;
                    row.push(entry);
                }
                _ => {
                    used = width;
                    rows.push(vec![entry]);
                }
            }
        }
        rows
    }

    /// First row below title and legend.
    pub(crate) fn top(&self) -> i32 {
        let mut y = self.theme.margin_px() - 4;
        y += height(&self.title, self.title_font());
        if !self.subtitle.is_empty() {
            y += 4 + height(&self.subtitle, self.subtitle_font());
        }
        if !self.legend.is_empty() {
            y += 14 + rows(self.legend.len()) * self.legend_leading();
        }
        y + 18
    }

    /// Height of the picture when the plot, axes included, is `body` tall.
    pub(crate) fn height(&self, body: i32) -> i32 {
        let source = if self.source.is_empty() {
            0
        } else {
            18 + height(&self.source, self.source_font())
        };
        self.top() + body + source + self.theme.margin_px() - 8
    }

    fn legend_leading(&self) -> i32 {
        self.legend_font().leading() + 6
    }

    /// Draws title, badge, legend and the source line under a plot of height `body`.
    pub(crate) fn draw(&self, canvas: &Canvas<'_>, body: i32) -> Result<(), ChartError> {
        let left = self.theme.margin_px();
        let mut y = left - 4;
        y = block(canvas, &self.title, (left, y), self.title_font())?;
        if self.simulated {
            let (width, tall) = (self.badge_width(), 45);
            let x = self.theme.width_px() - left - width;
            let top = left - 4 + (self.title_font().leading() - tall) / 2;
            canvas.pill((x, top, width, tall), BADGE_COLOR)?;
            let middle = (x + width / 2, top + tall / 2);
            canvas.text(BADGE, middle, Align::Middle, self.badge_font())?;
        }
        if !self.subtitle.is_empty() {
            y = block(canvas, &self.subtitle, (left, y + 4), self.subtitle_font())?;
        }
        y += 14;
        for row in &self.legend {
            let middle = y + self.legend_leading() / 2;
            let mut x = left;
            for entry in row {
                swatch(canvas, entry.swatch, (x, middle))?;
                x += SWATCH_WIDTH + SWATCH_GAP;
                canvas.text(&entry.label, (x, middle), Align::Left, self.legend_font())?;
                x += self.legend_font().width(&entry.label) + ENTRY_GAP;
            }
            y += self.legend_leading();
        }
        let y = self.top() + body + 18;
        block(canvas, &self.source, (left, y), self.source_font())?;
        Ok(())
    }
}

fn rows(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

fn height(lines: &[String], font: Font) -> i32 {
    rows(lines.len()) * font.leading()
}

/// Lines from `y` down; returns where they end.
fn block(
    canvas: &Canvas<'_>,
    lines: &[String],
    (x, mut y): (i32, i32),
    font: Font,
) -> Result<i32, ChartError> {
    for line in lines {
        canvas.text(line, (x, y + font.leading() / 2), Align::Left, font)?;
        y += font.leading();
    }
    Ok(y)
}

fn swatch(canvas: &Canvas<'_>, swatch: Swatch, (x, y): (i32, i32)) -> Result<(), ChartError> {
    let area = (x, y - 11, SWATCH_WIDTH, 22);
    match swatch {
        Swatch::Fill(color) => canvas.rect(area, color),
        Swatch::Hatch(color) => {
            canvas.hatch(area, color)?;
            canvas.frame(area, color, 2)
        }
        Swatch::Strip(color) => {
            canvas.rect((x, y - 11, SWATCH_WIDTH, 22), color.tint(22))?;
            canvas.rect((x, y + 5, SWATCH_WIDTH, 6), color)
        }
        Swatch::Line(color, dot) => {
            canvas.rect((x, y - 2, SWATCH_WIDTH, 4), color)?;
            if dot {
                canvas.circle((x + SWATCH_WIDTH / 2, y), 7, color)
            } else {
                Ok(())
            }
        }
        Swatch::Dot(color) => canvas.circle((x + SWATCH_WIDTH / 2, y), 8, color),
    }
}
