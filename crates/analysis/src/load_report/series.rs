//! A load over time, in equal windows.

use domain::{Nanos, Stamp};
use metrics::load::Request;
use metrics::stats::{percentile, printable_percentile};
use serde::Serialize;

use crate::load::Load;
use crate::windows::round_width;

/// Most windows of throughput that a picture shows clearly.
const MAX_WINDOWS: u64 = 100;

/// Requests that a window of latencies should hold, enough for its 95th percentile.
const REQUESTS_PER_WINDOW: usize = 160;

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Window {
    /// Start, seconds since the first planned start.
    pub(super) from_s: f64,
    /// End, seconds since the first planned start; for the last window, the load's end.
    pub(super) to_s: f64,
    /// Chunks with text that arrived in it.
    pub(super) chunks: u64,
    /// Requests that completed in it.
    pub(super) completed: u32,
    /// Requests that ended in it without completing.
    pub(super) not_completed: u32,
    /// Requests waiting for their first token, on average over the window.
    pub(super) waiting: f64,
    /// Requests past their first token, on average over the window.
    pub(super) answering: f64,
}

impl Window {
    pub(super) fn middle_s(&self) -> f64 {
        f64::midpoint(self.from_s, self.to_s)
    }

    pub(super) fn width_s(&self) -> f64 {
        self.to_s - self.from_s
    }
}

/// The median of a latency in the unit of the values, and its 95th percentile where there are enough of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Percentiles {
    pub(super) p50: Option<f64>,
    pub(super) p95: Option<f64>,
}

impl Percentiles {
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        Self {
            p50: percentile(&values, 50.0),
            p95: printable_percentile(&values, 95.0),
        }
    }
}

/// Latencies of the requests that were planned to start in one window.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Latency {
    /// Start, seconds since the first planned start.
    pub(super) from_s: f64,
    /// End, seconds since the first planned start.
    pub(super) to_s: f64,
    /// Number of completed requests.
    pub(super) completed: usize,
    /// TTFT from the send.
    pub(super) ttft_ms: Percentiles,
    /// TTFT from the plan.
    pub(super) planned_ms: Percentiles,
    pub(super) tpot_ms: Percentiles,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) origin: Stamp,
    pub(super) windows: Vec<Window>,
    pub(super) latencies: Vec<Latency>,
    /// The most chunks that arrived within one second.
    pub(super) busiest_second: u64,
}

impl Series {
    pub(super) fn of(load: &Load) -> Self {
        let starts = load.requests.iter().map(|r| r.scheduled);
        let origin = starts.min().unwrap_or_default();
        let ends = load.requests.iter().map(|r| r.ended);
        let end = ends.max().unwrap_or_default().max(origin + Nanos(1));
        Self {
            origin,
            windows: windows(load, origin, end),
            latencies: latencies(load, origin),
            busiest_second: busiest_second(load),
        }
    }

    /// Seconds since the first planned start.
    pub(super) fn at_s(&self, stamp: Stamp) -> f64 {
        stamp.since(self.origin).as_secs_f64()
    }
}

fn windows(load: &Load, origin: Stamp, end: Stamp) -> Vec<Window> {
    let length = end.since(origin);
    let width = round_width(length, MAX_WINDOWS, load.arrivals.width());
    let count = length.0.div_ceil(width.0) as usize;
    let edge_s = |place: usize| Nanos(place as u64 * width.0).min(length).as_secs_f64();
    let window = |place| Window {
        from_s: edge_s(place),
        to_s: edge_s(place + 1),
        ..Window::default()
    };
    let mut windows: Vec<Window> = (0..count).map(window).collect();
    let slot = |at: Stamp| ((at.since(origin).0 / width.0) as usize).min(count - 1);
    for (at, chunks) in load.arrivals.windows() {
        windows[slot(at)].chunks += u64::from(chunks);
    }
    for request in &load.requests {
        let window = &mut windows[slot(request.ended)];
        if request.end.is_completed() {
            window.completed += 1;
        } else {
            window.not_completed += 1;
        }
        let Some(sent) = request.sent else { continue };
        let first = request.first_token.unwrap_or(request.ended);
        let mut spend = |from: Stamp, to: Stamp, time: fn(&mut Window) -> &mut f64| {
            if to <= from {
                return;
            }
            let (first, last) = (slot(from), slot(to));
            for (place, window) in (first..).zip(&mut windows[first..=last]) {
                let begin = origin + Nanos(place as u64 * width.0);
                let inside = to.min(begin + width).since(from.max(begin));
                *time(window) += inside.as_secs_f64();
            }
        };
        spend(sent, first, |window| &mut window.waiting);
        spend(first, request.ended, |window| &mut window.answering);
    }
    for window in &mut windows {
        let width = window.width_s();
        window.waiting /= width;
        window.answering /= width;
    }
    windows
}

fn latencies(load: &Load, origin: Stamp) -> Vec<Latency> {
    let requests = load.requests.iter();
    let completed: Vec<&Request> = requests.filter(|r| r.end.is_completed()).collect();
    let Some(last) = completed.iter().map(|r| r.scheduled).max() else {
        return Vec::new();
    };
    let length = last.since(origin) + Nanos(1);
    let most = (completed.len() / REQUESTS_PER_WINDOW).clamp(5, 80) as u64;
    let width = round_width(length, most, Nanos(1_000));
    let mut windows: Vec<Vec<&Request>> = vec![Vec::new(); length.0.div_ceil(width.0) as usize];
    for request in completed {
        windows[(request.scheduled.since(origin).0 / width.0) as usize].push(request);
    }
    let latency = |(place, requests): (u64, Vec<&Request>)| {
        let of = |get: fn(&Request) -> Option<f64>| {
            Percentiles::of(requests.iter().filter_map(|request| get(request)))
        };
        Latency {
            from_s: Nanos(place * width.0).as_secs_f64(),
            to_s: Nanos((place + 1) * width.0).as_secs_f64(),
            completed: requests.len(),
            ttft_ms: of(|r| r.ttft().map(Nanos::as_millis_f64)),
            planned_ms: of(|r| r.ttft_scheduled().map(Nanos::as_millis_f64)),
            tpot_ms: of(Request::tpot_ms),
        }
    };
    (0..).zip(windows).map(latency).collect()
}

fn busiest_second(load: &Load) -> u64 {
    let windows: Vec<(Stamp, u32)> = load.arrivals.windows().collect();
    let (mut first, mut within, mut most) = (0, 0_u64, 0);
    for (at, chunks) in &windows {
        within += u64::from(*chunks);
        while at.since(windows[first].0) >= Nanos::from_secs(1) {
            within -= u64::from(windows[first].1);
            first += 1;
        }
        most = most.max(within);
    }
    most
}
