//! Paired values as slopes: the same thing under two settings.

use super::canvas::{Align, Canvas, Font, WHITE, paint};
use super::chart::{Chart, ChartError};
use super::labels::apart;
use super::page::{Entry, Heading, Page, Swatch};
use super::scale::{Scale, px, range, short, ticks};
use super::theme::{Color, Theme};
use super::value::Value;

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
    /// What the step from left to right is.
    pub change: Change,
}

/// What a step is. Only a quantity of which more or less is better has better and worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Change {
    /// Neither is better, or the data cannot tell.
    #[default]
    Neutral,
    /// The right setting is better.
    Better,
    /// The right setting is worse.
    Worse,
}

impl Change {
    fn color(self, theme: &Theme) -> Color {
        match self {
            Self::Neutral => theme.quiet,
            Self::Better => Color::GREEN,
            Self::Worse => Color::VERMILLION,
        }
    }
}

const HEIGHT: i32 = 560;
const LABEL_LEADING: i32 = 27;
/// Between error bars at one setting, px.
const ASIDE: i32 = 14;

impl Slopes {
    /// Draws it.
    pub fn render(&self, theme: &Theme) -> Result<Option<Chart>, ChartError> {
        let panels: Vec<&SlopePanel> = self.panels.iter().filter(|p| p.shows()).collect();
        let Some(most) = panels.iter().map(|panel| panel.pairs.len()).max() else {
            return Ok(None);
        };
        let page = Page::new(theme, &self.heading, legend(theme, &panels));
        let height = HEIGHT.max(px(most) * LABEL_LEADING + 20);
        let body = 56 + height + 60;
        let page_height = page.height(body);
        let title = &self.heading.title;
        paint(title, theme.width_px(), page_height, |canvas| {
            page.draw(canvas, body)?;
            let all = range(panels.iter().flat_map(|panel| panel.extents()));
            let gap = 40;
            let inner = theme.width_px() - 2 * theme.margin_px() + gap;
            let width = inner / px(panels.len()) - gap;
            for (index, panel) in panels.iter().enumerate() {
                let left = theme.margin_px() + px(index) * (width + gap);
                let own = range(panel.extents());
                let ends = if self.shared_axis { all } else { own };
                let area = (left, page.top() + 56, width, height);
                panel.draw(canvas, theme, area, ends.unwrap_or((0.0, 1.0)))?;
            }
            Ok(())
        })
        .map(Some)
    }
}

/// What the colours mean; nothing when all changes are neutral.
fn legend(theme: &Theme, panels: &[&SlopePanel]) -> Vec<Entry> {
    let has = |change| {
        let mut pairs = panels.iter().flat_map(|panel| &panel.pairs);
        pairs.any(|pair| pair.change == change)
    };
    let colours = has(Change::Better) || has(Change::Worse);
    let entries = [
        (Change::Better, "better"),
        (Change::Worse, "worse"),
        (Change::Neutral, "neither is better, or not certain"),
    ];
    let shown = entries
        .into_iter()
        .filter(|(change, _)| colours && has(*change));
    shown
        .map(|(change, name)| Entry::new(Swatch::Line(change.color(theme), true), name))
        .collect()
}

impl SlopePanel {
    fn shows(&self) -> bool {
        let known = |pair: &Pair| pair.left.known().or(pair.right.known()).is_some();
        self.pairs.iter().any(known)
    }

    fn extents(&self) -> impl Iterator<Item = f64> {
        let pairs = self.pairs.iter();
        pairs.flat_map(|pair| pair.left.extents().chain(pair.right.extents()))
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
        // Error bars at one place would hide each other.
        let barred = |pair: &Pair| pair.left.known_interval().or(pair.right.known_interval());
        let bars = self.pairs.iter().filter(|pair| barred(pair).is_some());
        let step = match px(bars.count()) {
            0 | 1 => 0,
            _ => ASIDE.min(width / 5 / px(self.pairs.len())),
        };
        let aside = |at: usize| step * (2 * px(at) - px(self.pairs.len()) + 1) / 2;
        let most = aside(self.pairs.len().saturating_sub(1));
        let x0 = left + tick_width + 50 + most;
        let x1 = left + width - names_width - 22 - most;
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
            let (at, from) = (y.at(*value), left + tick_width + 12);
            canvas.rect((from, at, x1 + most - from, 1), theme.grid)?;
            canvas.text(label, (left + tick_width, at), Align::Right, small)?;
        }
        for (name, x, outer) in [
            (&self.left, x0, left + tick_width + 12),
            (&self.right, x1, x1 + most + 14),
        ] {
            canvas.rect((x - 1, top, 2, height), theme.grid)?;
            // Short names stand under their line, long ones grow inwards.
            let name = label_font.elide(name, (x1 - x0) / 2 + 20);
            let half = label_font.width(&name) / 2;
            let (x, align) = match (half <= 45, x == x0) {
                (true, _) => (x, Align::Middle),
                (_, true) => (outer.min(x - 30), Align::Left),
                (_, false) => (outer.max(x + 30), Align::Right),
            };
            canvas.text(&name, (x, bottom + 28), align, label_font)?;
        }
        for (at, pair) in self.pairs.iter().enumerate() {
            pair.draw(canvas, theme, &y, (x0 + aside(at), x1 + aside(at)))?;
        }
        let right = |at: usize| x1 + aside(at);
        self.draw_names(canvas, theme, &y, (x1 + most, names_width), right, &names)
    }

    /// Names right of `x`, moved apart where they would overlap, with a line to their point.
    fn draw_names(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        y: &Scale,
        (x, width): (i32, i32),
        right: impl Fn(usize) -> i32,
        names: &[String],
    ) -> Result<(), ChartError> {
        let font = Font::new(theme.small_em, theme.ink);
        let mut wanted: Vec<(i32, usize)> = self
            .pairs
            .iter()
            .enumerate()
            .filter_map(|(at, pair)| Some((y.at(pair.right.known().or(pair.left.known())?), at)))
            .collect();
        wanted.sort_unstable();
        let points: Vec<i32> = wanted.iter().map(|(point, _)| *point).collect();
        let places = apart(&points, LABEL_LEADING, (y.to, y.from));
        for ((point, at), place) in wanted.iter().zip(&places) {
            let color = self.pairs[*at].change.color(theme);
            let from = right(*at) + 9;
            if (point - place).abs() > 2 || from < x {
                canvas.path(&[(from, *point), (x + 20, *place)], theme.axis, 1)?;
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
        let change = match (self.left.known(), self.right.known()) {
            (Some(left), Some(right)) => {
                let sign = if right >= left { "+" } else { "" };
                format!("{sign}{}", short(right - left))
            }
            _ => "unknown".to_owned(),
        };
        match &*self.label {
            "" => change,
            label => format!("{label}  {change}"),
        }
    }

    fn draw(
        &self,
        canvas: &Canvas<'_>,
        theme: &Theme,
        y: &Scale,
        (x0, x1): (i32, i32),
    ) -> Result<(), ChartError> {
        let color = self.change.color(theme);
        let ends = [(x0, self.left), (x1, self.right)];
        let points: Vec<(i32, i32)> = ends
            .iter()
            .filter_map(|(x, value)| Some((*x, y.at(value.known()?))))
            .collect();
        canvas.path(&points, color, 3)?;
        for (x, value) in ends {
            if let Some((low, high)) = value.known_interval() {
                canvas.whisker((y.at(high), y.at(low)), x, true, color)?;
            }
        }
        for point in points {
            canvas.circle(point, 9, WHITE)?;
            canvas.circle(point, 7, color)?;
        }
        Ok(())
    }
}
