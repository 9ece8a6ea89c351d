//! A sheet to draw on, in whole pixels from the top left.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::{Circle, PathElement, Polygon, Rectangle, Text};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{
    Color as _, FontDesc, FontFamily, FontStyle, RGBColor, ShapeStyle, TextStyle,
};

use super::backend::ChartBackend;
use super::chart::{Chart, ChartError};
use super::png;
use super::text::{self, Weight};
use super::theme::Color;

/// Tallest picture, px. Taller ones are refused by viewers and forges.
const MAX_HEIGHT: i32 = 16_000;

pub(crate) const WHITE: Color = Color(0xFF, 0xFF, 0xFF);

/// Horizontal side of a text that lies on its anchor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Middle,
    Right,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Font {
    pub(crate) em: u16,
    pub(crate) weight: Weight,
    pub(crate) color: Color,
}

impl Font {
    pub(crate) fn new(em: u16, color: Color) -> Self {
        Self {
            em,
            weight: Weight::Regular,
            color,
        }
    }

    pub(crate) fn bold(self) -> Self {
        Self {
            weight: Weight::Bold,
            ..self
        }
    }

    pub(crate) fn color(self, color: Color) -> Self {
        Self { color, ..self }
    }

    /// Width of a line of it, px.
    pub(crate) fn width(self, text: &str) -> i32 {
        text::width(text, f32::from(self.em), self.weight)
    }

    /// The widest of some lines, px; 0 for none.
    pub(crate) fn widest<'t>(self, texts: impl IntoIterator<Item = &'t str>) -> i32 {
        texts
            .into_iter()
            .map(|text| self.width(text))
            .max()
            .unwrap_or(0)
    }

    pub(crate) fn elide(self, text: &str, max_width: i32) -> String {
        text::elide(text, f32::from(self.em), self.weight, max_width)
    }

    pub(crate) fn wrap(self, text: &str, max_width: i32, max_lines: usize) -> Vec<String> {
        text::wrap(text, f32::from(self.em), self.weight, max_width, max_lines)
    }

    /// Wrapped into lines of about equal length.
    pub(crate) fn wrap_evenly(self, text: &str, max_width: i32, max_lines: usize) -> Vec<String> {
        text::wrap_evenly(text, f32::from(self.em), self.weight, max_width, max_lines)
    }

    /// Distance between baselines, px.
    pub(crate) fn leading(self) -> i32 {
        i32::from(self.em) * 135 / 100
    }
}

/// The sheet.
pub(crate) struct Canvas<'a> {
    area: DrawingArea<ChartBackend<'a>, Shift>,
}

type Drawn = Result<(), ChartError>;

/// Makes a white sheet, lets `draw` fill it, and encodes it.
pub(crate) fn paint(
    title: &str,
    width: i32,
    height: i32,
    draw: impl FnOnce(&Canvas<'_>) -> Drawn,
) -> Result<Chart, ChartError> {
    if height > MAX_HEIGHT {
        return Err(ChartError::TooTall {
            title: title.to_owned(),
            height,
            limit: MAX_HEIGHT,
        });
    }
    let (width, height) = (width.max(1).unsigned_abs(), height.max(1).unsigned_abs());
    let mut rgb = vec![255; width as usize * height as usize * 3];
    {
        let backend = ChartBackend::new(&mut rgb, width, height);
        let canvas = Canvas {
            area: backend.into_drawing_area(),
        };
        draw(&canvas)?;
        canvas.area.present().map_err(failed)?;
    }
    Ok(Chart {
        png: png::encode(&rgb, width, height)?,
        width,
        height,
    })
}

fn failed(error: impl std::fmt::Display) -> ChartError {
    ChartError::Draw(error.to_string())
}

fn rgb(color: Color) -> RGBColor {
    RGBColor(color.0, color.1, color.2)
}

fn filled(color: Color) -> ShapeStyle {
    rgb(color).filled()
}

impl Canvas<'_> {
    /// A filled rectangle of `w` columns and `h` rows; nothing when either is not positive.
    pub(crate) fn rect(&self, (x, y, w, h): (i32, i32, i32, i32), color: Color) -> Drawn {
        if w <= 0 || h <= 0 {
            return Ok(());
        }
        self.area
            .draw(&Rectangle::new([(x, y), (x + w, y + h)], filled(color)))
            .map_err(failed)
    }

    /// A hollow rectangle whose line lies inside it.
    pub(crate) fn frame(
        &self,
        (x, y, w, h): (i32, i32, i32, i32),
        color: Color,
        stroke: i32,
    ) -> Drawn {
        self.rect((x, y, w, stroke), color)?;
        self.rect((x, y + h - stroke, w, stroke), color)?;
        self.rect((x, y, stroke, h), color)?;
        self.rect((x + w - stroke, y, stroke, h), color)
    }

    /// Diagonal lines inside a rectangle: what is there but not known.
    pub(crate) fn hatch(&self, (x, y, w, h): (i32, i32, i32, i32), color: Color) -> Drawn {
        if w <= 0 || h <= 0 {
            return Ok(());
        }
        let mut start = x - h;
        while start < x + w {
            // A rising line from (start, y + h) to (start + h, y), cut at the sides.
            let from = (start.max(x), y + h - (start.max(x) - start));
            let end = (start + h).min(x + w);
            let to = (end, y + h - (end - start));
            if end > from.0 {
                self.path(&[from, to], color, 2)?;
            }
            start += 10;
        }
        Ok(())
    }

    /// A rectangle with half-round ends; its height is odd.
    pub(crate) fn pill(&self, (x, y, w, h): (i32, i32, i32, i32), color: Color) -> Drawn {
        let radius = h / 2;
        self.rect((x + radius, y, w - 2 * radius, h), color)?;
        self.circle((x + radius, y + radius), radius, color)?;
        self.circle((x + w - radius - 1, y + radius), radius, color)
    }

    pub(crate) fn path(&self, points: &[(i32, i32)], color: Color, stroke: u32) -> Drawn {
        if points.len() < 2 {
            return Ok(());
        }
        let style = rgb(color).stroke_width(stroke);
        self.area
            .draw(&PathElement::new(points.to_vec(), style))
            .map_err(failed)
    }

    pub(crate) fn circle(&self, center: (i32, i32), radius: i32, color: Color) -> Drawn {
        self.area
            .draw(&Circle::new(center, radius, filled(color)))
            .map_err(failed)
    }

    /// An error bar with caps between two pixels of an axis, `across` on the other; `upright` or
    /// lying.
    pub(crate) fn whisker(
        &self,
        (from, to): (i32, i32),
        across: i32,
        upright: bool,
        color: Color,
    ) -> Drawn {
        let (from, to) = (from.min(to), from.max(to));
        let bars = [
            (from, across - 1, (to - from).max(1), 2),
            (from - 1, across - 6, 2, 12),
            (to - 1, across - 6, 2, 12),
        ];
        for (x, y, w, h) in bars {
            let bar = if upright { (y, x, h, w) } else { (x, y, w, h) };
            self.rect(bar, color)?;
        }
        Ok(())
    }

    /// One line on a white ground, so that nothing runs through it; `x` is its left end.
    pub(crate) fn text_on_white(&self, text: &str, (x, y): (i32, i32), font: Font) -> Drawn {
        self.rect((x - 3, y - 11, font.width(text) + 6, 22), WHITE)?;
        self.text(text, (x, y), Align::Left, font)
    }

    /// A see-through polygon; `percent` is its opacity.
    pub(crate) fn shade_polygon(&self, corners: &[(i32, i32)], color: Color, percent: u8) -> Drawn {
        let style = rgb(color).mix(f64::from(percent) / 100.0).filled();
        self.area
            .draw(&Polygon::new(corners.to_vec(), style))
            .map_err(failed)
    }

    /// A dashed line along an axis.
    pub(crate) fn dashes(&self, from: (i32, i32), to: (i32, i32), color: Color) -> Drawn {
        const DASH: i32 = 10;
        const GAP: i32 = 7;
        let vertical = from.0 == to.0;
        let (start, end) = if vertical {
            (from.1, to.1)
        } else {
            (from.0, to.0)
        };
        let (mut at, end) = (start.min(end), start.max(end));
        while at < end {
            let length = DASH.min(end - at);
            if vertical {
                self.rect((from.0 - 1, at, 2, length), color)?;
            } else {
                self.rect((at, from.1 - 1, length, 2), color)?;
            }
            at += DASH + GAP;
        }
        Ok(())
    }

    /// One line of text. `y` is the middle of its capitals.
    pub(crate) fn text(&self, text: &str, at: (i32, i32), align: Align, font: Font) -> Drawn {
        if text.is_empty() {
            return Ok(());
        }
        let style = match font.weight {
            Weight::Regular => FontStyle::Normal,
            Weight::Bold => FontStyle::Bold,
        };
        let side = match align {
            Align::Left => HPos::Left,
            Align::Middle => HPos::Center,
            Align::Right => HPos::Right,
        };
        let family = FontFamily::Name(text::FAMILY);
        let color = rgb(font.color);
        let style = TextStyle::from(FontDesc::new(family, f64::from(font.em), style))
            .color(&color)
            .pos(Pos::new(side, VPos::Center));
        self.area
            .draw(&Text::new(text.to_owned(), at, style))
            .map_err(failed)
    }

    /// One line centred at `x`, moved aside where it would leave the sheet.
    pub(crate) fn text_inside(&self, text: &str, (x, y): (i32, i32), font: Font) -> Drawn {
        let width = i32::try_from(self.area.dim_in_pixel().0).unwrap_or(i32::MAX);
        let half = font.width(text) / 2 + 12;
        let x = x.min(width - half).max(half);
        self.text(text, (x, y), Align::Middle, font)
    }

    /// Lines of text, the block's middle at `y`.
    pub(crate) fn lines(
        &self,
        lines: &[String],
        (x, y): (i32, i32),
        align: Align,
        font: Font,
    ) -> Drawn {
        let count = i32::try_from(lines.len()).unwrap_or(i32::MAX);
        let mut at = y - (count - 1) * font.leading() / 2;
        for line in lines {
            self.text(line, (x, at), align, font)?;
            at += font.leading();
        }
        Ok(())
    }
}
