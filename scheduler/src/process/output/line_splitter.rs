//! `LineSplitter`: turns output that arrives in pieces into the lines that observers receive.

use std::mem;

use super::utf8::incomplete_suffix;
use crate::outcome::StandardStream;

/// The longest line that isn't cut, in bytes.
const LONGEST: usize = 64 * 1024;

/// A line of a job's output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OutputLine {
    pub(crate) stream: StandardStream,
    /// Without its end.
    pub(crate) text: String,
}

#[derive(Debug)]
pub(super) struct LineSplitter {
    stream: StandardStream,
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    complete: Vec<OutputLine>,
}

impl LineSplitter {
    pub(super) fn new(stream: StandardStream) -> Self {
        Self { stream, partial: Vec::new(), complete: Vec::new() }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut text = part.strip_suffix(b"\n").unwrap_or(part);
            // A line that is too long continues on another line.
            while let Some((first, rest)) = text.split_at_checked(LONGEST - self.partial.len())
                && !rest.is_empty()
            {
                self.partial.extend(first);
                let character = self.partial.split_off(self.partial.len() - incomplete_suffix(&self.partial));
                self.end_line();
                self.partial = character;
                text = rest;
            }
            self.partial.extend(text);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    /// Completes the last line, even if its end has not arrived.
    pub(super) fn finish(&mut self) {
        if !self.partial.is_empty() {
            self.end_line();
        }
    }

    /// Removes and returns the complete lines.
    pub(super) fn take(&mut self) -> Vec<OutputLine> {
        mem::take(&mut self.complete)
    }

    fn end_line(&mut self) {
        let line = self.partial.strip_suffix(b"\r").unwrap_or(&self.partial);
        self.complete.push(OutputLine { stream: self.stream, text: String::from_utf8_lossy(line).into_owned() });
        self.partial.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut splitter = LineSplitter::new(StandardStream::Stdout);
        for piece in pieces {
            splitter.push(piece);
        }
        splitter.finish();
        assert!(splitter.partial.is_empty());
        splitter.take().into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn output_is_split_wherever_it_is_cut() {
        let text = b"one\n\ntw\xc3\xbc\r\nth\xffree";
        for at in 0..=text.len() {
            assert_eq!(lines(&[&text[..at], &text[at..]]), ["one", "", "twü", "th\u{fffd}ree"], "cut at {at}");
        }
        assert_eq!(lines(&[]), [""; 0]);
        assert_eq!(lines(&[b"\n"]), [""]);
    }

    #[test]
    fn a_line_that_is_too_long_continues_on_the_next() {
        let long = "x".repeat(2 * LONGEST + 1);
        for step in [1, 1000, LONGEST, LONGEST + 1, long.len()] {
            let pieces: Vec<_> = long.as_bytes().chunks(step).collect();
            let lengths: Vec<_> = lines(&pieces).iter().map(String::len).collect();
            assert_eq!(lengths, [LONGEST, LONGEST, 1], "{step} at a time");
        }
        assert_eq!(lines(&["x".repeat(LONGEST).as_bytes(), b"\n"]).len(), 1);
        let wide = "漢".repeat(LONGEST);
        for step in [1, 2, LONGEST, wide.len()] {
            let pieces: Vec<_> = wide.as_bytes().chunks(step).collect();
            let parts = lines(&pieces);
            assert_eq!((parts.len(), parts.concat() == wide), (4, true), "{step} at a time");
        }
    }

    #[test]
    fn lines_are_taken_once_and_the_rest_stays() {
        let mut splitter = LineSplitter::new(StandardStream::Stderr);
        splitter.push(b"a\nb");
        assert_eq!(splitter.take(), [OutputLine { stream: StandardStream::Stderr, text: "a".to_owned() }]);
        assert_eq!(splitter.take(), []);
        splitter.push(b"c\n");
        assert_eq!(splitter.take()[0].text, "bc");
    }
}
