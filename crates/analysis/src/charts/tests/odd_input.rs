//! Charts of nothing, of one thing, of unknown, huge and tiny things, and of long names.

use super::fixtures;
use crate::charts::{
    BarSeries, Category, Chart, ChartError, Color, Form, GroupedBars, Heading, Lane, LaneMark,
    LinePoint, LineSeries, Lines, Mark, Orientation, Overlap, Pair, Panel, Part, Phase,
    ReferenceLine, Segment, SlopePanel, Slopes, Span, StackedBars, StackedRow, Theme, Timeline,
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

/// Narrow, so that little fits and drawing is quick.
fn narrow() -> Theme {
    Theme {
        width: 800,
        ..Theme::default()
    }
}

/// The picture is sound and nothing was drawn over its edge.
fn sound(chart: &Chart) -> png::Image {
    let image = png::decode(&chart.png).unwrap();
    assert_eq!((image.width, image.height), (chart.width, chart.height));
    let (width, height) = (image.width as usize, image.height as usize);
    let pixels = image.rgb.as_chunks::<3>().0;
    for (y, row) in pixels.chunks(width).enumerate() {
        let white = |pixels: &[[u8; 3]]| pixels.iter().all(|pixel| *pixel == [255; 3]);
        if y < 8 || y + 8 >= height {
            assert!(
                white(row),
                "ink above or below the border in row {y} of {height}"
            );
        }
        assert!(
            white(&row[..8]),
            "ink left of the border in row {y} of {height}"
        );
        assert!(
            white(&row[width - 8..]),
            "ink right of the border in row {y} of {height}"
        );
    }
    image
}

fn holds(image: &png::Image, Color(r, g, b): Color) -> bool {
    image.rgb.as_chunks::<3>().0.contains(&[r, g, b])
}

fn bars(values: Vec<Value>, label: &str, orientation: Orientation) -> GroupedBars {
    GroupedBars {
        heading: Heading {
            title: format!("{LONG} {LONG} {LONG} {LONG}"),
            subtitle: LONG.repeat(3),
            simulated: true,
            source: [LONG; 12].join(" "),
        },
        value_label: LONG.to_owned(),
        categories: values
            .iter()
            .map(|_| Category {
                label: label.to_owned(),
                note: label.to_owned(),
                section: label.to_owned(),
            })
            .collect(),
        series: vec![BarSeries {
            name: label.to_owned(),
            values,
            color: None,
        }],
        reference_lines: vec![
            ReferenceLine {
                value: 0.5,
                label: label.to_owned(),
            },
            ReferenceLine {
                value: f64::NAN,
                label: String::new(),
            },
        ],
        orientation,
    }
}

fn lines(points: Vec<LinePoint>, mark: Mark) -> Lines {
    Lines {
        heading: Heading::default(),
        x_label: LONG.to_owned(),
        panels: vec![Panel {
            label: LONG.repeat(2),
            series: vec![LineSeries {
                name: LONG.to_owned(),
                points,
                mark,
                color: None,
            }],
            include: Vec::new(),
            reference_lines: vec![ReferenceLine {
                value: 1.0,
                label: LONG.to_owned(),
            }],
        }],
        spans: vec![Span {
            label: LONG.to_owned(),
            from: 0.0,
            to: 0.1,
            color: None,
        }],
        ..Lines::default()
    }
}

#[test]
fn charts_of_nothing_say_so() {
    let theme = narrow();
    for chart in [
        Timeline::default().render(&theme).unwrap(),
        GroupedBars::default().render(&theme).unwrap(),
        StackedBars::default().render(&theme).unwrap(),
        Lines::default().render(&theme).unwrap(),
        Slopes::default().render(&theme).unwrap(),
        Timeline {
            groups: vec![TimelineGroup::default()],
            ..Timeline::default()
        }
        .render(&theme)
        .unwrap(),
        Lines {
            panels: vec![Panel::default()],
            ..Lines::default()
        }
        .render(&theme)
        .unwrap(),
    ] {
        let image = sound(&chart);
        assert!(
            image.rgb.iter().any(|channel| *channel < 128),
            "something is written"
        );
    }
}

#[test]
fn one_lane_and_many() {
    let theme = narrow();
    for form in [Form::Full, Form::FrontPage] {
        for lanes in [1, 12] {
            let lane = |name: usize| Lane {
                label: format!("agent {name}"),
                segments: vec![Segment {
                    phase: Phase::Decode,
                    start_s: 0.0,
                    end_s: 1.0,
                }],
                marks: Vec::new(),
            };
            let group = TimelineGroup {
                label: LONG.to_owned(),
                detail: LONG.to_owned(),
                lanes: (0..lanes).map(lane).collect(),
                wall_s: Some(1.0),
                overlap: Overlap::Measured(1.0),
                verdict: LONG.repeat(3),
            };
            let timeline = Timeline {
                heading: Heading::default(),
                groups: vec![group],
                form,
            };
            let image = sound(&timeline.render(&theme).unwrap());
            assert_eq!(
                holds(&image, Color::GREEN),
                lanes > 1,
                "{lanes} lanes overlap"
            );
        }
    }
}

#[test]
fn a_picture_nobody_could_open_is_refused() {
    let lanes = vec![Lane::default(); 1000];
    let group = TimelineGroup {
        lanes,
        ..TimelineGroup::default()
    };
    let timeline = Timeline {
        groups: vec![group],
        ..Timeline::default()
    };
    let error = timeline.render(&narrow()).unwrap_err();
    assert!(matches!(error, ChartError::TooTall { .. }), "{error}");
}

#[test]
fn odd_times_in_a_timeline() {
    let segments = NUMBERS
        .iter()
        .flat_map(|start| {
            NUMBERS.iter().map(|end| Segment {
                phase: Phase::Load,
                start_s: *start,
                end_s: *end,
            })
        })
        .collect();
    let marks = NUMBERS
        .iter()
        .map(|at| LaneMark {
            at_s: *at,
            text: LONG.to_owned(),
        })
        .collect();
    let lane = Lane {
        label: LONG.to_owned(),
        segments,
        marks,
    };
    for overlap in [
        Overlap::Unknown,
        Overlap::NotShown,
        Overlap::Measured(f64::NAN),
    ] {
        let group = TimelineGroup {
            lanes: vec![lane.clone(), Lane::default()],
            overlap,
            wall_s: Some(f64::INFINITY),
            ..TimelineGroup::default()
        };
        let timeline = Timeline {
            groups: vec![group],
            ..Timeline::default()
        };
        sound(&timeline.render(&narrow()).unwrap());
    }
}

#[test]
fn odd_values_as_bars() {
    let theme = narrow();
    for orientation in [
        Orientation::Auto,
        Orientation::Horizontal,
        Orientation::Vertical,
    ] {
        for number in [0.0, 1e-300, f64::MIN, f64::NAN] {
            let values = vec![
                Value::exact(number),
                Value::within(1.0, number, 2.0),
                Value {
                    point: None,
                    interval: Some((1.0, 2.0)),
                },
            ];
            sound(&bars(values, "a", orientation).render(&theme).unwrap());
        }
        let all = NUMBERS.map(Value::exact).to_vec();
        sound(&bars(all, LONG, orientation).render(&theme).unwrap());
    }
}

#[test]
fn odd_values_in_stacks_lines_and_slopes() {
    let theme = narrow();
    for number in NUMBERS {
        let stacked = StackedBars {
            heading: Heading::default(),
            value_label: LONG.to_owned(),
            unit: " s".to_owned(),
            parts: vec![
                Part {
                    name: LONG.to_owned(),
                    color: None
                };
                3
            ],
            rows: vec![StackedRow {
                category: Category::from(LONG),
                values: vec![Some(number), Some(1.0), None],
            }],
        };
        sound(&stacked.render(&theme).unwrap());
        let point = |x, y| LinePoint {
            x,
            y: Value::within(y, 0.0, number),
        };
        let points = vec![
            point(0.0, 1.0),
            point(number, 2.0),
            point(2.0, number),
            point(3.0, 1.0),
        ];
        let mut chart = lines(points.clone(), Mark::Band);
        let dotted = lines(points, Mark::LineAndDots)
            .panels
            .remove(0)
            .series
            .remove(0);
        chart.panels[0].series.push(dotted);
        sound(&chart.render(&theme).unwrap());
        let pair = Pair {
            label: LONG.to_owned(),
            left: Value::exact(1.0),
            right: Value::within(number, 0.0, number),
            emphasis: true,
        };
        let panel = SlopePanel {
            label: LONG.to_owned(),
            left: LONG.to_owned(),
            right: LONG.to_owned(),
            pairs: vec![pair; 22],
            reference_lines: vec![ReferenceLine {
                value: number,
                label: LONG.to_owned(),
            }],
        };
        let slopes = Slopes {
            panels: vec![panel; 2],
            ..Slopes::default()
        };
        sound(&slopes.render(&theme).unwrap());
    }
}

#[test]
fn names_in_other_scripts_are_cut_between_characters() {
    let name = "Ωμέγα‐κύκλος_ß→∞_агент_второй_".repeat(6);
    for orientation in [Orientation::Horizontal, Orientation::Vertical] {
        let chart = bars(vec![Value::exact(1.0); 9], &name, orientation);
        sound(&chart.render(&narrow()).unwrap());
    }
}

#[test]
fn a_series_of_the_wrong_length_is_named() {
    let mut chart = bars(vec![Value::exact(1.0)], "estimate", Orientation::Auto);
    chart.heading.title = "speedup".to_owned();
    chart.series[0].values.push(Value::UNKNOWN);
    assert_eq!(
        chart.render(&narrow()).unwrap_err().to_string(),
        "chart `speedup`: series `estimate` has 2 values for 1 categories"
    );
    let mut stacked = fixtures::ttft_parts();
    stacked.rows[2].values.pop();
    assert!(
        stacked
            .render(&narrow())
            .unwrap_err()
            .to_string()
            .contains("2 values for 3")
    );
}

#[test]
fn unknown_is_not_drawn_as_zero() {
    let theme = narrow();
    let of = |value| {
        let chart = bars(vec![value, Value::exact(2.0)], "x", Orientation::Auto);
        chart.render(&theme).unwrap().png
    };
    assert!(
        !png::compare(&of(Value::UNKNOWN), &of(Value::exact(0.0)), 1)
            .unwrap()
            .is_match()
    );
    assert!(
        png::compare(&of(Value::UNKNOWN), &of(Value::exact(f64::NAN)), 0)
            .unwrap()
            .is_match()
    );
}

#[test]
fn simulated_pictures_say_so() {
    let theme = narrow();
    let badge = Color(0x8A, 0x2B, 0x62);
    let drawn: [&dyn Fn(bool) -> Chart; 5] = [
        &|on| {
            let mut chart = fixtures::full_timeline();
            chart.heading.simulated = on;
            chart.render(&theme).unwrap()
        },
        &|on| {
            let mut chart = fixtures::speedups();
            chart.heading.simulated = on;
            chart.render(&theme).unwrap()
        },
        &|on| {
            let mut chart = fixtures::ttft_parts();
            chart.heading.simulated = on;
            chart.render(&theme).unwrap()
        },
        &|on| {
            let mut chart = fixtures::temperature();
            chart.heading.simulated = on;
            chart.render(&theme).unwrap()
        },
        &|on| {
            let mut chart = fixtures::telemetry();
            chart.heading.simulated = on;
            chart.render(&theme).unwrap()
        },
    ];
    for draw in drawn {
        assert!(holds(&sound(&draw(true)), badge));
        assert!(!holds(&sound(&draw(false)), badge));
    }
}
