//! The pictures of a load.

use domain::Nanos;
use metrics::load::Request;
use metrics::stats::percentile;

use super::series::{Latency, Series, Window};
use super::tables::{TurnFigures, by_turn};
use crate::album::Album;
use crate::charts::{ChartError, LineSeries, Lines, Mark, Panel, ReferenceLine};
use crate::load::Load;
use crate::windows::is_sliver;
use document::Picture;
use document::number::{plain, short};

/// Most requests that are drawn one by one.
const MAX_DOTS: usize = 1_000;

/// Points of a drawn distribution.
const POINTS: usize = 400;

/// Every picture that the load has data for; the first is the front page's.
pub(super) fn draw(load: &Load, series: &Series) -> Result<Vec<Picture>, ChartError> {
    let mut album = Album::new(super::source(load), load.file.header.is_simulated());
    over_time(series, &mut album);
    latency(load, series, &mut album);
    distribution(load, &mut album);
    turns(load, &mut album);
    agents(load, &mut album);
    album.finish()
}

/// True when requests were sent so close to plan that a picture shows no difference.
fn sent_as_planned(load: &Load) -> bool {
    let figures = &load.figures;
    let queue = figures.client_queue_ms.as_ref();
    let both = queue.zip(figures.ttft_ms.as_ref());
    both.is_some_and(|(queue, ttft)| queue.max < 0.005 * ttft.p50)
}

fn over_time(series: &Series, album: &mut Album) {
    let Some(first) = series.windows.first() else {
        return;
    };
    let line = |name: &str, get: fn(&Window) -> f64| {
        let whole = |w: &&Window| !is_sliver(w.width_s(), first.width_s());
        let windows = series.windows.iter().filter(whole);
        LineSeries::new(name, Mark::Line, windows.map(|w| (w.middle_s(), get(w))))
    };
    let mut ended = vec![line("completed", |w| f64::from(w.completed) / w.width_s())];
    if series.windows.iter().any(|w| w.not_completed > 0) {
        let failed = |w: &Window| f64::from(w.not_completed) / w.width_s();
        ended.push(line("not completed", failed));
    }
    let in_flight = vec![
        line("waiting for the first token", |w| w.waiting),
        line("being answered", |w| w.answering),
    ];
    let chunks = vec![line("", |w| w.chunks as f64 / w.width_s())];
    let width = format!("{} s", short(first.width_s()));
    let panels = vec![
        Panel::new("chunks with text per second", chunks),
        Panel::new("requests in flight", in_flight),
        Panel::new("requests ended per second", ended),
    ];
    let chart = Lines::new("seconds since the first planned start", panels);
    album.put("load/over-time", &[("width", &width)], &chart);
}

fn latency(load: &Load, series: &Series, album: &mut Album) {
    let completed = || load.requests.iter().filter(|r| r.end.is_completed());
    let n = completed().count();
    let x_label = "planned start, seconds since the first one";
    let panels = |ttft, tpot| {
        let panels = vec![Panel::new("TTFT (ms)", ttft), Panel::new("TPOT (ms)", tpot)];
        Lines::new(x_label, panels)
    };
    if n <= MAX_DOTS {
        let each = |name: &str, get: fn(&Request) -> Option<f64>| {
            let points = completed().map(|r| (series.at_s(r.scheduled), get(r)));
            LineSeries::new(name, Mark::Dots, points)
        };
        let mut ttft = vec![each("from the send", |r| {
            r.ttft().map(Nanos::as_millis_f64)
        })];
        let key = if sent_as_planned(load) {
            ttft[0].name.clear();
            "load/latency:as-planned"
        } else {
            let planned = |r: &Request| r.ttft_scheduled().map(Nanos::as_millis_f64);
            ttft.insert(0, each("from the planned start", planned));
            "load/latency"
        };
        let chart = panels(ttft, vec![each("", Request::tpot_ms)]);
        album.put(key, &[("n", &n.to_string())], &chart);
    } else {
        let line = |name: &str, get: fn(&Latency) -> Option<f64>| {
            let middle = |l: &Latency| f64::midpoint(l.from_s, l.to_s);
            let points = series.latencies.iter().map(|l| (middle(l), get(l)));
            LineSeries::new(name, Mark::Line, points)
        };
        let ttft = vec![
            line("p95 from the plan", |l| l.planned_ms.p95),
            line("p95", |l| l.ttft_ms.p95),
            line("median", |l| l.ttft_ms.p50),
        ];
        let tpot = vec![
            line("p95", |l| l.tpot_ms.p95),
            line("median", |l| l.tpot_ms.p50),
        ];
        let least = series.latencies.iter().map(|l| l.completed).min();
        let least = least.unwrap_or(0);
        let values = [
            ("windows", &*series.latencies.len().to_string()),
            ("least", &plain(least as f64, 0)),
        ];
        album.put("load/latency:windows", &values, &panels(ttft, tpot));
    }
}

/// The cumulative share of requests at each time, as a line of few points.
fn cumulative(mut values: Vec<f64>) -> Vec<(f64, f64)> {
    values.sort_unstable_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let steps = POINTS.min(last);
    let share = |at: usize| 100.0 * (at + 1) as f64 / values.len() as f64;
    let places = (0..=steps).map(|step| step * last / steps.max(1));
    let start = values.first().map(|least| (*least, 0.0)).into_iter();
    let points = places.map(|at| (values[at], share(at)));
    start.chain(points).collect()
}

fn distribution(load: &Load, album: &mut Album) {
    let of = |get: fn(&Request) -> Option<Nanos>| -> Vec<f64> {
        let completed = load.requests.iter().filter(|r| r.end.is_completed());
        let times = completed.filter_map(get);
        times.map(Nanos::as_millis_f64).collect()
    };
    let (sent, planned) = (of(Request::ttft), of(Request::ttft_scheduled));
    if sent.is_empty() {
        return;
    }
    let n = sent.len();
    // With many requests, the slowest ones would compress the rest of the axis.
    let edge = (n >= 10_000).then(|| percentile(&planned, 99.9)).flatten();
    let line = |name: &str, values: Vec<f64>| {
        let inside = |(x, _): &(f64, f64)| edge.is_none_or(|edge| *x <= edge);
        let points = cumulative(values).into_iter().filter(inside);
        LineSeries::new(name, Mark::Line, points)
    };
    let mut lines = vec![line("", sent)];
    let mut remark = "From the planned start it is the same.";
    if !sent_as_planned(load) {
        "from the send".clone_into(&mut lines[0].name);
        lines.push(line("from the planned start", planned));
        remark = "Where the two lines part, requests waited in the client.";
    }
    let beyond = edge.map_or("", |_| " The slowest 0.1 % lie beyond the right edge.");
    let percentiles = [50.0, 95.0].map(|p| ReferenceLine::new(p, format!("p{p}")));
    let panel = Panel::new("share of completed requests (%)", lines);
    let panel = panel.reaching(100.0).lines_at(percentiles);
    let n = plain(n as f64, 0);
    let values = [("n", &*n), ("remark", remark), ("beyond", beyond)];
    let chart = Lines::new("time to first token (ms)", vec![panel]);
    album.put("load/ttft", &values, &chart);
}

fn turns(load: &Load, album: &mut Album) {
    let turns = by_turn(load);
    if turns.len() < 2 {
        return;
    }
    let line = |name: &str, get: fn(&TurnFigures) -> Option<f64>| {
        let points = turns.iter().map(|t| (f64::from(t.turn), get(t)));
        LineSeries::new(name, Mark::LineAndDots, points)
    };
    let both = vec![
        line("p95", |t| t.ttft_ms.p95),
        line("median", |t| t.ttft_ms.p50),
    ];
    let panel = Panel::new("TTFT from the send (ms)", both);
    album.put("load/turns", &[], &Lines::new("turn", vec![panel]));
}

fn agents(load: &Load, album: &mut Album) {
    if load.fairness.is_none() {
        return;
    }
    let rates = load.agents.iter().map(|a| a.tokens_per_s.unwrap_or(0.0));
    let mut rates: Vec<f64> = rates.collect();
    rates.sort_unstable_by(|a, b| b.total_cmp(a));
    let step = rates.len().div_ceil(POINTS).max(1);
    let shown = |at: &usize| at.is_multiple_of(step) || at + 1 == rates.len();
    let shown = (0..rates.len()).filter(shown);
    let points = shown.map(|at| ((at + 1) as f64, rates[at]));
    let mark = match rates.len() {
        ..=60 => Mark::LineAndDots,
        _ => Mark::Line,
    };
    let line = LineSeries::new("", mark, points);
    let panel = Panel::new("tok/s of one agent", vec![line]);
    let chart = Lines::new("agents, fastest first", vec![panel]);
    album.put("load/agents", &[], &chart);
}
