//! Charts: pictures against committed ones, odd input, and the parts that measure.

mod fixtures;
mod odd_input;
mod parts;
mod pictures;

use super::{Chart, Draw, Heading};

/// A picture of each kind with the name of its snapshot; simulated ones say so unless `simulated`
/// says otherwise.
fn every(width: i32, simulated: Option<bool>) -> Vec<(&'static str, Chart)> {
    let charts = fixtures::all().into_iter();
    let draw = |(name, mut heading, chart): (_, Heading, Box<dyn Draw>)| {
        heading.simulated = simulated.unwrap_or(heading.simulated);
        let chart = chart.render(&heading, width).unwrap();
        (name, chart.expect("it has data"))
    };
    charts.map(draw).collect()
}
