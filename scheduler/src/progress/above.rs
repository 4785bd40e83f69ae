//! `LinesAbove`: the lines that are to stand above the next frame, and what jobs print, made harmless for it.

use std::mem;

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
    let mut shown = String::with_capacity(line.len());
    let mut is_colored = false;
    for (part, is_sequence) in console::AnsiCodeIterator::new(line) {
        if !is_sequence {
            let is_harmless = |c: char| c == '\t' || !breaks_a_line(c);
            shown.extend(part.chars().map(|c| if is_harmless(c) { c } else { char::REPLACEMENT_CHARACTER }));
        } else if part.starts_with("\x1b[") && part.ends_with('m') {
            shown.push_str(part);
            is_colored = true;
        }
    }
    if is_colored {
        shown.push_str("\x1b[0m");
    }
    shown
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
