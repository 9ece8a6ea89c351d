//! Colours and sizes, in one place.

/// An RGB colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Color(pub u8, pub u8, pub u8);

impl Color {
    /// Okabe-Ito black.
    pub const BLACK: Self = Self(0x1A, 0x1A, 0x1A);
    /// Okabe-Ito orange.
    pub const ORANGE: Self = Self(0xE6, 0x9F, 0x00);
    /// Okabe-Ito sky blue.
    pub const SKY: Self = Self(0x56, 0xB4, 0xE9);
    /// Okabe-Ito bluish green.
    pub const GREEN: Self = Self(0x00, 0x9E, 0x73);
    /// Okabe-Ito yellow.
    pub const YELLOW: Self = Self(0xF0, 0xE4, 0x42);
    /// Okabe-Ito blue.
    pub const BLUE: Self = Self(0x00, 0x72, 0xB2);
    /// Okabe-Ito vermillion.
    pub const VERMILLION: Self = Self(0xD5, 0x5E, 0x00);
    /// Okabe-Ito reddish purple.
    pub const PURPLE: Self = Self(0xCC, 0x79, 0xA7);
    /// Neutral grey for what is neither good nor bad.
    pub const GREY: Self = Self(0xB4, 0xB8, 0xBD);

    /// What is legible on it: white on a dark colour, else `ink`.
    pub(crate) fn legible(self, ink: Self) -> Self {
        // Rec. 601 luma in thousandths.
        let luma = 299 * u32::from(self.0) + 587 * u32::from(self.1) + 114 * u32::from(self.2);
        if luma < 140_000 {
            Self(255, 255, 255)
        } else {
            ink
        }
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

/// What all charts of a report share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Theme {
    /// Width of a picture, px; at least 800.
    pub width: u32,
    /// Colours of series, in order; repeated when they run out.
    pub palette: Vec<Color>,
    /// Main text.
    pub ink: Color,
    /// Secondary text.
    pub quiet: Color,
    /// Axis lines.
    pub axis: Color,
    /// Grid lines.
    pub grid: Color,
    /// Em size of titles, px.
    pub title_em: u16,
    /// Em size of subtitles and emphasised values, px.
    pub subtitle_em: u16,
    /// Em size of labels, px.
    pub label_em: u16,
    /// Em size of notes, tick labels and the source line, px.
    pub small_em: u16,
    /// Empty border around everything, px.
    pub margin: u16,
}

impl Default for Theme {
    fn default() -> Self {
        Self {
            width: 1600,
            palette: vec![
                Color::BLUE,
                Color::ORANGE,
                Color::GREEN,
                Color::PURPLE,
                Color::SKY,
                Color::VERMILLION,
                Color::YELLOW,
                Color::BLACK,
                Color::GREY,
                Color(0x7A, 0x5C, 0x3E),
            ],
            ink: Color(0x1C, 0x1E, 0x21),
            quiet: Color(0x5A, 0x60, 0x68),
            axis: Color(0x8A, 0x90, 0x98),
            grid: Color(0xE4, 0xE6, 0xE9),
            title_em: 36,
            subtitle_em: 26,
            label_em: 23,
            small_em: 21,
            margin: 36,
        }
    }
}

impl Theme {
    /// Colour of the series at `index`.
    pub(crate) fn series(&self, index: usize) -> Color {
        match self.palette.len() {
            0 => self.ink,
            count => self.palette[index % count],
        }
    }

    /// The width, never too narrow for the layouts.
    pub(crate) fn width_px(&self) -> i32 {
        i32::try_from(self.width)
            .unwrap_or(i32::MAX)
            .clamp(800, 8000)
    }

    pub(crate) fn margin_px(&self) -> i32 {
        i32::from(self.margin)
    }
}
