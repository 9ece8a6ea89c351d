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
    let share = number("memory_used_bytes") / number("memory_total_bytes");
    // Each resource: the source of its samples, its name, its unit, decimals, and its value in a sample.
    let resources = [
        ("gpu", "memory", "GB", 2, gigabytes()),
        ("gpu", "memory, of all", "%", 0, lit(100.0) * share),
        ("gpu", "compute", "%", 0, number("busy_percent")),
        ("gpu", "power", "W", 0, number("power_w")),
        ("gpu", "SM clock", "MHz", 0, number("sm_clock_mhz")),
        ("gpu", "temperature", "°C", 0, number("temperature_celsius")),
        ("host", "CPU, all cores", "%", 0, number("cpu_percent")),
        ("host", "host memory", "GB", 1, gigabytes()),
        ("server", "CPU, of one core", "%", 0, number("cpu_percent")),
        ("server", "memory", "GB", 2, gigabytes()),
        ("gpu_process", "memory on GPUs", "GB", 2, gigabytes()),
    ];
    let rows = resources.into_iter().zip(0_u32..);
    let rows = rows.map(|((source, name, unit, decimals, value), place)| {
        let own = samples.clone().filter(col("source").eq(lit(source)));
        // GPUs are numbered from 0, as their tools do it, servers from 1.
        let numbered = |whose: &str, first: u32| {
            let number = (col("key") + lit(first)).cast(DataType::String);
            lit(whose) + number + lit(format!(" {name}"))
        };
        let (part, key, own, name) = match source {
            "gpu" => (0, "gpu", own, numbered("GPU ", 0)),
            "host" => (1, "gpu", own, lit(name)),
            "server" => (2, "endpoint", own, numbered("server ", 1)),
            _ => (2, "endpoint", device_memory(own), numbered("server ", 1)),
        };
        let groups = own.group_by([col(key).alias("key")]).agg([
            value.clone().mean().alias("mean"),
            value.clone().max().alias("peak"),
            value.count().alias("n"),
        ]);
        groups.with_columns([
            name.alias("resource"),
            lit(unit).alias("unit"),
            lit(decimals).alias("decimals"),
            lit(part).alias("part"),
            lit(place).alias("place"),
        ])
    });
    let rows =
        concat(rows.collect::<Vec<_>>(), UnionArgs::default()).expect("all have the same columns");
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
