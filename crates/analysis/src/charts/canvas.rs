//! A sheet to draw on, in whole pixels from the top left.

use std::cell::RefCell;
use std::fmt::Display;

use plotters::backend::{BitMapBackend, DrawingBackend as _};
use plotters::style::{Color as _, RGBColor};

use super::chart::{Chart, ChartError};
use super::labels::Area;
use super::png;
use super::raster::{self, Ring};
use super::text::Font;
use super::theme::{Color, WHITE};

/// Tallest picture, px. Taller ones are refused by viewers and forges.
const MAX_HEIGHT: i32 = 16_000;

/// Steps of coverage between nothing and full. Few steps keep a picture under 256 colours, hence
/// small, and swallow the last bits of the arithmetic.
const COVERAGE_STEPS: f32 = 15.0;

/// Horizontal side of a text that lies on its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Middle,
    Right,
}

/// The sheet. What plotters refuses to draw is told by [`paint`].
pub(crate) struct Canvas<'a> {
    bitmap: RefCell<BitMapBackend<'a>>,
    width: i32,
    refused: RefCell<Option<ChartError>>,
}

/// Makes a white sheet, lets `draw` fill it, and encodes it.
pub(crate) fn paint(
    title: &str,
    (width, height): (i32, i32),
    draw: impl FnOnce(&Canvas<'_>),
) -> Result<Chart, ChartError> {
    if height > MAX_HEIGHT {
        return Err(ChartError::TooTall {
            title: title.to_owned(),
            height,
            limit: MAX_HEIGHT,
        });
    }
    let (columns, rows) = (width.max(1).unsigned_abs(), height.max(1).unsigned_abs());
    let mut rgb = vec![255; columns as usize * rows as usize * 3];
    let canvas = Canvas {
        bitmap: BitMapBackend::with_buffer(&mut rgb, (columns, rows)).into(),
        width,
        refused: RefCell::default(),
    };
    draw(&canvas);
    canvas.accept(canvas.bitmap.borrow_mut().present());
    if let Some(error) = canvas.refused.take() {
        return Err(error);
    }
    drop(canvas);
    Ok(Chart {
        png: png::encode(&rgb, columns, rows)?,
        width: columns,
        height: rows,
    })
}

fn rgb(color: Color) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

impl Canvas<'_> {
    /// Keeps the first error.
    fn accept(&self, drawn: Result<(), impl Display>) {
        if let Err(error) = drawn {
            let mut refused = self.refused.borrow_mut();
            refused.get_or_insert(ChartError::Draw(error.to_string()));
        }
    }

    /// Fills shapes; `opacity` from 0 to 1.
    fn fill(&self, rings: &[Ring], color: Color, opacity: f64) {
        raster::fill(rings, |x, y, coverage| {
            self.cover((x, y), color, coverage, opacity);
        });
    }

    /// Puts one pixel with partial coverage.
    fn cover(&self, at: (i32, i32), color: Color, coverage: f32, opacity: f64) {
        let step = (coverage.clamp(0.0, 1.0) * COVERAGE_STEPS + 0.5).floor();
        if step >= 1.0 {
            let share = f64::from(step) / f64::from(COVERAGE_STEPS);
            let color = rgb(color).mix(opacity * share).to_backend_color();
            let drawn = self.bitmap.borrow_mut().draw_pixel(at, color);
            self.accept(drawn);
        }
    }

    /// A filled rectangle of `w` columns and `h` rows; nothing when either is not positive.
    pub(crate) fn rect(&self, (x, y, w, h): Area, color: Color) {
        if w > 0 && h > 0 {
            let mut bitmap = self.bitmap.borrow_mut();
            self.accept(bitmap.draw_rect((x, y), (x + w, y + h), &rgb(color), true));
        }
    }

    /// A hollow rectangle whose line lies inside it.
    pub(crate) fn frame(&self, (x, y, w, h): Area, color: Color, stroke: i32) {
        self.rect((x, y, w, stroke), color);
        self.rect((x, y + h - stroke, w, stroke), color);
        self.rect((x, y, stroke, h), color);
        self.rect((x + w - stroke, y, stroke, h), color);
    }

    /// Diagonal lines inside a rectangle: what is there but not known.
    pub(crate) fn hatch(&self, (x, y, w, h): Area, color: Color) {
        for start in (x - h..x + w).step_by(10) {
            // A rising line from (start, y + h) to (start + h, y), cut at the sides.
            let (from, to) = (start.max(x), (start + h).min(x + w));
            if to > from {
                let height = |at: i32| y + h - (at - start);
                self.path(&[(from, height(from)), (to, height(to))], color, 2);
            }
        }
    }

    /// A rectangle with half-round ends; its height is odd.
    pub(crate) fn pill(&self, (x, y, w, h): Area, color: Color) {
        let radius = h / 2;
        self.rect((x + radius, y, w - 2 * radius, h), color);
        self.circle((x + radius, y + radius), radius, color);
        self.circle((x + w - radius - 1, y + radius), radius, color);
    }

    pub(crate) fn path(&self, points: &[(i32, i32)], color: Color, stroke: u32) {
        self.fill(&raster::stroke(points, stroke), color, 1.0);
    }

    pub(crate) fn circle(&self, center: (i32, i32), radius: i32, color: Color) {
        self.fill(&[Ring::disc(center, radius)], color, 1.0);
    }

    /// A dot with a white rim, so that it stands out from lines.
    pub(crate) fn dot(&self, center: (i32, i32), rim: i32, color: Color) {
        self.circle(center, 7 + rim, WHITE);
        self.circle(center, 7, color);
    }

    /// An error bar with caps between two pixels of an axis, `across` on the other; `upright` or
    /// lying.
    pub(crate) fn whisker(&self, (from, to): (i32, i32), across: i32, upright: bool, color: Color) {
        let (from, to) = (from.min(to), from.max(to));
        for (x, y, w, h) in [
            (from, across - 1, (to - from).max(1), 2),
            (from - 1, across - 6, 2, 12),
            (to - 1, across - 6, 2, 12),
        ] {
            let bar = if upright { (y, x, h, w) } else { (x, y, w, h) };
            self.rect(bar, color);
        }
    }

    /// A see-through polygon; `opacity` from 0 to 1.
    pub(crate) fn shade_polygon(&self, corners: &[(i32, i32)], color: Color, opacity: f64) {
        self.fill(&[Ring::polygon(corners)], color, opacity);
    }

    /// A dashed line along an axis.
    pub(crate) fn dashes(&self, from: (i32, i32), to: (i32, i32), color: Color) {
        const DASH: i32 = 10;
        const GAP: i32 = 7;
        let vertical = from.0 == to.0;
        let (a, b) = if vertical {
            (from.1, to.1)
        } else {
            (from.0, to.0)
        };
        let end = a.max(b);
        for at in (a.min(b)..end).step_by((DASH + GAP) as usize) {
            let length = DASH.min(end - at);
            let dash = if vertical {
                (from.0 - 1, at, 2, length)
            } else {
                (at, from.1 - 1, length, 2)
            };
            self.rect(dash, color);
        }
    }

    /// One line of text. `y` is the middle of its capitals.
    pub(crate) fn text(&self, text: &str, (x, y): (i32, i32), align: Align, font: Font) {
        let width = font.advance(text);
        let left = match align {
            Align::Left => 0.0,
            Align::Middle => -width / 2.0,
            Align::Right => -width,
        };
        let y = y + font.baseline();
        font.rasterize(text, left, |dx, dy, coverage| {
            self.cover((x + dx, y + dy), font.color, coverage, 1.0);
        });
    }

    /// One line on a white ground, so that nothing runs through it; `x` is its left end.
    pub(crate) fn text_on_white(&self, text: &str, (x, y): (i32, i32), font: Font) {
        self.rect((x - 3, y - 11, font.width(text) + 6, 22), WHITE);
        self.text(text, (x, y), Align::Left, font);
    }

    /// One line centred at `x`, moved aside where it would leave the sheet.
    pub(crate) fn text_inside(&self, text: &str, (x, y): (i32, i32), font: Font) {
        let half = font.width(text) / 2 + 12;
        let x = x.min(self.width - half).max(half);
        self.text(text, (x, y), Align::Middle, font);
    }

    /// Lines of text from the left, the first one's middle at `y`.
    pub(crate) fn lines(&self, lines: &[String], (x, y): (i32, i32), font: Font) {
        for (line, index) in lines.iter().zip(0..) {
            self.text(line, (x, y + index * font.leading()), Align::Left, font);
        }
    }
}
