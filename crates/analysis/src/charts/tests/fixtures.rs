//! Descriptions with realistic content. Figures are of the Chimeraforge runs of 2025-11-12.

use crate::charts::{
    BarSeries, Category, Change, Color, Form, GroupedBars, Heading, Lane, LaneMark, LineSeries,
    Lines, Mark, Note, Overlap, Pair, Panel, Part, Phase, ReferenceLine, Segment, SlopePanel,
    Slopes, Span, StackedBars, StackedRow, Timeline, TimelineGroup, Value, XAxis,
};

/// Configuration; of agents A and B: queue, load, prefill, decode in seconds.
type Row = (&'static str, [[f64; 4]; 2]);

const RUNS: [Row; 5] = [
    (
        "baseline_g80_c512_t0.8",
        [[0.038, 5.290, 0.639, 4.475], [0.014, 14.890, 0.512, 6.921]],
    ),
    (
        "bvc_g120_c1024_t0.6",
        [[0.013, 3.671, 0.299, 4.230], [0.012, 11.645, 0.298, 6.462]],
    ),
    (
        "bvc_g60_c512_t0.8",
        [[0.011, 0.190, 0.014, 4.440], [0.010, 8.910, 0.512, 6.205]],
    ),
    (
        "het_g80_g120",
        [[0.011, 6.990, 0.256, 4.363], [0.010, 3.067, 0.246, 0.730]],
    ),
    (
        "homo_g80_c1024_t0.6",
        [[6.382, 0.187, 0.026, 3.602], [0.011, 0.167, 0.013, 6.376]],
    ),
];

fn heading(title: &str) -> Heading {
    Heading {
        title: title.to_owned(),
        subtitle: "Two agents, gemma3 4.3B Q4_K_M, one Ollama server".to_owned(),
        simulated: false,
        source: "Recorded runs of Chimeraforge, 2025-11-12; n = 1 run per configuration. \
                 Stamps rebuilt from recorded durations, both agents starting at zero."
            .to_owned(),
    }
}

/// For pictures whose numbers nobody measured.
fn example(title: &str, simulated: bool) -> Heading {
    Heading {
        title: title.to_owned(),
        subtitle: "Two agents, a server each, one GPU".to_owned(),
        simulated,
        source: "Example values, not measured; n = 5 runs.".to_owned(),
    }
}

pub(super) fn lane(name: &str, start: f64, parts: [f64; 4], load: Phase) -> Lane {
    let phases = [Phase::SlotQueue, load, Phase::Prefill, Phase::Decode];
    let mut at = start;
    let mut segment = |(phase, length)| {
        let start_s = at;
        at += length;
        Segment {
            phase,
            start_s,
            end_s: at,
        }
    };
    Lane {
        label: name.to_owned(),
        segments: phases.into_iter().zip(parts).map(&mut segment).collect(),
        marks: Vec::new(),
    }
}

pub(super) fn full_timeline() -> Timeline {
    let group = |(config, [a, b]): &Row| TimelineGroup {
        label: (*config).to_owned(),
        detail: "together, run 1".to_owned(),
        lanes: vec![
            lane("collector", 0.0, *a, Phase::LoadOrWait),
            lane("insight", 0.0, *b, Phase::LoadOrWait),
        ],
        wall_s: None,
        overlap: Overlap::Measured(0.0),
        verdict: "serial, n = 1".to_owned(),
    };
    Timeline {
        heading: heading("In none of these runs did the two agents decode at once"),
        groups: RUNS.iter().map(group).collect(),
        form: Form::Full,
    }
}

pub(super) fn front_page() -> Timeline {
    let mut stalled = lane("insight", 0.0, [1.5, 2.1, 0.3, 7.9], Phase::Load);
    stalled.marks.push(LaneMark {
        at_s: 11.8,
        text: "stalled".to_owned(),
    });
    let in_turn = TimelineGroup {
        label: "One after another".to_owned(),
        detail: "sequential arm".to_owned(),
        lanes: vec![
            lane("collector", 0.0, [0.0, 2.0, 0.3, 4.2], Phase::Load),
            lane("insight", 6.5, [0.0, 2.1, 0.3, 4.9], Phase::Load),
        ],
        wall_s: Some(13.8),
        ..TimelineGroup::default()
    };
    let together = TimelineGroup {
        label: "Together".to_owned(),
        detail: "together arm".to_owned(),
        lanes: vec![
            lane("collector", 0.0, [0.0, 2.0, 0.3, 6.8], Phase::Load),
            stalled,
        ],
        wall_s: Some(11.8),
        overlap: Overlap::Measured(0.663),
        verdict: "shared: true speedup 1.17 [1.12, 1.23], n = 5".to_owned(),
    };
    Timeline {
        heading: example(
            "With a server each the agents overlap, but each decodes at 62 % of its solo rate",
            true,
        ),
        groups: vec![in_turn, together],
        form: Form::FrontPage,
    }
}

pub(super) fn speedups() -> GroupedBars {
    let rows = [
        ("baseline_g80_c512_t0.8", "baseline_vs_chimera", 1.467, None),
        (
            "bvc_g120_c1024_t0.6",
            "baseline_vs_chimera",
            1.446,
            Some(Value::within(1.01, 0.98, 1.05)),
        ),
        // No line runs through the value of a bar that ends just before it.
        (
            "bvc_g60_c512_t0.8",
            "baseline_vs_chimera",
            1.297,
            Some(Value::exact(0.97)),
        ),
        (
            "het_g60_g120",
            "chimera_hetero",
            1.573,
            Some(Value::within(1.20, 1.12, 1.29)),
        ),
        (
            "homo_g80_c1024_t0.6",
            "chimera_homo",
            1.644,
            Some(Value::exact(-0.2)),
        ),
        ("homo_g80_c512_t0.8", "chimera_homo", 1.384, None),
    ];
    let series = |name: &str, values: Vec<Value>| BarSeries {
        name: name.to_owned(),
        values,
        color: None,
    };
    let estimates = rows.iter().map(|(.., estimate, _)| (*estimate).into());
    let truths = rows
        .iter()
        .map(|(.., truth)| truth.unwrap_or(Value::UNKNOWN));
    let category = |(label, section, ..): &(&str, &str, f64, Option<Value>)| Category {
        label: (*label).to_owned(),
        note: "n = 5".to_owned(),
        section: (*section).to_owned(),
    };
    GroupedBars {
        heading: example(
            "The estimate sees gains where the measured baseline sees none",
            false,
        ),
        value_label: "speedup (1 = no gain)".to_owned(),
        categories: rows.iter().map(category).collect(),
        series: vec![
            series("speedup_est, TR113's estimate", estimates.collect()),
            series(
                "speedup against the measured sequential arm",
                truths.collect(),
            ),
        ],
        reference_lines: vec![
            ReferenceLine::new(1.0, "no gain"),
            ReferenceLine::new(2.0, "perfect for two"),
        ],
    }
}

pub(super) fn ttft_parts() -> StackedBars {
    let phases = [Phase::SlotQueue, Phase::LoadOrWait, Phase::Prefill];
    let part = |phase: Phase| Part {
        name: phase.name().to_owned(),
        color: Some(phase.color()),
    };
    let row = |config: &str, label: &str, agent: &str, parts: &[f64; 4]| StackedRow {
        category: Category {
            label: label.to_owned(),
            note: agent.to_owned(),
            section: if config.starts_with("homo") {
                "chimera_homo".to_owned()
            } else {
                "others".to_owned()
            },
        },
        values: parts.iter().take(3).map(|part| Some(*part)).collect(),
        interval: None,
    };
    let rows = RUNS.iter().flat_map(|(config, [a, b])| {
        [
            row(config, config, "collector", a),
            row(config, "", "insight", b),
        ]
    });
    let mut rows: Vec<StackedRow> = rows.collect();
    rows[1].interval = Some((14.0, 16.8));
    rows[3].values[1] = None;
    rows[4].values[0] = Some(-0.4);
    rows[5].values = vec![None; 3];
    StackedBars {
        heading: heading("Time to first token is waiting and loading, hardly ever prefill"),
        value_label: "seconds".to_owned(),
        unit: " s".to_owned(),
        parts: phases.into_iter().map(part).collect(),
        rows,
    }
}

pub(super) fn temperature() -> Slopes {
    let pair = |label: &str, left: f64, right: f64, change| Pair {
        label: label.to_owned(),
        left: Value::within(left, left - 0.05, left + 0.04),
        right: Value::within(right, right - 0.03, right + 0.05),
        change,
    };
    let panel = |label: &str, left: &str, right: &str, pairs| SlopePanel {
        label: label.to_owned(),
        left: left.to_owned(),
        right: right.to_owned(),
        pairs,
    };
    let temperatures = vec![
        pair("g60 c512", 1.557, 1.296, Change::Worse),
        pair("g60 c1024", 1.426, 1.446, Change::Neutral),
        pair("g80 c512", 1.252, 1.468, Change::Better),
        pair("g80 c1024", 1.546, 1.289, Change::Worse),
        pair("g120 c512", 1.563, 1.311, Change::Worse),
        pair("g120 c1024", 1.446, 1.443, Change::Neutral),
    ];
    let contexts = vec![
        pair("g60 t0.6", 1.557, 1.426, Change::Neutral),
        pair("g60 t0.8", 1.296, 1.446, Change::Neutral),
        Pair {
            right: Value::UNKNOWN,
            ..pair("g80 t0.6", 1.252, 0.0, Change::Neutral)
        },
    ];
    Slopes {
        heading: heading("Temperature moves single configurations, not their mean"),
        panels: vec![
            panel("speedup by temperature", "0.6", "0.8", temperatures),
            panel(
                "speedup by context",
                "num_ctx 512",
                "num_ctx 1024",
                contexts,
            ),
        ],
        shared_axis: true,
    }
}

pub(super) fn telemetry() -> Lines {
    // A saw tooth made of whole numbers: every platform computes it alike.
    let saw = |i: u32, period: u32, from: f64, to: f64| {
        from + (to - from) * f64::from(i % period) / f64::from(period)
    };
    let series = |name: &str, mark, of: &dyn Fn(u32) -> Value| {
        let gap = 90..104;
        let known = |i| {
            if gap.contains(&i) {
                Value::UNKNOWN
            } else {
                of(i)
            }
        };
        LineSeries::new(name, mark, (0..240).map(|i| (f64::from(i) / 4.0, known(i))))
    };
    let busy = |i: u32| {
        if (i / 40).is_multiple_of(2) {
            saw(i, 9, 90.0, 99.0).into()
        } else {
            saw(i, 5, 0.0, 6.0).into()
        }
    };
    let power = |i| saw(i, 40, 60.0, 110.0).into();
    let host = |i| {
        let y = saw(i, 80, 20.0, 40.0);
        Value::within(y, y - 6.0, y + 9.0)
    };
    let span = |label: &str, from, to, color| Span {
        label: label.to_owned(),
        from,
        to,
        color,
    };
    let watts = vec![
        series("gpu 0", Mark::Line, &power),
        series("host", Mark::Band, &host),
    ];
    let limits = [
        ReferenceLine::new(120.0, "limit"),
        ReferenceLine::new(118.0, "of the driver"),
    ];
    Lines {
        heading: example("The GPU idles while the model is loaded", true),
        x_label: "seconds since the sweep began".to_owned(),
        panels: vec![
            Panel::new(
                "GPU utilisation, %",
                vec![series("gpu 0", Mark::Line, &busy)],
            )
            .reaching(100.0),
            Panel::new("Power, W", watts).lines_at(limits),
            // Left out: nothing in it is known.
            Panel::new(
                "Clock, MHz",
                vec![series("none", Mark::Line, &|_| Value::UNKNOWN)],
            ),
        ],
        spans: vec![
            span("sequential", 1.0, 28.0, None),
            span("together", 30.0, 47.0, Some(Color::GREEN)),
        ],
        ..Lines::default()
    }
}

pub(super) fn throughput() -> Lines {
    let series = |name: &str, rates: [f64; 5], mark| {
        let value = |rate: f64| Value::within(rate, rate - 6.0, rate + 9.0);
        let points = (1_u32..).zip(rates);
        LineSeries::new(
            name,
            mark,
            points.map(|(n, rate)| (f64::from(n), value(rate))),
        )
    };
    let all = vec![
        series(
            "one server",
            [98.0, 99.0, 97.0, 98.5, 98.0],
            Mark::LineAndDots,
        ),
        series(
            "a server each",
            [98.0, 118.0, 124.0, 127.0, 128.0],
            Mark::LineAndDots,
        ),
        series(
            "single runs",
            [101.0, 112.0, 131.0, 120.0, 133.0],
            Mark::Dots,
        ),
    ];
    Lines {
        heading: example("Throughput against agents", true),
        x_label: "agents".to_owned(),
        panels: vec![Panel::new("aggregate throughput, tok/s", all)],
        ..Lines::default()
    }
}

/// Levels close to each other on an axis of doublings, dots with words beside them, marks whose
/// labels would meet, and a series without a point, which has no place in the legend.
pub(super) fn levels() -> Lines {
    let levels = [
        1.0, 2.0, 4.0, 8.0, 16.0, 17.0, 18.0, 20.0, 24.0, 32.0, 512.0,
    ];
    let rate = |agents: f64| 900.0 * agents / (agents + 20.0);
    let series = |name: &str, known: bool| {
        let points = levels.map(|x| (x, known.then(|| rate(x))));
        LineSeries::new(name, Mark::LineAndDots, points)
    };
    let note = |x: f64| Note {
        x,
        y: rate(x),
        label: format!("{x:.0}"),
    };
    let all = vec![series("one server", true), series("nobody", false)];
    Lines {
        heading: example("Throughput against agents", true),
        x_label: "agents".to_owned(),
        x_axis: XAxis::Doubling,
        panels: vec![Panel::new("aggregate throughput, tok/s", all)],
        notes: levels.map(note).to_vec(),
        spans: vec![
            Span::mark(16.0, "carries 16", Color::GREEN),
            Span::mark(17.0, "17 break the limits", Color::VERMILLION),
            Span::mark(19.0, "peak 19", Color::ORANGE),
        ],
    }
}
