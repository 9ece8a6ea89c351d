//! Device and host over a sweep.

use std::collections::BTreeSet;

use domain::telemetry::{GpuReading, Sample};
use domain::{Nanos, Stamp};
use metrics::stats::mean;

use crate::album::Album;
use crate::charts::{LineSeries, Lines, Mark, Panel};
use crate::windows::{round_width, sampled};

/// Windows that still read well in one picture.
const MOST_WINDOWS: u64 = 60;

type Reading = fn(&GpuReading) -> Option<f64>;

pub(super) fn telemetry(samples: &[Sample], album: &mut Album) {
    let Some((first, last)) = samples.first().zip(samples.last()) else {
        return;
    };
    let length = last.at.since(first.at) + Nanos(1);
    let width = round_width(length, MOST_WINDOWS, Nanos::from_millis(100));
    let line = |name: String, get: &dyn Fn(&Sample) -> Option<f64>| {
        LineSeries::new(name, Mark::Line, windowed(samples, first.at, width, get))
    };
    let gpus = samples.iter().flat_map(|s| s.gpus.iter().map(|g| g.index));
    let devices: BTreeSet<u32> = gpus.collect();
    let gpu = |label: &str, get: Reading| {
        let series = devices.iter().map(|device| {
            let of = |s: &Sample| s.gpus.iter().find(|g| g.index == *device).and_then(get);
            line(format!("GPU {device}"), &of)
        });
        Panel::new(label, series.collect())
    };
    let cpu = |s: &Sample| s.host.as_ref().map(|host| host.cpu_percent);
    let memory = |g: &GpuReading| g.memory_used_bytes.map(|b| b as f64 / 1e9);
    let panels = vec![
        gpu("GPU compute (%)", |g| g.utilisation_percent).reaching(100.0),
        gpu("GPU memory (GB)", memory),
        gpu("GPU power (W)", |g| g.power_w),
        Panel::new("CPU, all cores (%)", vec![line("host".to_owned(), &cpu)]).reaching(100.0),
    ];
    let what = match (devices.is_empty(), samples.iter().any(|s| cpu(s).is_some())) {
        (false, true) => "Device and host",
        (false, false) => "Device",
        (true, _) => "Host",
    };
    let values = [
        ("what", what),
        ("samples", &*samples.len().to_string()),
        ("width", &width.as_secs_f64().to_string()),
    ];
    let chart = Lines::new("seconds since the sweep began", panels);
    album.put("sweep/telemetry", &values, &chart);
}

/// The mean of each window of samples at the window's middle; unknown where a window has none. A sliver of a window at
/// the end would show single samples, not a mean.
fn windowed(
    samples: &[Sample],
    start: Stamp,
    width: Nanos,
    get: &dyn Fn(&Sample) -> Option<f64>,
) -> Vec<(f64, Option<f64>)> {
    let length = samples.last().map_or(Nanos::ZERO, |s| s.at.since(start));
    let count = sampled(length, samples.len(), width) as usize;
    let mut windows: Vec<Vec<f64>> = vec![Vec::new(); count];
    for sample in samples {
        let place = sample.at.since(start).0 / width.0;
        if let Some(window) = windows.get_mut(place as usize) {
            window.extend(get(sample));
        }
    }
    let middle = |at: u64| (start + Nanos(at * width.0 + width.0 / 2)).as_secs_f64();
    let means = (0..).zip(windows);
    means
        .map(|(at, values)| (middle(at), mean(&values)))
        .collect()
}
