//! `LinePrefixer`: turns text that arrives in pieces into complete lines with a prefix.

use std::collections::VecDeque;

use crate::escape::OneLine;

/// The longest line that isn't cut, in bytes. With its prefix it fits into one write that a pipe doesn't split
/// (`PIPE_BUF`), so that no other output comes in between.
const MAX_LINE: usize = 3584;

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 256;

#[derive(Debug)]
pub(super) struct LinePrefixer {
    prefix: Vec<u8>,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
}

impl LinePrefixer {
    /// Returns a prefixer with this id as its prefix.
    pub(super) fn new(id: &str) -> Self {
        let mut prefix = OneLine(id).to_string();
        let end =
            (0..=MAX_PREFIX.min(prefix.len())).rev().find(|end| prefix.is_char_boundary(*end)).unwrap_or_default();
        if end < prefix.len() {
            prefix.truncate(end);
            prefix.push('…');
        }
        prefix.push_str("| ");
        Self { prefix: prefix.into_bytes(), partial: Vec::new() }
    }

    /// Appends the lines that these bytes complete to `lines`.
    pub(super) fn push(&mut self, bytes: &[u8], lines: &mut VecDeque<u8>) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = part.split_last().map_or((part, false), |(last, text)| match last {
                b'\n' => (text, true),
                _ => (part, false),
            });
            for piece in text.chunks(MAX_LINE) {
                // A line that is too long continues on another line.
                let (first, rest) = piece.split_at(piece.len().min(MAX_LINE - self.partial.len()));
                self.partial.extend(first);
                if !rest.is_empty() {
                    self.end_line(lines);
                    self.partial.extend(rest);
                }
            }
            if is_whole {
                self.end_line(lines);
            }
        }
    }

    /// Appends the last line, even if its end has not arrived.
    pub(super) fn finish(&mut self, lines: &mut VecDeque<u8>) {
        if !self.partial.is_empty() {
            self.end_line(lines);
        }
    }

    fn end_line(&mut self, lines: &mut VecDeque<u8>) {
        lines.extend(self.prefix.iter().chain(&self.partial).chain(b"\n"));
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixed(id: &str, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut line_prefixer, mut written) = (LinePrefixer::new(id), VecDeque::new());
        for piece in pieces {
            line_prefixer.push(piece, &mut written);
        }
        line_prefixer.finish(&mut written);
        written.into()
    }

    #[test]
    fn each_line_is_prefixed_wherever_the_text_is_cut() {
        let text = b"one\n\ntwo\xff\nthree";
        let expected = b"J1| one\nJ1| \nJ1| two\xff\nJ1| three\n";
        for at in 0..=text.len() {
            assert_eq!(prefixed("J1", &[&text[..at], &text[at..]]), expected, "cut at {at}");
        }
        assert_eq!(prefixed("J1", &[]), b"");
    }

    #[test]
    fn a_long_line_is_cut_so_that_a_pipe_does_not_split_it() {
        let long = vec![b'x'; 2 * MAX_LINE + 5];
        let id = "ü".repeat(1000);
        for pieces in [vec![&long[..]], long.chunks(100).collect(), vec![&long[..MAX_LINE], &long[MAX_LINE..]]] {
            let written = prefixed(&id, &pieces);
            let lengths: Vec<_> = written.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).collect();
            assert_eq!(lengths.len(), 3, "{lengths:?}");
            assert!(lengths.iter().all(|length| *length <= 4096), "{lengths:?}");
        }
        assert_eq!(prefixed("a", &[&[b'x'; MAX_LINE], b"\n"]).len(), MAX_LINE + 4);
    }

    #[test]
    fn an_id_with_a_line_break_is_escaped() {
        assert_eq!(prefixed("a\nb\u{1b}[0m", &[b"x\n"]), b"a\\nb\\u{1b}[0m| x\n");
    }
}
