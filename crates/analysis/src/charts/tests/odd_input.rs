//! Charts of nothing, of one thing, of unknown, huge and tiny things, and of long names.

use super::{every, fixtures};
use crate::charts::{
    BarSeries, Category, Change, Chart, ChartError, Color, Form, GroupedBars, Heading, Lane,
    LaneMark, LineSeries, Lines, Mark, Overlap, Pair, Panel, Part, Phase, ReferenceLine, Segment,
    SlopePanel, Slopes, Span, StackedBars, StackedRow, Theme, Timeline, TimelineGroup, Value, png,
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

/// Narrow, so that little fits and drawing is quick.
fn narrow() -> Theme {
    Theme {
        width: 800,
        ..Theme::default()
    }
}

type Drawn = Result<Option<Chart>, ChartError>;

/// The picture is sound and nothing was drawn over its edge.
fn sound(chart: Drawn) -> png::Image {
    let chart = chart.unwrap().expect("there is something to show");
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

fn holds(image: &png::Image, Color(r, g, b): Color) -> bool {
    image.rgb.as_chunks::<3>().0.contains(&[r, g, b])
}

fn bars(values: Vec<Value>, label: &str) -> GroupedBars {
    let category = Category {
        label: label.to_owned(),
        note: label.to_owned(),
        section: label.to_owned(),
    };
    GroupedBars {
        heading: Heading {
            title: format!("{LONG} {LONG} {LONG} {LONG}"),
            subtitle: LONG.repeat(3),
            simulated: true,
            source: [LONG; 12].join(" "),
        },
        value_label: LONG.to_owned(),
        categories: vec![category; values.len()],
        series: vec![BarSeries {
            name: label.to_owned(),
            values,
            color: None,
        }],
        reference_lines: vec![
            ReferenceLine::new(0.5, label),
            ReferenceLine::new(f64::NAN, ""),
        ],
    }
}

#[test]
fn charts_in_which_nothing_is_known_are_left_out() {
    let theme = narrow();
    let nothing = LineSeries::new(LONG, Mark::Line, [(1.0, None)]);
    let drawn: [Drawn; 9] = [
        Timeline::default().render(&theme),
        GroupedBars::default().render(&theme),
        StackedBars::default().render(&theme),
        Lines::default().render(&theme),
        Slopes::default().render(&theme),
        bars(vec![Value::UNKNOWN; 3], "x").render(&theme),
        Timeline {
            groups: vec![TimelineGroup::default()],
            ..Timeline::default()
        }
        .render(&theme),
        Lines {
            panels: vec![Panel::new(LONG, vec![nothing])],
            ..Lines::default()
        }
        .render(&theme),
        Slopes {
            panels: vec![SlopePanel {
                pairs: vec![Pair::default()],
                ..SlopePanel::default()
            }],
            ..Slopes::default()
        }
        .render(&theme),
    ];
    for (at, chart) in drawn.into_iter().enumerate() {
        assert_eq!(chart, Ok(None), "chart {at}");
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
        heading: Heading::default(),
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
        let drawn = timeline(vec![lane; lanes], form).render(&narrow());
        let overlap = holds(&sound(drawn), Color::GREEN);
        assert_eq!(overlap, lanes > 1, "{lanes} lanes overlap");
    }
}

#[test]
fn a_picture_nobody_could_open_is_refused() {
    let drawn = timeline(vec![Lane::default(); 1000], Form::Full).render(&narrow());
    assert!(matches!(drawn, Err(ChartError::TooTall { .. })));
}

#[test]
fn odd_times_in_a_timeline() {
    let segment = |start: f64| {
        NUMBERS.map(|end| Segment {
            phase: Phase::Load,
            start_s: start,
            end_s: end,
        })
    };
    let mark = |at: f64| LaneMark {
        at_s: at,
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
        sound(timeline.render(&narrow()));
    }
}

#[test]
fn odd_values_as_bars() {
    let theme = narrow();
    for number in [0.0, 1e-300, f64::MIN, f64::NAN] {
        let values = vec![
            Value::exact(number),
            Value::within(1.0, number, 2.0),
            Value {
                point: None,
                interval: Some((1.0, 2.0)),
            },
        ];
        sound(bars(values, "a").render(&theme));
    }
    sound(bars(NUMBERS.map(Value::exact).to_vec(), LONG).render(&theme));
    // Between characters, never within one.
    let name = "Ωμέγα‐κύκλος_ß→∞_агент_второй_".repeat(6);
    sound(bars(vec![Value::exact(1.0); 9], &name).render(&theme));
}

#[test]
fn odd_values_in_stacks_lines_and_slopes() {
    let theme = narrow();
    for number in NUMBERS {
        let part = Part {
            name: LONG.to_owned(),
            color: None,
        };
        let stacked = StackedBars {
            value_label: LONG.to_owned(),
            unit: " s".to_owned(),
            parts: vec![part; 3],
            rows: vec![StackedRow {
                category: Category::from(LONG),
                values: vec![Some(number), Some(1.0), None],
                interval: Some((number, 2.0)),
            }],
            ..StackedBars::default()
        };
        sound(stacked.render(&theme));

        let points = [(0.0, 1.0), (number, 2.0), (2.0, number), (3.0, 1.0)];
        let points = points.map(|(x, y)| (x, Value::within(y, 0.0, number)));
        let series = |mark| LineSeries::new(LONG, mark, points);
        let both = vec![series(Mark::Band), series(Mark::LineAndDots)];
        let lines = Lines {
            x_label: LONG.to_owned(),
            panels: vec![Panel::new(LONG, both).lines_at([ReferenceLine::new(1.0, LONG)])],
            spans: vec![
                Span {
                    label: LONG.to_owned(),
                    from: 0.0,
                    to: 0.1,
                    color: None,
                },
                Span::mark(number, LONG, Color::GREEN),
                Span::mark(1.0, LONG, Color::GREEN),
            ],
            ..Lines::default()
        };
        sound(lines.render(&theme));

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
        let slopes = Slopes {
            panels: vec![panel; 2],
            ..Slopes::default()
        };
        sound(slopes.render(&theme));
    }
}

#[test]
fn a_series_of_the_wrong_length_is_named() {
    let mut chart = bars(vec![Value::exact(1.0)], "estimate");
    chart.heading.title = "speedup".to_owned();
    chart.series[0].values.push(Value::UNKNOWN);
    let error = chart.render(&narrow()).unwrap_err().to_string();
    assert_eq!(
        error,
        "chart `speedup`: series `estimate` has 2 values for 1 categories"
    );
    let mut stacked = fixtures::ttft_parts();
    stacked.rows[2].values.pop();
    let error = stacked.render(&narrow()).unwrap_err().to_string();
    assert!(error.contains("2 values for 3"), "{error}");
}

#[test]
fn unknown_is_not_drawn_as_zero() {
    let of = |value| sound(bars(vec![value, Value::exact(2.0)], "x").render(&narrow()));
    assert!(of(Value::UNKNOWN) != of(Value::exact(0.0)));
    assert!(of(Value::UNKNOWN) == of(Value::exact(f64::NAN)));
}

#[test]
fn simulated_pictures_say_so() {
    for simulated in [true, false] {
        for (name, chart) in every(&narrow(), |heading| heading.simulated = simulated) {
            let badge = holds(&sound(Ok(Some(chart))), Color(0x8A, 0x2B, 0x62));
            assert_eq!(badge, simulated, "{name}");
        }
    }
}
