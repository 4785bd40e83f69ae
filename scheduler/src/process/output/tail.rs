//! `Tail`: the last text of a stream, which usually explains a failure.

use std::collections::VecDeque;

/// The number of bytes that are kept.
const LIMIT: usize = 8 * 1024;

#[derive(Debug, Default)]
pub(super) struct Tail(VecDeque<u8>);

impl Tail {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
        let excess = self.0.len().saturating_sub(LIMIT);
        self.0.drain(..excess);
    }

    /// Returns the text, and clears it.
    pub(super) fn take(&mut self) -> String {
        let tail = self.0.make_contiguous();
        // The front was cut, possibly within a character.
        let begun = tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        let text = String::from_utf8_lossy(&tail[begun..]).into_owned();
        self.0.clear();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_text_is_kept_without_half_a_character() {
        let mut tail = Tail::default();
        tail.push("ü".as_bytes());
        tail.push(&[b'x'; LIMIT - 1]);
        assert_eq!(tail.take(), "x".repeat(LIMIT - 1));
        assert_eq!(tail.take(), "");
        tail.push(b"a\xffb");
        assert_eq!(tail.take(), "a\u{fffd}b");
    }
}
