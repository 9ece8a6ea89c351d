//! Which pictures a report has, and what is in them. Drawing is the charts' business.

mod bars;
mod slopes;
mod times;

use std::fmt::Write as _;

use domain::record::Provenance;
use metrics::Estimate;

use crate::charts::{Chart, ChartError, Heading, Theme, Value};
use crate::tables::View;
use bars::{efficiency, lost, speedup, ttft};
use slopes::{options, servers};
use times::{front, telemetry, timeline};

/// A picture with the words under it.
#[derive(Debug, Clone)]
pub(crate) struct Picture {
    /// File stem under `charts/`.
    pub(crate) name: String,
    /// Can be read alone.
    pub(crate) caption: String,
    pub(crate) chart: Chart,
}

impl Picture {
    /// The picture and its caption, as Markdown.
    pub(crate) fn show(&self, text: &mut String) {
        let Self { name, caption, .. } = self;
        let alt = caption.replace(['[', ']'], "");
        let _ = write!(text, "![{alt}](charts/{name}.png)\n\n*{caption}*\n\n");
    }
}

/// Every picture the data can fill. The first one, when there is any run, is the front page's.
pub(crate) fn draw(view: &View<'_>) -> Result<Vec<Picture>, ChartError> {
    let theme = Theme::default();
    let mut pictures = Vec::new();
    pictures.extend(front(view, &theme)?);
    for scenario in view.scenarios() {
        pictures.extend(timeline(view, scenario, &theme)?);
    }
    pictures.push(speedup(view, &theme)?);
    pictures.push(efficiency(view, &theme)?);
    pictures.extend(ttft(view, &theme)?);
    pictures.extend(options(view, &theme)?);
    pictures.extend(lost(view, &theme)?);
    pictures.extend(servers(view, &theme)?);
    pictures.extend(telemetry(view, &theme)?);
    Ok(pictures)
}

fn heading(view: &View<'_>, title: impl Into<String>, subtitle: impl Into<String>) -> Heading {
    let set = view.dataset;
    Heading {
        title: title.into(),
        subtitle: subtitle.into(),
        simulated: set.provenance == Provenance::Simulated,
        source: set.source.clone(),
    }
}

fn value(estimate: Option<&Estimate>, factor: f64) -> Value {
    estimate.map_or_else(Value::default, |e| match e.lo.zip(e.hi) {
        Some((lo, hi)) => Value::within(e.mean * factor, lo * factor, hi * factor),
        None => Value::exact(e.mean * factor),
    })
}
