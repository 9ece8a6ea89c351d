//! The one theme of all charts: colours and sizes.

use plotters::style::RGBColor;

pub(crate) type Color = RGBColor;

// Okabe and Ito's palette, which colour-blind readers can tell apart.
pub(crate) const ORANGE: Color = RGBColor(0xE6, 0x9F, 0x00);
pub(crate) const PALE_ORANGE: Color = RGBColor(0xF3, 0xCF, 0x80);
pub(crate) const SKY: Color = RGBColor(0x56, 0xB4, 0xE9);
pub(crate) const GREEN: Color = RGBColor(0x00, 0x9E, 0x73);
pub(crate) const BLUE: Color = RGBColor(0x00, 0x72, 0xB2);
pub(crate) const VERMILLION: Color = RGBColor(0xD5, 0x5E, 0x00);
pub(crate) const PURPLE: Color = RGBColor(0xCC, 0x79, 0xA7);
/// Neutral grey for what is neither good nor bad.
pub(crate) const GREY: Color = RGBColor(0xB4, 0xB8, 0xBD);

pub(crate) const WHITE: Color = RGBColor(0xFF, 0xFF, 0xFF);
pub(crate) const INK: Color = RGBColor(0x1C, 0x1E, 0x21);
/// Secondary text.
pub(crate) const QUIET: Color = RGBColor(0x5A, 0x60, 0x68);
pub(crate) const AXIS: Color = RGBColor(0x8A, 0x90, 0x98);
pub(crate) const GRID: Color = RGBColor(0xD9, 0xDC, 0xE0);
pub(crate) const FAILURE: Color = RGBColor(0xB3, 0x26, 0x1E);

/// Width of a report's charts, px.
pub(crate) const WIDTH: i32 = 1600;
/// Empty border around everything, px.
pub(crate) const MARGIN: i32 = 36;
/// Length of the marks at an axis, px; labels stand twice as far from it.
pub(crate) const TICK: i32 = 6;
/// Free room right of a plot, px, for half of the last label below it.
pub(crate) const FREE: i32 = 24;
/// Room below a plot for the labels and the name of its x axis, px.
pub(crate) const X_LABELS: i32 = 64;

/// Colour of the series at `index`; they repeat when they run out.
pub(crate) fn series_color(index: usize) -> Color {
    const PALETTE: [Color; 10] = [
        BLUE,
        ORANGE,
        GREEN,
        PURPLE,
        SKY,
        VERMILLION,
        RGBColor(0xF0, 0xE4, 0x42),
        RGBColor(0x1A, 0x1A, 0x1A),
        GREY,
        RGBColor(0x7A, 0x5C, 0x3E),
    ];
    PALETTE[index % PALETTE.len()]
}

/// A colour for text on `ground`: white on dark colours, else ink.
pub(crate) fn text_color_on(RGBColor(r, g, b): Color) -> Color {
    // Rec. 601 luma in thousandths.
    let luma = 299 * u32::from(r) + 587 * u32::from(g) + 114 * u32::from(b);
    if luma < 140_000 { WHITE } else { INK }
}
