//! A finished picture, and why one could not be made.

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
