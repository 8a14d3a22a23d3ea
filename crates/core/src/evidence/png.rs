//! Whether bytes are a whole PNG picture (W3C PNG, third edition), by its chunks and their checksums. Pixels are not decoded.

/// The signature of every PNG.
const SIGNATURE: [u8; 8] = [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a];
/// The smallest and the largest side of a screenshot, in pixels.
const SIDES: std::ops::RangeInclusive<u32> = 16..=16_384;
/// The length, the type and the checksum of a chunk, in bytes.
const FRAME: usize = 12;

/// The size of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// From left to right.
    pub width: u32,
    /// From top to bottom.
    pub height: u32,
}

/// Reads the chunks of a picture from its signature to its end.
///
/// # Errors
/// What is wrong, after "it": no signature, a header that describes no plausible picture, a chunk that is cut off or whose
/// checksum is another, no pixels, or bytes after the end.
pub fn read(bytes: &[u8]) -> Result<Size, String> {
    let mut rest = bytes.strip_prefix(&SIGNATURE).ok_or("has no PNG signature")?;
    let (mut size, mut has_pixels) = (None, false);
    loop {
        let Chunk { kind, data, tail } = chunk(rest)?;
        match (kind, size) {
            (b"IHDR", None) => size = Some(header(data)?),
            (b"IHDR", Some(_)) => return Err("has two headers".to_owned()),
            (_, None) => return Err("does not begin with its header".to_owned()),
            (b"IDAT", Some(_)) => has_pixels |= !data.is_empty(),
            (b"IEND", Some(size)) => {
                return match (has_pixels, data.is_empty() && tail.is_empty()) {
                    (false, _) => Err("has no pixels".to_owned()),
                    (true, false) => Err("goes on after its end".to_owned()),
                    (true, true) => Ok(size),
                };
            }
            _ => {}
        }
        rest = tail;
    }
}

/// A chunk whose checksum is right.
struct Chunk<'a> {
    kind: &'a [u8; 4],
    data: &'a [u8],
    /// What follows it.
    tail: &'a [u8],
}

/// The first chunk.
fn chunk(bytes: &[u8]) -> Result<Chunk<'_>, String> {
    let cut_off = || "is cut off".to_owned();
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or_else(cut_off)?;
    let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| cut_off())?;
    if bytes.len() < FRAME || bytes.len() - FRAME < length {
        return Err(cut_off());
    }
    let (checked, rest) = rest.split_at(4 + length);
    let (sum, tail) = rest.split_first_chunk::<4>().ok_or_else(cut_off)?;
    let (kind, data) = checked.split_first_chunk::<4>().ok_or_else(cut_off)?;
    if checksum(checked) != u32::from_be_bytes(*sum) {
        return Err(format!("has a damaged chunk {}", kind.escape_ascii()));
    }
    Ok(Chunk { kind, data, tail })
}

fn header(data: &[u8]) -> Result<Size, String> {
    let [a, b, c, d, e, f, g, h, depth, colour, compression, filter, interlace] = *data else {
        return Err("has a header of another length".to_owned());
    };
    let size = Size { width: u32::from_be_bytes([a, b, c, d]), height: u32::from_be_bytes([e, f, g, h]) };
    if !SIDES.contains(&size.width) || !SIDES.contains(&size.height) {
        let (width, height, least, most) = (size.width, size.height, SIDES.start(), SIDES.end());
        return Err(format!("is {width} × {height} pixels; a side of a screenshot has {least} to {most}"));
    }
    let depths: &[u8] = match colour {
        0 => &[1, 2, 4, 8, 16],
        3 => &[1, 2, 4, 8],
        2 | 4 | 6 => &[8, 16],
        _ => &[],
    };
    if depths.contains(&depth) && compression == 0 && filter == 0 && interlace <= 1 {
        return Ok(size);
    }
    Err("has a header that describes no picture".to_owned())
}

/// CRC-32 as PNG and zlib compute it. W3C PNG, annex D.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = table();
    !bytes.iter().fold(u32::MAX, |sum, byte| TABLE[((sum ^ u32::from(*byte)) & 0xff) as usize] ^ (sum >> 8))
}

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "an index of 256 entries")]
        let mut sum = index as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = if sum & 1 == 1 { 0xedb8_8320 ^ (sum >> 1) } else { sum >> 1 };
            bit += 1;
        }
        table[index] = sum;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }
}
