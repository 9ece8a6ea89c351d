//! Why a chart could not be made.

/// Tallest picture, px. Taller ones are refused by viewers and forges.
pub(crate) const MAX_HEIGHT: i32 = 16_000;

/// A chart that could not be drawn, written or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// More rows than fit a picture.
    #[error("chart `{title}` would be {height} px tall, more than {MAX_HEIGHT}: draw fewer rows")]
    TooTall {
        /// The chart's title.
        title: String,
        /// Its height, px.
        height: i32,
    },
    /// The SVG or its pixels could not be drawn.
    #[error("drawing failed: {0}")]
    Draw(String),
    /// The PNG could not be written.
    #[error("writing a PNG failed: {0}")]
    Encode(String),
    /// The PNG could not be read.
    #[error("reading a PNG failed: {0}")]
    Decode(String),
}
