//! Plain descriptive statistics. Each says none where it is not defined.

pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// With `n - 1`; none below two values.
pub fn sample_sd(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let centre = mean(values)?;
    let squares: f64 = values.iter().map(|v| (v - centre).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// The least and the greatest value; none without values.
pub fn bounds(values: &[f64]) -> Option<(f64, f64)> {
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    Some((low, high))
}

pub fn median(values: &[f64]) -> Option<f64> {
    percentile(values, 50.0)
}

/// Percentile `p` in 0..=100 by linear interpolation between closest ranks (Hyndman & Fan's
/// type 7, the default of R and NumPy); none without values, for a value that is not a number, or for
/// a `p` out of range. This is the one place where percentiles are computed.
pub fn percentile(values: &[f64], p: f64) -> Option<f64> {
    if values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    percentile_sorted(&sorted, p)
}

pub(super) fn percentile_sorted(sorted: &[f64], p: f64) -> Option<f64> {
    percentile_by(sorted.len(), p, |rank| sorted[rank])
}

/// Percentile `p` of `n` values of which `at` returns the one at a rank, from 0 in ascending order.
pub(crate) fn percentile_by(n: usize, p: f64, mut at: impl FnMut(usize) -> f64) -> Option<f64> {
    if n == 0 || !(0.0..=100.0).contains(&p) {
        return None;
    }
    let rank = (n - 1) as f64 * p / 100.0;
    let below = at(rank.floor() as usize);
    let above = at(rank.ceil() as usize);
    // The exact value where two neighbours are equal, which interpolation would round.
    Some(if below.total_cmp(&above).is_eq() {
        below
    } else {
        below + (above - below) * rank.fract()
    })
}

/// Jain's fairness index, `(Σx)² / (n Σx²)`: 1 when all are equal, `1/n` when one has everything.
/// None without values, or when all are zero.
pub fn jain(values: &[f64]) -> Option<f64> {
    let squares: f64 = values.iter().map(|v| v * v).sum();
    (squares > 0.0).then(|| values.iter().sum::<f64>().powi(2) / (values.len() as f64 * squares))
}

/// The least of `low..=high` that `holds`, where every greater one does too; `high` itself is not asked.
pub(crate) fn least(mut low: u64, mut high: u64, holds: impl Fn(u64) -> bool) -> u64 {
    while low < high {
        let middle = u64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
