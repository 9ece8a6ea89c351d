//! Bars made of parts: where the time went.

use super::bars::Category;
use super::canvas::{Align, Font, paint};
use super::page::{Entry, Page, Swatch};
use super::rows::{
    HorizontalAxes, SECTION, count, count_of, draw_name, draw_section, empty, name_column,
    section_starts,
};
use super::scale::{Scale, short, ticks};
use super::value::drawable;
use super::{Chart, ChartError, Color, Heading, Theme};

/// Lying bars, each the sum of the same parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StackedBars {
    /// Words around it.
    pub heading: Heading,
    /// Name and unit of the values, written at the axis.
    pub value_label: String,
    /// Unit written after each total, ` s` for example (with its space); may be empty.
    pub unit: String,
    /// The parts, in the order in which they are stacked.
    pub parts: Vec<Part>,
    /// The bars, from the top.
    pub rows: Vec<StackedRow>,
}

/// A part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name in the legend.
    pub name: String,
    /// Its colour; `None` takes the theme's next. [`super::Phase::color`] keeps phases alike.
    pub color: Option<Color>,
}

/// A bar.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StackedRow {
    /// Whose it is.
    pub category: Category,
    /// A value for each part; `None`: not known. Negative parts go to the left of zero.
    pub values: Vec<Option<f64>>,
}

const BAR: i32 = 28;
const ROW: i32 = 42;

impl StackedRow {
    fn known(&self) -> impl Iterator<Item = (usize, f64)> {
        let known = |value: &Option<f64>| value.and_then(drawable);
        self.values
            .iter()
            .enumerate()
            .filter_map(move |(at, value)| Some((at, known(value)?)))
    }

    fn unknown(&self) -> bool {
        self.known().count() < self.values.len()
    }

    /// Sums of what lies left and right of zero.
    fn reach(&self) -> (f64, f64) {
        self.known().fold((0.0, 0.0), |(low, high), (_, value)| {
            if value < 0.0 {
                (low + value, high)
            } else {
                (low, high + value)
            }
        })
    }
}

impl StackedBars {
    /// Draws it. Each row must have as many values as there are parts.
    pub fn render(&self, theme: &Theme) -> Result<Chart, ChartError> {
        if let Some(row) = self
            .rows
            .iter()
            .find(|row| row.values.len() != self.parts.len())
        {
            return Err(ChartError::Shape {
                title: self.heading.title.clone(),
                problem: format!(
                    "row `{}` has {} values for {} parts",
                    row.category.label,
                    row.values.len(),
                    self.parts.len()
                ),
            });
        }
        let page = Page::new(theme, &self.heading, self.legend(theme));
        if self.rows.is_empty() || self.parts.is_empty() {
            return empty(theme, &page, &self.heading.title);
        }
        let sections = section_starts(self.rows.iter().map(|row| row.category.section.as_str()));
        let plot_height = count(self.rows.len()) * ROW + count_of(&sections) * SECTION;
        let axes = HorizontalAxes::new(theme, false, plot_height);
        let body = axes.body();
        paint(
            &self.heading.title,
            theme.width_px(),
            page.height(body),
            |canvas| {
                page.draw(canvas, body)?;
                let small = Font::new(theme.small_em, theme.quiet);
                let categories: Vec<Category> =
                    self.rows.iter().map(|row| row.category.clone()).collect();
                let names = name_column(theme, &categories);
                let totals: Vec<String> = self.rows.iter().map(|row| self.total(row)).collect();
                let plot = theme.margin_px() + names + 16;
                let (low, high) = self
                    .rows
                    .iter()
                    .map(StackedRow::reach)
                    .fold((0.0_f64, 0.0_f64), |(low, high), (a, b)| {
                        (low.min(a), high.max(b))
                    });
                let high = if low < high { high } else { low + 1.0 };
                let (marks, _) = ticks(low, high, 7, false);
                // The longest axis that leaves each bar room for its total.
                let room = theme.width_px() - theme.margin_px() - plot;
                let length = self
                    .rows
                    .iter()
                    .zip(&totals)
                    .map(|(row, total)| {
                        let beyond = small.width(total) + if row.unknown() { 50 } else { 20 };
                        let share = ((row.reach().1 - low) / (high - low)).max(0.01);
                        (f64::from(room - beyond) / share) as i32
                    })
                    .fold(room, i32::min)
                    .max(room / 4);
                let right = plot + length;
                let scale = Scale {
                    low,
                    high,
                    from: plot,
                    to: right,
                };
                let top = page.top() + axes.above;
                axes.draw(canvas, theme, &scale, &marks, top, &self.value_label)?;
                let mut y = top;
                for (index, row) in self.rows.iter().enumerate() {
                    if sections.get(index).copied().unwrap_or(false) {
                        draw_section(canvas, theme, &row.category.section, y)?;
                        y += SECTION;
                    }
                    let middle = y + ROW / 2;
                    draw_name(canvas, theme, &row.category, names, middle)?;
                    let (mut low, mut high) = (0.0, 0.0);
                    for (part, value) in row.known() {
                        let edge = if value < 0.0 { &mut low } else { &mut high };
                        let from = scale.at(*edge);
                        *edge += value;
                        let to = scale.at(*edge);
                        let (left, width) = (from.min(to), (from - to).abs());
                        let width = if value == 0.0 { 0 } else { width.max(1) };
                        let color = self.color(theme, part);
                        canvas.rect((left, middle - BAR / 2, width, BAR), color)?;
                        let ink = if color.is_dark() {
                            Color(255, 255, 255)
                        } else {
                            theme.ink
                        };
                        let text = short(value);
                        if small.width(&text) + 14 <= width {
                            let at = (left + width / 2, middle);
                            canvas.text(&text, at, Align::Middle, small.color(ink))?;
                        }
                    }
                    let mut end = scale.at(high);
                    if row.unknown() {
                        canvas.hatch((end + 2, middle - BAR / 2, 26, BAR), theme.axis)?;
                        end += 30;
                    }
                    let ground = small.width(&totals[index]);
                    canvas.rect((end + 6, middle - 11, ground + 8, 22), Color(255, 255, 255))?;
                    canvas.text(&totals[index], (end + 10, middle), Align::Left, small)?;
                    canvas.rect((scale.at(0.0) - 1, y, 2, ROW), theme.axis)?;
                    y += ROW;
                }
                Ok(())
            },
        )
    }

    /// The sum of a row in words; at least that much where a part is unknown.
    fn total(&self, row: &StackedRow) -> String {
        let (low, high) = row.reach();
        match (row.known().count(), row.unknown()) {
            (0, _) => "unknown".to_owned(),
            (_, true) => format!("≥ {}{}", short(low + high), self.unit),
            (_, false) => format!("{}{}", short(low + high), self.unit),
        }
    }

    fn color(&self, theme: &Theme, part: usize) -> Color {
        self.parts[part].color.unwrap_or_else(|| theme.series(part))
    }

    fn legend(&self, theme: &Theme) -> Vec<Entry> {
        let mut entries: Vec<Entry> = (0..self.parts.len())
            .map(|part| {
                Entry::new(
                    Swatch::Fill(self.color(theme, part)),
                    &*self.parts[part].name,
                )
            })
            .collect();
        if self.rows.iter().any(StackedRow::unknown) {
            entries.push(Entry::new(Swatch::Hatch(theme.axis), "part unknown"));
        }
        entries
    }
}
