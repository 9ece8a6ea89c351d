//! Text in the bundled fonts: measured, shortened and wrapped.

use std::sync::Once;

use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontDesc, FontFamily, FontStyle, TextStyle, register_font};

use super::theme::{Color, INK, QUIET};

pub(crate) static REGULAR: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans.ttf");
pub(crate) static BOLD: &[u8] = include_bytes!("../../assets/fonts/DejaVuSans-Bold.ttf");

/// The families that an SVG asks for, the first of which the PNG is drawn with.
///
/// DejaVu Sans was drawn to the proportions of Verdana, which Windows, macOS and iOS have: its words are as wide to a
/// few percent. What other systems fall back to is narrower, so that no label grows into another. Glyphs converted to
/// paths would look the same everywhere, but a chart would be ten times as large, and its text neither searchable nor
/// readable in a diff.
const FAMILIES: &str = "DejaVu Sans, Verdana, sans-serif";

/// Size, weight and colour of a text in DejaVu Sans.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Font {
    /// Size of an em, px.
    em: u16,
    is_bold: bool,
    color: Color,
}

impl Font {
    pub(crate) const TITLE: Self = Self::new(36, INK).bold();
    /// Subtitles and emphasised values.
    pub(crate) const SUBTITLE: Self = Self::new(26, QUIET);
    pub(crate) const LABEL: Self = Self::new(23, INK);
    /// Notes, tick labels and the source line.
    pub(crate) const SMALL: Self = Self::new(21, QUIET);
    /// Words beside the data that they are about.
    pub(crate) const NOTE: Self = Self::new(21, INK);

    /// A font whose em is `em` px, in the regular weight.
    pub(crate) const fn new(em: u16, color: Color) -> Self {
        Self {
            em,
            is_bold: false,
            color,
        }
    }

    pub(crate) const fn bold(mut self) -> Self {
        self.is_bold = true;
        self
    }

    pub(crate) const fn color(mut self, color: Color) -> Self {
        self.color = color;
        self
    }

    /// Distance between lines, px.
    pub(crate) fn leading(self) -> i32 {
        i32::from(self.em) * 135 / 100
    }

    /// The font for plotters; `size` is in px, in the sense of the backend that reads it.
    fn description(self, size: f64) -> FontDesc<'static> {
        static REGISTERED: Once = Once::new();
        REGISTERED.call_once(|| {
            for (style, bytes) in [(FontStyle::Normal, REGULAR), (FontStyle::Bold, BOLD)] {
                let registered = register_font(FAMILIES, style, bytes);
                assert!(registered.is_ok(), "a bundled font is broken");
            }
        });
        let style = if self.is_bold {
            FontStyle::Bold
        } else {
            FontStyle::Normal
        };
        FontDesc::new(FontFamily::Name(FAMILIES), size, style)
    }

    /// The style for plotters; `position` is the side that lies on the anchor, at half the height of the letters.
    pub(crate) fn style(self, position: HPos) -> TextStyle<'static> {
        // The SVG backend divides sizes by this.
        let font = self.description(f64::from(self.em) * 1.24);
        font.color(&self.color)
            .pos(Pos::new(position, VPos::Center))
    }

    /// Width of a line, px.
    pub(crate) fn width(self, text: &str) -> i32 {
        // For measuring, a size counts from the font's ascent to its descent.
        let font = self.description(f64::from(self.em) * 2384.0 / 2048.0);
        font.box_size(text).map_or(0, |(width, _)| width as i32 + 1)
    }

    /// The widest of some lines, px; 0 for none.
    pub(crate) fn widest<'t>(self, texts: impl IntoIterator<Item = &'t str>) -> i32 {
        let widths = texts.into_iter().map(|text| self.width(text));
        widths.max().unwrap_or(0)
    }

    /// Shortens `text` with an ellipsis in its middle until it is at most `max_width` px wide: identifiers differ at
    /// their ends. Empty where not even one character and the ellipsis fit.
    pub(crate) fn elide(self, text: &str, max_width: i32) -> String {
        let characters: Vec<char> = text.chars().collect();
        // No line holds more than 300 characters, and measuring takes time.
        let limit = characters.len().min(300);
        let shortened_to = |kept: usize| -> String {
            let (head, tail) = characters.split_at(kept.div_ceil(2));
            let tail = &tail[tail.len() - kept / 2..];
            head.iter().chain(&['…']).chain(tail).collect()
        };
        if limit == characters.len() && self.width(text) <= max_width {
            return text.to_owned();
        }
        let candidates = (1..limit).rev().map(shortened_to);
        let mut fitting = candidates.filter(|short| self.width(short) <= max_width);
        fitting.next().unwrap_or_default()
    }

    /// Breaks `text` at spaces into at most `max_lines` lines of about equal length, each at most `max_width` px wide.
    /// Text that does not fit is elided in the last line.
    pub(crate) fn wrap(self, text: &str, max_width: i32, max_lines: usize) -> Vec<String> {
        let lines = self.break_at_spaces(text, max_width, max_lines);
        // A fifth more than the average, since lines break at spaces only.
        let even_width = self.width(text) / lines.len().max(1) as i32 * 6 / 5;
        // One more line is allowed, to see whether the narrower width takes it.
        let balanced = self.break_at_spaces(text, even_width.min(max_width), max_lines + 1);
        if balanced.len() == lines.len() {
            balanced
        } else {
            lines
        }
    }

    /// Fills one line after another; the last of `max_lines` takes all the rest and is elided.
    fn break_at_spaces(self, text: &str, max_width: i32, max_lines: usize) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let is_last = lines.len() == max_lines;
            match lines.last_mut() {
                Some(line) if is_last || self.width(&format!("{line} {word}")) <= max_width => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        let shortened = |line: &String| self.elide(line, max_width);
        lines.iter().map(shortened).collect()
    }
}
