//! `LinePrefixer`: turns text that arrives in pieces into complete lines with a prefix.

use std::collections::VecDeque;

use crate::escape::OneLine;

/// How long a line may be until it is cut: with what stands in front a pipe takes it at once, and nothing of anybody else
/// comes in between (`PIPE_BUF`).
const MAX_LINE: usize = 3584;

/// The longest prefix, in bytes.
const MAX_PREFIX: usize = 256;

#[derive(Debug)]
pub(super) struct LinePrefixer {
    prefix: Vec<u8>,
    /// The line whose end has not arrived.
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

    /// Appends to `line_prefixer` those that these bytes complete.
    pub(super) fn push(&mut self, bytes: &[u8], line_prefixer: &mut VecDeque<u8>) {
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
                    self.end_line(line_prefixer);
                    self.partial.extend(rest);
                }
            }
            if is_whole {
                self.end_line(line_prefixer);
            }
        }
    }

    /// Appends the last line if its end has not arrived.
    pub(super) fn finish(&mut self, line_prefixer: &mut VecDeque<u8>) {
        if !self.partial.is_empty() {
            self.end_line(line_prefixer);
        }
    }

    fn end_line(&mut self, line_prefixer: &mut VecDeque<u8>) {
        line_prefixer.extend(self.prefix.iter().chain(&self.partial).chain(b"\n"));
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line_prefixer(id: &str, pieces: &[&[u8]]) -> Vec<u8> {
        let (mut line_prefixer, mut written) = (LinePrefixer::new(id), VecDeque::new());
        for piece in pieces {
            line_prefixer.push(piece, &mut written);
        }
        line_prefixer.finish(&mut written);
        written.into()
    }

    #[test]
    fn each_line_has_the_id_in_front_however_it_comes() {
        let text = b"one\n\ntwo\xff\nthree";
        let expected = b"J1| one\nJ1| \nJ1| two\xff\nJ1| three\n";
        for at in 0..=text.len() {
            assert_eq!(line_prefixer("J1", &[&text[..at], &text[at..]]), expected, "cut at {at}");
        }
        assert_eq!(line_prefixer("J1", &[]), b"");
    }

    #[test]
    fn a_long_line_is_cut_and_stays_within_what_a_pipe_takes_at_once() {
        let long = vec![b'x'; 2 * MAX_LINE + 5];
        let id = "ü".repeat(1000);
        for pieces in [vec![&long[..]], long.chunks(100).collect(), vec![&long[..MAX_LINE], &long[MAX_LINE..]]] {
            let written = line_prefixer(&id, &pieces);
            let lengths: Vec<_> = written.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).collect();
            assert_eq!(lengths.len(), 3, "{lengths:?}");
            assert!(lengths.iter().all(|length| *length <= 4096), "{lengths:?}");
        }
        assert_eq!(line_prefixer("a", &[&[b'x'; MAX_LINE], b"\n"]).len(), MAX_LINE + 4);
    }

    #[test]
    fn an_id_stays_on_its_line() {
        assert_eq!(line_prefixer("a\nb\u{1b}[0m", &[b"x\n"]), b"a\\nb\\u{1b}[0m| x\n");
    }
}
