//! Descriptions with realistic content. Figures are of the Chimeraforge runs of 2025-11-12.

use crate::charts::theme::{BLUE, GREEN, GREY, ORANGE, VERMILLION};
use crate::charts::{
    Bar, Bars, Change, Draw, Form, Heading, Lane, LaneMark, LineSeries, Lines, Mark, Note, Overlap,
    Pair, Panel, Phase, ReferenceLine, Row, Segment, SlopePanel, Slopes, Span, Timeline,
    TimelineGroup, Value, XAxis,
};

/// Every chart: its name, the words around it, what is in it.
pub(super) fn all() -> Vec<(&'static str, Heading, Box<dyn Draw>)> {
    let heading = |title: &str, simulated| Heading {
        title: title.to_owned(),
        subtitle: "Two agents, a server each, one GPU".to_owned(),
        simulated,
        source: "Example values, not measured; n = 5 runs.".to_owned(),
    };
    let overlap =
        "With a server each the agents overlap, but each decodes at 62 % of its solo rate";
    let gains = "The estimate sees gains where the measured baseline sees none";
    let waiting = "Time to first token is waiting and loading, hardly ever prefill";
    let mean = "Temperature moves single configurations, not their mean";
    let idle = "The GPU idles while the model is loaded";
    let agents = "Throughput against agents";
    vec![
        (
            "timeline",
            heading(overlap, true),
            Box::new(timeline(Form::FrontPage)),
        ),
        (
            "timeline_full",
            heading(overlap, true),
            Box::new(timeline(Form::Full)),
        ),
        ("bars", heading(gains, false), Box::new(speedups())),
        ("parts", heading(waiting, false), Box::new(ttft_parts())),
        ("slopes", heading(mean, false), Box::new(temperature())),
        ("telemetry", heading(idle, true), Box::new(telemetry())),
        ("levels", heading(agents, true), Box::new(levels())),
    ]
}

pub(super) fn within(point: f64, low: f64, high: f64) -> Value {
    Value {
        point: Some(point),
        interval: Some((low, high)),
    }
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

fn timeline(form: Form) -> Timeline {
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
        form,
    }
}

fn row(label: &str, note: &str, section: &str, bars: Vec<Bar>) -> Row {
    Row {
        label: label.to_owned(),
        note: note.to_owned(),
        section: section.to_owned(),
        bars,
    }
}

fn speedups() -> Bars {
    let unknown = Value::UNKNOWN;
    let (bvc, homo) = ("baseline_vs_chimera", "chimera_homo");
    let rows = [
        ("baseline_g80_c512_t0.8", bvc, 1.467, unknown),
        ("bvc_g120_c1024_t0.6", bvc, 1.446, within(1.01, 0.98, 1.05)),
        // No line runs through the value of a bar that ends just before it.
        ("bvc_g60_c512_t0.8", bvc, 1.297, Value::from(0.97)),
        (
            "het_g60_g120",
            "chimera_hetero",
            1.573,
            within(1.20, 1.12, 1.29),
        ),
        ("homo_g80_c1024_t0.6", homo, 1.644, Value::from(-0.2)),
        ("homo_g80_c512_t0.8", homo, 1.384, unknown),
    ];
    Bars {
        value_label: "speedup (1 = no gain)".to_owned(),
        legend: vec![
            ("speedup_est, TR113's estimate".to_owned(), BLUE),
            (
                "speedup against the measured sequential arm".to_owned(),
                ORANGE,
            ),
        ],
        rows: rows
            .map(|(label, section, estimate, truth)| {
                let bars = vec![Bar::single(0, estimate.into()), Bar::single(1, truth)];
                row(label, "n = 5", section, bars)
            })
            .to_vec(),
        reference_lines: vec![
            ReferenceLine::new(1.0, "no gain"),
            ReferenceLine::new(2.0, "perfect for two"),
        ],
        ..Bars::default()
    }
}

/// Whole, uncertain, incomplete, negative and unknown bars.
fn ttft_parts() -> Bars {
    let phases = [Phase::SlotQueue, Phase::LoadOrWait, Phase::Prefill];
    let bar = |parts: [Option<f64>; 3], interval| Bar {
        parts: (0..).zip(parts).collect(),
        interval,
    };
    let known = |parts: [f64; 3]| bar(parts.map(Some), None);
    let uncertain = bar([0.014, 14.89, 0.512].map(Some), Some((14.0, 16.8)));
    let rows = [
        (
            "baseline_g80_c512_t0.8",
            "collector",
            known([0.038, 5.29, 0.639]),
        ),
        ("", "insight", uncertain),
        ("bvc_g60_c512_t0.8", "collector", known([-0.4, 0.19, 0.014])),
        ("", "insight", bar([Some(0.01), None, Some(0.512)], None)),
        (
            "homo_g80_c1024_t0.6",
            "collector",
            known([6.382, 0.187, 0.026]),
        ),
        ("", "insight", bar([None; 3], None)),
    ];
    Bars {
        value_label: "seconds".to_owned(),
        unit: " s",
        legend: phases
            .map(|phase| (phase.name().to_owned(), phase.color()))
            .to_vec(),
        rows: rows
            .map(|(label, agent, bar)| row(label, agent, "", vec![bar]))
            .to_vec(),
        ..Bars::default()
    }
}

fn temperature() -> Slopes {
    let pair = |label: &str, left: f64, right: f64, change| Pair {
        label: label.to_owned(),
        left: within(left, left - 0.05, left + 0.04),
        right: within(right, right - 0.03, right + 0.05),
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
        within(y, y - 6.0, y + 9.0)
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
            span("sequential", 1.0, 28.0, GREY),
            span("together", 30.0, 47.0, GREEN),
        ],
        ..Lines::new("seconds since the sweep began", panels)
    }
}

/// Levels close to each other on an axis of doublings, dots with words beside them, marks whose
/// labels would meet, and a series without a point, which has no place in the legend.
fn levels() -> Lines {
    let levels = [
        1.0, 2.0, 4.0, 8.0, 16.0, 17.0, 18.0, 20.0, 24.0, 32.0, 512.0,
    ];
    let rate = |agents: f64| 900.0 * agents / (agents + 20.0);
    let series = |name: &str, known: bool| {
        let value = |x| {
            if known {
                within(rate(x), rate(x) - 30.0, rate(x) + 60.0)
            } else {
                Value::UNKNOWN
            }
        };
        LineSeries::new(name, Mark::LineAndDots, levels.map(|x| (x, value(x))))
    };
    let note = |x: f64| Note {
        at: (x, rate(x)),
        label: format!("{x:.0}"),
    };
    let all = vec![series("one server", true), series("not measured", false)];
    let panel = Panel::new("aggregate throughput, tok/s", all);
    Lines {
        x_axis: XAxis::Doubling,
        notes: levels.map(note).to_vec(),
        spans: vec![
            Span::mark(16.0, "carries 16", GREEN),
            Span::mark(17.0, "17 break the limits", VERMILLION),
            Span::mark(19.0, "peak 19", ORANGE),
        ],
        ..Lines::new("agents", vec![panel])
    }
}
