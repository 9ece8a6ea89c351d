//! The pictures of a report while they are drawn.

use document::Picture;
use metrics::Estimate;

use crate::charts::theme::WIDTH;
use crate::charts::{ChartError, Draw, Heading, Value};

#[derive(Debug)]
pub(crate) struct Album {
    simulated: bool,
    source: String,
    pictures: Vec<Result<Picture, ChartError>>,
}

/// The text in and beside a picture.
pub(crate) struct Words<'a> {
    /// The file's name, without its ending.
    pub(crate) name: &'a str,
    pub(crate) title: &'a str,
    /// Units, arm, protocol; may be empty.
    pub(crate) subtitle: &'a str,
    /// Printed beneath the picture in the report.
    pub(crate) caption: &'a str,
}

impl Album {
    /// `source` is printed under each picture.
    pub(crate) fn new(source: impl Into<String>, simulated: bool) -> Self {
        Self {
            simulated,
            source: source.into(),
            pictures: Vec::new(),
        }
    }

    /// Adds a picture, unless it has nothing to show.
    pub(crate) fn put(&mut self, words: &Words<'_>, chart: &dyn Draw) {
        let heading = Heading {
            title: words.title.to_owned(),
            subtitle: words.subtitle.to_owned(),
            simulated: self.simulated,
            source: self.source.clone(),
        };
        if let Some(chart) = chart.render(&heading, WIDTH).transpose() {
            self.pictures.push(chart.map(|chart| Picture {
                name: words.name.to_owned(),
                caption: words.caption.to_owned(),
                svg: chart.svg,
                png: chart.png,
            }));
        }
    }

    /// The pictures in order, or the first that could not be drawn.
    pub(crate) fn finish(self) -> Result<Vec<Picture>, ChartError> {
        self.pictures.into_iter().collect()
    }
}

/// A mean with its interval, times `factor`; unknown where there is none.
pub(crate) fn value(estimate: Option<&Estimate>, factor: f64) -> Value {
    estimate.map_or(Value::UNKNOWN, |e| Value {
        point: Some(e.mean * factor),
        interval: e.lo.zip(e.hi).map(|(lo, hi)| (lo * factor, hi * factor)),
    })
}
