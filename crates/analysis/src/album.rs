//! The pictures of a report while they are drawn.

use document::Picture;
use metrics::Estimate;

use crate::charts::{Chart, ChartError, Heading, Theme, Value};

/// The pictures of one report, and what they have in common.
#[derive(Debug)]
pub(crate) struct Album {
    pub(crate) theme: Theme,
    simulated: bool,
    source: String,
    /// The pictures drawn so far.
    pub(crate) pictures: Vec<Picture>,
}

impl Album {
    /// No pictures yet. `source` stands under each of them.
    pub(crate) fn new(source: impl Into<String>, simulated: bool) -> Self {
        Self {
            theme: Theme::default(),
            simulated,
            source: source.into(),
            pictures: Vec::new(),
        }
    }

    /// The words around a picture.
    pub(crate) fn heading(&self, title: impl Into<String>, subtitle: impl Into<String>) -> Heading {
        Heading {
            title: title.into(),
            subtitle: subtitle.into(),
            simulated: self.simulated,
            source: self.source.clone(),
        }
    }

    /// Adds a picture, unless it has nothing to show.
    pub(crate) fn put(
        &mut self,
        name: impl Into<String>,
        caption: impl Into<String>,
        chart: Result<Option<Chart>, ChartError>,
    ) -> Result<(), ChartError> {
        self.pictures.extend(chart?.map(|chart| Picture {
            name: name.into(),
            caption: caption.into(),
            png: chart.png,
        }));
        Ok(())
    }
}

/// A mean with its interval, times `factor`; unknown where there is none.
pub(crate) fn value(estimate: Option<&Estimate>, factor: f64) -> Value {
    estimate.map_or(Value::UNKNOWN, |e| Value {
        point: Some(e.mean * factor),
        interval: e.lo.zip(e.hi).map(|(lo, hi)| (lo * factor, hi * factor)),
    })
}
