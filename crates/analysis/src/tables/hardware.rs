//! TR113's 8.3 from telemetry: each resource's mean and peak over the frame `samples`.

use document::Table;
use polars::prelude::{
    DataType, Expr, IntoLazy as _, LazyFrame, SortMultipleOptions, UnionArgs, col, concat, lit,
};

use super::view::View;
use crate::frames;

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
    // Each resource: its name, its unit, decimals, and its value in a row of `samples`.
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
    let parts = [
        (0, "gpu", "GPU ", &gpu[..], from("gpu")),
        (1, "gpu", "", &host, from("host")),
        (2, "endpoint", "server ", &server, from("server")),
        (
            2,
            "endpoint",
            "server ",
            &on_gpus,
            device_memory(from("gpu_process")),
        ),
    ];
    let mut rows = Vec::new();
    for (part, key, whose, resources, samples) in parts {
        for (name, unit, decimals, value) in resources {
            // GPUs are numbered from 0, as their tools do it, servers from 1.
            let first = lit(u32::from(key == "endpoint"));
            let name = match whose {
                "" => lit(*name),
                whose => {
                    let number = (col("key") + first).cast(DataType::String);
                    lit(whose) + number + lit(format!(" {name}"))
                }
            };
            let aggregates = [
                value.clone().mean().alias("mean"),
                value.clone().max().alias("peak"),
                value.clone().count().alias("n"),
            ];
            let groups = samples
                .clone()
                .group_by([col(key).alias("key")])
                .agg(aggregates);
            let place = rows.len() as u32;
            rows.push(groups.with_columns([
                name.alias("resource"),
                lit(*unit).alias("unit"),
                lit(*decimals).alias("decimals"),
                lit(part).alias("part"),
                lit(place).alias("place"),
            ]));
        }
    }
    let rows = concat(rows, UnionArgs::default()).expect("all have the same columns");
    let rows = rows.filter(col("mean").is_not_null());
    let rows = rows.sort(["part", "key", "place"], SortMultipleOptions::default());
    let table = view.table("8.3-hardware", rows);
    Some(if view.tr113 {
        table
    } else {
        table.named("hardware", "Hardware utilisation")
    })
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
