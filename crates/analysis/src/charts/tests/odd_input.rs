//! Charts of nothing, of one thing, of unknown, huge and tiny things, and of long names.

use crate::charts::theme::{BLUE, GREEN, GREY};
use crate::charts::{
    Bar, Bars, ChartError, Draw, Heading, Lane, LineSeries, Lines, Mark, Panel, Phase,
    ReferenceLine, Row, Segment, Span, Timeline, TimelineGroup, Value, png,
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

fn within(point: f64, low: f64, high: f64) -> Value {
    Value {
        point: Some(point),
        interval: Some((low, high)),
    }
}

fn segment(phase: Phase, start_s: f64, end_s: f64) -> Segment {
    Segment {
        phase,
        start_s,
        end_s,
    }
}

/// Draws a chart, so narrow that little fits and drawing is quick, and checks that its border is empty.
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

fn timeline(lanes: Vec<Lane>, wall_s: f64) -> Timeline {
    let group = TimelineGroup {
        label: LONG.to_owned(),
        detail: LONG.to_owned(),
        lanes,
        wall_s: Some(wall_s),
        remark: LONG.repeat(3),
    };
    Timeline {
        groups: vec![group],
    }
}

#[test]
fn charts_of_nothing_are_left_out_and_those_that_are_too_tall_refused() {
    let nothing = LineSeries::new(LONG, Mark::Line, [(1.0, None)]);
    let charts: [&dyn Draw; 6] = [
        &Timeline::default(),
        &Bars::default(),
        &Lines::default(),
        &bars(&[Value::UNKNOWN; 3], "x"),
        &timeline(Vec::new(), 1.0),
        &Lines::new(LONG, vec![Panel::new(LONG, vec![nothing])]),
    ];
    let render = |chart: &dyn Draw| chart.render(&Heading::default(), 800);
    for (at, chart) in charts.into_iter().enumerate() {
        assert_eq!(render(chart), Ok(None), "chart {at}");
    }
    let refused = render(&timeline(vec![Lane::default(); 1000], 1.0));
    assert!(matches!(refused, Err(ChartError::TooTall { .. })));
}

#[test]
fn timelines_of_one_lane_of_many_and_of_odd_times() {
    for lanes in [1, 12] {
        let lane = Lane {
            segments: vec![segment(Phase::Decode, 0.0, 1.0)],
            marks: vec![(0.5, "stalled".to_owned())],
            ..Lane::default()
        };
        let svg = sound(&timeline(vec![lane; lanes], 1.0), &Heading::default());
        assert_eq!(svg.contains("decode at once"), lanes > 1, "{lanes} lanes");
        assert_eq!(svg.matches("stalled").count(), lanes);
    }
    let all = |start_s| NUMBERS.map(|end_s| segment(Phase::Load, start_s, end_s));
    let lane = Lane {
        label: LONG.to_owned(),
        segments: NUMBERS.into_iter().flat_map(all).collect(),
        marks: NUMBERS.map(|at_s| (at_s, LONG.to_owned())).to_vec(),
    };
    let odd = timeline(vec![lane, Lane::default()], f64::INFINITY);
    sound(&odd, &Heading::default());
}

#[test]
fn odd_names_are_shortened_and_make_no_markup() {
    // Shortened between characters; markup and what XML cannot hold are no part of the SVG's structure.
    for name in [
        "Ωμέγα‐κύκλος_ß→∞_агент_второй_",
        "</text><script>&\0\u{1b}\u{fffe}\"'",
    ] {
        let odd = bars(&[1.0.into(); 3], &name.repeat(6));
        assert!(!sound(&odd, &Heading::default()).contains("<script"));
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
fn odd_values_in_bars_parts_and_lines() {
    for number in NUMBERS {
        let without_point = Value {
            point: None,
            interval: Some((1.0, 2.0)),
        };
        let values = [number.into(), within(1.0, number, 2.0), without_point];
        sound(&bars(&values, LONG), &Heading::default());

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
        let spans = [(0.0, 0.1, GREY), (number, number, GREEN), (1.0, 1.0, GREEN)];
        let span = |(from, to, color)| Span {
            to,
            ..Span::mark(from, LONG, color)
        };
        let lines = Lines {
            spans: spans.map(span).to_vec(),
            ..Lines::new(LONG, vec![panel])
        };
        sound(&lines, &Heading::default());
    }
}

/// What is not known is said, and never drawn as zero.
#[test]
fn unknown_values_parts_and_series() {
    let svg = |chart: &dyn Draw| sound(chart, &Heading::default());
    let unknown = |value: f64| svg(&bars(&[value.into(), 2.0.into()], "x")).contains("unknown");
    assert!(unknown(f64::NAN) && !unknown(0.0));
    let mut incomplete = bars(&[Value::from(1.0)], "x");
    incomplete.rows[0].bars[0].parts.push((0, None));
    let incomplete = svg(&incomplete);
    assert!(incomplete.contains("part unknown") && incomplete.contains("≥ 1.00"));
    let series = |name: &str, y: Option<f64>| LineSeries::new(name, Mark::Dots, [(1.0, y)]);
    let both = vec![series("measured", Some(2.0)), series("not measured", None)];
    let nothing = Panel::new("Clock, MHz", vec![series("measured", None)]);
    let lines = svg(&Lines::new(
        "agents",
        vec![Panel::new("rate", both), nothing],
    ));
    assert!(lines.contains(">\nmeasured") && lines.contains("rate"));
    assert!(!lines.contains("not measured") && !lines.contains("Clock"));
}

/// A line without the point at 2, where it has one at 1 and at 3, is two lines; a negative bar ends at zero, from its left;
/// of two reference lines that nearly coincide both are drawn, and the first has its label.
#[test]
fn gaps_negative_bars_and_close_reference_lines() {
    let svg = |chart: &dyn Draw| sound(chart, &Heading::default());
    let pieces = |at_2: Option<f64>| {
        let points = [1.0, 3.0].map(|at| (at, Some(2.0)));
        let points = [
            (0.0, Some(1.0)),
            points[0],
            (2.0, at_2),
            points[1],
            (4.0, Some(1.0)),
        ];
        let series = LineSeries::new("rate", Mark::Line, points);
        let chart = Lines::new("agents", vec![Panel::new("rate", vec![series])]);
        let svg = svg(&chart);
        let is_piece =
            |line: &&str| line.starts_with("<polyline") && line.contains("stroke=\"#0072B2\"");
        svg.lines().filter(is_piece).count()
    };
    assert_eq!((pieces(Some(1.5)), pieces(None)), (1, 2));

    let both = svg(&bars(&[Value::from(-3.5), Value::from(2.0)], "x"));
    let is_bar = |line: &&str| line.starts_with("<rect") && line.contains("#0072B2");
    let number = |line: &str, name: &str| -> i32 {
        let (_, value) = line.split_once(&format!(" {name}=\"")).unwrap();
        value.split('"').next().unwrap().parse().unwrap()
    };
    let ends = |line: &str| (number(line, "x"), number(line, "x") + number(line, "width"));
    // The first is that of the legend.
    let ends: Vec<_> = both.lines().filter(is_bar).skip(1).map(ends).collect();
    let [(negative, zero), (from, positive)] = ends[..] else {
        panic!("{ends:?}");
    };
    assert!(negative < zero && zero.abs_diff(from) <= 1 && from < positive);
    assert!(both.contains("−3.50"));

    let labels = |second: f64| {
        let lines = [(1.0, "first limit"), (second, "second limit")];
        let chart = Bars {
            reference_lines: lines
                .map(|(at, label)| ReferenceLine::new(at, label))
                .into(),
            ..bars(&[Value::from(2.0)], "x")
        };
        let svg = svg(&chart);
        let dashes = svg.matches("stroke=\"#1C1E21\"").count();
        (
            dashes,
            ["first limit", "second limit"].map(|label| svg.contains(label)),
        )
    };
    let ((close, of_close), (apart, of_apart)) = (labels(1.01), labels(1.9));
    assert_eq!((of_close, of_apart), ([true, false], [true, true]));
    assert_eq!(close, apart, "dashes of both lines");
}

#[test]
fn simulated_charts_say_so_and_drawing_again_gives_the_same_files() {
    let lane = Lane {
        segments: vec![segment(Phase::Decode, 0.0, 1.0)],
        ..Lane::default()
    };
    let line = LineSeries::new("x", Mark::LineAndDots, [(1.0, 2.0), (2.0, 1.0)]);
    let charts: [&dyn Draw; 3] = [
        &bars(&[1.0.into(), (-2.0).into()], "x"),
        &timeline(vec![lane; 2], 1.0),
        &Lines::new("agents", vec![Panel::new("rate", vec![line])]),
    ];
    for (at, chart) in charts.into_iter().enumerate() {
        for simulated in [true, false] {
            let heading = Heading {
                simulated,
                ..Heading::default()
            };
            let [first, second] = [(); 2].map(|()| chart.render(&heading, 800).unwrap().unwrap());
            assert_eq!(first.svg.contains("SIMULATED"), simulated, "chart {at}");
            let is_same = first.svg == second.svg && first.png == second.png;
            assert!(is_same, "chart {at}");
        }
    }
}
