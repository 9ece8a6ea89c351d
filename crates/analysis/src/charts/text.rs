//! Text set in the bundled fonts: measured, wrapped, elided and drawn with right spacing.
//!
//! plotters' own text path drops each glyph's left side bearing and truncates positions to whole
//! pixels, so spacing is uneven. [`ChartBackend`](super::backend::ChartBackend) therefore draws
//! text with this module. Sizes are em sizes in pixels.

use std::sync::OnceLock;

use ab_glyph::{Font, FontRef, Glyph, GlyphId, PxScale, ScaleFont, point};

/// The family name under which plotters asks for the bundled font.
pub(crate) const FAMILY: &str = "DejaVu Sans";

/// Height of a capital, in em.
const CAP_HEIGHT: f32 = 0.729;

static REGULAR: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans.ttf");
static BOLD: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-Bold.ttf");

/// Weight of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Regular,
    Bold,
}

fn font(weight: Weight) -> &'static FontRef<'static> {
    static FONTS: OnceLock<[FontRef<'static>; 2]> = OnceLock::new();
    let [regular, bold] = FONTS.get_or_init(|| {
        [REGULAR, BOLD].map(|bytes| {
            FontRef::try_from_slice(bytes).expect("the bundled fonts parse; every test draws them")
        })
    });
    match weight {
        Weight::Regular => regular,
        Weight::Bold => bold,
    }
}

/// `ab_glyph` counts a size as ascent to descent; everyone else counts the em.
fn scale(font: &FontRef<'_>, em: f32) -> PxScale {
    let units = font.units_per_em().unwrap_or(2048.0);
    PxScale::from(em * font.height_unscaled() / units)
}

/// A line of text laid out from x = 0 on the baseline y = 0.
pub(crate) struct Line {
    glyphs: Vec<Glyph>,
    weight: Weight,
    /// Advance of the whole line, px.
    pub(crate) width: f32,
    /// Above the baseline, px, positive.
    pub(crate) ascent: f32,
    /// Below the baseline, px, positive.
    pub(crate) descent: f32,
    /// Height of a capital, px.
    pub(crate) cap_height: f32,
}

/// Lays out one line, with kerning, at fractional positions.
pub(crate) fn line(text: &str, em: f32, weight: Weight) -> Line {
    let font = font(weight);
    let scale = scale(font, em);
    let scaled = font.as_scaled(scale);
    let mut glyphs = Vec::with_capacity(text.len());
    let mut x = 0.0_f32;
    let mut previous: Option<GlyphId> = None;
    for character in text.chars() {
        let id = font.glyph_id(if character.is_control() {
            ' '
        } else {
            character
        });
        if let Some(previous) = previous {
            x += scaled.kern(previous, id);
        }
        glyphs.push(id.with_scale_and_position(scale, point(x, 0.0)));
        x += scaled.h_advance(id);
        previous = Some(id);
    }
    Line {
        glyphs,
        weight,
        width: x,
        ascent: scaled.ascent(),
        descent: -scaled.descent(),
        cap_height: CAP_HEIGHT * em,
    }
}

impl Line {
    /// Calls `draw(x, y, coverage)` for each pixel the line touches when its origin is `(dx, 0)`.
    pub(crate) fn rasterize(&self, dx: f32, mut draw: impl FnMut(i32, i32, f32)) {
        let font = font(self.weight);
        for glyph in &self.glyphs {
            let mut glyph = glyph.clone();
            glyph.position.x += dx;
            if let Some(outlined) = font.outline_glyph(glyph) {
                let bounds = outlined.px_bounds();
                let (left, top) = (bounds.min.x as i32, bounds.min.y as i32);
                outlined.draw(|x, y, coverage| {
                    draw(left + x.cast_signed(), top + y.cast_signed(), coverage);
                });
            }
        }
    }
}

/// Width of a line, px, rounded up.
pub(crate) fn width(text: &str, em: f32, weight: Weight) -> i32 {
    let font = font(weight);
    let scaled = font.as_scaled(scale(font, em));
    let mut x = 0.0_f32;
    let mut previous: Option<GlyphId> = None;
    for character in text.chars() {
        let id = font.glyph_id(character);
        if let Some(previous) = previous {
            x += scaled.kern(previous, id);
        }
        x += scaled.h_advance(id);
        previous = Some(id);
    }
    x.ceil() as i32
}

/// Shortens `text` with an ellipsis in its middle until it fits: the ends of an identifier tell
/// more than its middle.
pub(crate) fn elide(text: &str, em: f32, weight: Weight, max_width: i32) -> String {
    if width(text, em, weight) <= max_width {
        return text.to_owned();
    }
    let characters: Vec<char> = text.chars().collect();
    for kept in (0..characters.len()).rev() {
        let head = kept.div_ceil(2);
        let tail = kept - head;
        let mut short: String = characters.iter().take(head).collect();
        short.push('…');
        short.extend(characters.iter().skip(characters.len() - tail));
        if width(&short, em, weight) <= max_width {
            return short;
        }
    }
    String::new()
}

/// Breaks `text` into at most `max_lines` lines of at most `max_width`: at spaces, else after `_`,
/// `-`, `/`, `,` or `.`. What does not fit is elided in the last line.
pub(crate) fn wrap(
    text: &str,
    em: f32,
    weight: Weight,
    max_width: i32,
    max_lines: usize,
) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        if lines.len() + 1 >= max_lines || width(rest, em, weight) <= max_width {
            lines.push(elide(rest, em, weight, max_width));
            break;
        }
        let cut = break_point(rest, em, weight, max_width);
        let (head, tail) = rest.split_at(cut);
        lines.push(elide(head.trim_end(), em, weight, max_width));
        rest = tail.trim_start();
    }
    lines
}

/// Like [`wrap`], with the lines about equally long: no orphan word in the last one.
pub(crate) fn wrap_evenly(
    text: &str,
    em: f32,
    weight: Weight,
    max_width: i32,
    max_lines: usize,
) -> Vec<String> {
    let lines = wrap(text, em, weight, max_width, max_lines);
    let whole = |lines: &[String]| lines.join(" ") == text.trim();
    if lines.len() < 2 || !whole(&lines) {
        return lines;
    }
    // The narrowest width that needs no further line, to 8 px.
    let (mut narrow, mut wide, mut best) = (max_width / 2, max_width, lines);
    while wide - narrow > 8 {
        let middle = i32::midpoint(narrow, wide);
        let tried = wrap(text, em, weight, middle, max_lines);
        if tried.len() == best.len() && whole(&tried) {
            (wide, best) = (middle, tried);
        } else {
            narrow = middle;
        }
    }
    best
}

/// The byte at which to break: the last space that fits, else the last soft break, else the last
/// character that fits (at least one).
fn break_point(text: &str, em: f32, weight: Weight, max_width: i32) -> usize {
    let mut space = None;
    let mut soft = None;
    let mut hard = None;
    // An interval `[0.99, 1.05]` stays in one piece where it can.
    let mut bracketed = None;
    let mut depth = 0_u32;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        let fits = width(text[..end].trim_end(), em, weight) <= max_width;
        if !fits && hard.is_some() {
            break;
        }
        hard = Some(end);
        match character {
            '[' | '(' => depth += 1,
            ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if character == ' ' && depth > 0 {
            bracketed = Some(end);
        } else if character == ' ' {
            space = Some(end);
        } else if matches!(character, '_' | '-' | '/' | ',' | '.') {
            soft = Some(end);
        }
    }
    space.or(bracketed).or(soft).or(hard).unwrap_or(text.len())
}
