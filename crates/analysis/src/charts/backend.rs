//! plotters' bitmap backend with text and curves that look right.
//!
//! [`ChartBackend`] keeps `BitMapBackend` for pixels and rectangles. Text comes from
//! [`super::text`]. Paths, polygons and circles are filled by exact area coverage, which plotters'
//! own rasterizer does not do. Only IEEE basic operations and square roots are used, and coverage
//! is rounded to sixteenths, so a picture is the same on every run and build.

use ab_glyph_rasterizer::{Point, Rasterizer, point};
use plotters::prelude::BitMapBackend;
use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    FontStyle, FontTransform,
};

use super::text::{self, Weight};

type BitMapError = <BitMapBackend<'static> as DrawingBackend>::ErrorType;
type DrawResult = Result<(), DrawingErrorKind<BitMapError>>;

/// Steps of coverage between nothing and full. Few steps keep a picture under 256 colours, hence
/// small, and swallow the last bits of the arithmetic.
const COVERAGE_STEPS: f32 = 15.0;

/// Longest side of a shape, px. Longer ones come from a caller that forgot to clip.
const MAX_EXTENT: f32 = 20_000.0;

/// `BitMapBackend` with measured, well spaced text and smooth shapes.
pub(crate) struct ChartBackend<'a> {
    inner: BitMapBackend<'a>,
}

impl<'a> ChartBackend<'a> {
    /// A backend over an RGB buffer of `width * height * 3` bytes.
    pub(crate) fn new(buffer: &'a mut [u8], width: u32, height: u32) -> Self {
        Self {
            inner: BitMapBackend::with_buffer(buffer, (width, height)),
        }
    }

    /// Puts one pixel with partial coverage.
    fn cover(&mut self, x: i32, y: i32, color: BackendColor, coverage: f32) -> DrawResult {
        let step = (coverage.clamp(0.0, 1.0) * COVERAGE_STEPS + 0.5).floor();
        if step < 1.0 {
            return Ok(());
        }
        self.inner.draw_pixel(
            (x, y),
            color.mix(f64::from(step) / f64::from(COVERAGE_STEPS)),
        )
    }

    /// Fills outlines given as closed rings with one orientation; overlaps stay filled.
    fn fill_rings(&mut self, rings: &[Ring], color: BackendColor) -> DrawResult {
        let Some((min, max)) = bounds(rings) else {
            return Ok(());
        };
        let (width, height) = (max.x - min.x, max.y - min.y);
        if !(width <= MAX_EXTENT && height <= MAX_EXTENT) {
            return Ok(());
        }
        let (columns, rows) = (width as usize + 1, height as usize + 1);
        let mut rasterizer = Rasterizer::new(columns, rows);
        for ring in rings {
            ring.add_to(&mut rasterizer, min);
        }
        let (left, top) = (min.x as i32, min.y as i32);
        let mut result = Ok(());
        rasterizer.for_each_pixel_2d(|x, y, coverage| {
            if coverage > 0.0 && result.is_ok() {
                result = self.cover(
                    left + x.cast_signed(),
                    top + y.cast_signed(),
                    color,
                    coverage,
                );
            }
        });
        result
    }
}

/// A closed outline.
enum Ring {
    Polygon(Vec<Point>),
    Circle {
        center: Point,
        radius: f32,
        reversed: bool,
    },
}

impl Ring {
    fn corners(&self) -> Vec<Point> {
        match self {
            Self::Polygon(points) => points.clone(),
            Self::Circle { center, radius, .. } => vec![
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
            Self::Circle {
                center,
                radius,
                reversed,
            } => {
                // Four cubic arcs; the constant puts them within 0.03 % of a circle.
                let (middle, r) = (*center - origin, *radius);
                let k = r * 0.552_284_8;
                let quarters = [
                    [(r, 0.0), (r, k), (k, r), (0.0, r)],
                    [(0.0, r), (-k, r), (-r, k), (-r, 0.0)],
                    [(-r, 0.0), (-r, -k), (-k, -r), (0.0, -r)],
                    [(0.0, -r), (k, -r), (r, -k), (r, 0.0)],
                ];
                for quarter in quarters {
                    let mut arc = quarter.map(|(x, y)| point(middle.x + x, middle.y + y));
                    if *reversed {
                        arc.reverse();
                    }
                    let [from, pull, push, to] = arc;
                    rasterizer.draw_cubic(from, pull, push, to);
                }
            }
        }
    }
}

/// Whole-pixel bounds with a margin, so that no outline touches the raster's edge.
fn bounds(rings: &[Ring]) -> Option<(Point, Point)> {
    let mut corners = rings.iter().flat_map(Ring::corners);
    let first = corners.next()?;
    let (mut min, mut max) = (first, first);
    for corner in corners {
        min = point(min.x.min(corner.x), min.y.min(corner.y));
        max = point(max.x.max(corner.x), max.y.max(corner.y));
    }
    Some((
        point(min.x.floor() - 1.0, min.y.floor() - 1.0),
        point(max.x.ceil() + 1.0, max.y.ceil() + 1.0),
    ))
}

/// Middle of a stroke: odd widths lie on pixel centres, even ones on pixel edges.
fn center_line(at: BackendCoord, stroke: u32) -> Point {
    let shift = if stroke % 2 == 1 { 0.5 } else { 0.0 };
    point(at.0 as f32 + shift, at.1 as f32 + shift)
}

/// Outlines of a stroked path: a quad for each leg, a disc for each joint.
fn stroke(points: &[Point], width: f32) -> Vec<Ring> {
    let half = width / 2.0;
    let mut rings = Vec::new();
    for (index, leg) in points.windows(2).enumerate() {
        let [from, to] = leg else { continue };
        let (dx, dy) = (to.x - from.x, to.y - from.y);
        let length = (dx * dx + dy * dy).sqrt();
        if length <= f32::EPSILON {
            continue;
        }
        let normal = point(-dy / length * half, dx / length * half);
        rings.push(Ring::Polygon(vec![
            *from + normal,
            *to + normal,
            *to - normal,
            *from - normal,
        ]));
        if index > 0 && width > 1.5 {
            rings.push(Ring::Circle {
                center: *from,
                radius: half,
                reversed: true,
            });
        }
    }
    rings
}

impl DrawingBackend for ChartBackend<'_> {
    type ErrorType = BitMapError;

    fn get_size(&self) -> (u32, u32) {
        self.inner.get_size()
    }

    fn ensure_prepared(&mut self) -> DrawResult {
        self.inner.ensure_prepared()
    }

    fn present(&mut self) -> DrawResult {
        self.inner.present()
    }

    fn draw_pixel(&mut self, at: BackendCoord, color: BackendColor) -> DrawResult {
        self.inner.draw_pixel(at, color)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> DrawResult {
        self.inner.draw_rect(upper_left, bottom_right, style, fill)
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> DrawResult {
        self.draw_path([from, to], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> DrawResult {
        let width = style.stroke_width();
        let points: Vec<Point> = path.into_iter().map(|at| center_line(at, width)).collect();
        self.fill_rings(&stroke(&points, width as f32), style.color())
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> DrawResult {
        let center = point(center.0 as f32 + 0.5, center.1 as f32 + 0.5);
        // A disc about a pixel's centre: its width is odd.
        let radius = radius as f32 + 0.5;
        if fill {
            let disc = Ring::Circle {
                center,
                radius,
                reversed: false,
            };
            return self.fill_rings(&[disc], style.color());
        }
        let half = style.stroke_width() as f32 / 2.0;
        let outer = Ring::Circle {
            center,
            radius: radius + half,
            reversed: false,
        };
        let inner = Ring::Circle {
            center,
            radius: (radius - half).max(0.0),
            reversed: true,
        };
        self.fill_rings(&[outer, inner], style.color())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        corners: I,
        style: &S,
    ) -> DrawResult {
        let corners = corners
            .into_iter()
            .map(|at| point(at.0 as f32, at.1 as f32))
            .collect();
        self.fill_rings(&[Ring::Polygon(corners)], style.color())
    }

    /// `Top` is the ascender, `Bottom` the descender, `Center` the middle of the capitals.
    fn draw_text<T: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &T,
        at: BackendCoord,
    ) -> DrawResult {
        let color = style.color();
        let line = text::line(text, style.size() as f32, weight(style.style()));
        let left = match style.anchor().h_pos {
            HPos::Left => 0.0,
            HPos::Center => -line.width / 2.0,
            HPos::Right => -line.width,
        };
        // Whole-pixel baselines keep the horizontal strokes of the letters sharp.
        let baseline = match style.anchor().v_pos {
            VPos::Top => line.ascent,
            VPos::Center => line.cap_height / 2.0,
            VPos::Bottom => -line.descent,
        };
        let baseline = (baseline + 0.5).floor() as i32;
        let turn = style.transform();
        let mut result = Ok(());
        line.rasterize(left, |x, y, coverage| {
            if result.is_ok() {
                let (x, y) = rotate(&turn, x, y + baseline);
                result = self.cover(at.0 + x, at.1 + y, color, coverage);
            }
        });
        result
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<BitMapError>> {
        let line = text::line(text, style.size() as f32, weight(style.style()));
        let (width, height) = (
            line.width.ceil() as u32,
            (line.ascent + line.descent).ceil() as u32,
        );
        Ok(match style.transform() {
            FontTransform::None | FontTransform::Rotate180 => (width, height),
            FontTransform::Rotate90 | FontTransform::Rotate270 => (height, width),
        })
    }
}

fn weight(style: FontStyle) -> Weight {
    match style {
        FontStyle::Bold => Weight::Bold,
        FontStyle::Normal | FontStyle::Oblique | FontStyle::Italic => Weight::Regular,
    }
}

/// Turns a pixel about the anchor. A pixel is a square, so its other corner may become the origin.
fn rotate(turn: &FontTransform, x: i32, y: i32) -> (i32, i32) {
    match turn {
        FontTransform::None => (x, y),
        FontTransform::Rotate90 => (-y - 1, x),
        FontTransform::Rotate180 => (-x - 1, -y - 1),
        FontTransform::Rotate270 => (y, -x - 1),
    }
}
