//! Paired values as slopes: the same thing under two settings.

use plotters::element::{Circle, ErrorBar, PathElement};
use plotters::series::LineSeries;
use plotters::style::Color as _;
use plotters::style::text_anchor::HPos;

use super::axis::{Axis, Value, range, short};
use super::error::ChartError;
use super::labels::apart;
use super::page::{Area, Chart, Draw, DrawResult, Entry, Grid, Heading, paint, plot};
use super::text::Font;
use super::theme::{AXIS, Color, GREEN, GRID, QUIET, TICK, VERMILLION, X_LABELS};

/// Panels side by side, each with pairs of values joined by a line.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Slopes {
    pub(crate) panels: Vec<SlopePanel>,
    /// One range of values for all panels.
    pub(crate) shared_axis: bool,
}

/// Pairs under the same two settings.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct SlopePanel {
    /// Name and unit of the values, written above.
    pub(crate) label: String,
    /// The setting on the left, `temperature 0.6` for example.
    pub(crate) left: String,
    pub(crate) right: String,
    pub(crate) pairs: Vec<Pair>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Pair {
    /// Written at the pair's right end.
    pub(crate) label: String,
    pub(crate) left: Value,
    pub(crate) right: Value,
    pub(crate) change: Change,
}

/// Whether the right value is better than the left one. Only a quantity that ranks has better and worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Change {
    /// Neither is better, or the data cannot tell.
    #[default]
    Neutral,
    Better,
    Worse,
}

impl Change {
    fn color(self) -> Color {
        match self {
            Self::Neutral => QUIET,
            Self::Better => GREEN,
            Self::Worse => VERMILLION,
        }
    }
}

const LABEL_LEADING: i32 = 27;
const TITLE: i32 = 50;
const GAP: i32 = 40;
/// Distance between error bars at one setting, px.
const ASIDE: i32 = 14;

impl Draw for Slopes {
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError> {
        let is_known = |pair: &Pair| pair.left.known().or(pair.right.known()).is_some();
        let panels = self.panels.iter().filter(|p| p.pairs.iter().any(is_known));
        let panels: Vec<&SlopePanel> = panels.collect();
        let Some(most) = panels.iter().map(|panel| panel.pairs.len()).max() else {
            return Ok(None);
        };
        let height = (most as i32 * LABEL_LEADING + 20).max(560);
        let all = panels.iter().flat_map(|panel| panel.extents());
        let all = range(all).unwrap_or(0.0..1.0);
        let body = TITLE + height + X_LABELS;
        paint(heading, width, &legend(&panels), body, |area| {
            // The last panel's gap lies in the margin.
            let areas = area.margin(0, 0, 0, -GAP).split_evenly((1, panels.len()));
            for (panel, area) in panels.iter().zip(areas) {
                let own = range(panel.extents()).unwrap_or(0.0..1.0);
                let ends = if self.shared_axis { all.clone() } else { own };
                panel.draw(&area.margin(0, 0, 0, GAP), Axis::rounded(ends, 6), height)?;
            }
            Ok(())
        })
    }
}

/// Empty when all changes are neutral.
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
        .map(|(change, name)| Entry::new(name, change.color().filled(), 2, 7))
        .collect()
}

impl SlopePanel {
    fn extents(&self) -> impl Iterator<Item = f64> {
        let pairs = self.pairs.iter();
        pairs.flat_map(|pair| pair.left.extents().chain(pair.right.extents()))
    }

    fn draw(&self, area: &Area<'_>, y: Axis, height: i32) -> DrawResult {
        let width = area.dim_in_pixel().0 as i32;
        let texts: Vec<String> = self.pairs.iter().map(Pair::text).collect();
        let column = Font::SMALL.widest(texts.iter().map(|text| &**text));
        let column = column.min(width / 2 - 40);
        let left = Font::SMALL.widest(y.labels()) + 2 * TICK;
        // Error bars at one place would hide each other.
        let count = self.pairs.len() as i32;
        let barred = |pair: &&Pair| pair.left.interval.or(pair.right.interval).is_some();
        let step = match self.pairs.iter().filter(barred).count() {
            0 | 1 => 0,
            _ => ASIDE.min(width / 5 / count),
        };
        let most = step * (count - 1) / 2;
        // Pixels are the unit of x.
        let (x0, x1) = (70 + most, width - left - column - 50 - most);
        let pixels = f64::from(width - left - column - 24);
        let names = [(x0, &self.left), (x1, &self.right)];
        let room = (x1 - x0) / 2 + 40;
        let ticks = names.map(|(x, name)| (f64::from(x), Font::SMALL.elide(name, room)));
        let x = Axis::labelled(0.0..pixels, ticks.to_vec());
        let font = Font::LABEL.bold();
        area.draw_text(
            &font.elide(&self.label, width),
            &font.style(HPos::Left),
            (0, 18),
        )?;
        let below = area.margin(TITLE, 0, 0, 0);
        let mut plot = plot(
            &below,
            (left, column + 24, X_LABELS),
            (x, y),
            ("", Grid::Level),
        )?;
        for (x, _) in names {
            let line = [(left + x, 0), (left + x, height)];
            below.draw(&PathElement::new(line, GRID.stroke_width(2)))?;
        }
        let mut ends = Vec::new();
        for (pair, place) in self.pairs.iter().zip(0..) {
            let aside = step * (2 * place - count + 1) / 2;
            let color = pair.change.color();
            let values = [(x0 + aside, pair.left), (x1 + aside, pair.right)];
            let known = values.map(|(x, value)| Some((f64::from(x), value.known()?)));
            let points = known.into_iter().flatten();
            plot.draw_series(LineSeries::new(points.clone(), color.stroke_width(3)))?;
            plot.draw_series(points.clone().map(|at| Circle::new(at, 7, color.filled())))?;
            for ((_, value), point) in values.iter().zip(known) {
                if let Some(((x, point), (low, high))) = point.zip(value.known_interval()) {
                    let style = color.filled().stroke_width(2);
                    plot.draw_series([ErrorBar::new_vertical(x, low, point, high, style, 12)])?;
                }
            }
            if let Some((_, value)) = known[1].or(known[0]) {
                let (_, y) = plot.backend_coord(&(0.0, value));
                ends.push((
                    y - below.get_base_pixel().1,
                    left + x1 + aside,
                    place as usize,
                ));
            }
        }
        ends.sort_unstable();
        let wanted: Vec<i32> = ends.iter().map(|(y, ..)| *y).collect();
        let edge = width - column - 24;
        for ((y, x, place), at) in ends.into_iter().zip(apart(&wanted, LABEL_LEADING, height)) {
            let font = Font::SMALL.color(self.pairs[place].change.color());
            if self.pairs[place].right.known().is_some() {
                below.draw(&PathElement::new([(x + 9, y), (edge + 18, at)], AXIS))?;
            }
            let text = font.elide(&texts[place], column);
            below.draw_text(&text, &font.style(HPos::Left), (edge + 24, at + 2))?;
        }
        Ok(())
    }
}

impl Pair {
    /// The label, and the change from left to right.
    fn text(&self) -> String {
        let change = match (self.left.known(), self.right.known()) {
            (Some(left), Some(right)) => {
                let sign = if right >= left { "+" } else { "" };
                format!("{sign}{}", short(right - left))
            }
            _ => "unknown".to_owned(),
        };
        format!("{}\u{2003}{change}", self.label).trim().to_owned()
    }
}
