//! Colours and sizes, in one place.

/// An RGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// Okabe-Ito orange.
    pub const ORANGE: Self = Self(0xE6, 0x9F, 0x00);
    /// Okabe-Ito sky blue.
    pub const SKY: Self = Self(0x56, 0xB4, 0xE9);
    /// Okabe-Ito bluish green.
    pub const GREEN: Self = Self(0x00, 0x9E, 0x73);
    /// Okabe-Ito blue.
    pub const BLUE: Self = Self(0x00, 0x72, 0xB2);
    /// Okabe-Ito vermillion.
    pub const VERMILLION: Self = Self(0xD5, 0x5E, 0x00);
    /// Okabe-Ito reddish purple.
    pub const PURPLE: Self = Self(0xCC, 0x79, 0xA7);
    /// Neutral grey for what is neither good nor bad.
    pub const GREY: Self = Self(0xB4, 0xB8, 0xBD);

    /// What is legible on it: white on a dark colour, else ink.
    pub(crate) fn legible(self) -> Self {
        // Rec. 601 luma in thousandths.
        let luma = 299 * u32::from(self.0) + 587 * u32::from(self.1) + 114 * u32::from(self.2);
        if luma < 140_000 { WHITE } else { INK }
    }

    /// Mixed with white: 0 is white, 100 the colour itself.
    pub(crate) fn tint(self, percent: u16) -> Self {
        let mix = |channel: u8| {
            let white = 255 - (255 - u16::from(channel)) * percent.min(100) / 100;
            u8::try_from(white).unwrap_or(u8::MAX)
        };
        Self(mix(self.0), mix(self.1), mix(self.2))
    }
}

pub(crate) const WHITE: Color = Color(0xFF, 0xFF, 0xFF);
/// Main text.
pub(crate) const INK: Color = Color(0x1C, 0x1E, 0x21);
/// Secondary text.
pub(crate) const QUIET: Color = Color(0x5A, 0x60, 0x68);
/// Axis lines.
pub(crate) const AXIS: Color = Color(0x8A, 0x90, 0x98);
/// Grid lines.
pub(crate) const GRID: Color = Color(0xE4, 0xE6, 0xE9);

/// Width of a report's pictures, px.
pub const WIDTH: i32 = 1600;
/// Empty border around everything, px.
pub(crate) const MARGIN: i32 = 36;

/// Colour of the series at `index`; they repeat when they run out.
pub(crate) fn series_color(index: usize) -> Color {
    const PALETTE: [Color; 10] = [
        Color::BLUE,
        Color::ORANGE,
        Color::GREEN,
        Color::PURPLE,
        Color::SKY,
        Color::VERMILLION,
        Color(0xF0, 0xE4, 0x42),
        Color(0x1A, 0x1A, 0x1A),
        Color::GREY,
        Color(0x7A, 0x5C, 0x3E),
    ];
    PALETTE[index % PALETTE.len()]
}
