//! Device and host over a sweep.

use domain::telemetry::{GpuReading, Sample};
use domain::{Nanos, Stamp};
use metrics::stats::mean;

use crate::album::Album;
use crate::charts::{ChartError, LineSeries, Lines, Mark, Panel, Value};
use crate::windows::round_width;

/// Windows that still read well in one picture.
const MOST_WINDOWS: u64 = 60;

type Reading = fn(&GpuReading) -> Option<f64>;

pub(super) fn telemetry(samples: &[Sample], album: &mut Album) -> Result<(), ChartError> {
    let Some((first, last)) = samples.first().zip(samples.last()) else {
        return Ok(());
    };
    let length = last.at.since(first.at) + Nanos(1);
    let width = round_width(length, MOST_WINDOWS, Nanos::from_millis(100));
    let line = |name: String, get: &dyn Fn(&Sample) -> Option<f64>| {
        LineSeries::new(name, Mark::Band, windowed(samples, first.at, width, get))
    };
    let gpus = samples.iter().flat_map(|s| s.gpus.iter().map(|g| g.index));
    let mut devices: Vec<u32> = gpus.collect();
    devices.sort_unstable();
    devices.dedup();
    let gpu = |label: &str, get: Reading| {
        let series = devices.iter().map(|device| {
            let of = |s: &Sample| s.gpus.iter().find(|g| g.index == *device).and_then(get);
            line(format!("GPU {device}"), &of)
        });
        Panel::new(label, series.collect())
    };
    let cpu = |s: &Sample| s.host.as_ref().map(|host| host.cpu_percent);
    let panels = vec![
        gpu("GPU compute (%)", |g| g.utilisation_percent).reaching(100.0),
        gpu("GPU memory (GB)", |g| {
            g.memory_used_bytes.map(|b| b as f64 / 1e9)
        }),
        gpu("GPU power (W)", |g| g.power_w),
        Panel::new("CPU, all cores (%)", vec![line("host".to_owned(), &cpu)]).reaching(100.0),
    ];
    let lines = Lines {
        heading: album.heading(
            "Device and host over the sweep",
            format!(
                "{} samples in windows of {} s: the line is their mean, the band reaches from the lowest to the \
                 highest.",
                samples.len(),
                width.as_secs_f64()
            ),
        ),
        x_label: "seconds since the sweep began".to_owned(),
        panels,
        ..Lines::default()
    };
    album.put(
        "telemetry",
        "Device and host over the whole sweep, in windows: means, and the range of the samples.",
        lines.render(&album.theme),
    )
}

/// The mean of each window of samples at the window's middle, with their range; unknown where a
/// window has none.
fn windowed(
    samples: &[Sample],
    start: Stamp,
    width: Nanos,
    get: &dyn Fn(&Sample) -> Option<f64>,
) -> Vec<(f64, Value)> {
    let place = |sample: &Sample| sample.at.since(start).0 / width.0;
    let last = samples.last().map_or(0, place);
    let mut windows: Vec<Vec<f64>> = Vec::new();
    windows.resize(last as usize + 1, Vec::new());
    for sample in samples {
        windows[place(sample) as usize].extend(get(sample));
    }
    let middle = |at: u64| (start + Nanos(at * width.0 + width.0 / 2)).as_secs_f64();
    let value = |values: &[f64]| Value {
        point: mean(values),
        interval: values
            .iter()
            .copied()
            .reduce(f64::min)
            .zip(values.iter().copied().reduce(f64::max)),
    };
    (0..)
        .zip(windows)
        .map(|(at, values)| (middle(at), value(&values)))
        .collect()
}
