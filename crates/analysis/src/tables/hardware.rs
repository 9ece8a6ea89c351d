//! TR113's 8.3 from telemetry: each resource's mean and peak over the frame `samples`.

use document::{Cell, Kind, Origin, Table};
use polars::prelude::{DataType, Expr, IntoLazy as _, LazyFrame, SortMultipleOptions, col, lit};

use super::view::View;
use crate::frames;

/// A resource: its name, its unit, decimals, and its value in a row of `samples`.
type Resource = (&'static str, &'static str, usize, Expr);

fn number(column: &str) -> Expr {
    col(column).cast(DataType::Float64)
}

fn gigabytes() -> Expr {
    number("memory_used_bytes") / lit(1e9)
}

/// Mean and peak of each resource over all samples; none without telemetry.
pub(super) fn table(view: &View<'_>) -> Option<Table> {
    if view.dataset.telemetry.is_empty() {
        return None;
    }
    let samples = frames::samples(&view.dataset.telemetry).lazy();
    let from = |source: &'static str| samples.clone().filter(col("source").eq(lit(source)));
    let share = number("memory_used_bytes") / number("memory_total_bytes");
    let gpu = [
        ("memory", "GB", 2, gigabytes()),
        ("memory, of all", "%", 0, lit(100.0) * share),
        ("compute", "%", 0, number("busy_percent")),
        ("power", "W", 0, number("power_w")),
        ("SM clock", "MHz", 0, number("sm_clock_mhz")),
        ("temperature", "°C", 0, number("temperature_celsius")),
    ];
    let host = [
        ("CPU, all cores", "%", 0, number("cpu_percent")),
        ("host memory", "GB", 1, gigabytes()),
    ];
    let server = [
        ("CPU, of one core", "%", 0, number("cpu_percent")),
        ("memory", "GB", 2, gigabytes()),
    ];
    let on_gpus = [("memory on GPUs", "GB", 2, gigabytes())];
    let of_server = |server: u32| format!("server {} ", server + 1);
    let mut servers = rows(from("server"), "endpoint", of_server, &server);
    let held = device_memory(from("gpu_process"));
    servers.extend(rows(held, "endpoint", of_server, &on_gpus));
    servers.sort_by_key(|(server, _)| *server);
    let gpus = rows(from("gpu"), "gpu", |gpu| format!("GPU {gpu} "), &gpu);
    let host = rows(from("host"), "gpu", |_| String::new(), &host);
    let (id, title) = if view.tr113 {
        ("8.3-hardware", "8.3 Hardware utilisation")
    } else {
        ("hardware", "Hardware utilisation")
    };
    let note = "Over all samples of the sweep, pauses between arms included. n counts samples.";
    let mut table = Table::new(id, title).note(note);
    let origin = Origin::from(view.dataset.provenance);
    table.label("resource", "resource");
    table.column("mean", "mean", Kind::Number, origin);
    table.column("peak", "peak", Kind::Number, origin);
    table.label("unit", "unit");
    table.column("n", "samples (n)", Kind::Number, origin);
    for (_, cells) in gpus.into_iter().chain(host).chain(servers) {
        table.row(cells);
    }
    Some(table)
}

/// The rows of each device or server that `key` numbers, with its number and with `whose` before the names;
/// none for a resource that is never known.
fn rows(
    samples: LazyFrame,
    key: &str,
    whose: impl Fn(u32) -> String,
    resources: &[Resource],
) -> Vec<(u32, Vec<Cell>)> {
    let aggregates = resources.iter().flat_map(|(name, _, _, value)| {
        [
            value.clone().mean().alias(format!("{name} mean")),
            value.clone().max().alias(format!("{name} peak")),
            value
                .clone()
                .count()
                .cast(DataType::Float64)
                .alias(format!("{name} n")),
        ]
    });
    let groups = samples
        .group_by([col(key)])
        .agg(aggregates.collect::<Vec<_>>())
        .sort([key], SortMultipleOptions::default())
        .collect()
        .expect("the frame has these columns, of these types");
    let mut rows = Vec::new();
    for place in 0..groups.height() {
        let keys = groups.column(key).and_then(|keys| keys.u32());
        let key = keys
            .ok()
            .and_then(|keys| keys.get(place))
            .unwrap_or_default();
        for (name, unit, decimals, _) in resources {
            let get = |what: &str| {
                let column = groups.column(&format!("{name} {what}")).ok()?;
                column.f64().ok()?.get(place)
            };
            if let Some(mean) = get("mean") {
                let cells = vec![
                    Cell::text(format!("{}{name}", whose(key))),
                    Cell::number(mean, *decimals),
                    Cell::known(get("peak"), *decimals),
                    Cell::text(*unit),
                    Cell::known(get("n"), 0),
                ];
                rows.push((key, cells));
            }
        }
    }
    rows
}

/// What each server's processes hold on all devices, for each sample in which all of it is known. On a
/// device and on its parts a process is listed twice.
fn device_memory(processes: LazyFrame) -> LazyFrame {
    let memory = || col("memory_used_bytes");
    let device = col("part_of_gpu").fill_null(col("gpu")).alias("device");
    let process = [col("at_ns"), col("endpoint"), device, col("pid")];
    processes
        .filter(col("endpoint").is_not_null())
        .group_by(process)
        .agg([memory().max(), memory().null_count().alias("unknown")])
        .group_by([col("at_ns"), col("endpoint")])
        .agg([memory().sum(), col("unknown").sum()])
        .filter(col("unknown").eq(lit(0)))
}
