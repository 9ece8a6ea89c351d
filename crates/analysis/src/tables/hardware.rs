//! TR113's 8.3 from telemetry.

use domain::telemetry::{GpuReading, Sample};

use super::view::View;
use super::{Cell, Kind, Origin, Table};
use domain::record::Provenance;

/// Mean and peak of each resource over all samples; none without telemetry.
pub(super) fn table(view: &View<'_>) -> Option<Table> {
    let samples = &view.dataset.telemetry;
    if samples.is_empty() {
        return None;
    }
    let origin = match view.dataset.provenance {
        Provenance::Measured => Origin::Measured,
        Provenance::Simulated => Origin::Simulated,
        Provenance::Imported => Origin::Imported,
    };
    let mut table = Table::new("8.3-hardware", "8.3 Hardware utilisation")
        .note("Over all samples of the sweep, pauses between arms included. n counts samples.");
    table.label("resource", "resource");
    table.column("mean", "mean", Kind::Number, origin);
    table.column("peak", "peak", Kind::Number, origin);
    table.label("unit", "unit");
    table.column("n", "samples (n)", Kind::Number, origin);
    let mut add = |name: String, unit: &str, decimals: usize, values: Vec<f64>| {
        if values.is_empty() {
            return;
        }
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let peak = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        table.row(vec![
            Cell::text(name),
            Cell::number(mean, decimals),
            Cell::number(peak, decimals),
            Cell::text(unit),
            Cell::number(values.len() as f64, 0),
        ]);
    };
    let mut devices: Vec<u32> = samples
        .iter()
        .flat_map(|s| s.gpus.iter().map(|g| g.index))
        .collect();
    devices.sort_unstable();
    devices.dedup();
    for device in devices {
        let of = |get: fn(&GpuReading) -> Option<f64>| readings(samples, device, get);
        let name = |what: &str| format!("GPU {device} {what}");
        add(
            name("memory"),
            "GB",
            2,
            of(|g| g.memory_used_bytes.map(|b| b as f64 / 1e9)),
        );
        add(
            name("memory, of all"),
            "%",
            0,
            of(|g| {
                let (used, total) = g.memory_used_bytes.zip(g.memory_total_bytes)?;
                Some(100.0 * used as f64 / total as f64)
            }),
        );
        add(name("compute"), "%", 0, of(|g| g.utilisation_percent));
        add(name("power"), "W", 0, of(|g| g.power_w));
        add(
            name("SM clock"),
            "MHz",
            0,
            of(|g| g.sm_clock_mhz.map(f64::from)),
        );
        add(name("temperature"), "°C", 0, of(|g| g.temperature_c));
    }
    let host = |get: fn(&domain::telemetry::HostReading) -> f64| -> Vec<f64> {
        samples
            .iter()
            .filter_map(|s| s.host.as_ref())
            .map(get)
            .collect()
    };
    add("CPU, all cores".to_owned(), "%", 0, host(|h| h.cpu_percent));
    add(
        "host memory".to_owned(),
        "GB",
        1,
        host(|h| h.memory_used_bytes as f64 / 1e9),
    );
    Some(table)
}

fn readings(samples: &[Sample], device: u32, get: fn(&GpuReading) -> Option<f64>) -> Vec<f64> {
    samples
        .iter()
        .flat_map(|s| &s.gpus)
        .filter(|g| g.index == device)
        .filter_map(get)
        .collect()
}
