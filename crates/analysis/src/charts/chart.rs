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

/// A description of a picture.
pub trait Draw {
    /// Draws it, `width` px wide (800 at least); none where nothing in it is known.
    fn render(&self, heading: &Heading, width: i32) -> Result<Option<Chart>, ChartError>;
}

/// The words around a plot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heading {
    /// What the picture shows, ideally as a sentence; wrapped to two lines.
    pub title: String,
    /// Units, arm, protocol; wrapped to two lines; may be empty.
    pub subtitle: String,
    /// Draws the SIMULATED badge.
    pub simulated: bool,
    /// Source and number of observations, under the plot; wrapped to three lines; may be empty.
    pub source: String,
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

/// Refuses a description in which something has more or fewer values than there is place for.
/// `owners`: what each is called and how many values it has; `expected`: how many, of what.
pub(crate) fn check_lengths(
    heading: &Heading,
    owners: impl IntoIterator<Item = (String, usize)>,
    (expected, of): (usize, &str),
) -> Result<(), ChartError> {
    let mut wrong = owners.into_iter().filter(|(_, found)| *found != expected);
    wrong.next().map_or(Ok(()), |(owner, found)| {
        Err(ChartError::Shape {
            title: heading.title.clone(),
            problem: format!("{owner} has {found} values for {expected} {of}"),
        })
    })
}
