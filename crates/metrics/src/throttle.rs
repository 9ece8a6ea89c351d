//! When heat or power held a device's clocks down.

use domain::Stamp;
use domain::telemetry::Sample;

/// The gap between samples that counts as a pause, nanoseconds: ten times the usual gap. None below two samples.
pub(crate) fn pause(times: impl Iterator<Item = Stamp> + Clone) -> Option<u64> {
    let both = times.clone().zip(times.skip(1));
    let mut gaps: Vec<u64> = both.map(|(from, to)| to.since(from).0).collect();
    gaps.sort_unstable();
    Some(gaps.get(gaps.len() / 2)?.saturating_mul(10))
}

/// True for a throttle reason that heat, power or current is behind, false for one that a setting
/// is behind (`applications_clocks_setting`, `display_clock_setting`, `sync_boost`) and for AMD's
/// `ppm`, `fit` and bits without a name, of which it is not known.
pub fn is_thermal_or_power(reason: &str) -> bool {
    matches!(
        reason,
        "sw_power_cap"
            | "hw_slowdown"
            | "sw_thermal_slowdown"
            | "hw_thermal_slowdown"
            | "hw_power_brake_slowdown"
            // AMD's limits of package power and of current.
            | "spl" | "fppt" | "sppt" | "sppt_apu" | "apcc"
    ) || ["ppt", "tdc_", "edc_", "temp_", "vrhot", "prochot"]
        .iter()
        .any(|start| reason.starts_with(start))
}

/// The intervals in which a thermal or power reason was seen on any device, in time order and
/// disjoint. `samples` are in time order.
///
/// What a sample saw is taken to hold until the next sample that could read a device. Nothing is
/// said about a pause (more than ten times the median gap) or about the time after the last
/// sample, so a reason seen only in a last sample gives an interval of no length.
pub fn throttled_intervals(samples: &[Sample]) -> Vec<(Stamp, Stamp)> {
    let seen: Vec<(Stamp, bool)> = samples
        .iter()
        .filter(|sample| !sample.gpus.is_empty())
        .map(|sample| {
            let mut reasons = sample.gpus.iter().flat_map(|gpu| &gpu.throttle_reasons);
            (sample.at, reasons.any(|reason| is_thermal_or_power(reason)))
        })
        .collect();
    let pause = pause(seen.iter().map(|(at, _)| *at)).unwrap_or(u64::MAX);

    let mut intervals: Vec<(Stamp, Stamp)> = Vec::new();
    for (i, (at, throttled)) in seen.iter().enumerate() {
        if !throttled {
            continue;
        }
        let end = match seen.get(i + 1) {
            Some((next, _)) if next.since(*at).0 <= pause => *next,
            _ => *at,
        };
        match intervals.last_mut() {
            Some((_, last_end)) if *last_end == *at => *last_end = end,
            _ => intervals.push((*at, end)),
        }
    }
    intervals
}

#[cfg(test)]
mod tests {
    use domain::telemetry::GpuReading;

    use super::*;
    use crate::timeline::at;

    /// Samples, each written as its milliseconds and the reasons of its devices: `100 -|ppm+fit`.
    fn samples(text: &str) -> Vec<Sample> {
        let sample = |sample: &str| {
            let (ms, devices) = sample.split_once(' ').unwrap_or((sample, ""));
            let devices = devices.split('|').filter(|reasons| !reasons.is_empty());
            let gpus = devices.zip(0..).map(|(reasons, index)| GpuReading {
                index,
                throttle_reasons: reasons.split('+').map(str::to_owned).collect(),
                ..GpuReading::default()
            });
            Sample {
                at: at(ms.parse().unwrap()),
                gpus: gpus.collect(),
                ..Sample::default()
            }
        };
        let all = text.split(", ").filter(|sample| !sample.is_empty());
        all.map(sample).collect()
    }

    #[test]
    fn intervals_run_from_the_first_sample_that_saw_it_to_the_first_that_did_not() {
        for (seen, expected) in [
            ("", &[][..]),
            ("0 -", &[]),
            (
                "0 -, 100 sw_power_cap, 200 hw_thermal_slowdown+sync_boost, 300 -, \
                 400 applications_clocks_setting, 500 sw_power_cap",
                &[(100, 300), (500, 500)],
            ),
            // Any device counts, and a failed reading says nothing.
            (
                "0 -|hw_slowdown, 100, 200 hw_slowdown|-, 300 -|-",
                &[(0, 300)],
            ),
            // A pause is not filled.
            (
                "0 -, 100 spl, 200 spl, 3600000 spl, 3600100 -",
                &[(100, 200), (3_600_000, 3_600_100)],
            ),
        ] {
            let expected = expected.iter().map(|(from, to)| (at(*from), at(*to)));
            let found = throttled_intervals(&samples(seen));
            assert!(found.iter().copied().eq(expected), "{seen}: {found:?}");
        }
    }

    #[test]
    fn reasons_of_both_makers_are_distinguished_from_settings() {
        for reason in "sw_power_cap ppt0 tdc_gfx temp_hotspot vrhot1 fppt".split(' ') {
            assert!(is_thermal_or_power(reason), "{reason}");
        }
        for reason in "sync_boost display_clock_setting ppm fit bit_60 ".split(' ') {
            assert!(!is_thermal_or_power(reason), "{reason}");
        }
    }
}
