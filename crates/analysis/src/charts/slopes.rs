//! Paired values as slopes: the same configuration under two settings.

use super::bars::ReferenceLine;
use super::canvas::{Align, Canvas, Font, paint};
use super::page::{Entry, Page, Swatch};
use super::rows::{count, count_from, empty, whisker};
use super::scale::{Scale, range, short, ticks};
use super::{Chart, ChartError, Color, Heading, Theme, Value};

/// Panels side by side, each with pairs of values joined by a line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slopes {
    /// Words around it.
    pub heading: Heading,
    /// The panels, from the left; all on one value axis when `shared_axis`.
    pub panels: Vec<SlopePanel>,
    /// One range of values for all panels.
    pub shared_axis: bool,
}

/// Pairs under the same two settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SlopePanel {
    /// Name and unit of the values, written above.
    pub label: String,
    /// The setting on the left, `temperature 0.6` for example.
    pub left: String,
    /// The setting on the right.
    pub right: String,
    /// The pairs.
    pub pairs: Vec<Pair>,
    /// Lines at fixed values.
    pub reference_lines: Vec<ReferenceLine>,
}

/// One thing under two settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Pair {
    /// What; written at its right end.
    pub label: String,
    /// Value under the left setting.
    pub left: Value,
    /// Value under the right setting.
    pub right: Value,
    /// Drawn thick: the mean of the others, say.
    pub emphasis: bool,
}

const HEIGHT: i32 = 560;
const RISING: Color = Color::BLUE;
const FALLING: Color = Color::VERMILLION;
const LABEL_LEADING: i32 = 27;

impl Slopes {
    /// Draws it.
    pub fn render(&self, theme: &Theme) -> Result<Chart, ChartError> {
        let pairs = || self.panels.iter().flat_map(|panel| &panel.pairs);
        let mut legend = Vec::new();
        if pairs().any(|pair| pair.color() == Some(RISING)) {
            legend.push(Entry::new(Swatch::Line(RISING, true), "rises"));
        }
        if pairs().any(|pair| pair.color() == Some(FALLING)) {
            legend.push(Entry::new(Swatch::Line(FALLING, true), "falls"));
        }
        let page = Page::new(theme, &self.heading, legend);
        if self.panels.is_empty() || pairs().next().is_none() {
            return empty(theme, &page, &self.heading.title);
        }
        let most = self
            .panels
            .iter()
            .map(|panel| panel.pairs.len())
            .max()
            .unwrap_or(0);
        let height = HEIGHT.max(count(most) * LABEL_LEADING + 20);
        let body = 56 + height + 60;
        paint(
            &self.heading.title,
            theme.width_px(),
            page.height(body),
            |canvas| {
                page.draw(canvas, body)?;
                let all = range(self.panels.iter().flat_map(SlopePanel::extents));
                let gap = 40;
                let inner = theme.width_px() - 2 * theme.margin_px() + gap;
                let width = inner / count(self.panels.len()) - gap;
                for (index, panel) in self.panels.iter().enumerate() {
                    let left = theme.margin_px() + count_from(index) * (width + gap);
                    let own = range(panel.extents());
                    let (low, high) =
                        if self.shared_axis { all } else { own }.unwrap_or((0.0, 1.0));
                    panel.draw(
                        canvas,
                        theme,
                        (left, page.top() + 56, width, height),
                        (low, high),
                    )?;
                }
                Ok(())
            },
        )
    }
}

impl Pair {
    fn color(&self) -> Option<Color> {
        let (left, right) = (self.left.known()?, self.right.known()?);
        Some(if right >= left { RISING } else { FALLING })
    }
}

impl SlopePanel {
    fn extents(&self) -> impl Iterator<Item = f64> {
        let values = self
            .pairs
            .iter()
            .flat_map(|pair| pair.left.extents().chain(pair.right.extents()));
        values.chain(self.reference_lines.iter().map(|line| line.value))
    }

    fn draw(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        (left, top, width, height): (i32, i32, i32, i32),
        (low, high): (f64, f64),
    ) -> Result<(), ChartError> {
        let small = Font::new(theme.small_em, theme.quiet);
        let label_font = Font::new(theme.label_em, theme.ink);
        let (marks, (low, high)) = ticks(low, high, 6, true);
        let tick_width = small.widest(marks.labels.iter().map(String::as_str));
        let names: Vec<String> = self.pairs.iter().map(Pair::named).collect();
        let names_width = small
            .widest(names.iter().map(String::as_str))
            .min(width / 2 - 40);
        let x0 = left + tick_width + 50;
        let x1 = left + width - names_width - 22;
        let bottom = top + height;
        let y = Scale {
            low,
            high,
            from: bottom,
            to: top,
        };

        let title = label_font.bold().elide(&self.label, width);
        canvas.text(&title, (left, top - 34), Align::Left, label_font.bold())?;
        for (value, label) in marks.values.iter().zip(&marks.labels) {
            let at = y.at(*value);
            canvas.rect(
                (left + tick_width + 12, at, x1 - left - tick_width - 12, 1),
                theme.grid,
            )?;
            canvas.text(label, (left + tick_width, at), Align::Right, small)?;
        }
        for x in [x0, x1] {
            canvas.rect((x - 1, top, 2, height), theme.grid)?;
        }
        for line in self
            .reference_lines
            .iter()
            .filter(|line| line.value.is_finite())
        {
            let at = y.at(line.value);
            canvas.dashes((x0 - 30, at), (x1, at), theme.ink)?;
            let label = small.elide(&line.label, x1 - x0 - 20);
            let font = small.color(theme.ink);
            canvas.text(&label, (x0 + 10, at - 14), Align::Left, font)?;
        }
        let settings = [
            (&self.left, x0, Align::Left),
            (&self.right, x1, Align::Right),
        ];
        for (name, x, align) in settings {
            let name = label_font.elide(name, (x1 - x0) / 2 + 20);
            // Short names stand under their line, long ones grow inwards.
            let width = label_font.width(&name);
            let (x, align) = match align {
                _ if width <= 90 => (x, Align::Middle),
                Align::Left => (x - 30, align),
                _ => (x + 30, align),
            };
            canvas.text(&name, (x, bottom + 28), align, label_font)?;
        }
        let mut order: Vec<usize> = (0..self.pairs.len()).collect();
        order.sort_by_key(|at| self.pairs[*at].emphasis);
        for at in order {
            self.pairs[at].draw(canvas, theme, &y, (x0, x1))?;
        }
        self.draw_names(canvas, theme, &y, (x1, names_width), &names)
    }

    /// Names at the right ends, moved apart where they would overlap, with a line to their point.
    fn draw_names(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        y: &Scale,
        (x, width): (i32, i32),
        names: &[String],
    ) -> Result<(), ChartError> {
        let small = Font::new(theme.small_em, theme.ink);
        let mut wanted: Vec<(i32, usize)> = self
            .pairs
            .iter()
            .enumerate()
            .filter_map(|(at, pair)| Some((y.at(pair.right.known().or(pair.left.known())?), at)))
            .collect();
        wanted.sort_unstable();
        let places = apart(
            &wanted.iter().map(|(at, _)| *at).collect::<Vec<_>>(),
            LABEL_LEADING,
            (y.to, y.from),
        );
        for ((point, at), place) in wanted.iter().zip(&places) {
            let pair = &self.pairs[*at];
            let font = if pair.emphasis { small.bold() } else { small };
            let color = pair.color().unwrap_or(theme.quiet);
            if (point - place).abs() > 2 {
                canvas.path(&[(x + 9, *point), (x + 20, *place)], theme.axis, 1)?;
            }
            let text = font.elide(&names[*at], width);
            canvas.text(&text, (x + 24, *place), Align::Left, font.color(color))?;
        }
        Ok(())
    }
}

impl Pair {
    /// Its label with the change.
    fn named(&self) -> String {
        match (self.left.known(), self.right.known()) {
            (Some(left), Some(right)) => {
                let sign = if right >= left { "+" } else { "" };
                format!("{}  {sign}{}", self.label, short(right - left))
            }
            _ => format!("{}  unknown", self.label),
        }
    }

    fn draw(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        y: &Scale,
        (x0, x1): (i32, i32),
    ) -> Result<(), ChartError> {
        let color = self.color().unwrap_or(theme.axis);
        let ends = [(x0, self.left), (x1, self.right)];
        let points: Vec<(i32, i32)> = ends
            .iter()
            .filter_map(|(x, value)| Some((*x, y.at(value.known()?))))
            .collect();
        canvas.path(&points, color, if self.emphasis { 6 } else { 3 })?;
        for (x, value) in ends {
            if let Some((low, high)) = value.known_interval() {
                whisker(canvas, theme.ink, (y.at(high), y.at(low)), x, true)?;
            }
        }
        for point in points {
            let radius = if self.emphasis { 10 } else { 7 };
            canvas.circle(point, radius + 2, Color(255, 255, 255))?;
            canvas.circle(point, radius, color)?;
        }
        Ok(())
    }
}

/// Moves sorted places apart to a least distance, as near to where they were as one pass down and
/// one up allow, within the limits where there is room.
pub(crate) fn apart(wanted: &[i32], distance: i32, (top, bottom): (i32, i32)) -> Vec<i32> {
    let mut places = wanted.to_vec();
    // Merge neighbours that collide into blocks centred on their mean.
    let mut blocks: Vec<(i64, i64)> = Vec::new();
    for place in &places {
        blocks.push((i64::from(*place), 1));
        while let [.., (sum_a, n_a), (sum_b, n_b)] = blocks[..] {
            let distance = i64::from(distance);
            let (end_a, start_b) = (
                sum_a / n_a + (n_a - 1) * distance / 2,
                sum_b / n_b - (n_b - 1) * distance / 2,
            );
            if start_b - end_a >= distance {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            blocks.push((sum_a + sum_b, n_a + n_b));
        }
    }
    let mut index = 0;
    for (sum, n) in blocks {
        let half = (n - 1) * i64::from(distance) / 2;
        let lowest = (i64::from(bottom) - 2 * half).max(i64::from(top));
        let start = (sum / n - half).clamp(i64::from(top), lowest);
        for step in 0..n {
            places[index] = i32::try_from(start + step * i64::from(distance)).unwrap_or(i32::MAX);
            index += 1;
        }
    }
    // Clamping may have pushed blocks together again.
    for at in 1..places.len() {
        places[at] = places[at].max(places[at - 1] + distance);
    }
    places
}
