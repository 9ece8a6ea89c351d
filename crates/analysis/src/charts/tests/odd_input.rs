//! Charts of nothing, of one thing, of unknown, huge and tiny things, and of long names.

use super::fixtures::within;
use super::{drawn, fixtures};
use crate::charts::page::Chart;
use crate::charts::theme::{BLUE, GREEN, GREY};
use crate::charts::{
    Bar, Bars, Change, ChartError, Draw, Form, Heading, Lane, LaneMark, LineSeries, Lines, Mark,
    Overlap, Pair, Panel, Phase, ReferenceLine, Row, Segment, SlopePanel, Slopes, Span, Timeline,
    TimelineGroup, Value, png,
};

const LONG: &str = "bvc_gpu120_ctx1024_temp0p6_with_a_name_of_some_sixty_letters";

/// Numbers that break careless arithmetic.
const NUMBERS: [f64; 8] = [
    0.0,
    -3.5,
    1e-300,
    1e15,
    f64::MAX,
    f64::MIN,
    f64::NAN,
    f64::NEG_INFINITY,
];

/// Draws a chart so narrow that little fits and drawing is quick.
fn render(chart: &dyn Draw) -> Result<Option<Chart>, ChartError> {
    chart.render(&Heading::default(), 800)
}

/// Draws a chart and checks that its border is empty.
fn sound(chart: &dyn Draw, heading: &Heading) -> String {
    let chart = chart.render(heading, 800).unwrap();
    let chart = chart.expect("there is something to show");
    let image = png::decode(&chart.png).unwrap();
    let (width, height) = (image.width as usize, image.height as usize);
    let is_white = |pixels: &[[u8; 3]]| pixels.iter().all(|pixel| *pixel == [255; 3]);
    for (y, row) in image.rgb.as_chunks::<3>().0.chunks(width).enumerate() {
        let edge = if y < 8 || y + 8 >= height { width } else { 8 };
        let clean = is_white(&row[..edge]) && is_white(&row[width - edge..]);
        assert!(clean, "ink on the border in row {y} of {height}");
    }
    chart.svg
}

fn bars(values: &[Value], label: &str) -> Bars {
    let row = |value: &Value| Row {
        label: label.to_owned(),
        note: label.to_owned(),
        section: label.to_owned(),
        bars: vec![Bar::single(0, *value)],
    };
    Bars {
        value_label: LONG.to_owned(),
        legend: vec![(label.to_owned(), BLUE)],
        rows: values.iter().map(row).collect(),
        reference_lines: vec![
            ReferenceLine::new(0.5, label),
            ReferenceLine::new(f64::NAN, ""),
        ],
        ..Bars::default()
    }
}

fn timeline(lanes: Vec<Lane>, form: Form) -> Timeline {
    let group = TimelineGroup {
        label: LONG.to_owned(),
        detail: LONG.to_owned(),
        lanes,
        wall_s: Some(1.0),
        overlap: Overlap::Measured(1.0),
        verdict: LONG.repeat(3),
    };
    Timeline {
        groups: vec![group],
        form,
    }
}

#[test]
fn charts_in_which_nothing_is_known_are_left_out() {
    let nothing = LineSeries::new(LONG, Mark::Line, [(1.0, None)]);
    let panel = SlopePanel {
        pairs: vec![Pair::default()],
        ..SlopePanel::default()
    };
    let charts: [&dyn Draw; 8] = [
        &Timeline::default(),
        &Bars::default(),
        &Lines::default(),
        &Slopes::default(),
        &bars(&[Value::UNKNOWN; 3], "x"),
        &timeline(Vec::new(), Form::Full),
        &Lines::new(LONG, vec![Panel::new(LONG, vec![nothing])]),
        &Slopes {
            panels: vec![panel],
            shared_axis: false,
        },
    ];
    for (at, chart) in charts.into_iter().enumerate() {
        assert_eq!(render(chart), Ok(None), "chart {at}");
    }
}

#[test]
fn one_lane_and_many() {
    for form in [Form::Full, Form::FrontPage] {
        for lanes in [1, 12] {
            let lane = fixtures::lane("agent", 0.0, [0.0, 0.0, 0.0, 1.0], Phase::Load);
            let svg = sound(&timeline(vec![lane; lanes], form), &Heading::default());
            assert_eq!(
                svg.contains("decode at once"),
                lanes > 1,
                "{lanes} lanes overlap"
            );
        }
    }
}

#[test]
fn a_chart_that_is_too_tall_is_refused() {
    let refused = render(&timeline(vec![Lane::default(); 1000], Form::Full));
    assert!(matches!(refused, Err(ChartError::TooTall { .. })));
}

#[test]
fn odd_times_in_a_timeline() {
    let segment = |start_s: f64| {
        NUMBERS.map(|end_s| Segment {
            phase: Phase::Load,
            start_s,
            end_s,
        })
    };
    let mark = |at_s: f64| LaneMark {
        at_s,
        text: LONG.to_owned(),
    };
    let lane = Lane {
        label: LONG.to_owned(),
        segments: NUMBERS.into_iter().flat_map(segment).collect(),
        marks: NUMBERS.into_iter().map(mark).collect(),
    };
    for overlap in [
        Overlap::Unknown,
        Overlap::NotShown,
        Overlap::Measured(f64::NAN),
    ] {
        let mut timeline = timeline(vec![lane.clone(), Lane::default()], Form::Full);
        timeline.groups[0].overlap = overlap;
        timeline.groups[0].wall_s = Some(f64::INFINITY);
        sound(&timeline, &Heading::default());
    }
}

#[test]
fn odd_values_and_names_as_bars() {
    for number in NUMBERS {
        let without_point = Value {
            point: None,
            interval: Some((1.0, 2.0)),
        };
        let values = [number.into(), within(1.0, number, 2.0), without_point];
        sound(&bars(&values, LONG), &Heading::default());
    }
    // Shortened between characters; markup and what XML cannot hold are no part of the SVG's structure.
    for name in [
        "Ωμέγα‐κύκλος_ß→∞_агент_второй_",
        "</text><script>&\0\u{1b}\u{fffe}\"'",
    ] {
        let svg = sound(
            &bars(&[1.0.into(); 3], &name.repeat(6)),
            &Heading::default(),
        );
        assert!(!svg.contains("<script"));
    }
    let heading = Heading {
        title: [LONG; 4].join(" "),
        subtitle: LONG.repeat(3),
        simulated: true,
        source: [LONG; 12].join(" "),
    };
    sound(&bars(&[1.0.into()], LONG), &heading);
}

#[test]
fn odd_values_in_parts_lines_and_slopes() {
    for number in NUMBERS {
        let mut chart = bars(&[Value::from(1.0)], LONG);
        chart.rows[0].bars[0] = Bar {
            parts: vec![(0, Some(number)), (0, Some(1.0)), (9, None)],
            interval: Some((number, 2.0)),
        };
        sound(&chart, &Heading::default());

        let points = [(0.0, 1.0), (number, 2.0), (2.0, number), (3.0, 1.0)];
        let points = points.map(|(x, y)| (x, within(y, 0.0, number)));
        let series = |mark| LineSeries::new(LONG, mark, points);
        let both = vec![series(Mark::Band), series(Mark::LineAndDots)];
        let panel = Panel::new(LONG, both).lines_at([ReferenceLine::new(1.0, LONG)]);
        let stretch = Span {
            to: 0.1,
            ..Span::mark(0.0, LONG, GREY)
        };
        let marks = [
            Span::mark(number, LONG, GREEN),
            Span::mark(1.0, LONG, GREEN),
        ];
        let lines = Lines {
            spans: [stretch].into_iter().chain(marks).collect(),
            ..Lines::new(LONG, vec![panel])
        };
        sound(&lines, &Heading::default());

        let pair = Pair {
            label: LONG.to_owned(),
            left: 1.0.into(),
            right: within(number, 0.0, number),
            change: Change::Worse,
        };
        let panel = SlopePanel {
            label: LONG.to_owned(),
            left: LONG.to_owned(),
            right: LONG.to_owned(),
            pairs: vec![pair; 22],
        };
        let slopes = Slopes {
            panels: vec![panel; 2],
            shared_axis: false,
        };
        sound(&slopes, &Heading::default());
    }
}

#[test]
fn unknown_is_not_drawn_as_zero() {
    let svg = |value: f64| sound(&bars(&[value.into(), 2.0.into()], "x"), &Heading::default());
    assert!(svg(f64::NAN).contains("unknown") && !svg(0.0).contains("unknown"));
}

#[test]
fn simulated_charts_say_so() {
    for (name, heading, chart) in drawn(800) {
        assert_eq!(chart.svg.contains("SIMULATED"), heading.simulated, "{name}");
    }
}
