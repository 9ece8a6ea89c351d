//! The report's pictures.

use metrics::Estimate;
use metrics::capacity::{Criterion, LatencyFigure, LevelEnd, LevelFigures, Statistic};
use metrics::load::Spread;

use super::Material;
use crate::charts::{
    Chart, ChartError, Color, Heading, LinePoint, LineSeries, Lines, Mark, Note, Panel,
    ReferenceLine, Span, Theme, Value, XAxis,
};
use crate::tables::plain;

/// A picture with the words under it.
pub(super) struct Picture {
    pub(super) name: &'static str,
    pub(super) caption: String,
    pub(super) chart: Chart,
}

/// Steps of the drawn law in each doubling of the agents.
const STEPS: u32 = 24;

/// The x axis: levels double, and on a linear axis the first of them would lie on each other.
const AGENTS: &str = "agents (each doubling equally wide)";

/// Every picture; the first is the front page's.
pub(super) fn draw(material: &Material<'_>) -> Result<Vec<Picture>, ChartError> {
    let theme = Theme::default();
    if material.levels.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![
        throughput(material, &theme)?,
        latency(material, &theme)?,
        hockey_stick(material, &theme)?,
        goodput(material, &theme)?,
        fairness(material, &theme)?,
    ])
}

fn heading(material: &Material<'_>, title: String, subtitle: String) -> Heading {
    Heading {
        title,
        subtitle,
        simulated: material.simulated(),
        source: material.run.source.clone(),
    }
}

fn estimate(e: &Estimate) -> Value {
    match e.lo.zip(e.hi) {
        Some((lo, hi)) => Value::within(e.mean, lo, hi),
        None => Value::exact(e.mean),
    }
}

/// A series over the levels.
fn over(
    material: &Material<'_>,
    name: &str,
    mark: Mark,
    of: impl Fn(&LevelFigures) -> Value,
) -> LineSeries {
    LineSeries {
        name: name.to_owned(),
        mark,
        color: None,
        points: material
            .levels
            .iter()
            .map(|l| LinePoint {
                x: f64::from(l.agents),
                y: of(l),
            })
            .collect(),
    }
}

fn mark(at: f64, label: String, color: Color) -> Span {
    Span {
        label,
        from: at,
        to: at,
        color: Some(color),
    }
}

/// The levels that stand for the answer, as marks.
fn answer_marks(material: &Material<'_>) -> Vec<Span> {
    let carries = material
        .answer
        .carries
        .map(|n| mark(f64::from(n), format!("carries {n}"), Color::GREEN));
    let breaks = material.answer.breaks.map(|n| {
        mark(
            f64::from(n),
            format!("{n} break the limits"),
            Color::VERMILLION,
        )
    });
    carries.into_iter().chain(breaks).collect()
}

/// Numbers from 1 to the highest, equally many in each doubling.
fn along(highest: u32) -> impl Iterator<Item = f64> {
    let octaves = std::iter::successors(Some(1.0), |from: &f64| Some(2.0 * from));
    let most = f64::from(highest);
    octaves
        .take_while(move |from| *from < most)
        .flat_map(|from| (0..STEPS).map(move |i| from * (1.0 + f64::from(i) / f64::from(STEPS))))
        .filter(move |x| *x < most)
        .chain([most])
}

fn throughput(material: &Material<'_>, theme: &Theme) -> Result<Picture, ChartError> {
    let highest = material.levels.iter().map(|l| l.agents).max().unwrap_or(1);
    let mut series = Vec::new();
    let mut spans = answer_marks(material);
    spans.truncate(1);
    let mut words = Vec::new();
    if let Some(scaling) = &material.scaling {
        let law = scaling.fit.law;
        let points = along(highest)
            .map(|x| {
                let y = scaling.fit.at(x).map_or(Value::exact(law.at(x)), |i| {
                    Value::within(law.at(x), i.lo, i.hi)
                });
                LinePoint { x, y }
            })
            .collect();
        series.push(LineSeries {
            name: "Universal Scalability Law, 95 % band".to_owned(),
            points,
            mark: Mark::Band,
            color: Some(Color::ORANGE),
        });
        if let Some(knee) = scaling.knee.at {
            words.push(format!("knee at {} agents", plain(knee, 1)));
            if knee <= f64::from(highest) {
                spans.push(mark(
                    knee,
                    format!("knee {}", plain(knee, 1)),
                    Color::PURPLE,
                ));
            }
        }
        match scaling.peak.at.filter(|_| !scaling.peak.unbounded) {
            Some(peak) => {
                words.push(format!("peak at {} agents", plain(peak, 1)));
                if peak <= f64::from(highest) {
                    spans.push(mark(
                        peak,
                        format!("peak {}", plain(peak, 1)),
                        Color::ORANGE,
                    ));
                }
            }
            None => words.push("no peak is shown".to_owned()),
        }
    }
    let mut measured = over(material, "level, 95 % interval", Mark::Dots, |l| {
        estimate(&l.tokens_per_s)
    });
    measured.color = Some(Color::BLUE);
    series.push(measured);
    let chart = Lines {
        heading: heading(
            material,
            "Throughput against agents".to_owned(),
            words.join(", "),
        ),
        x_label: AGENTS.to_owned(),
        x_axis: XAxis::Doubling,
        panels: vec![Panel {
            label: "throughput (tok/s)".to_owned(),
            series,
            include: vec![0.0],
            reference_lines: Vec::new(),
        }],
        spans,
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Picture {
        name: "throughput",
        caption: "Throughput of each level in its steady window, with the law fitted to all of them. The knee is \
                  where throughput over time in the system is highest; beyond it more agents mostly wait."
            .to_owned(),
        chart,
    })
}

/// A spread's percentiles, in seconds or milliseconds.
fn percentile(spread: Option<&Spread>, p: u8) -> Option<f64> {
    let spread = spread?;
    match p {
        50 => Some(spread.p50),
        90 => spread.p90,
        95 => spread.p95,
        99 => spread.p99,
        _ => None,
    }
}

fn spread(level: &LevelFigures, figure: LatencyFigure) -> Option<&Spread> {
    let load = &level.load;
    match figure {
        LatencyFigure::Ttft => load.ttft_ms.as_ref(),
        LatencyFigure::TtftScheduled => load.ttft_scheduled_ms.as_ref(),
        LatencyFigure::Tpot => load.tpot_ms.as_ref(),
        LatencyFigure::Itl => load.itl_ms.as_ref(),
        LatencyFigure::E2e => load.e2e_ms.as_ref(),
    }
}

/// The limits on a figure: the percentile, none for its mean, and the limit in its one form.
fn limited(material: &Material<'_>, figure: LatencyFigure) -> Vec<(Option<u8>, String)> {
    let criteria = material.objective.criteria().iter();
    criteria
        .filter_map(|c| match c {
            Criterion::Latency {
                figure: of,
                statistic,
                ..
            } if *of == figure => {
                let p = match statistic {
                    Statistic::Percentile(p) => Some(*p),
                    Statistic::Mean => None,
                };
                Some((p, c.to_string()))
            }
            _ => None,
        })
        .collect()
}

/// A limited latency as it was seen at a level, ms, with its interval.
fn seen(material: &Material<'_>, agents: u32, limit: &str) -> Value {
    let levels = material.run.levels.iter();
    let judged = levels
        .filter(|l| l.probe.agents == agents && l.probe.end != LevelEnd::Interrupted)
        .flat_map(|l| &l.probe.decision.judged)
        .find(|j| j.limit == limit);
    let Some(judged) = judged else {
        return Value::UNKNOWN;
    };
    Value {
        point: judged.seen.map(|s| 1e3 * s),
        interval: judged
            .seen_lo
            .zip(judged.seen_hi)
            .map(|(lo, hi)| (1e3 * lo, 1e3 * hi)),
    }
}

fn latency(material: &Material<'_>, theme: &Theme) -> Result<Picture, ChartError> {
    let mut figures = Vec::new();
    for criterion in material.objective.criteria() {
        if let Criterion::Latency { figure, .. } = criterion
            && !figures.contains(figure)
        {
            figures.push(*figure);
        }
    }
    for usual in [LatencyFigure::Ttft, LatencyFigure::E2e] {
        if !figures.contains(&usual) {
            figures.push(usual);
        }
    }
    let panels = figures
        .iter()
        .map(|figure| {
            let limited = limited(material, *figure);
            // Those that are limited last: they are drawn over the others.
            let mut percentiles = vec![50, 95, 99];
            percentiles.retain(|p| limited.iter().all(|(of, _)| *of != Some(*p)));
            percentiles.extend(limited.iter().filter_map(|(p, _)| *p));
            let mut series: Vec<LineSeries> = percentiles
                .into_iter()
                .map(|p| {
                    let limit = limited.iter().find(|(of, _)| *of == Some(p));
                    over(
                        material,
                        &format!("p{p}"),
                        Mark::LineAndDots,
                        |l| match limit {
                            Some((_, limit)) => seen(material, l.agents, limit),
                            None => percentile(spread(l, *figure), p).into(),
                        },
                    )
                })
                .collect();
            if limited.iter().any(|(p, _)| p.is_none()) {
                series.push(over(material, "mean", Mark::Line, |l| {
                    spread(l, *figure).map(|s| s.mean).into()
                }));
            }
            let reference_lines = material
                .objective
                .criteria()
                .iter()
                .filter_map(|c| match c {
                    Criterion::Latency {
                        figure: limited,
                        statistic,
                        below,
                    } if limited == figure => Some(ReferenceLine {
                        value: below.as_millis_f64(),
                        label: match statistic {
                            Statistic::Percentile(p) => format!("limit of p{p}"),
                            Statistic::Mean => "limit of the mean".to_owned(),
                        },
                    }),
                    _ => None,
                })
                .collect();
            Panel {
                label: format!("{} (ms)", figure.name()),
                series,
                include: vec![0.0],
                reference_lines,
            }
        })
        .collect();
    let chart = Lines {
        heading: heading(
            material,
            "Latency against agents".to_owned(),
            "completed requests of the steady window; percentiles that the sample can carry"
                .to_owned(),
        ),
        x_label: AGENTS.to_owned(),
        x_axis: XAxis::Doubling,
        panels,
        spans: answer_marks(material),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Picture {
        name: "latency",
        caption: format!(
            "Latencies of each level with the limits of `{}`.",
            material.objective
        ),
        chart,
    })
}

fn hockey_stick(material: &Material<'_>, theme: &Theme) -> Result<Picture, ChartError> {
    let against = |name: &str, color, of: &dyn Fn(&LevelFigures) -> Option<f64>| LineSeries {
        name: name.to_owned(),
        mark: Mark::LineAndDots,
        color: Some(color),
        points: material
            .levels
            .iter()
            .map(|l| LinePoint {
                x: l.tokens_per_s.mean,
                y: of(l).into(),
            })
            .collect(),
    };
    let ms = |spread: Option<&Spread>| spread.map(|s| s.p50);
    let chart = Lines {
        heading: heading(
            material,
            "Latency against throughput".to_owned(),
            "each dot a level, with its number of agents".to_owned(),
        ),
        x_label: "throughput (tok/s)".to_owned(),
        notes: material
            .levels
            .iter()
            .filter_map(|l| {
                Some(Note {
                    x: l.tokens_per_s.mean,
                    y: ms(l.load.e2e_ms.as_ref())?,
                    label: l.agents.to_string(),
                })
            })
            .collect(),
        panels: vec![Panel {
            label: "median (ms)".to_owned(),
            series: vec![
                against("end to end", Color::BLUE, &|l| ms(l.load.e2e_ms.as_ref())),
                against("TTFT", Color::ORANGE, &|l| ms(l.load.ttft_ms.as_ref())),
            ],
            include: vec![0.0],
            reference_lines: Vec::new(),
        }],
        spans: Vec::new(),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Picture {
        name: "latency-throughput",
        caption: "The hockey stick: where the line turns upwards, more agents buy waiting and no throughput."
            .to_owned(),
        chart,
    })
}

fn goodput(material: &Material<'_>, theme: &Theme) -> Result<Picture, ChartError> {
    let share = over(material, "good share", Mark::LineAndDots, |l| {
        l.good_share.map(|s| 100.0 * s).into()
    });
    let targets = material
        .objective
        .criteria()
        .iter()
        .filter_map(|c| match c {
            Criterion::Goodput { at_least } => Some(ReferenceLine {
                value: 100.0 * at_least,
                label: "limit".to_owned(),
            }),
            _ => None,
        })
        .collect();
    let chart = Lines {
        heading: heading(
            material,
            "Goodput against agents".to_owned(),
            "good: a request that keeps every limit on its own latency".to_owned(),
        ),
        x_label: AGENTS.to_owned(),
        x_axis: XAxis::Doubling,
        panels: vec![
            Panel {
                label: "requests per second".to_owned(),
                series: vec![
                    over(material, "completed", Mark::LineAndDots, |l| {
                        Value::exact(l.requests_per_s)
                    }),
                    over(material, "good", Mark::LineAndDots, |l| {
                        Value::exact(l.goodput_per_s)
                    }),
                ],
                include: vec![0.0],
                reference_lines: Vec::new(),
            },
            Panel {
                label: "good requests (%)".to_owned(),
                series: vec![share],
                include: vec![0.0, 100.0],
                reference_lines: targets,
            },
        ],
        spans: answer_marks(material),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Picture {
        name: "goodput",
        caption: "Goodput: requests per second that keep every limit. It falls where throughput does not."
            .to_owned(),
        chart,
    })
}

fn fairness(material: &Material<'_>, theme: &Theme) -> Result<Picture, ChartError> {
    let chart = Lines {
        heading: heading(
            material,
            "Fairness and starvation against agents".to_owned(),
            "throughput of each agent in the steady window".to_owned(),
        ),
        x_label: AGENTS.to_owned(),
        x_axis: XAxis::Doubling,
        panels: vec![
            Panel {
                label: "1 = every agent served alike".to_owned(),
                series: vec![
                    over(material, "Jain's index", Mark::LineAndDots, |l| {
                        l.fairness.jain.into()
                    }),
                    over(material, "least / most", Mark::LineAndDots, |l| {
                        l.fairness.min_over_max.into()
                    }),
                ],
                include: vec![0.0, 1.0],
                reference_lines: Vec::new(),
            },
            Panel {
                label: "longest wait for a token (s)".to_owned(),
                series: vec![over(material, "longest wait", Mark::LineAndDots, |l| {
                    Value::exact(l.fairness.longest_wait_s)
                })],
                include: vec![0.0],
                reference_lines: Vec::new(),
            },
        ],
        spans: answer_marks(material),
        ..Lines::default()
    }
    .render(theme)?;
    Ok(Picture {
        name: "fairness",
        caption: "How evenly the agents were served, and the longest that one with a request open waited for a \
                  token."
            .to_owned(),
        chart,
    })
}
