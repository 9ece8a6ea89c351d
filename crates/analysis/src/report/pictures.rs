//! Which pictures a sweep's report has, and what is in them. Drawing is the charts' business.

mod bars;
mod telemetry;
mod times;

use domain::record::Provenance;

use crate::album::Album;
use crate::charts::ChartError;
use crate::tables::View;
use document::Picture;

/// Every picture the data can fill. The first one, when there is any run, is the front page's.
pub(crate) fn draw(view: &View<'_>) -> Result<Vec<Picture>, ChartError> {
    let set = view.dataset;
    let mut album = Album::new(&*set.source, set.provenance == Provenance::Simulated);
    times::front(view, &mut album);
    // Scenarios, efficiency and what options do to it are TR113's.
    let scenarios = view.scenarios().into_iter().map(Some);
    let scenarios = scenarios.filter(|_| view.tr113);
    let all = (!view.tr113).then_some(None);
    for scenario in scenarios.chain(all) {
        times::timeline(view, scenario, &mut album);
    }
    bars::speedup(view, &mut album);
    if view.tr113 {
        bars::efficiency(view, &mut album);
        bars::options(view, &mut album);
    }
    bars::ttft(view, &mut album);
    bars::lost(view, &mut album);
    bars::servers(view, &mut album);
    telemetry::telemetry(&set.telemetry, &mut album);
    album.finish()
}
