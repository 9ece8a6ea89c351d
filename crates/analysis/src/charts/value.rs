//! Numbers as a chart knows them.

/// A value with, perhaps, an interval; unknown when it has no point.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Value {
    /// The value; `None` or not finite: unknown.
    pub point: Option<f64>,
    /// Its interval, low and high; drawn as an error bar.
    pub interval: Option<(f64, f64)>,
}

impl Value {
    /// Not known.
    pub const UNKNOWN: Self = Self {
        point: None,
        interval: None,
    };

    /// Known, without an interval.
    pub fn exact(point: f64) -> Self {
        Self {
            point: Some(point),
            interval: None,
        }
    }

    /// Known, with an interval.
    pub fn within(point: f64, low: f64, high: f64) -> Self {
        Self {
            point: Some(point),
            interval: Some((low, high)),
        }
    }

    /// The point, if it can be drawn.
    pub(crate) fn known(self) -> Option<f64> {
        self.point.and_then(drawable)
    }

    /// The interval, if both ends can be drawn, low end first.
    pub(crate) fn known_interval(self) -> Option<(f64, f64)> {
        let (a, b) = self.interval?;
        let (a, b) = (drawable(a)?, drawable(b)?);
        Some((a.min(b), a.max(b)))
    }

    pub(crate) fn has_interval(self) -> bool {
        self.known_interval().is_some()
    }

    /// Everything of the value that the axis must reach.
    pub(crate) fn extents(self) -> impl Iterator<Item = f64> {
        let (low, high) = self.known_interval().unzip();
        [self.known(), low, high].into_iter().flatten()
    }
}

impl From<Option<f64>> for Value {
    fn from(point: Option<f64>) -> Self {
        Self {
            point,
            interval: None,
        }
    }
}

impl From<f64> for Value {
    fn from(point: f64) -> Self {
        Self::exact(point)
    }
}

/// A line at a fixed value.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceLine {
    /// Where, in the axis's unit; one that is not finite is not drawn.
    pub value: f64,
    /// What it means.
    pub label: String,
}

impl ReferenceLine {
    /// A line at `value`.
    pub fn new(value: f64, label: impl Into<String>) -> Self {
        Self {
            value,
            label: label.into(),
        }
    }
}

/// Finite numbers, held to a range in which sums and differences of two stay finite.
pub(crate) fn drawable(value: f64) -> Option<f64> {
    value.is_finite().then(|| value.clamp(-1e300, 1e300))
}
