//! The pictures of a capacity run.

use domain::record::capacity::LevelEnd;
use domain::record::load::Spread;
use itertools::Itertools as _;
use metrics::capacity::{Criterion, LatencyFigure, LevelFigures, Statistic};

use super::Material;
use crate::album::{Album, value};
use crate::charts::theme::{BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION};
use crate::charts::{ChartError, LineSeries, Lines, Mark, Panel, ReferenceLine, Span, Value};
use document::Picture;
use document::number::{plain, short};

/// Points of the drawn law per doubling of the agents.
const STEPS: u32 = 24;

/// Every picture; the first is the front page's.
pub(super) fn draw(material: &Material<'_>) -> Result<Vec<Picture>, ChartError> {
    let mut album = Album::new(
        &*material.run.source,
        material.run.record.header.is_simulated(),
    );
    throughput(material, &mut album);
    latency(material, &mut album);
    hockey_stick(material, &mut album);
    goodput(material, &mut album);
    fairness(material, &mut album);
    album.finish()
}

/// Panels against the number of agents, on a logarithmic axis: levels double, and on a linear one the
/// first of them would overlap.
fn against_agents(panels: Vec<Panel>, spans: Vec<Span>) -> Lines {
    Lines {
        doubling: true,
        spans,
        ..Lines::new("agents (each doubling equally wide)", panels)
    }
}

fn level_series<V: Into<Value>>(
    material: &Material<'_>,
    name: &str,
    of: impl Fn(&LevelFigures) -> V,
) -> LineSeries {
    let levels = material.levels.iter();
    let points = levels.map(|level| (f64::from(level.agents), of(level)));
    LineSeries::new(name, Mark::LineAndDots, points)
}

/// The level that the answer names as carried.
fn carried_level(material: &Material<'_>) -> Option<Span> {
    let carries = material.answer.carries?;
    let label = format!("carries {carries}");
    Some(Span::mark(f64::from(carries), label, GREEN))
}

/// Marks for the levels that the answer names.
fn answer_marks(material: &Material<'_>) -> Vec<Span> {
    let breaks = material.answer.breaks.map(|n| {
        let label = format!("{n} break the limits");
        Span::mark(f64::from(n), label, VERMILLION)
    });
    carried_level(material).into_iter().chain(breaks).collect()
}

/// Numbers from 1 to the highest, with the same number of points in each doubling.
fn log_spaced(highest: f64) -> impl Iterator<Item = f64> {
    let octaves = std::iter::successors(Some(1.0), |from: &f64| Some(2.0 * from));
    octaves
        .take_while(move |from| *from < highest)
        .flat_map(|from| (0..STEPS).map(move |i| from * (1.0 + f64::from(i) / f64::from(STEPS))))
        .filter(move |x| *x < highest)
        .chain([highest])
}

fn throughput(material: &Material<'_>, album: &mut Album) {
    let highest = material.levels.iter().map(|l| l.agents).max().unwrap_or(1);
    let highest = f64::from(highest);
    let mut series = Vec::new();
    let mut spans: Vec<Span> = carried_level(material).into_iter().collect();
    let mut subtitle = Vec::new();
    if let Some(scaling) = &material.scaling {
        if let Some((most, star)) = scaling.x_max.at.zip(scaling.n_star.at) {
            let bound = log_spaced(highest).map(|x| (x, Value::from(most * (x / star).min(1.0))));
            let name = "as if each added as much as the first, up to the highest";
            series.push(LineSeries::new(name, Mark::Line, bound).color(GREY));
        }
        if let Some(fit) = scaling.law() {
            let points = log_spaced(highest).map(|x| {
                let interval = fit.interval(|law| law.at(x)).map(|i| (i.lo, i.hi));
                let point = Some(fit.law.at(x));
                (x, Value { point, interval })
            });
            let name = format!("{}, 95 % band", fit.kind.name());
            series.push(LineSeries::new(name, Mark::Band, points).color(ORANGE));
        } else {
            subtitle.push("no law that fits".to_owned());
        }
        let peak = scaling.usl_peak().and_then(|peak| peak.at);
        let places = [("knee", scaling.knee.at, PURPLE), ("peak", peak, ORANGE)];
        for (name, at, color) in places {
            let Some(at) = at else { continue };
            let shown = plain(at, 1);
            subtitle.push(format!("{name} of the fit at {shown} agents"));
            spans.push(Span::mark(at, format!("{name} {shown}"), color));
        }
    }
    let mut measured = level_series(material, "level, 95 % interval", |l| {
        value(Some(&l.tokens_per_s), 1.0)
    });
    measured.mark = Mark::Dots;
    series.push(measured.color(BLUE));
    let panels = vec![Panel::new("throughput (tok/s)", series)];
    let (chart, law) = (against_agents(panels, spans), subtitle.join(", "));
    album.put("capacity/throughput", &[("law", &law)], &chart);
}

/// A percentile of a spread, ms.
fn percentile(spread: &Spread, p: u8) -> Option<f64> {
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

/// The value of a limited latency at a level, ms, with its interval.
fn observed_latency(material: &Material<'_>, agents: u32, limit: &str) -> Value {
    let levels = material.run.levels.iter();
    let judged = levels
        .filter(|l| l.probe.agents == agents && l.probe.end != LevelEnd::Interrupted)
        .flat_map(|l| &l.probe.decision.judged)
        .find(|j| j.limit == limit);
    judged.map_or(Value::UNKNOWN, |judged| {
        let interval = judged.seen_lo.zip(judged.seen_hi);
        Value {
            point: judged.seen.map(|s| 1e3 * s),
            interval: interval.map(|(lo, hi)| (1e3 * lo, 1e3 * hi)),
        }
    })
}

fn latency(material: &Material<'_>, album: &mut Album) {
    let limits = material.run.objective.criteria().iter();
    // Figure, statistic and value of each limit on a latency, and the limit as the levels' decisions spell it.
    let limits: Vec<_> = limits
        .filter_map(|criterion| match criterion {
            Criterion::Latency {
                figure,
                statistic,
                below,
            } => Some((*figure, *statistic, *below, criterion.to_string())),
            _ => None,
        })
        .collect();
    let usual = [LatencyFigure::Ttft, LatencyFigure::E2e];
    let figures = limits.iter().map(|limit| limit.0).chain(usual).unique();
    let panel = |figure: LatencyFigure| {
        let own = || limits.iter().filter(|limit| limit.0 == figure);
        let limit_of = |p: u8| own().find(|limit| limit.1 == Statistic::Percentile(p));
        // From the highest down, as the curves lie.
        let is_shown = |p: &u8| [50, 95, 99].contains(p) || limit_of(*p).is_some();
        let percentiles = (1..100).rev().filter(is_shown);
        let line = |p: u8| {
            level_series(material, &format!("p{p}"), |l| match limit_of(p) {
                Some((.., text)) => observed_latency(material, l.agents, text),
                None => spread(l, figure).and_then(|s| percentile(s, p)).into(),
            })
        };
        let mut series: Vec<LineSeries> = percentiles.map(line).collect();
        if own().any(|limit| limit.1 == Statistic::Mean) {
            let mut mean = level_series(material, "mean", |l| spread(l, figure).map(|s| s.mean));
            mean.mark = Mark::Line;
            series.push(mean);
        }
        let lines = own().map(|(_, statistic, below, _)| {
            let of = match statistic {
                Statistic::Percentile(p) => format!("p{p}"),
                Statistic::Mean => "mean".to_owned(),
            };
            let ms = below.as_millis_f64();
            ReferenceLine::new(ms, format!("{of} limit: {} ms", short(ms)))
        });
        Panel::new(format!("{} (ms)", figure.name()), series).lines_at(lines)
    };
    let panels = figures.map(panel).collect();
    let limits = material.run.objective.to_string();
    let chart = against_agents(panels, answer_marks(material));
    album.put("capacity/latency", &[("limits", &limits)], &chart);
}

fn hockey_stick(material: &Material<'_>, album: &mut Album) {
    let median = |l: &LevelFigures, figure| spread(l, figure).map(|s| s.p50);
    let panel = |(label, figure): (&str, LatencyFigure)| {
        let levels = material.levels.iter();
        let points = levels.map(|l| (l.tokens_per_s.mean, median(l, figure)));
        Panel::new(label, vec![LineSeries::new("", Mark::LineAndDots, points)])
    };
    let note = |level: &LevelFigures| {
        let at = (level.tokens_per_s.mean, median(level, LatencyFigure::E2e)?);
        Some((at, level.agents.to_string()))
    };
    let panels = [
        ("median end to end (ms)", LatencyFigure::E2e),
        ("median TTFT (ms)", LatencyFigure::Ttft),
    ];
    let panels = panels.into_iter().map(panel).collect();
    let chart = Lines {
        notes: material.levels.iter().filter_map(note).collect(),
        ..Lines::new("throughput (tok/s)", panels)
    };
    album.put("capacity/latency-throughput", &[], &chart);
}

fn goodput(material: &Material<'_>, album: &mut Album) {
    let rates = vec![
        level_series(material, "completed", |l| l.requests_per_s),
        level_series(material, "good", |l| l.goodput_per_s),
    ];
    let share = level_series(material, "good share", |l| l.good_share.map(|s| 100.0 * s));
    let criteria = material.run.objective.criteria().iter();
    let targets = criteria.filter_map(|criterion| match criterion {
        Criterion::Goodput { at_least } => Some(ReferenceLine::new(100.0 * at_least, "limit")),
        _ => None,
    });
    let panels = vec![
        Panel::new("requests per second", rates),
        Panel::new("good requests (%)", vec![share])
            .reaching(100.0)
            .lines_at(targets),
    ];
    let chart = against_agents(panels, answer_marks(material));
    album.put("capacity/goodput", &[], &chart);
}

fn fairness(material: &Material<'_>, album: &mut Album) {
    let alike = vec![
        level_series(material, "Jain's index", |l| l.fairness.jain),
        level_series(material, "least / most", |l| l.fairness.min_over_max),
    ];
    let wait = level_series(material, "longest wait", |l| l.fairness.longest_wait_s);
    let panels = vec![
        Panel::new("1 = every agent served alike", alike).reaching(1.0),
        Panel::new("longest wait for a token (s)", vec![wait]),
    ];
    let chart = against_agents(panels, answer_marks(material));
    album.put("capacity/fairness", &[], &chart);
}
