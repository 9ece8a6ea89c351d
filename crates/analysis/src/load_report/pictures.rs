//! The pictures of a load.

use domain::Nanos;
use domain::record::Provenance;
use metrics::stats::percentile;

use super::series::Series;
use crate::charts::{
    ChartError, Heading, LinePoint, LineSeries, Lines, Mark, Panel, ReferenceLine, Theme, Value,
};
use crate::load::{Load, Request};
use crate::report::Picture;
use crate::tables::plain;

/// Requests that are still drawn one by one.
const MOST_DOTS: usize = 1_000;

/// Points of a drawn distribution.
const POINTS: usize = 400;

/// Every picture the load can fill.
pub(super) fn draw(load: &Load, series: &Series) -> Result<Vec<Picture>, ChartError> {
    let theme = Theme::default();
    let pictures = [
        over_time(load, series, &theme)?,
        latency(load, series, &theme)?,
        distribution(load, &theme)?,
        turns(load, &theme)?,
        agents(load, &theme)?,
    ];
    Ok(pictures.into_iter().flatten().collect())
}

fn heading(load: &Load, title: impl Into<String>, subtitle: impl Into<String>) -> Heading {
    Heading {
        title: title.into(),
        subtitle: subtitle.into(),
        simulated: load.file.provenance == Provenance::Simulated,
        source: super::source(load),
    }
}

fn line(name: &str, points: Vec<(f64, Option<f64>)>, mark: Mark) -> LineSeries {
    LineSeries {
        name: name.to_owned(),
        points: points
            .into_iter()
            .map(|(x, y)| LinePoint {
                x,
                y: Value::from(y),
            })
            .collect(),
        mark,
        color: None,
    }
}

fn panel(label: &str, series: Vec<LineSeries>) -> Panel {
    Panel {
        label: label.to_owned(),
        series,
        include: vec![0.0],
        reference_lines: Vec::new(),
    }
}

/// The planned start was the send, as far as a picture can tell.
fn sent_as_planned(load: &Load) -> bool {
    let figures = &load.figures;
    let both = figures
        .client_queue_ms
        .as_ref()
        .zip(figures.ttft_ms.as_ref());
    both.is_some_and(|(queue, ttft)| queue.max < 0.005 * ttft.p50)
}

fn over_time(load: &Load, series: &Series, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let Some(first) = series.windows.first() else {
        return Ok(None);
    };
    let of = |get: &dyn Fn(&super::series::Window) -> f64| {
        // What little falls into a sliver of a window at the end is no rate.
        let whole = |w: &&super::series::Window| w.width_s() >= 0.5 * first.width_s();
        let windows = series.windows.iter().filter(whole);
        let points = windows.map(|w| (w.middle_s(), Some(get(w))));
        points.collect::<Vec<_>>()
    };
    let mut panels = vec![
        panel(
            "chunks with text per second",
            vec![line("", of(&|w| w.chunks as f64 / w.width_s()), Mark::Line)],
        ),
        panel(
            "requests in flight",
            vec![
                line(
                    "waiting for the first token",
                    of(&|w| w.waiting),
                    Mark::Line,
                ),
                line("being answered", of(&|w| w.answering), Mark::Line),
            ],
        ),
        panel(
            "requests ended per second",
            vec![line(
                "completed",
                of(&|w| f64::from(w.completed) / w.width_s()),
                Mark::Line,
            )],
        ),
    ];
    if series.windows.iter().any(|w| w.not_completed > 0) {
        panels[2].series.push(line(
            "not completed",
            of(&|w| f64::from(w.not_completed) / w.width_s()),
            Mark::Line,
        ));
    }
    let width = format!("{} s", super::short(first.width_s()));
    let chart = Lines {
        heading: heading(
            load,
            "Throughput and requests in flight over the load",
            format!("Windows of {width}; requests in flight are averages over each window."),
        ),
        x_label: "seconds since the first planned start".to_owned(),
        panels,
        spans: Vec::new(),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "over-time".to_owned(),
        caption: format!(
            "What arrived, what was in flight and what ended, in windows of {width}. Where more and more \
             requests wait for their first token, the server does not keep up."
        ),
        chart,
    }))
}

fn latency(load: &Load, series: &Series, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let completed: Vec<&Request> = load
        .requests
        .iter()
        .filter(|r| r.end.is_completed())
        .collect();
    if completed.is_empty() {
        return Ok(None);
    }
    let dots = completed.len() <= MOST_DOTS;
    let (subtitle, caption, panels);
    if dots {
        let each = |get: fn(&Request) -> Option<f64>| {
            let points = completed.iter().map(|r| (series.at_s(r.scheduled), get(r)));
            points.collect::<Vec<_>>()
        };
        let from_send = each(|r| r.ttft().map(Nanos::as_millis_f64));
        let ttft = if sent_as_planned(load) {
            vec![line("", from_send, Mark::Dots)]
        } else {
            let planned = each(|r| r.ttft_scheduled().map(Nanos::as_millis_f64));
            vec![
                line("from the planned start", planned, Mark::Dots),
                line("from the send", from_send, Mark::Dots),
            ]
        };
        subtitle = format!(
            "Each of {} completed requests, at its planned start.",
            completed.len()
        );
        caption = if sent_as_planned(load) {
            "Latency of each completed request at its planned start, which was its send."
        } else {
            "Latency of each completed request at its planned start. TTFT from the plan lies above TTFT from \
             the send where the client held the request back."
        }
        .to_owned();
        panels = vec![
            panel("TTFT (ms)", ttft),
            panel(
                "TPOT (ms)",
                vec![line("", each(Request::tpot_ms), Mark::Dots)],
            ),
        ];
    } else {
        let least = series.latencies.iter().map(|l| l.n).min().unwrap_or(0);
        subtitle = "Requests by their planned start; a 95th percentile is drawn where a window has the 130 \
                    requests it takes."
            .to_owned();
        caption = format!(
            "Median and 95th percentile of the requests planned in each of {} windows ({} requests at \
             least). A line that rises says that the server fell behind.",
            series.latencies.len(),
            plain(least as f64, 0)
        );
        let of = |get: &dyn Fn(&super::series::Latency) -> Option<f64>| {
            let points = series.latencies.iter();
            points
                .map(|l| (f64::midpoint(l.span_s.0, l.span_s.1), get(l)))
                .collect::<Vec<_>>()
        };
        panels = vec![
            panel(
                "TTFT (ms)",
                vec![
                    line("p95 from the plan", of(&|l| l.planned_ms.1), Mark::Line),
                    line("p95", of(&|l| l.ttft_ms.1), Mark::Line),
                    line("median", of(&|l| l.ttft_ms.0), Mark::Line),
                ],
            ),
            panel(
                "TPOT (ms)",
                vec![
                    line("p95", of(&|l| l.tpot_ms.1), Mark::Line),
                    line("median", of(&|l| l.tpot_ms.0), Mark::Line),
                ],
            ),
        ];
    }
    let chart = Lines {
        heading: heading(load, "Latency over the load", subtitle),
        x_label: "planned start, seconds since the first one".to_owned(),
        panels,
        spans: Vec::new(),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "latency".to_owned(),
        caption,
        chart,
    }))
}

/// The share of requests up to each time, as a line of few points.
fn cumulative(mut values: Vec<f64>) -> Vec<(f64, Option<f64>)> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let mut points: Vec<(f64, Option<f64>)> = (0..=POINTS.min(last))
        .map(|step| {
            let at = step * last / POINTS.min(last).max(1);
            (
                values[at],
                Some(100.0 * (at + 1) as f64 / values.len() as f64),
            )
        })
        .collect();
    if let Some((least, _)) = points.first().copied() {
        points.insert(0, (least, Some(0.0)));
    }
    points
}

fn distribution(load: &Load, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let completed = || load.requests.iter().filter(|r| r.end.is_completed());
    let of = |get: fn(&Request) -> Option<Nanos>| {
        let values = completed().filter_map(get).map(Nanos::as_millis_f64);
        values.collect::<Vec<_>>()
    };
    let (sent, planned) = (of(Request::ttft), of(Request::ttft_scheduled));
    if sent.is_empty() {
        return Ok(None);
    }
    let n = sent.len();
    // With many requests the slowest would squeeze all others into a corner.
    let edge = (n >= 10_000).then(|| percentile(&planned, 99.9)).flatten();
    let cut = |points: Vec<(f64, Option<f64>)>| {
        let inside = points
            .into_iter()
            .filter(|(x, _)| edge.is_none_or(|edge| *x <= edge));
        inside.collect()
    };
    let lines = if sent_as_planned(load) {
        vec![line("", cut(cumulative(sent)), Mark::Line)]
    } else {
        vec![
            line("from the send", cut(cumulative(sent)), Mark::Line),
            line(
                "from the planned start",
                cut(cumulative(planned)),
                Mark::Line,
            ),
        ]
    };
    let mut panel = panel("share of completed requests (%)", lines);
    panel.include = vec![0.0, 100.0];
    panel.reference_lines = [50.0, 95.0]
        .map(|p| ReferenceLine {
            value: p,
            label: format!("p{p}"),
        })
        .to_vec();
    let beyond = if edge.is_some() {
        " The slowest 0.1 % lie beyond the right edge."
    } else {
        ""
    };
    let chart = Lines {
        heading: heading(
            load,
            "How long the first token takes",
            format!(
                "Time to first token of {} completed requests.{beyond}",
                plain(n as f64, 0)
            ),
        ),
        x_label: "time to first token (ms)".to_owned(),
        panels: vec![panel],
        spans: Vec::new(),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "ttft".to_owned(),
        caption: format!(
            "The share of completed requests whose first token had come after so long. {}{beyond}",
            if sent_as_planned(load) {
                "From the planned start it is the same."
            } else {
                "Where the two lines part, requests waited in the client."
            }
        ),
        chart,
    }))
}

fn turns(load: &Load, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    let turns = super::tables::by_turn(load);
    if turns.len() < 2 {
        return Ok(None);
    }
    let of = |get: &dyn Fn(&super::tables::Turn) -> Option<f64>| {
        let points = turns.iter().map(|t| (f64::from(t.place), get(t)));
        points.collect::<Vec<_>>()
    };
    let mut series = vec![line("median", of(&|t| t.ttft_ms.0), Mark::LineAndDots)];
    if turns.iter().any(|t| t.ttft_ms.1.is_some()) {
        series.insert(0, line("p95", of(&|t| t.ttft_ms.1), Mark::LineAndDots));
    }
    let chart = Lines {
        heading: heading(
            load,
            "Time to first token by turn of the session",
            "Each turn sends all that was said before it.",
        ),
        x_label: "turn".to_owned(),
        panels: vec![panel("TTFT from the send (ms)", series)],
        spans: Vec::new(),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "turns".to_owned(),
        caption: "Time to first token by turn. It rises with the context unless a prefix cache holds what was \
                  said before."
            .to_owned(),
        chart,
    }))
}

fn agents(load: &Load, theme: &Theme) -> Result<Option<Picture>, ChartError> {
    if load.fairness.is_none() {
        return Ok(None);
    }
    let mut rates: Vec<f64> = load
        .agents
        .iter()
        .map(|a| a.tokens_per_s.unwrap_or(0.0))
        .collect();
    rates.sort_unstable_by(|a, b| b.total_cmp(a));
    let step = rates.len().div_ceil(POINTS).max(1);
    let points = rates
        .iter()
        .enumerate()
        .filter(|(at, _)| at % step == 0 || at + 1 == rates.len())
        .map(|(at, rate)| ((at + 1) as f64, Some(*rate)))
        .collect();
    let mark = if rates.len() <= 60 {
        Mark::LineAndDots
    } else {
        Mark::Line
    };
    let chart = Lines {
        heading: heading(
            load,
            "How fast each agent was served",
            "Tokens over the agent's time in requests, from the agent served fastest to the slowest.",
        ),
        x_label: "agents, fastest first".to_owned(),
        panels: vec![panel("tok/s of one agent", vec![line("", points, mark)])],
        spans: Vec::new(),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Some(Picture {
        name: "agents".to_owned(),
        caption: "The agents by how fast they were served. A level line is a fair server; an end at zero is an \
                  agent that got nothing."
            .to_owned(),
        chart,
    }))
}
