//! Descriptions with realistic content. Figures are of the Chimeraforge runs of 2025-11-12.

use crate::charts::{
    BarSeries, Category, Color, Form, GroupedBars, Heading, Lane, LaneMark, LinePoint, LineSeries,
    Lines, Mark, Note, Orientation, Overlap, Pair, Panel, Part, Phase, ReferenceLine, Segment,
    SlopePanel, Slopes, Span, StackedBars, StackedRow, Timeline, TimelineGroup, Value, XAxis,
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

fn heading(title: &str, simulated: bool) -> Heading {
    Heading {
        title: title.to_owned(),
        subtitle: "Two agents, gemma3 4.3B Q4_K_M, one Ollama server".to_owned(),
        simulated,
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

fn lane(name: &str, start: f64, parts: [f64; 4], load: Phase) -> Lane {
    let phases = [Phase::SlotQueue, load, Phase::Prefill, Phase::Decode];
    let mut at = start;
    let segments = phases
        .into_iter()
        .zip(parts)
        .map(|(phase, length)| {
            let segment = Segment {
                phase,
                start_s: at,
                end_s: at + length,
            };
            at += length;
            segment
        })
        .collect();
    Lane {
        label: name.to_owned(),
        segments,
        marks: Vec::new(),
    }
}

pub(super) fn full_timeline() -> Timeline {
    let groups = RUNS
        .iter()
        .map(|(config, [a, b])| TimelineGroup {
            label: (*config).to_owned(),
            detail: "together, run 1".to_owned(),
            lanes: vec![
                lane("A", 0.0, *a, Phase::LoadOrWait),
                lane("B", 0.0, *b, Phase::LoadOrWait),
            ],
            wall_s: None,
            overlap: Overlap::Measured(0.0),
            verdict: "serial, n = 1".to_owned(),
        })
        .collect();
    Timeline {
        heading: heading(
            "In none of these runs did the two agents decode at once",
            false,
        ),
        groups,
        form: Form::Full,
    }
}

pub(super) fn front_page() -> Timeline {
    let mut together_b = lane("agent B", 0.0, [1.5, 2.1, 0.3, 7.9], Phase::Load);
    together_b.marks.push(LaneMark {
        at_s: 11.8,
        text: "stalled".to_owned(),
    });
    Timeline {
        heading: example(
            "With a server each the agents overlap, but each decodes at 62 % of its solo rate",
            true,
        ),
        groups: vec![
            TimelineGroup {
                label: "One after another".to_owned(),
                detail: "sequential arm".to_owned(),
                lanes: vec![
                    lane("agent A", 0.0, [0.0, 2.0, 0.3, 4.2], Phase::Load),
                    lane("agent B", 6.5, [0.0, 2.1, 0.3, 4.9], Phase::Load),
                ],
                wall_s: Some(13.8),
                overlap: Overlap::NotShown,
                verdict: String::new(),
            },
            TimelineGroup {
                label: "Together".to_owned(),
                detail: "together arm".to_owned(),
                lanes: vec![
                    lane("agent A", 0.0, [0.0, 2.0, 0.3, 6.8], Phase::Load),
                    together_b,
                ],
                wall_s: Some(11.8),
                overlap: Overlap::Measured(0.663),
                verdict: "shared: true speedup 1.17 [1.12, 1.23], n = 5".to_owned(),
            },
        ],
        form: Form::FrontPage,
    }
}

pub(super) fn speedups() -> GroupedBars {
    let rows: [(&str, &str, f64, Value); 6] = [
        (
            "baseline_g80_c512_t0.8",
            "baseline_vs_chimera",
            1.467,
            Value::UNKNOWN,
        ),
        (
            "bvc_g120_c1024_t0.6",
            "baseline_vs_chimera",
            1.446,
            Value::within(1.01, 0.98, 1.05),
        ),
        (
            "bvc_g60_c512_t0.8",
            "baseline_vs_chimera",
            1.297,
            Value::within(0.99, 0.97, 1.02),
        ),
        (
            "het_g60_g120",
            "chimera_hetero",
            1.573,
            Value::within(1.20, 1.12, 1.29),
        ),
        (
            "homo_g80_c1024_t0.6",
            "chimera_homo",
            1.644,
            Value::exact(1.03),
        ),
        ("homo_g80_c512_t0.8", "chimera_homo", 1.384, Value::UNKNOWN),
    ];
    GroupedBars {
        heading: example(
            "The estimate sees gains where the measured baseline sees none",
            false,
        ),
        value_label: "speedup (1 = no gain)".to_owned(),
        categories: rows
            .iter()
            .map(|(label, section, ..)| Category {
                label: (*label).to_owned(),
                note: "n = 5".to_owned(),
                section: (*section).to_owned(),
            })
            .collect(),
        series: vec![
            BarSeries {
                name: "speedup_est, TR113's estimate".to_owned(),
                values: rows
                    .iter()
                    .map(|(.., estimate, _)| Value::exact(*estimate))
                    .collect(),
                color: None,
            },
            BarSeries {
                name: "speedup against the measured sequential arm".to_owned(),
                values: rows.iter().map(|(.., truth)| *truth).collect(),
                color: None,
            },
        ],
        reference_lines: vec![
            ReferenceLine {
                value: 1.0,
                label: "no gain".to_owned(),
            },
            ReferenceLine {
                value: 2.0,
                label: "perfect for two".to_owned(),
            },
        ],
        orientation: Orientation::Horizontal,
    }
}

pub(super) fn efficiencies() -> GroupedBars {
    let names = ["baseline_vs_chimera", "chimera_hetero", "chimera_homo"];
    let values = [
        [
            Value::within(71.1, 67.4, 74.9),
            Value::exact(73.0),
            Value::exact(74.3),
        ],
        [
            Value::within(50.4, 49.7, 52.2),
            Value::UNKNOWN,
            Value::exact(-4.0),
        ],
    ];
    GroupedBars {
        heading: example("Efficiency by scenario", true),
        value_label: "efficiency, %".to_owned(),
        categories: names.into_iter().map(Category::from).collect(),
        series: ["efficiency_est", "efficiency"]
            .into_iter()
            .zip(values)
            .map(|(name, values)| BarSeries {
                name: name.to_owned(),
                values: values.to_vec(),
                color: None,
            })
            .collect(),
        reference_lines: vec![ReferenceLine {
            value: 50.0,
            label: "no gain".to_owned(),
        }],
        orientation: Orientation::Auto,
    }
}

pub(super) fn ttft_parts() -> StackedBars {
    let phases = [Phase::SlotQueue, Phase::LoadOrWait, Phase::Prefill];
    let mut rows: Vec<StackedRow> = RUNS
        .iter()
        .flat_map(|(config, agents)| {
            ["agent A", "agent B"]
                .into_iter()
                .zip(agents)
                .map(|(agent, parts)| StackedRow {
                    category: Category {
                        section: (*config).to_owned(),
                        ..Category::from(agent)
                    },
                    values: parts.iter().take(3).map(|part| Some(*part)).collect(),
                })
        })
        .collect();
    rows[3].values[1] = None;
    rows[4].values[0] = Some(-0.4);
    rows[5].values = vec![None; 3];
    StackedBars {
        heading: heading(
            "Time to first token is waiting and loading, hardly ever prefill",
            false,
        ),
        value_label: "seconds".to_owned(),
        unit: " s".to_owned(),
        parts: phases
            .into_iter()
            .map(|phase| Part {
                name: phase.name().to_owned(),
                color: Some(phase.color()),
            })
            .collect(),
        rows,
    }
}

pub(super) fn temperature() -> Slopes {
    let pair = |label: &str, left: f64, right: f64| Pair {
        label: label.to_owned(),
        left: Value::exact(left),
        right: Value::exact(right),
        emphasis: false,
    };
    let mut pairs = vec![
        pair("g60 c512", 1.557, 1.296),
        pair("g60 c1024", 1.426, 1.446),
        pair("g80 c512", 1.252, 1.468),
        pair("g80 c1024", 1.546, 1.289),
        pair("g120 c512", 1.563, 1.311),
        pair("g120 c1024", 1.446, 1.443),
    ];
    pairs.push(Pair {
        label: "mean".to_owned(),
        left: Value::within(1.465, 1.38, 1.55),
        right: Value::within(1.376, 1.30, 1.45),
        emphasis: true,
    });
    let mut context = vec![
        pair("g60 t0.6", 1.557, 1.426),
        pair("g60 t0.8", 1.296, 1.446),
    ];
    context.push(Pair {
        right: Value::UNKNOWN,
        ..pair("g80 t0.6", 1.252, 0.0)
    });
    let panel = |label: &str, left: &str, right: &str, pairs| SlopePanel {
        label: label.to_owned(),
        left: left.to_owned(),
        right: right.to_owned(),
        pairs,
        reference_lines: vec![ReferenceLine {
            value: 1.2,
            label: "a line".to_owned(),
        }],
    };
    Slopes {
        heading: heading(
            "Temperature moves single configurations, not their mean",
            false,
        ),
        panels: vec![
            panel("speedup_est by temperature", "0.6", "0.8", pairs),
            panel(
                "speedup_est by context",
                "num_ctx 512",
                "num_ctx 1024",
                context,
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
    let series = |name: &str, of: &dyn Fn(u32) -> f64| LineSeries {
        name: name.to_owned(),
        points: (0..240)
            .map(|i| LinePoint {
                x: f64::from(i) / 4.0,
                y: if (90..104).contains(&i) {
                    Value::UNKNOWN
                } else {
                    Value::exact(of(i))
                },
            })
            .collect(),
        mark: Mark::Line,
        color: None,
    };
    let busy = |i: u32| {
        if (i / 40).is_multiple_of(2) {
            saw(i, 9, 90.0, 99.0)
        } else {
            saw(i, 5, 0.0, 6.0)
        }
    };
    let span = |label: &str, from, to, color| Span {
        label: label.to_owned(),
        from,
        to,
        color,
    };
    let mut band = series("host", &|i| saw(i, 80, 20.0, 40.0));
    band.mark = Mark::Band;
    for point in &mut band.points {
        point.y.interval = point.y.point.map(|y| (y - 6.0, y + 9.0));
    }
    Lines {
        heading: example("The GPU idles while the model is loaded", true),
        x_label: "seconds since the sweep began".to_owned(),
        panels: vec![
            Panel {
                label: "GPU utilisation, %".to_owned(),
                series: vec![series("gpu 0", &busy)],
                include: vec![0.0, 100.0],
                reference_lines: Vec::new(),
            },
            Panel {
                label: "Power, W".to_owned(),
                series: vec![series("gpu 0", &|i| saw(i, 40, 60.0, 110.0)), band],
                include: vec![0.0],
                reference_lines: vec![ReferenceLine {
                    value: 120.0,
                    label: "limit".to_owned(),
                }],
            },
        ],
        spans: vec![
            span("sequential", 1.0, 28.0, None),
            span("together", 30.0, 47.0, Some(Color::GREEN)),
        ],
        ..Lines::default()
    }
}

pub(super) fn throughput() -> Lines {
    let series = |name: &str, rates: [f64; 5], mark| LineSeries {
        name: name.to_owned(),
        points: rates
            .into_iter()
            .zip(1..)
            .map(|(rate, agents)| LinePoint {
                x: f64::from(agents),
                y: Value::within(rate, rate - 6.0, rate + 9.0),
            })
            .collect(),
        mark,
        color: None,
    };
    Lines {
        heading: example("Throughput against agents", true),
        x_label: "agents".to_owned(),
        panels: vec![Panel {
            label: "aggregate throughput, tok/s".to_owned(),
            series: vec![
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
            ],
            include: vec![0.0],
            reference_lines: Vec::new(),
        }],
        spans: Vec::new(),
        ..Lines::default()
    }
}

/// Levels close to each other on an axis of doublings, dots with words beside them, and a series
/// without a point, which has no place in the legend.
pub(super) fn levels() -> Lines {
    let levels = [
        1.0, 2.0, 4.0, 8.0, 16.0, 17.0, 18.0, 20.0, 24.0, 32.0, 512.0,
    ];
    let rate = |agents: f64| 900.0 * agents / (agents + 20.0);
    let series = |name: &str, known: bool| LineSeries {
        name: name.to_owned(),
        points: levels
            .into_iter()
            .map(|x| LinePoint {
                x,
                y: Value::from(known.then(|| rate(x))),
            })
            .collect(),
        mark: Mark::LineAndDots,
        color: None,
    };
    Lines {
        heading: example("Throughput against agents", true),
        x_label: "agents".to_owned(),
        x_axis: XAxis::Doubling,
        panels: vec![Panel {
            label: "aggregate throughput, tok/s".to_owned(),
            series: vec![series("one server", true), series("nobody", false)],
            include: vec![0.0],
            reference_lines: Vec::new(),
        }],
        notes: levels
            .into_iter()
            .map(|x| Note {
                x,
                y: rate(x),
                label: format!("{x:.0}"),
            })
            .collect(),
        spans: vec![Span {
            label: "carries 17".to_owned(),
            from: 17.0,
            to: 17.0,
            color: Some(Color::GREEN),
        }],
    }
}
