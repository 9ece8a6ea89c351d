//! TR113's 8.3 from telemetry.

use std::collections::BTreeMap;

use domain::telemetry::{GpuReading, Sample, ServerReading};

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
    let (id, title) = if view.tr113 {
        ("8.3-hardware", "8.3 Hardware utilisation")
    } else {
        ("hardware", "Hardware utilisation")
    };
    let mut table = Table::new(id, title)
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
    let mut servers: Vec<u32> = samples
        .iter()
        .flat_map(|s| s.servers.iter().map(|server| server.endpoint))
        .collect();
    servers.sort_unstable();
    servers.dedup();
    for server in servers {
        let of = |get: fn(&ServerReading) -> Option<f64>| -> Vec<f64> {
            let readings = samples.iter().flat_map(|s| &s.servers);
            let own = readings.filter(|reading| reading.endpoint == server);
            own.filter_map(get).collect()
        };
        let name = |what: &str| format!("server {} {what}", server + 1);
        add(name("CPU, of one core"), "%", 0, of(|s| s.cpu_percent));
        let memory = of(|s| Some(s.memory_bytes as f64 / 1e9));
        add(name("memory"), "GB", 2, memory);
        let on_devices = samples.iter().filter_map(|s| device_memory(s, server));
        add(name("memory on GPUs"), "GB", 2, on_devices.collect());
    }
    Some(table)
}

/// What a server's processes hold on all devices, GB; none where no device lists them. On a device
/// and on its parts a process is listed twice.
fn device_memory(sample: &Sample, server: u32) -> Option<f64> {
    let mut held: BTreeMap<(u32, u32), u64> = BTreeMap::new();
    for gpu in &sample.gpus {
        for process in gpu.processes.iter().filter(|p| p.server == Some(server)) {
            let place = (gpu.part_of.unwrap_or(gpu.index), process.pid);
            let known = held.entry(place).or_default();
            *known = (*known).max(process.memory_bytes?);
        }
    }
    (!held.is_empty()).then(|| held.values().sum::<u64>() as f64 / 1e9)
}

fn readings(samples: &[Sample], device: u32, get: fn(&GpuReading) -> Option<f64>) -> Vec<f64> {
    samples
        .iter()
        .flat_map(|s| &s.gpus)
        .filter(|g| g.index == device)
        .filter_map(get)
        .collect()
}
