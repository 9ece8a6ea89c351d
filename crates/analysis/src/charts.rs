//! Pictures for reports: plain descriptions in, PNG out.
//!
//! A chart is described by a plain struct ([`Timeline`], [`GroupedBars`], [`StackedBars`],
//! [`Lines`], [`Slopes`]) that knows nothing of metrics, and drawn by [`Draw::render`]. Unknown values
//! are `None` (NaN and infinities count as unknown) and are shown as unknown, never as zero.
//! Drawing reads no clock, host, path or system font: equal descriptions give equal pictures.
//! Pictures are made for 1600 px and stay legible at half that width.
//!
//! A description in which nothing is known has no picture: `render` returns `None`.
//!
//! # Errors
//!
//! A description that contradicts itself (a series longer than its categories, say) is a
//! [`ChartError::Shape`].

mod bars;
mod canvas;
mod chart;
mod labels;
mod lines;
mod page;
mod phase;
pub mod png;
mod raster;
mod rows;
mod scale;
mod slopes;
mod stacked;
mod text;
mod theme;
mod timeline;
mod value;

#[cfg(test)]
mod tests;

pub use bars::GroupedBars;
pub use chart::{Chart, ChartError, Draw, Heading};
pub use lines::{LineSeries, Lines, Mark, Note, Panel, Span, XAxis};
pub use phase::{Phase, Segment};
pub use rows::Category;
pub use slopes::{Change, Pair, SlopePanel, Slopes};
pub use stacked::{StackedBars, StackedRow};
pub use theme::{Color, WIDTH};
pub use timeline::{Form, Lane, LaneMark, Overlap, Timeline, TimelineGroup};
pub use value::{ReferenceLine, Value};
