//! PNG files: written small and without a clock, read back, and compared by their pixels.
//!
//! Files are never compared by their bytes: an encoder may change them without changing a pixel.

use std::collections::BTreeMap;
use std::io::Cursor;

use png::{
    BitDepth, ColorType, Compression, Decoder, Encoder, EncodingError, Filter, Transformations,
};

use super::error::ChartError;

/// A decoded picture: 8-bit RGB, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// `width * height * 3` bytes.
    pub(crate) rgb: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ImageDiff {
    /// Pixels of which some channel differs by more than the tolerance. All pixels of the larger
    /// picture when the sizes differ.
    pub(crate) differing_pixels: u64,
    /// Largest difference in any channel, also below the tolerance; 255 when the sizes differ.
    pub(crate) max_channel_difference: u8,
    /// Sizes in pixels, left and right, when they differ.
    pub(crate) sizes: Option<((u32, u32), (u32, u32))>,
    /// The left picture washed out, with the differing pixels in red; PNG. Empty when nothing
    /// differs or the sizes do.
    pub(crate) picture: Vec<u8>,
}

impl ImageDiff {
    /// No pixel differs by more than the tolerance.
    pub(crate) fn is_match(&self) -> bool {
        self.differing_pixels == 0
    }
}

/// Encodes 8-bit RGB rows as PNG, indexed where 256 colours suffice, with no time or text chunk.
///
/// Errors: `rgb` is not `width * height * 3` bytes, or a side is 0.
pub(crate) fn encode(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, ChartError> {
    write(rgb, width, height).map_err(|error| ChartError::Encode(error.to_string()))
}

fn write(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, EncodingError> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width, height);
    encoder.set_depth(BitDepth::Eight);
    // On these pictures `High` takes three times as long for files 7 % smaller.
    encoder.set_compression(Compression::Balanced);
    let indexed = palette(rgb);
    let data = if let Some((palette, indices)) = &indexed {
        encoder.set_color(ColorType::Indexed);
        encoder.set_palette(palette.as_slice());
        encoder.set_filter(Filter::NoFilter);
        indices
    } else {
        encoder.set_color(ColorType::Rgb);
        encoder.set_filter(Filter::Adaptive);
        rgb
    };
    let mut writer = encoder.write_header()?;
    writer.write_image_data(data)?;
    writer.finish()?;
    Ok(out)
}

/// The colours, in order of first appearance, and the picture as indices; `None` beyond 256.
fn palette(rgb: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut known: BTreeMap<[u8; 3], u8> = BTreeMap::new();
    let mut colours = Vec::new();
    let mut indices = Vec::with_capacity(rgb.len() / 3);
    for run in rgb.as_chunks::<3>().0.chunk_by(|a, b| a == b) {
        let index = if let Some(index) = known.get(&run[0]) {
            *index
        } else {
            let index = u8::try_from(known.len()).ok()?;
            known.insert(run[0], index);
            colours.extend_from_slice(&run[0]);
            index
        };
        indices.resize(indices.len() + run.len(), index);
    }
    Some((colours, indices))
}

/// Decodes a PNG to 8-bit RGB. A picture with a grey or an alpha channel is an error.
pub(crate) fn decode(bytes: &[u8]) -> Result<Image, ChartError> {
    let failed = |error: png::DecodingError| ChartError::Decode(error.to_string());
    let refused = |problem: &str| ChartError::Decode(problem.to_owned());
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(failed)?;
    let size = reader
        .output_buffer_size()
        .ok_or_else(|| refused("the picture is too large for memory"))?;
    let mut rgb = vec![0; size];
    let info = reader.next_frame(&mut rgb).map_err(failed)?;
    rgb.truncate(info.buffer_size());
    if info.color_type != ColorType::Rgb {
        return Err(refused("it is neither RGB nor indexed"));
    }
    Ok(Image {
        rgb,
        width: info.width,
        height: info.height,
    })
}

/// Compares two PNG files by their pixels. `tolerance` is the largest difference of a channel
/// (0 to 255) that still counts as equal.
pub(crate) fn compare(left: &[u8], right: &[u8], tolerance: u8) -> Result<ImageDiff, ChartError> {
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
    let pixels = left.rgb.as_chunks::<3>().0.iter();
    for (a, b) in pixels.zip(right.rgb.as_chunks::<3>().0) {
        let differences = a.iter().zip(b).map(|(a, b)| a.abs_diff(*b));
        let difference = differences.max().unwrap_or(0);
        max_channel_difference = max_channel_difference.max(difference);
        if difference > tolerance {
            differing_pixels += 1;
            picture.extend_from_slice(&[220, 0, 0]);
        } else {
            picture.extend(a.iter().map(|channel| 191 + channel / 4));
        }
    }
    Ok(ImageDiff {
        differing_pixels,
        max_channel_difference,
        sizes: None,
        picture: match differing_pixels {
            0 => Vec::new(),
            _ => encode(&picture, left.width, left.height)?,
        },
    })
}
