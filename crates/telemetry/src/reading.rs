//! A device's reading, made of what either maker's driver reports.

use domain::telemetry::{GpuProcess, GpuReading};

/// A device's reading, of utilisation, memory in use and in all, power, energy, core clock, memory clock and
/// temperature, each in the unit of its field; none when every value is absent.
pub(crate) fn reading(
    index: u32,
    part_of: Option<u32>,
    numbers: [Option<f64>; 8],
    throttle_reasons: Option<Vec<String>>,
    processes: Option<Vec<GpuProcess>>,
) -> Option<GpuReading> {
    let is_known = numbers.iter().any(Option::is_some);
    let is_known = is_known || throttle_reasons.is_some() || processes.is_some();
    let [
        used,
        used_bytes,
        total_bytes,
        power,
        energy,
        core_mhz,
        memory_mhz,
        celsius,
    ] = numbers;
    is_known.then(|| GpuReading {
        index,
        part_of,
        utilisation_percent: used,
        memory_used_bytes: used_bytes.map(|bytes| bytes.round() as u64),
        memory_total_bytes: total_bytes.map(|bytes| bytes.round() as u64),
        power_w: power,
        energy_j: energy,
        sm_clock_mhz: core_mhz.map(|mhz| mhz.round() as u32),
        memory_clock_mhz: memory_mhz.map(|mhz| mhz.round() as u32),
        temperature_c: celsius,
        throttle_reasons: throttle_reasons.unwrap_or_default(),
        processes: processes.unwrap_or_default(),
    })
}
