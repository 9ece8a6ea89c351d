//! TR113's 8.3 from telemetry.

use std::collections::{BTreeMap, BTreeSet};

use document::Field;
use domain::telemetry::{GpuReading, HostReading, Sample, ServerReading};

use super::view::View;
use super::{Cell, Origin, Table, numbers};

/// One resource: its name, its unit, decimals, and its readings.
struct Resource {
    name: String,
    unit: &'static str,
    decimals: usize,
    values: Vec<f64>,
}

impl Resource {
    fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    fn peak(&self) -> f64 {
        let values = self.values.iter().copied();
        values.fold(f64::NEG_INFINITY, f64::max)
    }
}

/// Name, unit, decimals, and the figure of a reading.
type Figure<T> = (&'static str, &'static str, usize, fn(&T) -> Option<f64>);

const GPU: [Figure<GpuReading>; 6] = [
    ("memory", "GB", 2, |g| {
        g.memory_used_bytes.map(|b| b as f64 / 1e9)
    }),
    ("memory, of all", "%", 0, |g| {
        let (used, total) = g.memory_used_bytes.zip(g.memory_total_bytes)?;
        Some(100.0 * used as f64 / total as f64)
    }),
    ("compute", "%", 0, |g| g.utilisation_percent),
    ("power", "W", 0, |g| g.power_w),
    ("SM clock", "MHz", 0, |g| g.sm_clock_mhz.map(f64::from)),
    ("temperature", "°C", 0, |g| g.temperature_c),
];

const HOST: [Figure<HostReading>; 2] = [
    ("CPU, all cores", "%", 0, |h| Some(h.cpu_percent)),
    ("host memory", "GB", 1, |h| {
        Some(h.memory_used_bytes as f64 / 1e9)
    }),
];

const SERVER: [Figure<ServerReading>; 2] = [
    ("CPU, of one core", "%", 0, |s| s.cpu_percent),
    ("memory", "GB", 2, |s| Some(s.memory_bytes as f64 / 1e9)),
];

/// The figures of readings, each name with `whose` before it.
fn of<'r, T: 'r>(
    whose: &str,
    figures: &[Figure<T>],
    readings: &(impl Iterator<Item = &'r T> + Clone),
) -> Vec<Resource> {
    let resource = |(name, unit, decimals, get): &Figure<T>| Resource {
        name: format!("{whose}{name}"),
        unit,
        decimals: *decimals,
        values: readings.clone().filter_map(get).collect(),
    };
    figures.iter().map(resource).collect()
}

/// Mean and peak of each resource over all samples; none without telemetry.
pub(super) fn table(view: &View<'_>) -> Option<Table> {
    let samples = &view.dataset.telemetry;
    if samples.is_empty() {
        return None;
    }
    let gpus = samples.iter().flat_map(|s| &s.gpus);
    let servers = samples.iter().flat_map(|s| &s.servers);
    let mut resources = Vec::new();
    for device in gpus.clone().map(|g| g.index).collect::<BTreeSet<_>>() {
        let own = gpus.clone().filter(|g| g.index == device);
        resources.extend(of(&format!("GPU {device} "), &GPU, &own));
    }
    let host = samples.iter().filter_map(|s| s.host.as_ref());
    resources.extend(of("", &HOST, &host));
    for server in servers.clone().map(|s| s.endpoint).collect::<BTreeSet<_>>() {
        let whose = format!("server {} ", server + 1);
        let own = servers.clone().filter(|s| s.endpoint == server);
        resources.extend(of(&whose, &SERVER, &own));
        let on_devices = samples.iter().filter_map(|s| device_memory(s, server));
        resources.push(Resource {
            name: format!("{whose}memory on GPUs"),
            unit: "GB",
            decimals: 2,
            values: on_devices.collect(),
        });
    }
    resources.retain(|resource| !resource.values.is_empty());
    let (id, title) = if view.tr113 {
        ("8.3-hardware", "8.3 Hardware utilisation")
    } else {
        ("hardware", "Hardware utilisation")
    };
    let origin = Origin::from(view.dataset.provenance);
    let mut fields = vec![Field::label("resource", "resource", |r: &Resource| {
        Cell::text(&*r.name)
    })];
    let figures: [super::Number<Resource>; 2] = [
        ("mean", "mean", |r| Cell::number(r.mean(), r.decimals)),
        ("peak", "peak", |r| Cell::number(r.peak(), r.decimals)),
    ];
    fields.extend(numbers(origin, figures));
    fields.push(Field::label("unit", "unit", |r: &Resource| {
        Cell::text(r.unit)
    }));
    fields.push(Field::number("n", "samples (n)", origin, |r: &Resource| {
        Cell::number(r.values.len() as f64, 0)
    }));
    let note = "Over all samples of the sweep, pauses between arms included. n counts samples.";
    Some(Table::of(id, title, fields, resources).note(note))
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
