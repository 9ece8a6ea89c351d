//! Numbers as text, for whoever writes sentences and tables.

/// A number with a fixed count of decimals and its thousands set apart by commas. A value that
/// rounds to zero carries no minus sign.
pub fn plain(value: f64, decimals: usize) -> String {
    let mut text = format!("{:.decimals$}", value.abs());
    let whole = text.find('.').unwrap_or(text.len());
    let mut at = whole;
    while at > 3 {
        at -= 3;
        text.insert(at, ',');
    }
    let negative = value < 0.0 && text.contains(|c| matches!(c, '1'..='9'));
    if negative { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_thousands() {
        assert_eq!(plain(10_683.4, 0), "10,683");
        assert_eq!(plain(-1_234_567.89, 1), "-1,234,567.9");
        assert_eq!(plain(999.96, 1), "1,000.0");
        assert_eq!(plain(-0.0004, 3), "0.000", "no minus zero");
    }
}
