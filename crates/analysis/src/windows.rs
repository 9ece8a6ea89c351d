//! Time cut into windows of a round width.

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_round_and_windows_few() {
        let ms = Nanos::from_millis;
        for (length, width) in [(1, 1), (99, 1), (101, 2), (200, 2), (201, 5), (4_000, 50)] {
            assert_eq!(round_width(ms(length), 100, ms(1)), ms(width), "{length}");
        }
        assert_eq!(
            round_width(Nanos(u64::MAX), 2, ms(1)),
            Nanos(10_000_000_000_000_000_000)
        );
    }
}
