//! Which pictures a sweep's report has, and what is in them. Drawing is the charts' business.

mod bars;
mod slopes;
mod telemetry;
mod times;

use domain::record::Provenance;

use crate::album::Album;
use crate::charts::ChartError;
use crate::tables::{View, scenario_title};
use document::Picture;

/// Every picture the data can fill. The first one, when there is any run, is the front page's.
pub(crate) fn draw(view: &View<'_>) -> Result<Vec<Picture>, ChartError> {
    let set = view.dataset;
    let mut album = Album::new(&*set.source, set.provenance == Provenance::Simulated);
    times::front(view, &mut album);
    if view.tr113 {
        for scenario in view.scenarios() {
            times::timeline(view, Some(scenario), &mut album);
        }
    } else {
        times::timeline(view, None, &mut album);
    }
    bars::speedup(view, &mut album);
    // Efficiency and what options do to it are TR113's estimate again.
    if view.tr113 {
        bars::efficiency(view, &mut album);
    }
    bars::ttft(view, &mut album);
    if view.tr113 {
        slopes::options(view, &mut album);
    }
    bars::lost(view, &mut album);
    slopes::servers(view, &mut album);
    telemetry::telemetry(&set.telemetry, &mut album);
    album.finish()
}

/// The heading of a scenario's configurations; empty outside TR113, because another plan may use TR113's
/// scenario names for something else.
fn section(view: &View<'_>, scenario: &str) -> String {
    if view.tr113 {
        scenario_title(scenario)
    } else {
        String::new()
    }
}
