//! The end of a stream of any length, as it is shown to people.

use tokio::{io::AsyncReadExt as _, net::unix::pipe};

/// The last bytes of a stream of any length.
pub(super) struct Tail {
    bytes: Vec<u8>,
    limit: usize,
    cut: bool,
}

impl Tail {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, cut: false }
    }

    pub(super) async fn read(&mut self, mut from: pipe::Receiver) -> std::io::Result<()> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            match from.read(&mut chunk).await? {
                0 => return Ok(()),
                some => self.push(&chunk[..some]),
            }
        }
    }

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.bytes.extend_from_slice(chunk);
        // Up to twice the limit is kept, so that not every read moves the whole tail.
        if self.bytes.len() > self.limit.saturating_mul(2) {
            self.trim();
        }
    }

    fn trim(&mut self) {
        let over = self.bytes.len().saturating_sub(self.limit);
        self.cut |= over > 0;
        self.bytes.drain(..over);
    }

    pub(super) fn shown(mut self) -> String {
        self.trim();
        let begin = if self.cut { "[the beginning was cut]\n" } else { "" };
        let mut shown = begin.to_owned();
        for c in String::from_utf8_lossy(&self.bytes).chars() {
            match c {
                '\n' | '\t' => shown.push(c),
                _ if c.is_control() || is_invisible(c) => shown.extend(c.escape_unicode()),
                _ => shown.push(c),
            }
        }
        shown
    }
}

/// Characters that reorder or hide the text around them.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(chunks: &[&str], limit: usize, shown: &str) {
        let mut tail = Tail::new(limit);
        chunks.iter().for_each(|chunk| tail.push(chunk.as_bytes()));
        assert_eq!(tail.shown(), shown);
    }

    #[test]
    fn the_tail_is_kept_and_control_characters_are_escaped() {
        check(&["ab", "c\n"], 10, "abc\n");
        check(&["abcdefgh"], 3, "[the beginning was cut]\nfgh");
        check(&["abcdef", "gh", "ij"], 4, "[the beginning was cut]\nghij");
        check(&["\u{1b}[31mred\r\u{202e}"], 100, "\\u{1b}[31mred\\u{d}\\u{202e}");
    }
}
