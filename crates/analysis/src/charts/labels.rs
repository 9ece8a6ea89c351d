//! Where labels may stand: apart from each other, and off the data.

/// A rectangle in pixels: left, top, width, height.
pub(crate) type Area = (i32, i32, i32, i32);

/// What of a picture is already covered.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    areas: Vec<Area>,
}

impl Taken {
    /// True when nothing covers any of `area`.
    pub(crate) fn is_free(&self, (x, y, w, h): Area) -> bool {
        self.areas.iter().all(|(left, top, wide, tall)| {
            x + w <= *left || left + wide <= x || y + h <= *top || top + tall <= y
        })
    }

    /// Covers an area.
    pub(crate) fn cover(&mut self, area: Area) {
        self.areas.push(area);
    }

    /// Covers what a line from point to point runs through, a few pixels to each side.
    pub(crate) fn cover_path(&mut self, points: &[(i32, i32)]) {
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
    pub(crate) fn claim(&mut self, area: Area) -> bool {
        let free = self.is_free(area);
        if free {
            self.cover(area);
        }
        free
    }
}

/// Moves sorted places apart to a least distance, as near to where they were as one pass down and
/// one up allow, within the limits where there is room.
pub(crate) fn apart(wanted: &[i32], distance: i32, (top, bottom): (i32, i32)) -> Vec<i32> {
    let mut places = wanted.to_vec();
    // Merge neighbours that collide into blocks centred on their mean.
    let mut blocks: Vec<(i64, i64)> = Vec::new();
    for place in &places {
        blocks.push((i64::from(*place), 1));
        while let [.., (sum_a, n_a), (sum_b, n_b)] = blocks[..] {
            let distance = i64::from(distance);
            let (end_a, start_b) = (
                sum_a / n_a + (n_a - 1) * distance / 2,
                sum_b / n_b - (n_b - 1) * distance / 2,
            );
            if start_b - end_a >= distance {
                break;
            }
            blocks.truncate(blocks.len() - 2);
            blocks.push((sum_a + sum_b, n_a + n_b));
        }
    }
    let mut index = 0;
    for (sum, n) in blocks {
        let half = (n - 1) * i64::from(distance) / 2;
        let lowest = (i64::from(bottom) - 2 * half).max(i64::from(top));
        let start = (sum / n - half).clamp(i64::from(top), lowest);
        for step in 0..n {
            places[index] = i32::try_from(start + step * i64::from(distance)).unwrap_or(i32::MAX);
            index += 1;
        }
    }
    // Clamping may have pushed blocks together again.
    for at in 1..places.len() {
        places[at] = places[at].max(places[at - 1] + distance);
    }
    places
}
