//! Pictures for reports: plain descriptions in, PNG out.
//!
//! A chart is described by a plain struct ([`Timeline`], [`GroupedBars`], [`StackedBars`],
//! [`Lines`], [`Slopes`]) that knows nothing of metrics, and drawn by its `render`. Unknown values
//! are `None` (NaN and infinities count as unknown) and are shown as unknown, never as zero.
//! Drawing reads no clock, host, path or system font: equal descriptions give equal pictures.
//! Pictures are made for 1600 px and stay legible at half that width.
//!
//! # Errors
//!
//! A description that contradicts itself (a series longer than its categories, say) is a
//! [`ChartError::Shape`]. An empty one is not an error: the picture says that there are no data.

mod backend;
mod bars;
mod canvas;
mod lines;
mod page;
mod phase;
pub mod png;
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

pub use bars::{BarSeries, Category, GroupedBars, Orientation, ReferenceLine};
pub use lines::{LinePoint, LineSeries, Lines, Mark, Note, Panel, Span, XAxis};
pub use page::Heading;
pub use phase::Phase;
pub use slopes::{Pair, SlopePanel, Slopes};
pub use stacked::{Part, StackedBars, StackedRow};
pub use theme::{Color, Theme};
pub use timeline::{Form, Lane, LaneMark, Overlap, Segment, Timeline, TimelineGroup};
pub use value::Value;

/// A finished picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chart {
    /// The PNG file.
    pub png: Vec<u8>,
    /// Columns, px.
    pub width: u32,
    /// Rows, px.
    pub height: u32,
}

/// A picture that could not be drawn, written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// The description contradicts itself.
    #[error("chart `{title}`: {problem}")]
    Shape {
        /// The chart's title.
        title: String,
        /// What does not fit.
        problem: String,
    },
    /// More rows than fit a picture.
    #[error("chart `{title}` would be {height} px tall, more than {limit}: draw fewer rows")]
    TooTall {
        /// The chart's title.
        title: String,
        /// Its height, px.
        height: i32,
        /// The limit, px.
        limit: i32,
    },
    /// plotters refused to draw.
    #[error("drawing failed: {0}")]
    Draw(String),
    /// A pixel buffer of the wrong size.
    #[error("a picture buffer holds {found} bytes where its size needs {expected}")]
    Buffer {
        /// Bytes given.
        found: u64,
        /// Bytes needed.
        expected: u64,
    },
    /// The PNG could not be written.
    #[error("writing a PNG failed: {0}")]
    Encode(String),
    /// The PNG could not be read.
    #[error("reading a PNG failed: {0}")]
    Decode(String),
}
