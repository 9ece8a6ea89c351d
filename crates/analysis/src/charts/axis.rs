//! Values, and the axes that they lie on.

use std::ops::Range;

use document::number::three_digits;
use plotters::coord::combinators::{IntoLogRange as _, LogCoord};
use plotters::coord::ranged1d::{
    BoldPoints, KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter,
};
use plotters::coord::types::RangedCoordf64;

/// A value in the unit of its axis, with an interval where one is known; unknown when it has no point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Value {
    /// `None` or not finite: unknown.
    pub(crate) point: Option<f64>,
    /// Low and high; drawn as an error bar.
    pub(crate) interval: Option<(f64, f64)>,
}

impl Value {
    pub(crate) const UNKNOWN: Self = Self {
        point: None,
        interval: None,
    };

    /// The point, if it can be drawn.
    pub(crate) fn known(self) -> Option<f64> {
        self.point.and_then(drawable)
    }

    /// The interval, if both ends can be drawn, low end first.
    pub(crate) fn known_interval(self) -> Option<(f64, f64)> {
        let (a, b) = self.interval?;
        let (a, b) = (drawable(a)?, drawable(b)?);
        Some((a.min(b), a.max(b)))
    }

    /// Everything of the value that the axis must reach.
    pub(crate) fn extents(self) -> impl Iterator<Item = f64> {
        let (low, high) = self.known_interval().unzip();
        [self.known(), low, high].into_iter().flatten()
    }
}

impl From<Option<f64>> for Value {
    fn from(point: Option<f64>) -> Self {
        Self {
            point,
            interval: None,
        }
    }
}

impl From<f64> for Value {
    fn from(point: f64) -> Self {
        Some(point).into()
    }
}

/// A line at a fixed value, in the unit of its axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReferenceLine {
    /// One that is not finite is not drawn.
    pub(crate) value: f64,
    pub(crate) label: String,
}

impl ReferenceLine {
    pub(crate) fn new(value: f64, label: impl Into<String>) -> Self {
        Self {
            value,
            label: label.into(),
        }
    }
}

/// Finite numbers, held to a range in which sums and differences of two stay finite.
pub(crate) fn drawable(value: f64) -> Option<f64> {
    value.is_finite().then(|| value.clamp(-1e300, 1e300))
}

/// A range that holds all values, or `None` when there are none.
pub(crate) fn range(values: impl IntoIterator<Item = f64>) -> Option<Range<f64>> {
    let values = values.into_iter().filter_map(drawable);
    values.fold(None, |range: Option<Range<f64>>, value| {
        let range = range.unwrap_or(value..value);
        Some(range.start.min(value)..range.end.max(value))
    })
}

/// Widens a range that is too thin to divide.
fn opened(range: Range<f64>) -> Range<f64> {
    let size = range.start.abs().max(range.end.abs());
    if range.end - range.start > (size * 1e-9).max(1e-12) {
        range
    } else if size < 1e-9 {
        0.0..1.0
    } else {
        range.start - size * 0.05..range.end + size * 0.05
    }
}

/// One of plotters' coordinates with the labels that stand beside it.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    range: Range<f64>,
    is_logarithmic: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A linear axis with labels at given places. The range may run backwards.
    pub(crate) fn labelled(range: Range<f64>, ticks: Vec<(f64, String)>) -> Self {
        Self {
            range,
            is_logarithmic: false,
            ticks,
        }
    }

    /// A linear axis with at most `most` round labels.
    pub(crate) fn linear(range: Range<f64>, most: usize) -> Self {
        let range = opened(range);
        let values = RangedCoordf64::from(range.clone()).key_points(BoldPoints(most));
        let ticks = values.into_iter().map(|value| (value, label(value)));
        Self::labelled(range, ticks.collect())
    }

    /// As [`Axis::linear`], from a round value to a round value.
    pub(crate) fn rounded(range: Range<f64>, most: usize) -> Self {
        let inner = Self::linear(range, most);
        let step = match &inner.ticks[..] {
            [(first, _), (second, _), ..] => second - first,
            _ => return inner,
        };
        let first = (inner.range.start / step + 1e-9).floor() as i64;
        let last = (inner.range.end / step - 1e-9).ceil() as i64;
        let values = (first..=last).map(|n| n as f64 * step);
        let ticks: Vec<_> = values.map(|value| (value, label(value))).collect();
        let (Some((low, _)), Some((high, _))) = (ticks.first(), ticks.last()) else {
            return inner;
        };
        Self::labelled(*low..*high, ticks)
    }

    /// A logarithmic axis with a label at powers of two.
    pub(crate) fn doubling(range: Range<f64>) -> Self {
        let first = range.start.log2().ceil() as i32;
        let last = range.end.log2().floor() as i32;
        let step = 1 + (last - first).unsigned_abs() as usize / 12;
        let powers = (first..=last).step_by(step).map(|power| 2_f64.powi(power));
        Self {
            range,
            is_logarithmic: true,
            ticks: powers.map(|value| (value, label(value))).collect(),
        }
    }

    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.ticks.iter().map(|(_, label)| &**label)
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    /// Values beyond the axis lie on its ends.
    fn map(&self, value: &f64, limits: (i32, i32)) -> i32 {
        let Range { start, end } = self.range;
        let value = value.clamp(start.min(end), start.max(end));
        if self.is_logarithmic {
            LogCoord::from(self.range().log_scale()).map(&value, limits)
        } else {
            RangedCoordf64::from(self.range()).map(&value, limits)
        }
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        let ticks = self.ticks.iter().map(|(value, _)| *value);
        let is_shown = !hint.weight().allow_light_points();
        ticks.filter(|_| is_shown).collect()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let own = |(tick, _): &&(f64, String)| tick.to_bits() == value.to_bits();
        let tick = self.ticks.iter().find(own);
        tick.map_or_else(String::new, |(_, label)| label.clone())
    }
}

/// A round value as a label, without the last digits that adding up steps leaves.
fn label(value: f64) -> String {
    let rounded: f64 = format!("{value:.9e}").parse().unwrap_or(value);
    let size = rounded.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (1e-6..1e7).contains(&size) {
        minus(&rounded.to_string())
    } else {
        minus(&format!("{rounded:e}"))
    }
}

/// A value to three significant digits, in as few characters as read well.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (0.000_995..9_999_999.5).contains(&size) {
        minus(&three_digits(value).replace(',', ""))
    } else {
        minus(&format!("{value:.2e}"))
    }
}

pub(crate) fn percent(share: f64) -> String {
    let hundredfold = share * 100.0;
    let decimals = match hundredfold.abs() {
        0.0 => 0,
        size if size < 0.1 => return "< 0.1 %".to_owned(),
        size if size < 1.0 || (size > 99.0 && size < 100.0) => 1,
        _ => 0,
    };
    format!("{} %", minus(&format!("{hundredfold:.decimals$}")))
}

/// With a typographic minus sign.
fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}
