//! PNG files: written small and without a clock, read back, and compared by their pixels.
//!
//! Files are never compared by their bytes: an encoder may change them without changing a pixel.

use std::collections::BTreeMap;
use std::io::Cursor;

use png::{BitDepth, ColorType, Compression, Decoder, Encoder, Filter, Transformations};

use super::chart::ChartError;

/// A decoded picture: 8-bit RGB, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `width * height * 3` bytes.
    pub rgb: Vec<u8>,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// How two pictures differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDiff {
    /// Pixels of which some channel differs by more than the tolerance. All pixels of the larger
    /// picture when the sizes differ.
    pub differing_pixels: u64,
    /// Largest difference in any channel, also below the tolerance; 255 when the sizes differ.
    pub max_channel_difference: u8,
    /// Sizes in pixels, left and right, when they differ.
    pub sizes: Option<((u32, u32), (u32, u32))>,
    /// The left picture washed out, with the differing pixels in red; PNG. Empty when nothing
    /// differs or the sizes do.
    pub picture: Vec<u8>,
}

impl ImageDiff {
    /// No pixel differs by more than the tolerance.
    pub fn is_match(&self) -> bool {
        self.differing_pixels == 0
    }
}

/// Encodes 8-bit RGB rows as PNG, indexed where 256 colours suffice, with no time or text chunk.
///
/// Errors: `rgb` is not `width * height * 3` bytes, or a side is 0.
pub fn encode(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, ChartError> {
    let expected = u64::from(width) * u64::from(height) * 3;
    if rgb.len() as u64 != expected {
        return Err(ChartError::Buffer {
            found: rgb.len() as u64,
            expected,
        });
    }
    let indexed = palette(rgb);
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_depth(BitDepth::Eight);
    // On these pictures `High` takes three times as long for files 7 % smaller.
    encoder.set_compression(Compression::Balanced);
    if let Some((palette, _)) = &indexed {
        encoder.set_color(ColorType::Indexed);
        encoder.set_palette(palette.as_slice());
        encoder.set_filter(Filter::NoFilter);
    } else {
        encoder.set_color(ColorType::Rgb);
        encoder.set_filter(Filter::Adaptive);
    }
    let mut writer = encoder
        .write_header()
        .map_err(|error| ChartError::Encode(error.to_string()))?;
    let data = indexed
        .as_ref()
        .map_or(rgb, |(_, indices)| indices.as_slice());
    writer
        .write_image_data(data)
        .map_err(|error| ChartError::Encode(error.to_string()))?;
    writer
        .finish()
        .map_err(|error| ChartError::Encode(error.to_string()))?;
    Ok(out)
}

/// The colours, in order of first appearance, and the picture as indices; `None` beyond 256.
fn palette(rgb: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut known: BTreeMap<[u8; 3], u8> = BTreeMap::new();
    let mut colours = Vec::new();
    let mut indices = Vec::with_capacity(rgb.len() / 3);
    let mut last: Option<([u8; 3], u8)> = None;
    for pixel in rgb.as_chunks::<3>().0 {
        let index = match last {
            Some((colour, index)) if colour == *pixel => index,
            _ => {
                if let Some(index) = known.get(pixel) {
                    *index
                } else {
                    let index = u8::try_from(known.len()).ok()?;
                    known.insert(*pixel, index);
                    colours.extend_from_slice(pixel);
                    index
                }
            }
        };
        last = Some((*pixel, index));
        indices.push(index);
    }
    Some((colours, indices))
}

/// Decodes a PNG to 8-bit RGB. An alpha channel is dropped, grey is spread over the channels.
pub fn decode(bytes: &[u8]) -> Result<Image, ChartError> {
    let failed = |error: png::DecodingError| ChartError::Decode(error.to_string());
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(failed)?;
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| ChartError::Decode("the picture is too large for memory".to_owned()))?;
    let mut buffer = vec![0; size];
    let info = reader.next_frame(&mut buffer).map_err(failed)?;
    buffer.truncate(info.buffer_size());
    let rgb = match info.color_type {
        ColorType::Rgb => buffer,
        ColorType::Rgba => buffer
            .as_chunks::<4>()
            .0
            .iter()
            .flat_map(|[r, g, b, _]| [*r, *g, *b])
            .collect(),
        ColorType::Grayscale => buffer.iter().flat_map(|grey| [*grey; 3]).collect(),
        ColorType::GrayscaleAlpha => buffer
            .as_chunks::<2>()
            .0
            .iter()
            .flat_map(|[grey, _]| [*grey; 3])
            .collect(),
        ColorType::Indexed => {
            return Err(ChartError::Decode(
                "the palette was not expanded".to_owned(),
            ));
        }
    };
    Ok(Image {
        rgb,
        width: info.width,
        height: info.height,
    })
}

/// Compares two PNG files by their pixels. `tolerance` is the largest difference of a channel
/// (0 to 255) that still counts as equal.
pub fn compare(left: &[u8], right: &[u8], tolerance: u8) -> Result<ImageDiff, ChartError> {
    let (left, right) = (decode(left)?, decode(right)?);
    let sizes = ((left.width, left.height), (right.width, right.height));
    if sizes.0 != sizes.1 {
        let pixels = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        return Ok(ImageDiff {
            differing_pixels: pixels(sizes.0).max(pixels(sizes.1)),
            max_channel_difference: u8::MAX,
            sizes: Some(sizes),
            picture: Vec::new(),
        });
    }
    let mut differing_pixels = 0;
    let mut max_channel_difference = 0;
    let mut picture = Vec::with_capacity(left.rgb.len());
    for (a, b) in left
        .rgb
        .as_chunks::<3>()
        .0
        .iter()
        .zip(right.rgb.as_chunks::<3>().0)
    {
        let difference = a
            .iter()
            .zip(b)
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap_or(0);
        max_channel_difference = max_channel_difference.max(difference);
        if difference > tolerance {
            differing_pixels += 1;
            picture.extend_from_slice(&[220, 0, 0]);
        } else {
            picture.extend(a.iter().map(|channel| 191 + channel / 4));
        }
    }
    let picture = if differing_pixels == 0 {
        Vec::new()
    } else {
        encode(&picture, left.width, left.height)?
    };
    Ok(ImageDiff {
        differing_pixels,
        max_channel_difference,
        sizes: None,
        picture,
    })
}
