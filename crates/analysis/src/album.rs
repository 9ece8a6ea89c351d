//! The pictures of a report while they are drawn.

use document::Picture;
use document::words::fill;
use metrics::Estimate;

use crate::charts::theme::WIDTH;
use crate::charts::{Chart, ChartError, Draw, Heading, Value};

/// A line for each picture: its key, its title, its subtitle (units, arm, protocol; may be empty), and the caption that the
/// report prints beneath it.
const WORDS: &str = include_str!("pictures.txt");

#[derive(Debug)]
pub(crate) struct Album {
    /// Whether each picture says that its data are simulated.
    simulated: bool,
    /// Where the data come from, printed under each picture.
    source: String,
    pictures: Vec<Result<Picture, ChartError>>,
}

impl Album {
    pub(crate) fn new(source: impl Into<String>, simulated: bool) -> Self {
        Self {
            simulated,
            source: source.into(),
            pictures: Vec::new(),
        }
    }

    /// Adds a picture, unless it has nothing to show. `key` names its line in [`WORDS`], where each `{name}` is replaced by
    /// its value. The picture's file is named after the key's part between `/` and `:`.
    pub(crate) fn put(&mut self, key: &str, values: &[(&str, &str)], chart: &dyn Draw) {
        let line = WORDS.lines().find_map(|line| {
            let words = line.strip_prefix(key)?.strip_prefix(" | ")?;
            Some(words.split(" | "))
        });
        let filled = |template: &str| {
            fill(template, |name| {
                let value = values.iter().find(|(own, _)| *own == name);
                value.expect("every name has a value").1.to_owned()
            })
        };
        let mut words = line.expect("every picture has its words").map(filled);
        let mut next = || words.next().unwrap_or_default();
        let heading = Heading {
            title: next(),
            subtitle: next(),
            simulated: self.simulated,
            source: self.source.clone(),
        };
        let (_, name) = key.split_once('/').unwrap_or(("", key));
        let name = name.split(':').next().unwrap_or(name);
        let picture = |chart: Chart| Picture {
            name: filled(name),
            caption: next(),
            svg: chart.svg,
            png: chart.png,
        };
        let drawn = chart
            .render(&heading, WIDTH)
            .map(|chart| chart.map(picture));
        self.pictures.extend(drawn.transpose());
    }

    /// The pictures in the order in which they were added. Fails with the first error of drawing one.
    pub(crate) fn finish(self) -> Result<Vec<Picture>, ChartError> {
        self.pictures.into_iter().collect()
    }
}

/// A mean with its interval, both multiplied by `factor` (such as 100 for percent); unknown without an estimate.
pub(crate) fn value(estimate: Option<&Estimate>, factor: f64) -> Value {
    estimate.map_or(Value::UNKNOWN, |e| Value {
        point: Some(e.mean * factor),
        interval: e.lo.zip(e.hi).map(|(lo, hi)| (lo * factor, hi * factor)),
    })
}

#[cfg(test)]
mod tests {
    use super::WORDS;

    #[test]
    fn every_line_has_a_key_a_title_a_subtitle_and_a_caption() {
        for line in WORDS.lines() {
            assert_eq!(line.split(" | ").count(), 4, "{line}");
        }
    }
}
