//! `LinesAbove`: the lines that are to stand above the next frame, and what jobs print, made harmless for it.

use std::mem;

#[cfg(feature = "cli")]
use anstyle_parse::{Params, Parser, Perform, Utf8Parser};

#[cfg(feature = "cli")]
use crate::escape::breaks_a_line;

/// How many bytes of what jobs print may wait for the next frame: of a terminal that is slower than that, the rest is skipped.
#[cfg(feature = "cli")]
const MOST_BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct LinesAbove {
    lines: Vec<String>,
    bytes: usize,
    /// How many lines were skipped since the last frame.
    skipped: u64,
}

impl LinesAbove {
    pub(super) fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push(line);
    }

    /// Adds a line that a job has printed, unless too many wait.
    #[cfg(feature = "cli")]
    pub(super) fn push_foreign(&mut self, line: &str) {
        if self.bytes < MOST_BYTES {
            self.push(harmless(line));
        } else {
            self.skipped += 1;
        }
    }

    /// Removes and returns the lines.
    pub(super) fn take(&mut self) -> Vec<String> {
        let Self { mut lines, skipped, .. } = mem::take(self);
        if skipped > 0 {
            lines.push(format!("({skipped} more lines were printed than this terminal could show)"));
        }
        lines
    }
}

/// Returns a line as a terminal would show it, with its colors, and without what moves the cursor or changes the screen.
#[cfg(feature = "cli")]
pub(super) fn harmless(line: &str) -> String {
    // What follows a carriage return is printed over what precedes it.
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or_default();
    let mut filter = Filter { line, position: 0, shown: String::with_capacity(line.len()), is_colored: false };
    let mut parser = Parser::<Utf8Parser>::new();
    for (position, byte) in line.bytes().enumerate() {
        filter.position = position;
        parser.advance(&mut filter, byte);
    }
    if filter.is_colored {
        filter.shown.push_str("\x1b[0m");
    }
    filter.shown
}

/// Receives a line as a terminal parses it, by ECMA-48, and keeps text and colors.
#[cfg(feature = "cli")]
struct Filter<'a> {
    line: &'a str,
    /// The index of the byte that is parsed.
    position: usize,
    shown: String,
    is_colored: bool,
}

#[cfg(feature = "cli")]
impl Perform for Filter<'_> {
    fn print(&mut self, character: char) {
        self.shown.push(if breaks_a_line(character) { char::REPLACEMENT_CHARACTER } else { character });
    }

    fn execute(&mut self, control: u8) {
        self.shown.push(if control == b'\t' { '\t' } else { char::REPLACEMENT_CHARACTER });
    }

    fn csi_dispatch(&mut self, _: &Params, intermediates: &[u8], is_malformed: bool, action: u8) {
        // As it was written, since parameters may be empty, and have parts.
        let sequence = self.line[..=self.position].rfind("\x1b[").map(|begin| &self.line[begin..=self.position]);
        if action == b'm'
            && intermediates.is_empty()
            && !is_malformed
            && let Some(sequence) = sequence
            && sequence[2..sequence.len() - 1].bytes().all(|byte| matches!(byte, b'0'..=b';'))
        {
            self.shown.push_str(sequence);
            self.is_colored = true;
        }
    }
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn what_moves_the_cursor_is_left_out_and_colors_are_kept() {
        for (line, shown) in [
            ("a\tb", "a\tb"),
            ("10 %\r20 %\r", "20 %"),
            ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m"),
            ("\x1b[4:3mcurly\x1b[m", "\x1b[4:3mcurly\x1b[m\x1b[0m"),
            ("\x1b[38:2::1:2:3mX", "\x1b[38:2::1:2:3mX\x1b[0m"),
            ("\x1b[>4;2ma\x1b[?25lb\x1b[0 qc\x1b[!pd", "abcd"),
            ("a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\link\x1bP1$r\x1b\\c\x1bcd\x1b(0e", "ablinkcde"),
            ("cut\x1b[1;3", "cut"),
            ("\x1b[3\u{9b}1mé", "é"),
            ("\x1b[2J\x1b[Hgone\x1b[3A", "gone"),
            ("bell\x07 back\x08", "bell\u{fffd} back\u{fffd}"),
            ("one\u{2028}two \u{202e}three", "one\u{fffd}two \u{fffd}three"),
        ] {
            assert_eq!(harmless(line), shown, "{line:?}");
        }
    }

    #[test]
    fn a_terminal_that_is_too_slow_shows_how_many_lines_it_misses() {
        let mut above = LinesAbove::default();
        let long = "x".repeat(MOST_BYTES / 2);
        for _ in 0..5 {
            above.push_foreign(&long);
        }
        above.push("failed".to_owned());
        let lines = above.take();
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2..], ["failed", "(3 more lines were printed than this terminal could show)"]);
        above.push_foreign("a");
        assert_eq!(above.take(), ["a"]);
    }
}
