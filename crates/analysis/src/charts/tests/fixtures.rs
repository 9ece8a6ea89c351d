//! Descriptions with realistic content. Figures are of the Chimeraforge runs of 2025-11-12.

use crate::charts::{
    Category, Change, Color, Draw, Form, GroupedBars, Heading, Lane, LaneMark, LineSeries, Lines,
    Mark, Note, Overlap, Pair, Panel, Phase, ReferenceLine, Segment, SlopePanel, Slopes, Span,
    StackedBars, StackedRow, Timeline, TimelineGroup, Value, XAxis,
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

/// For pictures of the recorded runs.
fn recorded(title: &str) -> Heading {
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

/// Every picture: the name of its snapshot, the words around it, what is in it.
pub(super) fn all() -> Vec<(&'static str, Heading, Box<dyn Draw>)> {
    let serial = "In none of these runs did the two agents decode at once";
    let overlap =
        "With a server each the agents overlap, but each decodes at 62 % of its solo rate";
    let gains = "The estimate sees gains where the measured baseline sees none";
    let waiting = "Time to first token is waiting and loading, hardly ever prefill";
    let mean = "Temperature moves single configurations, not their mean";
    let idle = "The GPU idles while the model is loaded";
    let agents = example("Throughput against agents", true);
    vec![
        ("timeline_full", recorded(serial), Box::new(full_timeline())),
        (
            "timeline_front_page",
            example(overlap, true),
            Box::new(front_page()),
        ),
        ("bars", example(gains, false), Box::new(speedups())),
        ("stacked", recorded(waiting), Box::new(ttft_parts())),
        ("slopes", recorded(mean), Box::new(temperature())),
        ("telemetry", example(idle, true), Box::new(telemetry())),
        ("throughput", agents.clone(), Box::new(throughput())),
        ("doubling", agents, Box::new(levels())),
    ]
}

pub(super) fn lane(name: &str, start: f64, parts: [f64; 4], load: Phase) -> Lane {
    let phases = [Phase::SlotQueue, load, Phase::Prefill, Phase::Decode];
    let mut at = start;
    let segment = |(phase, length)| {
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
        segments: phases.into_iter().zip(parts).map(segment).collect(),
        marks: Vec::new(),
    }
}

fn full_timeline() -> Timeline {
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
        groups: RUNS.iter().map(group).collect(),
        form: Form::Full,
    }
}

fn front_page() -> Timeline {
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
        groups: vec![in_turn, together],
        form: Form::FrontPage,
    }
}

fn speedups() -> GroupedBars {
    let (within, unknown) = (Value::within, Value::UNKNOWN);
    let (bvc, homo) = ("baseline_vs_chimera", "chimera_homo");
    let rows = [
        ("baseline_g80_c512_t0.8", bvc, 1.467, unknown),
        ("bvc_g120_c1024_t0.6", bvc, 1.446, within(1.01, 0.98, 1.05)),
        // No line runs through the value of a bar that ends just before it.
        ("bvc_g60_c512_t0.8", bvc, 1.297, Value::exact(0.97)),
        (
            "het_g60_g120",
            "chimera_hetero",
            1.573,
            within(1.20, 1.12, 1.29),
        ),
        ("homo_g80_c1024_t0.6", homo, 1.644, Value::exact(-0.2)),
        ("homo_g80_c512_t0.8", homo, 1.384, unknown),
    ];
    GroupedBars {
        value_label: "speedup (1 = no gain)".to_owned(),
        categories: rows
            .map(|(label, section, ..)| category(label, "n = 5", section))
            .to_vec(),
        series: vec![
            (
                "speedup_est, TR113's estimate".to_owned(),
                rows.map(|(.., estimate, _)| estimate.into()).to_vec(),
            ),
            (
                "speedup against the measured sequential arm".to_owned(),
                rows.map(|(.., truth)| truth).to_vec(),
            ),
        ],
        reference_lines: vec![
            ReferenceLine::new(1.0, "no gain"),
            ReferenceLine::new(2.0, "perfect for two"),
        ],
    }
}

pub(super) fn category(label: &str, note: &str, section: &str) -> Category {
    Category {
        label: label.to_owned(),
        note: note.to_owned(),
        section: section.to_owned(),
    }
}

pub(super) fn ttft_parts() -> StackedBars {
    let phases = [Phase::SlotQueue, Phase::LoadOrWait, Phase::Prefill];
    let rows = RUNS.iter().flat_map(|(config, agents)| {
        let section = match config.split_once('_') {
            Some(("homo", _)) => "chimera_homo",
            _ => "others",
        };
        let row = |label, agent, [queue, load, prefill, _]: [f64; 4]| StackedRow {
            category: category(label, agent, section),
            values: [queue, load, prefill].map(Some).to_vec(),
            interval: None,
        };
        [
            row(config, "collector", agents[0]),
            row("", "insight", agents[1]),
        ]
    });
    let mut rows: Vec<StackedRow> = rows.collect();
    rows[1].interval = Some((14.0, 16.8));
    rows[3].values[1] = None;
    rows[4].values[0] = Some(-0.4);
    rows[5].values = vec![None; 3];
    let part = |phase: Phase| (phase.name().to_owned(), phase.color());
    StackedBars {
        value_label: "seconds".to_owned(),
        parts: phases.map(part).to_vec(),
        rows,
    }
}

fn temperature() -> Slopes {
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
    let (low, high) = ("num_ctx 512", "num_ctx 1024");
    Slopes {
        panels: vec![
            panel("speedup by temperature", "0.6", "0.8", temperatures),
            panel("speedup by context", low, high, contexts),
        ],
        shared_axis: true,
    }
}

fn telemetry() -> Lines {
    // A saw tooth made of whole numbers: every platform computes it alike.
    let saw = |i: u32, period: u32, from: f64, to: f64| {
        from + (to - from) * f64::from(i % period) / f64::from(period)
    };
    let series = |name: &str, mark, of: &dyn Fn(u32) -> Value| {
        let known = |i| match i {
            90..104 => Value::UNKNOWN,
            i => of(i),
        };
        LineSeries::new(name, mark, (0..240).map(|i| (f64::from(i) / 4.0, known(i))))
    };
    let busy = |i: u32| match (i / 40) % 2 {
        0 => saw(i, 9, 90.0, 99.0).into(),
        _ => saw(i, 5, 0.0, 6.0).into(),
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
    let busy = series("gpu 0", Mark::Line, &busy);
    let watts = vec![
        series("gpu 0", Mark::Line, &power),
        series("host", Mark::Band, &host),
    ];
    let limits = [
        ReferenceLine::new(120.0, "limit"),
        ReferenceLine::new(118.0, "of the driver"),
    ];
    let unknown = series("none", Mark::Line, &|_| Value::UNKNOWN);
    let panels = vec![
        Panel::new("GPU utilisation, %", vec![busy]).reaching(100.0),
        Panel::new("Power, W", watts).lines_at(limits),
        // Left out: nothing in it is known.
        Panel::new("Clock, MHz", vec![unknown]),
    ];
    Lines {
        spans: vec![
            span("sequential", 1.0, 28.0, Color::GREY),
            span("together", 30.0, 47.0, Color::GREEN),
        ],
        ..Lines::new("seconds since the sweep began", panels)
    }
}

fn throughput() -> Lines {
    let series = |name: &str, rates: [f64; 5], mark| {
        let value = |rate: f64| Value::within(rate, rate - 6.0, rate + 9.0);
        let points = [1.0, 2.0, 3.0, 4.0, 5.0].into_iter().zip(rates.map(value));
        LineSeries::new(name, mark, points)
    };
    let lines = Mark::LineAndDots;
    let all = vec![
        series("one server", [98.0, 99.0, 97.0, 98.5, 98.0], lines),
        series("a server each", [98.0, 118.0, 124.0, 127.0, 128.0], lines),
        series(
            "single runs",
            [101.0, 112.0, 131.0, 120.0, 133.0],
            Mark::Dots,
        ),
    ];
    let panel = Panel::new("aggregate throughput, tok/s", all);
    Lines::new("agents", vec![panel])
}

/// Levels close to each other on an axis of doublings, dots with words beside them, marks whose
/// labels would meet, and a series without a point, which has no place in the legend.
fn levels() -> Lines {
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
    let panel = Panel::new("aggregate throughput, tok/s", all);
    Lines {
        x_axis: XAxis::Doubling,
        notes: levels.map(note).to_vec(),
        spans: vec![
            Span::mark(16.0, "carries 16", Color::GREEN),
            Span::mark(17.0, "17 break the limits", Color::VERMILLION),
            Span::mark(19.0, "peak 19", Color::ORANGE),
        ],
        ..Lines::new("agents", vec![panel])
    }
}
