//! Smooth shapes: which pixels they touch, and how much of each.
//!
//! Paths, polygons and circles are filled by exact area coverage, which plotters' own rasterizer
//! does not do. Only IEEE basic operations and square roots are used, so a picture is the same on
//! every run and build.

use ab_glyph_rasterizer::{Point, Rasterizer, point};

/// Longest side of a shape, px. Longer ones come from a caller that forgot to clip.
const MAX_EXTENT: f32 = 20_000.0;

/// A closed outline.
pub(crate) enum Ring {
    Polygon(Vec<Point>),
    Circle { center: Point, radius: f32 },
}

impl Ring {
    /// A polygon whose corners are edges between pixels.
    pub(crate) fn polygon(corners: &[(i32, i32)]) -> Self {
        let corner = |at: &(i32, i32)| point(at.0 as f32, at.1 as f32);
        Self::Polygon(corners.iter().map(corner).collect())
    }

    /// A disc about a pixel's centre: its width is odd.
    pub(crate) fn disc(center: (i32, i32), radius: i32) -> Self {
        Self::Circle {
            center: center_line(center, 1),
            radius: radius as f32 + 0.5,
        }
    }

    fn corners(&self) -> Vec<Point> {
        match self {
            Self::Polygon(points) => points.clone(),
            Self::Circle { center, radius } => vec![
                point(center.x - radius, center.y - radius),
                point(center.x + radius, center.y + radius),
            ],
        }
    }

    fn add_to(&self, rasterizer: &mut Rasterizer, origin: Point) {
        match self {
            Self::Polygon(points) => {
                for (from, to) in points.iter().zip(points.iter().cycle().skip(1)) {
                    rasterizer.draw_line(*from - origin, *to - origin);
                }
            }
            Self::Circle { center, radius } => {
                // Four cubic arcs; the constant puts them within 0.03 % of a circle.
                let (middle, r) = (*center - origin, *radius);
                let k = r * 0.552_284_8;
                for quarter in [
                    [(0.0, r), (k, r), (r, k), (r, 0.0)],
                    [(-r, 0.0), (-r, k), (-k, r), (0.0, r)],
                    [(0.0, -r), (-k, -r), (-r, -k), (-r, 0.0)],
                    [(r, 0.0), (r, -k), (k, -r), (0.0, -r)],
                ] {
                    let [from, pull, push, to] =
                        quarter.map(|(x, y)| point(middle.x + x, middle.y + y));
                    rasterizer.draw_cubic(from, pull, push, to);
                }
            }
        }
    }
}

/// Calls `draw(x, y, coverage)` for each pixel inside outlines of one orientation; where they
/// overlap, they stay filled.
pub(crate) fn fill(rings: &[Ring], mut draw: impl FnMut(i32, i32, f32)) {
    let mut corners = rings.iter().flat_map(Ring::corners);
    let Some(first) = corners.next() else { return };
    let (mut min, mut max) = (first, first);
    for corner in corners {
        min = point(min.x.min(corner.x), min.y.min(corner.y));
        max = point(max.x.max(corner.x), max.y.max(corner.y));
    }
    // A margin, so that no outline touches the raster's edge.
    let min = point(min.x.floor() - 1.0, min.y.floor() - 1.0);
    let size = point(max.x.ceil() + 1.0, max.y.ceil() + 1.0) - min;
    if !(size.x <= MAX_EXTENT && size.y <= MAX_EXTENT) {
        return;
    }
    let mut rasterizer = Rasterizer::new(size.x as usize + 1, size.y as usize + 1);
    for ring in rings {
        ring.add_to(&mut rasterizer, min);
    }
    let (left, top) = (min.x as i32, min.y as i32);
    rasterizer.for_each_pixel_2d(|x, y, coverage| {
        if coverage > 0.0 {
            draw(left + x.cast_signed(), top + y.cast_signed(), coverage);
        }
    });
}

/// Middle of a stroke: odd widths lie on pixel centres, even ones on pixel edges.
fn center_line(at: (i32, i32), stroke: u32) -> Point {
    let shift = if stroke % 2 == 1 { 0.5 } else { 0.0 };
    point(at.0 as f32 + shift, at.1 as f32 + shift)
}

/// Outlines of a stroked path: a quad for each leg, a disc for each joint.
pub(crate) fn stroke(path: &[(i32, i32)], width: u32) -> Vec<Ring> {
    let points: Vec<Point> = path.iter().map(|at| center_line(*at, width)).collect();
    let half = width as f32 / 2.0;
    let mut rings = Vec::new();
    for (index, leg) in points.windows(2).enumerate() {
        let (from, to) = (leg[0], leg[1]);
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = (dx * dx + dy * dy).sqrt();
        if length <= f32::EPSILON {
            continue;
        }
        let normal = point(-dy / length * half, dx / length * half);
        let corners = [from + normal, to + normal, to - normal, from - normal];
        rings.push(Ring::Polygon(corners.to_vec()));
        if index > 0 && width > 1 {
            rings.push(Ring::Circle {
                center: from,
                radius: half,
            });
        }
    }
    rings
}
