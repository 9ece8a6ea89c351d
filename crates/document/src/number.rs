//! Numbers as text: few digits, a stated sign.

pub(crate) use metrics::words::plain;

/// As [`plain`], with a plus sign before what is not negative.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    let text = plain(value, decimals);
    if text.starts_with('-') {
        text
    } else {
        format!("+{text}")
    }
}

/// Four significant digits or whole numbers, whichever is more.
pub(crate) fn short_number(value: f64) -> String {
    let size = value.abs();
    let decimals = if size >= 1000.0 {
        0
    } else if size >= 100.0 {
        1
    } else if size >= 10.0 {
        2
    } else {
        3
    };
    plain(value, decimals)
}

/// For machines: at most nine decimals, no trailing zeros, no thousands.
pub(crate) fn machine(value: f64) -> String {
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
    fn signs() {
        assert_eq!(signed(1.07, 2), "+1.07");
        assert_eq!(signed(-0.001, 2), "+0.00");
        assert_eq!(signed(-3566.0, 0), "-3,566");
    }

    #[test]
    fn machine_numbers_are_short_and_exact_to_nine_decimals() {
        assert_eq!(machine(1.467_387_891_656_750_7), "1.467387892");
        assert_eq!(machine(2.0), "2");
        assert_eq!(machine(-0.0), "0");
        assert_eq!(machine(0.5), "0.5");
    }
}
