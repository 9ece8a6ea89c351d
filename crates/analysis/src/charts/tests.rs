//! Charts: pictures against committed ones, odd input, and the parts that measure.

mod fixtures;
mod odd_input;
mod parts;
mod pictures;

use super::{Chart, Heading, Theme};

/// A picture of each kind with the name of its snapshot, its heading changed by `change`.
fn every(theme: &Theme, change: impl Fn(&mut Heading)) -> Vec<(&'static str, Chart)> {
    macro_rules! draw {
        ($($name:literal: $chart:expr),* $(,)?) => {
            vec![$(($name, {
                let mut chart = $chart;
                change(&mut chart.heading);
                chart.render(theme).unwrap().expect("it has data")
            })),*]
        };
    }
    draw![
        "timeline_full": fixtures::full_timeline(),
        "timeline_front_page": fixtures::front_page(),
        "bars": fixtures::speedups(),
        "stacked": fixtures::ttft_parts(),
        "slopes": fixtures::temperature(),
        "telemetry": fixtures::telemetry(),
    ]
}
