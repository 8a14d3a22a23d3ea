//! Two pictures compared: which share of their pixels differs, and a picture that shows which.
//!
//! Rows are decoded and encoded one after the other, so that memory does not grow with the pictures.

use std::io::Cursor;

use png::{BitDepth, ColorType, Decoder, Encoder, Limits, Reader, Transformations};

/// The most pixels of a picture that is compared.
pub(crate) const MOST_PIXELS: u64 = 20_000_000;
/// What of an unchanged pixel is left in the picture of the difference: a light grey of its brightness.
const FADED: u16 = 4;
/// The colour of what differs.
const CHANGED: [u8; 3] = [214, 0, 60];
/// The most bytes that the decoder may keep (16 MiB): a row of the widest picture, and what it decompresses.
const DECODER_LIMIT: usize = 16 * 1024 * 1024;

/// How two pictures differ.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// The share of pixels that differ, from 0 to 1.
    pub(crate) share: f64,
    /// A PNG as large as both: what differs is red, and the rest is faded.
    pub(crate) image: Vec<u8>,
}

/// The rows of a picture, as red, green, blue and opacity of each pixel.
struct Rows<'a> {
    reader: Reader<Cursor<&'a [u8]>>,
    width: u32,
    height: u32,
    channels: usize,
}

/// Compares two PNGs, from their upper left corner; what only one of them has differs.
///
/// # Errors
/// In words, why one of them is not compared: it is no PNG, is interlaced, or has more than [`MOST_PIXELS`] pixels.
pub(crate) fn compare(before: &[u8], after: &[u8]) -> Result<Difference, String> {
    let (mut before, mut after) = (Rows::open(before)?, Rows::open(after)?);
    let (width, height) = (before.width.max(after.width), before.height.max(after.height));
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MOST_PIXELS {
        return Err(too_large(width, height));
    }
    let (mut image, mut changed) = (Vec::new(), 0_u64);
    let mut encoder = Encoder::new(&mut image, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(|error| error.to_string())?;
    let mut stream = writer.stream_writer().map_err(|error| error.to_string())?;
    for _ in 0..height {
        let (one, other) = (before.next()?, after.next()?);
        let mut row = Vec::with_capacity(width as usize * 3);
        for at in 0..width as usize {
            let (one, other) = (one.get(at), other.get(at));
            changed += u64::from(one != other);
            row.extend(if one == other { faded(one) } else { CHANGED });
        }
        std::io::Write::write_all(&mut stream, &row).map_err(|error| error.to_string())?;
    }
    stream.finish().map_err(|error| error.to_string())?;
    writer.finish().map_err(|error| error.to_string())?;
    #[expect(clippy::cast_precision_loss, reason = "at most 20 million")]
    let share = changed as f64 / pixels as f64;
    Ok(Difference { share, image })
}

fn faded(pixel: Option<&[u8; 4]>) -> [u8; 3] {
    let [red, green, blue, _] = pixel.copied().unwrap_or([255; 4]).map(u16::from);
    let grey = 255 - (255 - (red + green + blue) / 3) / FADED;
    [u8::try_from(grey).unwrap_or(u8::MAX); 3]
}

fn too_large(width: u32, height: u32) -> String {
    format!("{width} × {height} pixels are more than the {MOST_PIXELS} that are compared")
}

impl<'a> Rows<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self, String> {
        let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: DECODER_LIMIT });
        decoder.set_transformations(Transformations::normalize_to_color8() | Transformations::ALPHA);
        let reader = decoder.read_info().map_err(|error| format!("it is no whole PNG: {error}"))?;
        let (info, (colour, _)) = (reader.info(), reader.output_color_type());
        let (width, height) = (info.width, info.height);
        if u64::from(width) * u64::from(height) > MOST_PIXELS {
            return Err(too_large(width, height));
        }
        if info.interlaced {
            return Err("it is interlaced, which is not compared".to_owned());
        }
        Ok(Self { width, height, channels: colour.samples(), reader })
    }

    /// The pixels of the next row; none below the last.
    fn next(&mut self) -> Result<Vec<[u8; 4]>, String> {
        let row = self.reader.next_row().map_err(|error| format!("it is no whole PNG: {error}"))?;
        let Some(row) = row else { return Ok(Vec::new()) };
        let pixel = |samples: &[u8]| match *samples {
            [grey, opacity] => [grey, grey, grey, opacity],
            [red, green, blue, opacity] => [red, green, blue, opacity],
            _ => [0; 4],
        };
        Ok(row.data().chunks_exact(self.channels).map(pixel).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, colour: ColorType, samples: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = Encoder::new(&mut bytes, width, height);
        encoder.set_color(colour);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(samples).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[track_caller]
    fn check(before: &[u8], after: &[u8], share: f64, size: (u32, u32), samples: &[u8]) {
        let difference = compare(before, after).unwrap();
        assert!((difference.share - share).abs() < 1e-9, "{}", difference.share);
        let mut rows = Rows::open(&difference.image).unwrap();
        assert_eq!((rows.width, rows.height), size);
        let rows: Vec<[u8; 4]> = (0..size.1).flat_map(|_| rows.next().unwrap()).collect();
        let reds: Vec<u8> = rows.iter().map(|pixel| pixel[0]).collect();
        assert_eq!(reds, samples);
    }

    #[test]
    fn what_differs_is_red_and_counted() {
        let before = picture(2, 2, ColorType::Rgb, &[255, 255, 255, 0, 0, 0, 0, 0, 0, 9, 9, 9]);
        let after = picture(2, 2, ColorType::Rgb, &[255, 255, 255, 0, 0, 0, 0, 0, 0, 9, 9, 8]);
        check(&before, &before, 0.0, (2, 2), &[255, 192, 192, 194]);
        check(&before, &after, 0.25, (2, 2), &[255, 192, 192, 214]);
    }

    #[test]
    fn what_only_one_has_differs_whatever_the_colours_are_stored_as() {
        let grey = picture(1, 2, ColorType::Grayscale, &[255, 0]);
        let colours = picture(2, 1, ColorType::Rgba, &[255, 255, 255, 255, 1, 1, 1, 255]);
        check(&grey, &colours, 0.5, (2, 2), &[255, 214, 214, 255]);
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let small = picture(1, 1, ColorType::Grayscale, &[0]);
        assert!(compare(b"GIF89a", &small).unwrap_err().contains("no whole PNG"));
        assert!(compare(&small[..40], &small).unwrap_err().contains("no whole PNG"));
        // Only the header is read of what is too large.
        let mut large = picture(16, 16, ColorType::Grayscale, &[0; 256]);
        large[16..24].copy_from_slice(&[0, 0, 0x40, 0, 0, 0, 0x40, 0]);
        let refused = compare(&small, &large).unwrap_err();
        assert!(refused.contains("pixels") || refused.contains("no whole PNG"), "{refused}");
        let (wide, high) = (
            picture(5_000, 1, ColorType::Grayscale, &[0; 5_000]),
            picture(1, 5_000, ColorType::Grayscale, &[0; 5_000]),
        );
        assert_eq!(
            compare(&wide, &high).unwrap_err(),
            "5000 × 5000 pixels are more than the 20000000 that are compared"
        );
    }
}
