//! Numbers as text: few digits, a stated sign.

pub use domain::units::plain;
use metrics::Estimate;
pub use metrics::stats::bounds;

/// As [`plain`], with a plus sign before what is not negative.
pub fn signed(value: f64, decimals: usize) -> String {
    let text = plain(value, decimals);
    if text.starts_with('-') {
        text
    } else {
        format!("+{text}")
    }
}

pub fn count(n: impl Into<u64>) -> String {
    plain(n.into() as f64, 0)
}

/// Three decimals, less one for each of these sizes that the value reaches.
pub fn decimals(value: f64, sizes: [f64; 3]) -> usize {
    let reached = |size: &f64| value.abs() >= *size;
    3 - sizes.iter().filter(|size| reached(size)).count()
}

/// Four significant digits, or a whole number if it has more.
pub fn four_digits(value: f64) -> String {
    plain(value, decimals(value, [10.0, 100.0, 1000.0]))
}

/// As [`four_digits`], without trailing zeros.
pub fn short(value: f64) -> String {
    let text = four_digits(value);
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

pub fn three_digits(value: f64) -> String {
    plain(value, decimals(value, [0.995, 9.995, 99.95]))
}

/// A mean with its interval and n: `1.02× [0.98, 1.06] (n = 5)`.
pub fn estimate(estimate: &Estimate, decimals: usize, unit: &str) -> String {
    let n = estimate.n;
    let mean = plain(estimate.mean, decimals);
    match estimate.lo.zip(estimate.hi) {
        Some((lo, hi)) => format!(
            "{mean}{unit} [{}, {}] (n = {n})",
            plain(lo, decimals),
            plain(hi, decimals)
        ),
        None => format!("{mean}{unit} (n = {n})"),
    }
}

pub fn ms(ns: i64) -> String {
    let ms = ns as f64 / 1e6;
    format!("{} ms", plain(ms, decimals(ms, [1.0, 10.0, 100.0])))
}

/// For machines: at most nine decimals, no trailing zeros, no thousands.
pub fn machine(value: f64) -> String {
    let text = format!("{value:.9}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_thousands_and_signs() {
        for (shown, expected) in [
            (plain(10_683.4, 0), "10,683"),
            (plain(-1_234_567.89, 1), "-1,234,567.9"),
            (plain(999.96, 1), "1,000.0"),
            (plain(-0.0004, 3), "0.000"),
            (signed(1.07, 2), "+1.07"),
            (signed(-0.001, 2), "+0.00"),
            (signed(-3566.0, 0), "-3,566"),
            (four_digits(12.3), "12.30"),
            (short(12.3), "12.3"),
            (short(1_200.0), "1,200"),
            (three_digits(9.996), "10.0"),
            (three_digits(0.1234), "0.123"),
            (ms(1_234_567), "1.23 ms"),
            (machine(1.467_387_891_656_750_7), "1.467387892"),
            (machine(2.0), "2"),
            (machine(-0.0), "0"),
            (machine(0.5), "0.5"),
        ] {
            assert_eq!(shown, expected);
        }
    }
}
