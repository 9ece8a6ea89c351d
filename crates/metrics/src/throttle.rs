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

    fn sample(ms: u64, reasons: &[&[&str]]) -> Sample {
        let gpus = reasons.iter().zip(0..).map(|(reasons, index)| GpuReading {
            index,
            throttle_reasons: reasons.iter().map(|&r| r.to_owned()).collect(),
            ..GpuReading::default()
        });
        Sample {
            at: at(ms),
            gpus: gpus.collect(),
            host: None,
            servers: Vec::new(),
        }
    }

    #[test]
    fn intervals_run_from_the_first_sample_that_saw_it_to_the_first_that_did_not() {
        let hot: &[&str] = &["sw_power_cap"];
        let samples = [
            sample(0, &[&[]]),
            sample(100, &[hot]),
            sample(200, &[&["hw_thermal_slowdown", "sync_boost"]]),
            sample(300, &[&[]]),
            sample(400, &[&["applications_clocks_setting"]]),
            sample(500, &[hot]),
        ];
        let expected = [(at(100), at(300)), (at(500), at(500))];
        assert_eq!(throttled_intervals(&samples), expected);
    }

    #[test]
    fn any_device_counts_and_a_failed_reading_says_nothing() {
        let hot: &[&str] = &["hw_slowdown"];
        let samples = [
            sample(0, &[&[], hot]),
            sample(100, &[]),
            sample(200, &[hot, &[]]),
            sample(300, &[&[], &[]]),
        ];
        assert_eq!(throttled_intervals(&samples), [(at(0), at(300))]);
    }

    #[test]
    fn reasons_of_both_makers_are_told_from_settings() {
        for reason in [
            "sw_power_cap",
            "ppt0",
            "tdc_gfx",
            "temp_hotspot",
            "vrhot1",
            "fppt",
        ] {
            assert!(is_thermal_or_power(reason), "{reason}");
        }
        for reason in [
            "sync_boost",
            "display_clock_setting",
            "ppm",
            "fit",
            "bit_60",
            "",
        ] {
            assert!(!is_thermal_or_power(reason), "{reason}");
        }
    }

    #[test]
    fn a_pause_is_not_filled() {
        let hot: &[&str] = &["sw_thermal_slowdown"];
        let samples = [
            sample(0, &[&[]]),
            sample(100, &[hot]),
            sample(200, &[hot]),
            sample(3_600_000, &[hot]),
            sample(3_600_100, &[&[]]),
        ];
        let expected = [(at(100), at(200)), (at(3_600_000), at(3_600_100))];
        assert_eq!(throttled_intervals(&samples), expected);
    }

    #[test]
    fn nothing_in_gives_nothing_out() {
        assert_eq!(throttled_intervals(&[]), []);
        assert_eq!(throttled_intervals(&[sample(0, &[&[]])]), []);
    }
}
