//! Divides time into windows of a round width.

use domain::Nanos;

/// A round width (1, 2 or 5 times a power of ten, at least `least`) that cuts `length` into at most
/// `most` windows.
pub(crate) fn round_width(length: Nanos, most: u64, least: Nanos) -> Nanos {
    let mut power = least.0.max(1);
    loop {
        for step in [1, 2, 5] {
            let width = power.saturating_mul(step);
            if length.0.div_ceil(width) <= most {
                return Nanos(width);
            }
        }
        power = power.saturating_mul(10);
    }
}

/// True for a last window of which less than half has passed: too little for a
/// rate or a mean.
pub(crate) fn is_sliver(part_s: f64, width_s: f64) -> bool {
    part_s < 0.5 * width_s
}

/// The number of windows of `width` that evenly spaced samples fill, the last of them `length` after the first.
/// Each sample stands for the time until the next. A sliver at the end is left out.
pub(crate) fn sampled(length: Nanos, samples: usize, width: Nanos) -> u64 {
    let spacing = length.0 / (samples.max(2) as u64 - 1);
    let last = length.0 / width.0;
    let part = Nanos(length.0 + spacing - last * width.0);
    if last > 0 && is_sliver(part.as_secs_f64(), width.as_secs_f64()) {
        last
    } else {
        last + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_round_and_windows_few() {
        let ms = Nanos::from_millis;
        for (length, width) in [(1, 1), (99, 1), (101, 2), (200, 2), (201, 5), (4_000, 50)] {
            assert_eq!(round_width(ms(length), 100, ms(1)), ms(width), "{length}");
        }
        let widest = round_width(Nanos(u64::MAX), 2, ms(1));
        assert_eq!(widest, Nanos(10_000_000_000_000_000_000));
    }

    #[test]
    fn a_sliver_of_samples_at_the_end_is_no_window() {
        let s = Nanos::from_secs;
        // Seconds to the last sample, samples, the windows of 10 s.
        for (length, samples, windows) in [
            // A single sample.
            (0, 1, 1),
            (3, 4, 1),
            // Ten samples fill the first window; one more begins the second.
            (9, 10, 1),
            (10, 11, 1),
            (14, 15, 2),
            // One sample per window: the last window counts like the others.
            (30, 4, 4),
        ] {
            assert_eq!(sampled(s(length), samples, s(10)), windows, "{length} s");
        }
    }
}
