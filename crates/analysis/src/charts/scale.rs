//! From values to pixels, and the round numbers beside an axis.
//!
//! No logarithm or power function is used: their last bits differ between platforms.

use document::number::three_digits;

use super::value::drawable;

/// A linear axis: a range of values on a range of pixels (which may run backwards).
#[derive(Debug, Clone)]
pub(crate) struct Scale {
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) from: i32,
    pub(crate) to: i32,
}

impl Scale {
    pub(crate) fn new((low, high): (f64, f64), (from, to): (i32, i32)) -> Self {
        Self {
            low,
            high,
            from,
            to,
        }
    }

    /// Where `value` lies, held inside the axis.
    pub(crate) fn at(&self, value: f64) -> i32 {
        let span = self.high - self.low;
        let share = if span > 0.0 {
            ((value - self.low) / span).clamp(0.0, 1.0)
        } else {
            0.0
        };
        let length = f64::from(self.to) - f64::from(self.from);
        self.from + (share * length + 0.5).floor() as i32
    }
}

/// A length or index as a number of pixels.
pub(crate) fn px(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX / 4096)
}

/// The binary logarithm of a number above zero, from products alone, which every platform rounds
/// alike.
pub(crate) fn log2(value: f64) -> f64 {
    let (mut rest, mut whole) = (value.clamp(1e-300, 1e300), 0.0);
    while rest >= 2.0 {
        rest /= 2.0;
        whole += 1.0;
    }
    while rest < 1.0 {
        rest *= 2.0;
        whole -= 1.0;
    }
    let mut part = 0.5;
    for _ in 0..32 {
        rest *= rest;
        if rest >= 2.0 {
            rest /= 2.0;
            whole += part;
        }
        part /= 2.0;
    }
    whole
}

/// A round value beside an axis, and how it is written.
pub(crate) type Tick = (f64, String);

/// A range that holds all values, or `None` when there are none.
pub(crate) fn range(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    values
        .into_iter()
        .filter_map(drawable)
        .fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((value.min(low), value.max(high)))
        })
}

/// Widens a range that is too thin to divide.
fn opened(low: f64, high: f64) -> (f64, f64) {
    let (low, high) = (low.clamp(-1e300, 1e300), high.clamp(-1e300, 1e300));
    let size = low.abs().max(high.abs());
    if high - low > size * 1e-12 && high - low > 1e-300 {
        (low, high)
    } else if size < 1e-290 {
        (0.0, 1.0)
    } else {
        (low - size * 0.05, high + size * 0.05)
    }
}

/// A step of 1, 2 or 5 times a power of ten, kept apart so that multiples come out exact.
#[derive(Debug, Clone, Copy)]
struct Step {
    mantissa: i64,
    exponent: i32,
}

impl Step {
    /// The smallest round step not below `raw`, which is positive.
    fn at_least(raw: f64) -> Self {
        let mut exponent = 0;
        let mut unit = raw;
        while unit >= 10.0 {
            unit /= 10.0;
            exponent += 1;
        }
        while unit < 1.0 {
            unit *= 10.0;
            exponent -= 1;
        }
        let mantissa = [1, 2, 5].into_iter().find(|m| unit <= *m as f64 + 1e-6);
        match mantissa {
            Some(mantissa) => Self { mantissa, exponent },
            None => Self {
                mantissa: 1,
                exponent: exponent + 1,
            },
        }
    }

    /// The `n`th multiple, as the nearest number to its decimal form.
    fn times(self, n: i64) -> f64 {
        let digits = n.saturating_mul(self.mantissa);
        format!("{digits}e{}", self.exponent).parse().unwrap_or(0.0)
    }

    fn label(self, n: i64) -> String {
        let value = self.times(n);
        if n == 0 {
            "0".to_owned()
        } else if (-6..=5).contains(&self.exponent) && value.abs() < 1e7 {
            let decimals = usize::try_from(-self.exponent).unwrap_or(0);
            minus(&format!("{value:.decimals$}"))
        } else {
            minus(&format!("{value:e}"))
        }
    }
}

/// About `target` round values from `low` to `high`. With `whole`, the range grows to the next
/// round values; the returned pair is the range of the axis.
pub(crate) fn ticks(low: f64, high: f64, target: usize, whole: bool) -> (Vec<Tick>, (f64, f64)) {
    let (low, high) = opened(low, high);
    let step = Step::at_least((high - low) / target.max(1) as f64);
    let unit = step.times(1);
    let (low_unit, high_unit, slack) = (low / unit, high / unit, 1e-9);
    let (first, last) = if whole {
        ((low_unit + slack).floor(), (high_unit - slack).ceil())
    } else {
        ((low_unit - slack).ceil(), (high_unit + slack).floor())
    };
    let (first, last) = (first as i64, last as i64);
    // A thin range far from zero has no exact multiples of its step: keep the ends only.
    let count = last.saturating_sub(first).clamp(0, 200);
    let multiples = first..=first.saturating_add(count);
    let ticks = multiples.map(|n| (step.times(n), step.label(n))).collect();
    let range = if whole {
        (step.times(first), step.times(last))
    } else {
        (low, high)
    };
    (ticks, range)
}

/// A value to three significant digits, in as few characters as read well.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if (0.000_995..9_999_999.5).contains(&size) {
        minus(&three_digits(value).replace(',', ""))
    } else {
        minus(&format!("{value:.2e}"))
    }
}

/// A share as a percentage.
pub(crate) fn percent(share: f64) -> String {
    let hundredfold = share * 100.0;
    let decimals = match hundredfold.abs() {
        0.0 => 0,
        size if size < 0.1 => return "< 0.1 %".to_owned(),
        size if size < 1.0 || (size > 99.0 && size < 100.0) => 1,
        _ => 0,
    };
    format!("{} %", minus(&format!("{hundredfold:.decimals$}")))
}

/// A typographic minus sign.
fn minus(text: &str) -> String {
    text.replace('-', "\u{2212}")
}
