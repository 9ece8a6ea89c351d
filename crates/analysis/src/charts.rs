//! Charts for reports: plain descriptions in, SVG and PNG out.
//!
//! A chart is described by a plain struct ([`Timeline`], [`Bars`], [`Lines`]) that knows nothing of
//! metrics, and drawn by [`Draw::render`] with plotters. Unknown values are `None` (NaN and infinities count as unknown)
//! and are shown as unknown, never as zero. Drawing reads no clock, host, path or system font: equal descriptions give
//! equal files. Charts are laid out for 1600 px and stay legible at half that width.

#![expect(
    clippy::cast_possible_wrap,
    reason = "sizes in pixels and numbers of labels are small"
)]

mod axis;
mod bars;
mod error;
mod labels;
mod lines;
mod page;
mod phase;
pub(crate) mod png;
mod text;
pub(crate) mod theme;
mod timeline;

#[cfg(test)]
mod tests;

pub(crate) use axis::{ReferenceLine, Value, percent};
pub(crate) use bars::{Bar, Bars, Row};
pub(crate) use error::ChartError;
pub(crate) use lines::{LineSeries, Lines, Mark, Panel, Span};
pub(crate) use page::{Chart, Draw, Heading};
pub(crate) use phase::{Phase, Segment};
pub(crate) use theme::Color;
pub(crate) use timeline::{Lane, Timeline, TimelineGroup};
