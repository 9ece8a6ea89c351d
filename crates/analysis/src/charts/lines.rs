//! Lines and points over a common x axis, in one or more panels.

mod draw;

use super::theme::Color;
use super::value::{ReferenceLine, Value, drawable};

/// Panels of lines or points above one x axis. Panels in which nothing is known are left out.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    /// Name and unit of the x axis.
    pub x_label: String,
    /// How values lie on it.
    pub x_axis: XAxis,
    /// The panels, from the top.
    pub panels: Vec<Panel>,
    /// Stretches of x to shade in every panel: arms, warm-ups.
    pub spans: Vec<Span>,
    /// Words beside points of the first panel.
    pub notes: Vec<Note>,
}

impl Lines {
    /// Panels over a linear axis.
    pub fn new(x_label: impl Into<String>, panels: Vec<Panel>) -> Self {
        Self {
            x_label: x_label.into(),
            panels,
            ..Self::default()
        }
    }
}

/// How values lie on an x axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum XAxis {
    /// Equal differences are equally far apart.
    #[default]
    Linear,
    /// Equal ratios are: each doubling is as wide as any other. A tick at each point that has a
    /// dot. For values above zero.
    Doubling,
}

/// Words beside a point, left out where they would cover data or other words.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Note {
    /// Where.
    pub x: f64,
    /// Where.
    pub y: f64,
    /// What.
    pub label: String,
}

/// A panel.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Panel {
    /// Name and unit of its values, written above it.
    pub label: String,
    /// Its series. Equal names share a legend entry and a colour across panels.
    pub series: Vec<LineSeries>,
    /// Values its axis must reach: 0 and 100 for percentages, say.
    pub include: Vec<f64>,
    /// Lines at fixed values.
    pub reference_lines: Vec<ReferenceLine>,
}

impl Panel {
    /// A panel whose axis reaches zero.
    pub fn new(label: impl Into<String>, series: Vec<LineSeries>) -> Self {
        Self {
            label: label.into(),
            series,
            include: vec![0.0],
            reference_lines: Vec::new(),
        }
    }

    /// The axis reaches `value`, too.
    #[must_use]
    pub fn reaching(mut self, value: f64) -> Self {
        self.include.push(value);
        self
    }

    /// With lines at fixed values.
    #[must_use]
    pub fn lines_at(mut self, lines: impl IntoIterator<Item = ReferenceLine>) -> Self {
        self.reference_lines.extend(lines);
        self
    }
}

/// A series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LineSeries {
    /// Its name in the legend; empty: no entry.
    pub name: String,
    /// Its points, x and value, in the order in which a line joins them. A point whose x is not
    /// finite is not drawn; an unknown value interrupts the line.
    pub points: Vec<(f64, Value)>,
    /// How it is drawn.
    pub mark: Mark,
    /// Its colour; `None` takes the theme's next.
    pub color: Option<Color>,
}

impl LineSeries {
    /// A series in a colour of the theme's.
    pub fn new<V: Into<Value>>(
        name: impl Into<String>,
        mark: Mark,
        points: impl IntoIterator<Item = (f64, V)>,
    ) -> Self {
        Self {
            name: name.into(),
            points: points.into_iter().map(|(x, y)| (x, y.into())).collect(),
            mark,
            color: None,
        }
    }

    /// In a colour of its own.
    #[must_use]
    pub fn color(mut self, color: Color) -> Self {
        self.color = Some(color);
        self
    }

    /// Points that can be drawn.
    fn drawn(&self) -> impl Iterator<Item = (f64, Value)> {
        let points = self.points.iter();
        points.filter_map(|(x, y)| Some((drawable(*x)?, y.known().map(|_| *y)?)))
    }
}

/// How a series is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mark {
    /// A line.
    #[default]
    Line,
    /// A line with a dot at each point and its interval as an error bar.
    LineAndDots,
    /// Dots with error bars: a scatter plot.
    Dots,
    /// A line within a band made of the intervals.
    Band,
}

impl Mark {
    fn has_dots(self) -> bool {
        matches!(self, Self::Dots | Self::LineAndDots)
    }
}

/// A shaded stretch of x; one without a length is a dashed line, its label above the first panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Written above it where it fits; may be empty.
    pub label: String,
    /// Start.
    pub from: f64,
    /// End.
    pub to: f64,
    /// Its colour.
    pub color: Color,
}

impl Span {
    /// A dashed line at one place.
    pub fn mark(at: f64, label: impl Into<String>, color: Color) -> Self {
        Self {
            label: label.into(),
            from: at,
            to: at,
            color,
        }
    }

    /// A single place rather than a stretch.
    fn is_mark(&self) -> bool {
        self.from.to_bits() == self.to.to_bits()
    }
}
