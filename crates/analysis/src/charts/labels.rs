//! Where labels may stand: off the data and off each other.

/// A rectangle in pixels: left, top, width, height.
pub(crate) type Area = (i32, i32, i32, i32);

/// The parts of a chart that are already covered.
#[derive(Debug, Default)]
pub(crate) struct CoveredAreas(Vec<Area>);

impl CoveredAreas {
    pub(crate) fn cover(&mut self, area: Area) {
        self.0.push(area);
    }

    /// Covers the dots at some points, and the line between them.
    pub(crate) fn cover_line(&mut self, points: &[(i32, i32)]) {
        for (x, y) in points {
            self.cover((x - 9, y - 9, 18, 18));
        }
        for pair in points.windows(2) {
            let [(x0, y0), (x1, y1)] = [pair[0], pair[1]];
            let steps = ((x1 - x0).abs().max((y1 - y0).abs()) / 6).max(1);
            for step in 0..=steps {
                let along = |from: i32, to: i32| from + (to - from) * step / steps;
                self.cover((along(x0, x1) - 3, along(y0, y1) - 3, 6, 6));
            }
        }
    }

    /// Covers an area when it is free; false when it is not.
    pub(crate) fn claim(&mut self, (x, y, w, h): Area) -> bool {
        let is_free = self.0.iter().all(|(left, top, wide, tall)| {
            x + w <= *left || left + wide <= x || y + h <= *top || top + tall <= y
        });
        if is_free {
            self.cover((x, y, w, h));
        }
        is_free
    }
}
