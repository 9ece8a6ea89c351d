//! Bars in groups: categories by series, with intervals and gaps for what is unknown.

use super::canvas::{Align, Canvas, Font, paint};
use super::page::{Entry, Page, Swatch};
use super::rows::{
    HorizontalAxes, SECTION, count, count_from, count_of, draw_name, draw_section, empty,
    name_column, section_starts, whisker,
};
use super::scale::{Scale, range, short, ticks};
use super::{Chart, ChartError, Color, Heading, Theme, Value};

/// Categories × series as bars from zero.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroupedBars {
    /// Words around it.
    pub heading: Heading,
    /// Name and unit of the values, written at the axis.
    pub value_label: String,
    /// The categories, in order.
    pub categories: Vec<Category>,
    /// The series; each has a value for every category.
    pub series: Vec<BarSeries>,
    /// Lines at fixed values: 1.0 = no gain.
    pub reference_lines: Vec<ReferenceLine>,
    /// Which way the bars go.
    pub orientation: Orientation,
}

/// A category.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Category {
    /// Its name.
    pub label: String,
    /// A quiet remark beneath or beside it, `n = 5` for example; may be empty.
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

/// A series of bars.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BarSeries {
    /// Its name in the legend.
    pub name: String,
    /// A value for each category.
    pub values: Vec<Value>,
    /// Its colour; `None` takes the theme's next.
    pub color: Option<Color>,
}

/// A line at a fixed value.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceLine {
    /// Where, in the axis's unit.
    pub value: f64,
    /// What it means.
    pub label: String,
}

/// Which way bars go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Orientation {
    /// Upright where the categories' names fit beneath, else lying.
    #[default]
    Auto,
    /// Upright.
    Vertical,
    /// Lying, names on the left.
    Horizontal,
}

const PLOT_HEIGHT: i32 = 520;
const BAR: i32 = 22;
const BAR_GAP: i32 = 3;
const ROW_GAP: i32 = 18;
const UNKNOWN: &str = "unknown";

impl GroupedBars {
    /// Draws it. Each series must have as many values as there are categories.
    pub fn render(&self, theme: &Theme) -> Result<Chart, ChartError> {
        if let Some(series) = self
            .series
            .iter()
            .find(|s| s.values.len() != self.categories.len())
        {
            return Err(ChartError::Shape {
                title: self.heading.title.clone(),
                problem: format!(
                    "series `{}` has {} values for {} categories",
                    series.name,
                    series.values.len(),
                    self.categories.len()
                ),
            });
        }
        let page = Page::new(theme, &self.heading, self.legend(theme));
        if self.categories.is_empty() || self.series.is_empty() {
            return empty(theme, &page, &self.heading.title);
        }
        let upright = match self.orientation {
            Orientation::Vertical => true,
            Orientation::Horizontal => false,
            Orientation::Auto => self.names_fit_beneath(theme),
        };
        if upright {
            self.render_vertical(theme, &page)
        } else {
            self.render_horizontal(theme, &page)
        }
    }

    fn legend(&self, theme: &Theme) -> Vec<Entry> {
        if self.series.len() < 2 && self.series.iter().all(|series| series.name.is_empty()) {
            return Vec::new();
        }
        (0..self.series.len())
            .map(|index| {
                Entry::new(
                    Swatch::Fill(self.color(theme, index)),
                    &*self.series[index].name,
                )
            })
            .collect()
    }

    fn color(&self, theme: &Theme, index: usize) -> Color {
        self.series[index]
            .color
            .unwrap_or_else(|| theme.series(index))
    }

    fn extents(&self) -> (f64, f64) {
        let values = self
            .series
            .iter()
            .flat_map(|s| &s.values)
            .flat_map(|value| value.extents());
        let lines = self.reference_lines.iter().map(|line| line.value);
        let (low, high) = range(values.chain(lines)).unwrap_or((0.0, 1.0));
        let (low, high) = (low.min(0.0), high.max(0.0));
        if low < high { (low, high) } else { (0.0, 1.0) }
    }

    fn names_fit_beneath(&self, theme: &Theme) -> bool {
        let slot = (theme.width_px() - 2 * theme.margin_px() - 90) / count(self.categories.len());
        let font = Font::new(theme.label_em, theme.ink);
        slot / count(self.series.len() + 1) >= 18
            && self.categories.iter().all(|category| {
                let lines = font.wrap(&category.label, slot - 12, 3);
                lines.len() <= 3
                    && !lines
                        .iter()
                        .any(|line| line.contains('…') && !category.label.contains('…'))
            })
    }

    // ---- lying -------------------------------------------------------------------------------

    fn render_horizontal(&self, theme: &Theme, page: &Page<'_>) -> Result<Chart, ChartError> {
        let series = count(self.series.len());
        let row = series * (BAR + BAR_GAP) - BAR_GAP + ROW_GAP;
        let row = row.max(40);
        let sections = section_starts(self.categories.iter().map(|c| c.section.as_str()));
        let plot_height = count(self.categories.len()) * row + count_of(&sections) * SECTION;
        let axes = HorizontalAxes::new(theme, self.references_labelled(), plot_height);
        let body = axes.body();
        paint(
            &self.heading.title,
            theme.width_px(),
            page.height(body),
            |canvas| {
                page.draw(canvas, body)?;
                let label_font = Font::new(theme.label_em, theme.ink);
                let small = Font::new(theme.small_em, theme.quiet);
                let names = name_column(theme, &self.categories);
                let plot = theme.margin_px() + names + 16;
                let right = theme.width_px() - theme.margin_px() - 30;
                let (low, high) = self.extents();
                let (marks, (low, high)) = ticks(low, high, 7, true);
                let scale = Scale {
                    low,
                    high,
                    from: plot,
                    to: right,
                };
                let top = page.top() + axes.above;
                axes.draw(canvas, theme, &scale, &marks, top, &self.value_label)?;

                let mut y = top;
                for (index, category) in self.categories.iter().enumerate() {
                    if sections.get(index).copied().unwrap_or(false) {
                        y += SECTION;
                    }
                    draw_name(canvas, theme, category, names, y + row / 2)?;
                    let bars = series * (BAR + BAR_GAP) - BAR_GAP;
                    let mut bar = y + (row - bars) / 2;
                    for (number, series) in self.series.iter().enumerate() {
                        let middle = bar + BAR / 2;
                        let zero = scale.at(0.0);
                        match series.values[index].known() {
                            Some(value) => {
                                let end = scale.at(value);
                                let (from, width) = (zero.min(end), (zero - end).abs().max(2));
                                canvas.rect((from, bar, width, BAR), self.color(theme, number))?;
                                let interval = series.values[index].known_interval();
                                let mut clear = zero.max(end);
                                if let Some((low, high)) = interval {
                                    let (low, high) = (scale.at(low), scale.at(high));
                                    whisker(canvas, theme.ink, (low, high), middle, false)?;
                                    clear = clear.max(high);
                                }
                                let text = short(value);
                                self.value_text(
                                    canvas,
                                    small,
                                    &text,
                                    (clear, zero.min(end)),
                                    middle,
                                    right,
                                )?;
                            }
                            None => {
                                // On the side that has room.
                                if zero + 20 + small.width(UNKNOWN) < theme.width_px() {
                                    canvas.text(
                                        UNKNOWN,
                                        (zero + 10, middle),
                                        Align::Left,
                                        small,
                                    )?;
                                } else {
                                    canvas.text(
                                        UNKNOWN,
                                        (zero - 10, middle),
                                        Align::Right,
                                        small,
                                    )?;
                                }
                            }
                        }
                        bar += BAR + BAR_GAP;
                    }
                    canvas.rect((scale.at(0.0) - 1, y, 2, row), theme.axis)?;
                    y += row;
                }
                self.draw_references(canvas, theme, &scale, (top, plot_height), label_font)?;
                // Last, so that no line runs through a section's name.
                let mut y = top;
                for (category, starts) in self.categories.iter().zip(&sections) {
                    if *starts {
                        draw_section(canvas, theme, &category.section, y)?;
                        y += SECTION;
                    }
                    y += row;
                }
                Ok(())
            },
        )
    }

    /// Writes a value past its bar, on a white ground so that no line crosses it.
    #[expect(
        clippy::unused_self,
        reason = "a method for symmetry with the upright form"
    )]
    fn value_text(
        &self,
        canvas: &Canvas<'_>,
        font: Font,
        text: &str,
        (clear, start): (i32, i32),
        middle: i32,
        right: i32,
    ) -> Result<(), ChartError> {
        let width = font.width(text);
        let x = clear + 8;
        if x + width <= right + 30 {
            canvas.rect((x - 3, middle - 11, width + 6, 22), Color(255, 255, 255))?;
            canvas.text(text, (x, middle), Align::Left, font)
        } else {
            let white = font.color(Color(255, 255, 255));
            canvas.text(text, (start + 8, middle), Align::Left, white)
        }
    }

    fn references_labelled(&self) -> bool {
        self.reference_lines
            .iter()
            .any(|line| !line.label.is_empty())
    }

    fn draw_references(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        scale: &Scale,
        (top, height): (i32, i32),
        font: Font,
    ) -> Result<(), ChartError> {
        let font = Font {
            em: theme.small_em,
            ..font
        };
        let mut taken: Vec<(i32, i32)> = Vec::new();
        for line in &self.reference_lines {
            if !line.value.is_finite() {
                continue;
            }
            let x = scale.at(line.value);
            canvas.dashes((x, top - 6), (x, top + height), theme.ink)?;
            let left = theme.margin_px();
            let label = font.elide(&line.label, theme.width_px() - 2 * left);
            let width = font.width(&label);
            let limit = theme.width_px() - theme.margin_px() - width;
            let start = (x - width / 2).clamp(left, limit.max(left));
            // A label that would run into another goes without: its line still stands.
            if taken
                .iter()
                .all(|(from, to)| start > to + 12 || start + width + 12 < *from)
            {
                canvas.text(&label, (start, top - 22), Align::Left, font)?;
                taken.push((start, start + width));
            }
        }
        Ok(())
    }

    // ---- upright -----------------------------------------------------------------------------

    fn render_vertical(&self, theme: &Theme, page: &Page<'_>) -> Result<Chart, ChartError> {
        let label_font = Font::new(theme.label_em, theme.ink);
        let small = Font::new(theme.small_em, theme.quiet);
        let (low, high) = self.extents();
        let (marks, (low, high)) = ticks(low, high, 6, true);
        let tick_width = small.widest(marks.labels.iter().map(String::as_str));
        let left = theme.margin_px() + tick_width + 14;
        let reference_width = small
            .widest(self.reference_lines.iter().map(|line| line.label.as_str()))
            .min(260);
        let right = theme.width_px()
            - theme.margin_px()
            - if reference_width > 0 {
                reference_width + 12
            } else {
                0
            };
        let slot = (right - left) / count(self.categories.len());
        let names: Vec<Vec<String>> = self
            .categories
            .iter()
            .map(|category| label_font.wrap(&category.label, slot - 12, 3))
            .collect();
        let name_lines = count(names.iter().map(Vec::len).max().unwrap_or(1));
        let notes = self
            .categories
            .iter()
            .any(|category| !category.note.is_empty());
        let above = if self.value_label.is_empty() { 14 } else { 44 };
        let body = above
            + PLOT_HEIGHT
            + 18
            + name_lines * label_font.leading()
            + if notes { small.leading() } else { 0 };
        paint(
            &self.heading.title,
            theme.width_px(),
            page.height(body),
            |canvas| {
                page.draw(canvas, body)?;
                let top = page.top() + above;
                let bottom = top + PLOT_HEIGHT;
                let scale = Scale {
                    low,
                    high,
                    from: bottom,
                    to: top,
                };
                canvas.text(
                    &self.value_label,
                    (theme.margin_px(), top - 30),
                    Align::Left,
                    small,
                )?;
                for (value, label) in marks.values.iter().zip(&marks.labels) {
                    let y = scale.at(*value);
                    canvas.rect((left, y, right - left, 1), theme.grid)?;
                    canvas.text(label, (left - 12, y), Align::Right, small)?;
                }
                let zero = scale.at(0.0);
                let series = count(self.series.len());
                let bar = ((slot - 24) / series - BAR_GAP).clamp(4, 90);
                let cluster = series * (bar + BAR_GAP) - BAR_GAP;
                for (index, category) in self.categories.iter().enumerate() {
                    let middle = left + slot * count_from(index) + slot / 2;
                    for (number, series) in self.series.iter().enumerate() {
                        let x = middle - cluster / 2 + count_from(number) * (bar + BAR_GAP);
                        let center = x + bar / 2;
                        let value = series.values[index];
                        let Some(point) = value.known() else {
                            self.unknown_upright(canvas, small, (center, zero), (bar, top))?;
                            continue;
                        };
                        let end = scale.at(point);
                        let height = (zero - end).abs().max(2);
                        canvas.rect((x, zero.min(end), bar, height), self.color(theme, number))?;
                        let (mut above, mut below) = (zero.min(end), zero.max(end));
                        if let Some((low, high)) = value.known_interval() {
                            let (low, high) = (scale.at(low), scale.at(high));
                            whisker(canvas, theme.ink, (high, low), center, true)?;
                            (above, below) = (above.min(high), below.max(low));
                        }
                        let text = short(point);
                        if small.width(&text) <= bar + BAR_GAP + 4 {
                            let ground = small.width(&text);
                            let at = if point < 0.0 { below + 17 } else { above - 17 };
                            let white = (center - ground / 2 - 2, at - 11, ground + 4, 22);
                            canvas.rect(white, Color(255, 255, 255))?;
                            canvas.text(&text, (center, at), Align::Middle, small)?;
                        }
                    }
                    let names_middle =
                        bottom + 20 + (count(names[index].len()) - 1) * label_font.leading() / 2;
                    canvas.lines(
                        &names[index],
                        (middle, names_middle),
                        Align::Middle,
                        label_font,
                    )?;
                    if !category.note.is_empty() {
                        let y = bottom + 20 + name_lines * label_font.leading();
                        let note = small.elide(&category.note, slot - 8);
                        canvas.text(&note, (middle, y), Align::Middle, small)?;
                    }
                }
                canvas.rect((left, zero - 1, right - left, 2), theme.axis)?;
                self.references_upright(canvas, theme, &scale, (left, right))
            },
        )
    }

    /// A gap with the word in it, on its side when the bar is narrow.
    #[expect(
        clippy::unused_self,
        reason = "a method for symmetry with the lying form"
    )]
    fn unknown_upright(
        &self,
        canvas: &Canvas<'_>,
        font: Font,
        (center, zero): (i32, i32),
        (bar, top): (i32, i32),
    ) -> Result<(), ChartError> {
        if font.width(UNKNOWN) <= bar {
            canvas.text(UNKNOWN, (center, zero - 18), Align::Middle, font)
        } else {
            // Above zero, or below it where all values are negative.
            let length = font.width(UNKNOWN);
            let from = if zero - 10 - length >= top {
                zero - 10
            } else {
                zero + 10 + length
            };
            canvas.rising_text(UNKNOWN, (center, from), font)
        }
    }

    fn references_upright(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        scale: &Scale,
        (left, right): (i32, i32),
    ) -> Result<(), ChartError> {
        let font = Font::new(theme.small_em, theme.ink);
        let mut taken: Vec<i32> = Vec::new();
        for line in &self.reference_lines {
            if !line.value.is_finite() {
                continue;
            }
            let y = scale.at(line.value);
            canvas.dashes((left, y), (right, y), theme.ink)?;
            if taken
                .iter()
                .all(|other| (other - y).abs() >= font.leading())
            {
                let label = font.elide(&line.label, 260);
                canvas.text(&label, (right + 12, y), Align::Left, font)?;
                taken.push(y);
            }
        }
        Ok(())
    }
}
