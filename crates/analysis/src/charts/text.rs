//! Text set in the bundled fonts: measured, wrapped, elided and drawn with right spacing.
//!
//! plotters' own text path drops each glyph's left side bearing and truncates positions to whole
//! pixels, so spacing is uneven.

use std::sync::OnceLock;

use ab_glyph::{Font as _, FontRef, GlyphId, PxScale, ScaleFont as _, point};

use super::theme::{Color, INK, QUIET};

/// Height of a capital, in em.
const CAP_HEIGHT: f32 = 0.729;

static REGULAR: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans.ttf");
static BOLD: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-Bold.ttf");

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Font {
    /// Size of an em, px.
    em: u16,
    is_bold: bool,
    pub(crate) color: Color,
}

impl Font {
    pub(crate) const TITLE: Self = Self::new(36, INK).bold();
    /// Subtitles and emphasised values.
    pub(crate) const SUBTITLE: Self = Self::new(26, QUIET);
    pub(crate) const LABEL: Self = Self::new(23, INK);
    /// Notes, tick labels and the source line.
    pub(crate) const SMALL: Self = Self::new(21, QUIET);

    pub(crate) const fn new(em: u16, color: Color) -> Self {
        Self {
            em,
            is_bold: false,
            color,
        }
    }

    pub(crate) const fn bold(self) -> Self {
        Self {
            is_bold: true,
            ..self
        }
    }

    pub(crate) const fn color(self, color: Color) -> Self {
        Self { color, ..self }
    }

    /// Distance between baselines, px.
    pub(crate) fn leading(self) -> i32 {
        i32::from(self.em) * 135 / 100
    }

    /// How far the baseline lies below the middle of the capitals, px. Whole pixels keep the
    /// horizontal strokes of the letters sharp.
    pub(crate) fn baseline(self) -> i32 {
        (CAP_HEIGHT * f32::from(self.em) / 2.0 + 0.5).floor() as i32
    }

    fn face(self) -> (&'static FontRef<'static>, PxScale) {
        static FONTS: OnceLock<[FontRef<'static>; 2]> = OnceLock::new();
        let fonts = FONTS.get_or_init(|| {
            [REGULAR, BOLD].map(|bytes| {
                FontRef::try_from_slice(bytes)
                    .expect("the bundled fonts parse; every test draws them")
            })
        });
        let face = &fonts[usize::from(self.is_bold)];
        // `ab_glyph` counts a size as ascent to descent; everyone else counts the em.
        let units = face.units_per_em().unwrap_or(2048.0);
        let scale = f32::from(self.em) * face.height_unscaled() / units;
        (face, PxScale::from(scale))
    }

    /// Lays out one line from x = 0, with kerning, at fractional positions. Returns its advance.
    fn lay_out(self, text: &str, mut place: impl FnMut(GlyphId, f32)) -> f32 {
        let (face, scale) = self.face();
        let scaled = face.as_scaled(scale);
        let mut x = 0.0_f32;
        let mut previous = None;
        for character in text.chars() {
            let shown = if character.is_control() {
                ' '
            } else {
                character
            };
            let id = face.glyph_id(shown);
            x += previous.map_or(0.0, |previous| scaled.kern(previous, id));
            place(id, x);
            x += scaled.h_advance(id);
            previous = Some(id);
        }
        x
    }

    /// Advance of a line, px.
    pub(crate) fn advance(self, text: &str) -> f32 {
        self.lay_out(text, |_, _| ())
    }

    /// Width of a line, px, rounded up.
    pub(crate) fn width(self, text: &str) -> i32 {
        self.advance(text).ceil() as i32
    }

    /// The widest of some lines, px; 0 for none.
    pub(crate) fn widest<'t>(self, texts: impl IntoIterator<Item = &'t str>) -> i32 {
        let widths = texts.into_iter().map(|text| self.width(text));
        widths.max().unwrap_or(0)
    }

    /// Calls `draw(x, y, coverage)` for each pixel that a line touches which begins at `left` on
    /// the baseline y = 0.
    pub(crate) fn rasterize(self, text: &str, left: f32, mut draw: impl FnMut(i32, i32, f32)) {
        let (face, scale) = self.face();
        self.lay_out(text, |id, x| {
            let glyph = id.with_scale_and_position(scale, point(x + left, 0.0));
            if let Some(outlined) = face.outline_glyph(glyph) {
                let bounds = outlined.px_bounds();
                let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
                outlined.draw(|x, y, coverage| {
                    draw(left + x.cast_signed(), top + y.cast_signed(), coverage);
                });
            }
        });
    }

    /// Shortens `text` with an ellipsis in its middle until it fits: the ends of an identifier
    /// tell more than its middle.
    pub(crate) fn elide(self, text: &str, max_width: i32) -> String {
        if self.width(text) <= max_width {
            return text.to_owned();
        }
        let characters: Vec<char> = text.chars().collect();
        let shortened = |kept: usize| {
            let (head, tail) = (kept.div_ceil(2), kept / 2);
            let (head, tail) = (&characters[..head], &characters[characters.len() - tail..]);
            head.iter().chain(&['…']).chain(tail).collect::<String>()
        };
        let fits = |short: &String| self.width(short) <= max_width;
        // Each character makes it wider, so that the most that fit are found by halving.
        let (mut kept, mut too_many) = (0, characters.len());
        while too_many - kept > 1 {
            let middle = usize::midpoint(kept, too_many);
            if fits(&shortened(middle)) {
                kept = middle;
            } else {
                too_many = middle;
            }
        }
        Some(shortened(kept)).filter(fits).unwrap_or_default()
    }

    /// Breaks `text` into at most `max_lines` lines of at most `max_width`: at spaces, else after
    /// `_`, `-`, `/`, `,` or `.`. What does not fit is elided in the last line.
    pub(crate) fn wrap(self, text: &str, max_width: i32, max_lines: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let is_last = lines.len() + 1 >= max_lines || self.width(rest) <= max_width;
            let cut = if is_last {
                rest.len()
            } else {
                self.break_point(rest, max_width)
            };
            let (head, tail) = rest.split_at(cut);
            lines.push(self.elide(head.trim_end(), max_width));
            rest = tail.trim_start();
        }
        lines
    }

    /// Like [`Font::wrap`], with the lines about equally long: no orphan word in the last one.
    pub(crate) fn wrap_evenly(self, text: &str, max_width: i32, max_lines: usize) -> Vec<String> {
        let lines = self.wrap(text, max_width, max_lines);
        let whole = |lines: &[String]| lines.join(" ") == text.trim();
        if lines.len() < 2 || !whole(&lines) {
            return lines;
        }
        // The narrowest width that needs no further line, to 8 px.
        let (mut narrow, mut wide, mut best) = (max_width / 2, max_width, lines);
        while wide - narrow > 8 {
            let middle = i32::midpoint(narrow, wide);
            let tried = self.wrap(text, middle, max_lines);
            if tried.len() == best.len() && whole(&tried) {
                (wide, best) = (middle, tried);
            } else {
                narrow = middle;
            }
        }
        best
    }

    /// The byte at which to break: the last space that fits, else the last soft break, else the
    /// last character that fits (at least one).
    fn break_point(self, text: &str, max_width: i32) -> usize {
        let (mut space, mut soft, mut hard) = (None, None, None);
        // An interval `[0.99, 1.05]` stays in one piece where it can.
        let mut bracketed = None;
        let mut depth = 0_u32;
        for (at, character) in text.char_indices() {
            let end = at + character.len_utf8();
            if hard.is_some() && self.width(text[..end].trim_end()) > max_width {
                break;
            }
            hard = Some(end);
            match character {
                '[' | '(' => depth += 1,
                ']' | ')' => depth = depth.saturating_sub(1),
                ' ' if depth > 0 => bracketed = hard,
                ' ' => space = hard,
                '_' | '-' | '/' | ',' | '.' => soft = hard,
                _ => {}
            }
        }
        space.or(bracketed).or(soft).or(hard).unwrap_or(text.len())
    }
}
