//! Charts: pictures against committed ones, odd input, and the parts that measure.

mod fixtures;
mod odd_input;
mod parts;
mod pictures;

use super::page::Chart;
use super::{Draw, Heading};

/// Every fixture with its name, drawn.
fn drawn(width: i32) -> Vec<(&'static str, Heading, Chart)> {
    let charts = fixtures::all().into_iter();
    let draw = |(name, heading, chart): (_, Heading, Box<dyn Draw>)| {
        let drawn = chart.render(&heading, width).unwrap();
        (name, heading, drawn.expect("it has data"))
    };
    charts.map(draw).collect()
}
