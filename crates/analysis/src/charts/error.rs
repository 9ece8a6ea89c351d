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
        title: String,
        /// Its height, px.
        height: i32,
    },
    #[error("drawing failed: {0}")]
    Draw(String),
    #[error("writing a PNG failed: {0}")]
    Encode(String),
    #[error("reading a PNG failed: {0}")]
    Decode(String),
}
