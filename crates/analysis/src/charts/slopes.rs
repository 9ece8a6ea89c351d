//! Paired values as slopes: the same thing under two settings.

use super::canvas::{Align, Canvas};
use super::chart::{Chart, ChartError, Draw, Heading};
use super::labels::{Area, apart};
use super::page::{Entry, Page, Swatch};
use super::scale::{Scale, px, range, short, ticks};
use super::text::Font;
use super::theme::{AXIS, Color, GRID, INK, MARGIN, QUIET};
use super::value::Value;

/// Panels side by side, each with pairs of values joined by a line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slopes {
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
    fn color(self) -> Color {
        match self {
            Self::Neutral => QUIET,
            Self::Better => Color::GREEN,
            Self::Worse => Color::VERMILLION,
        }
    }
}

const HEIGHT: i32 = 560;
const LABEL_LEADING: i32 = 27;
/// Between error bars at one setting, px.
const ASIDE: i32 = 14;

impl Draw for Slopes {
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        let panels: Vec<&SlopePanel> = self.panels.iter().filter(|p| p.shows()).collect();
        let Some(most) = panels.iter().map(|panel| panel.pairs.len()).max() else {
            return Ok(None);
        };
        let page = Page::new(heading, width, legend(&panels));
        let height = HEIGHT.max(px(most) * LABEL_LEADING + 20);
        page.paint(56 + height + 60, |canvas, top| {
            let all = range(panels.iter().flat_map(|panel| panel.extents()));
            let gap = 40;
            let inner = width - 2 * MARGIN + gap;
            let width = inner / px(panels.len()) - gap;
            for (index, panel) in panels.iter().enumerate() {
                let left = MARGIN + px(index) * (width + gap);
                let own = range(panel.extents());
                let ends = if self.shared_axis { all } else { own };
                let area = (left, top + 56, width, height);
                panel.draw(canvas, area, ends.unwrap_or((0.0, 1.0)));
            }
        })
    }
}

/// What the colours mean; nothing when all changes are neutral.
fn legend(panels: &[&SlopePanel]) -> Vec<Entry> {
    let pairs = || panels.iter().flat_map(|panel| &panel.pairs);
    if pairs().all(|pair| pair.change == Change::Neutral) {
        return Vec::new();
    }
    let entries = [
        (Change::Better, "better"),
        (Change::Worse, "worse"),
        (Change::Neutral, "not told apart, or not what ranks"),
    ];
    let shown = entries
        .into_iter()
        .filter(|(change, _)| pairs().any(|pair| pair.change == *change));
    shown
        .map(|(change, name)| (Swatch::Line(change.color(), true), name.to_owned()))
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

    fn draw(&self, canvas: &Canvas<'_>, (left, top, width, height): Area, ends: (f64, f64)) {
        let (small, label) = (Font::SMALL, Font::LABEL);
        let (marks, ends) = ticks(ends.0, ends.1, 6, true);
        let tick_width = small.widest(marks.iter().map(|(_, label)| &**label));
        let names: Vec<String> = self.pairs.iter().map(Pair::named).collect();
        let names_width = small.widest(names.iter().map(|name| &**name));
        let names_width = names_width.min(width / 2 - 40);
        // Error bars at one place would hide each other.
        let count = px(self.pairs.len());
        let barred = |pair: &&Pair| pair.left.has_interval() || pair.right.has_interval();
        let step = match self.pairs.iter().filter(barred).count() {
            0 | 1 => 0,
            _ => ASIDE.min(width / 5 / count),
        };
        let aside = |at: i32| step * (2 * at - count + 1) / 2;
        let most = aside((count - 1).max(0));
        let x0 = left + tick_width + 50 + most;
        let x1 = left + width - names_width - 22 - most;
        let bottom = top + height;
        let y = Scale::new(ends, (bottom, top));

        let title = label.bold().elide(&self.label, width);
        canvas.text(&title, (left, top - 34), Align::Left, label.bold());
        for (value, text) in &marks {
            let (at, from) = (y.at(*value), left + tick_width + 12);
            canvas.rect((from, at, x1 + most - from, 1), GRID);
            canvas.text(text, (left + tick_width, at), Align::Right, small);
        }
        for (name, x, outer) in [
            (&self.left, x0, left + tick_width + 12),
            (&self.right, x1, x1 + most + 14),
        ] {
            canvas.rect((x - 1, top, 2, height), GRID);
            // Short names stand under their line, long ones grow inwards.
            let name = label.elide(name, (x1 - x0) / 2 + 20);
            let (x, align) = match (label.width(&name) / 2 <= 45, x == x0) {
                (true, _) => (x, Align::Middle),
                (_, true) => (outer.min(x - 30), Align::Left),
                (_, false) => (outer.max(x + 30), Align::Right),
            };
            canvas.text(&name, (x, bottom + 28), align, label);
        }
        for (pair, at) in self.pairs.iter().zip(0..) {
            pair.draw(canvas, &y, (x0 + aside(at), x1 + aside(at)));
        }
        self.draw_names(canvas, &y, (x1 + most, names_width), |at| x1 + aside(at));
    }

    /// Names right of `x`, moved apart where they would overlap, with a line to their point.
    fn draw_names(
        &self,
        canvas: &Canvas<'_>,
        y: &Scale,
        (x, width): (i32, i32),
        right: impl Fn(i32) -> i32,
    ) {
        let font = Font::SMALL.color(INK);
        let pairs = self.pairs.iter().zip(0..);
        let place =
            |(pair, at): (&Pair, i32)| Some((y.at(pair.right.known().or(pair.left.known())?), at));
        let mut wanted: Vec<(i32, i32)> = pairs.filter_map(place).collect();
        wanted.sort_unstable();
        let points: Vec<i32> = wanted.iter().map(|(point, _)| *point).collect();
        let places = apart(&points, LABEL_LEADING, (y.to, y.from));
        for ((point, at), place) in wanted.into_iter().zip(places) {
            let pair = &self.pairs[at as usize];
            let from = right(at) + 9;
            if (point - place).abs() > 2 || from < x {
                canvas.path(&[(from, point), (x + 20, place)], AXIS, 1);
            }
            let text = font.elide(&pair.named(), width);
            let font = font.color(pair.change.color());
            canvas.text(&text, (x + 24, place), Align::Left, font);
        }
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

    fn draw(&self, canvas: &Canvas<'_>, y: &Scale, (x0, x1): (i32, i32)) {
        let color = self.change.color();
        let ends = [(x0, self.left), (x1, self.right)];
        let known = ends.iter();
        let points: Vec<(i32, i32)> = known
            .filter_map(|(x, value)| Some((*x, y.at(value.known()?))))
            .collect();
        canvas.path(&points, color, 3);
        for (x, value) in ends {
            if let Some((low, high)) = value.known_interval() {
                canvas.whisker((y.at(high), y.at(low)), x, true, color);
            }
        }
        for point in points {
            canvas.dot(point, 2, color);
        }
    }
}
