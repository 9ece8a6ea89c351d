//! Charts of nothing, of one thing, of unknown, huge and tiny things, and of long names.

use super::{every, fixtures};
use crate::charts::page::BADGE_COLOR;
use crate::charts::{
    Change, Chart, ChartError, Color, Draw, Form, GroupedBars, Heading, Lane, LaneMark, LineSeries,
    Lines, Mark, Overlap, Pair, Panel, Phase, ReferenceLine, Segment, SlopePanel, Slopes, Span,
    StackedBars, StackedRow, Timeline, TimelineGroup, Value, png,
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

/// Draws a picture so narrow that little fits and drawing is quick.
fn draw(chart: &dyn Draw) -> Result<Option<Chart>, ChartError> {
    chart.render(&Heading::default(), 800)
}

/// The picture is sound and nothing was drawn over its edge.
fn sound(chart: &Chart) -> png::Image {
    let image = png::decode(&chart.png).unwrap();
    assert_eq!((image.width, image.height), (chart.width, chart.height));
    let (width, height) = (image.width as usize, image.height as usize);
    let white = |pixels: &[[u8; 3]]| pixels.iter().all(|pixel| *pixel == [255; 3]);
    let pixels = image.rgb.as_chunks::<3>().0;
    for (y, row) in pixels.chunks(width).enumerate() {
        let edge = y < 8 || y + 8 >= height;
        let clean = white(&row[..8]) && white(&row[width - 8..]) && (!edge || white(row));
        assert!(clean, "ink on the border in row {y} of {height}");
    }
    image
}

fn drawn(chart: &dyn Draw) -> png::Image {
    sound(&draw(chart).unwrap().expect("there is something to show"))
}

fn holds(image: &png::Image, Color(r, g, b): Color) -> bool {
    image.rgb.as_chunks::<3>().0.contains(&[r, g, b])
}

fn bars(values: Vec<Value>, label: &str) -> GroupedBars {
    GroupedBars {
        value_label: LONG.to_owned(),
        categories: vec![fixtures::category(label, label, label); values.len()],
        series: vec![(label.to_owned(), values)],
        reference_lines: vec![
            ReferenceLine::new(0.5, label),
            ReferenceLine::new(f64::NAN, ""),
        ],
    }
}

#[test]
fn charts_in_which_nothing_is_known_are_left_out() {
    let nothing = LineSeries::new(LONG, Mark::Line, [(1.0, None)]);
    let panel = SlopePanel {
        pairs: vec![Pair::default()],
        ..SlopePanel::default()
    };
    let charts: [&dyn Draw; 9] = [
        &Timeline::default(),
        &GroupedBars::default(),
        &StackedBars::default(),
        &Lines::default(),
        &Slopes::default(),
        &bars(vec![Value::UNKNOWN; 3], "x"),
        &Timeline {
            groups: vec![TimelineGroup::default()],
            ..Timeline::default()
        },
        &Lines::new(LONG, vec![Panel::new(LONG, vec![nothing])]),
        &Slopes {
            panels: vec![panel],
            shared_axis: false,
        },
    ];
    for (at, chart) in charts.into_iter().enumerate() {
        assert_eq!(draw(chart), Ok(None), "chart {at}");
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
fn one_lane_and_many() {
    for (form, lanes) in [
        (Form::Full, 1),
        (Form::Full, 12),
        (Form::FrontPage, 1),
        (Form::FrontPage, 12),
    ] {
        let lane = fixtures::lane("agent", 0.0, [0.0, 0.0, 0.0, 1.0], Phase::Load);
        let image = drawn(&timeline(vec![lane; lanes], form));
        let overlap = holds(&image, Color::GREEN);
        assert_eq!(overlap, lanes > 1, "{lanes} lanes overlap");
    }
}

#[test]
fn a_picture_nobody_could_open_is_refused() {
    let refused = draw(&timeline(vec![Lane::default(); 1000], Form::Full));
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
        drawn(&timeline);
    }
}

#[test]
fn odd_values_as_bars() {
    for number in [0.0, 1e-300, f64::MIN, f64::NAN] {
        let values = vec![
            Value::exact(number),
            Value::within(1.0, number, 2.0),
            Value {
                point: None,
                interval: Some((1.0, 2.0)),
            },
        ];
        drawn(&bars(values, "a"));
    }
    drawn(&bars(NUMBERS.map(Value::exact).to_vec(), LONG));
    // Between characters, never within one.
    let name = "Ωμέγα‐κύκλος_ß→∞_агент_второй_".repeat(6);
    drawn(&bars(vec![Value::exact(1.0); 9], &name));
}

#[test]
fn words_without_end_around_a_picture() {
    let heading = Heading {
        title: [LONG; 4].join(" "),
        subtitle: LONG.repeat(3),
        simulated: true,
        source: [LONG; 12].join(" "),
    };
    let chart = bars(vec![Value::exact(1.0)], LONG);
    let chart = chart.render(&heading, 800).unwrap();
    sound(&chart.expect("there is something to show"));
}

#[test]
fn odd_values_in_stacks_lines_and_slopes() {
    for number in NUMBERS {
        drawn(&StackedBars {
            value_label: LONG.to_owned(),
            parts: vec![(LONG.to_owned(), Color::BLUE); 3],
            rows: vec![StackedRow {
                category: fixtures::category(LONG, "", ""),
                values: vec![Some(number), Some(1.0), None],
                interval: Some((number, 2.0)),
            }],
        });

        let points = [(0.0, 1.0), (number, 2.0), (2.0, number), (3.0, 1.0)];
        let points = points.map(|(x, y)| (x, Value::within(y, 0.0, number)));
        let series = |mark| LineSeries::new(LONG, mark, points);
        let both = vec![series(Mark::Band), series(Mark::LineAndDots)];
        let panel = Panel::new(LONG, both).lines_at([ReferenceLine::new(1.0, LONG)]);
        let stretch = Span {
            to: 0.1,
            ..Span::mark(0.0, LONG, Color::GREY)
        };
        drawn(&Lines {
            spans: vec![
                stretch,
                Span::mark(number, LONG, Color::GREEN),
                Span::mark(1.0, LONG, Color::GREEN),
            ],
            ..Lines::new(LONG, vec![panel])
        });

        let pair = Pair {
            label: LONG.to_owned(),
            left: Value::exact(1.0),
            right: Value::within(number, 0.0, number),
            change: Change::Worse,
        };
        let panel = SlopePanel {
            label: LONG.to_owned(),
            left: LONG.to_owned(),
            right: LONG.to_owned(),
            pairs: vec![pair; 22],
        };
        drawn(&Slopes {
            panels: vec![panel; 2],
            shared_axis: false,
        });
    }
}

#[test]
fn what_has_the_wrong_length_is_named() {
    let heading = Heading {
        title: "speedup".to_owned(),
        ..Heading::default()
    };
    let mut chart = bars(vec![Value::exact(1.0)], "estimate");
    chart.series[0].1.push(Value::UNKNOWN);
    let mut stacked = fixtures::ttft_parts();
    stacked.rows[2].values.pop();
    let cases: [(&dyn Draw, &str); 2] = [
        (
            &chart,
            "chart `speedup`: series `estimate` has 2 values for 1 categories",
        ),
        (
            &stacked,
            "chart `speedup`: row `bvc_g120_c1024_t0.6` has 2 values for 3 parts",
        ),
    ];
    for (chart, message) in cases {
        let error = chart.render(&heading, 800).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn unknown_is_not_drawn_as_zero() {
    let of = |value| drawn(&bars(vec![value, Value::exact(2.0)], "x"));
    assert!(of(Value::UNKNOWN) != of(Value::exact(0.0)));
    assert!(of(Value::UNKNOWN) == of(Value::exact(f64::NAN)));
}

#[test]
fn simulated_pictures_say_so() {
    for simulated in [true, false] {
        for (name, chart) in every(800, Some(simulated)) {
            assert_eq!(holds(&sound(&chart), BADGE_COLOR), simulated, "{name}");
        }
    }
}
