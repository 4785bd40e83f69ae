//! `Painter`: puts frames on a terminal, below the cursor.

use std::fmt;
use std::io::{self, Write as _};
use std::mem;
use std::sync::{Arc, Mutex};

use console::Term;
use indicatif::TermLike;

use super::above::LinesAbove;
use crate::sync::lock;

/// Stands before each line of a frame: `indicatif` separates lines by spaces up to the width.
pub(super) const LINE_MARK: char = '\u{2}';

/// Draws each frame in one write, below the line that the cursor is on, and leaves the cursor where it was. So what
/// another process or thread prints begins above the frame, and not at its end.
///
/// `indicatif` would leave the cursor behind the last line.
pub(super) struct Painter {
    term: Term,
    above: Above,
    /// What was written since the last frame.
    text: Mutex<String>,
}

/// Lines that are to stand above the next frame, and stay there.
pub(super) type Above = Arc<Mutex<LinesAbove>>;

impl Painter {
    pub(super) fn new(term: Term, above: Above) -> Self {
        Self { term, above, text: Mutex::default() }
    }
}

/// Returns the bytes that replace whatever is below the cursor by these lines.
fn paint(above: &[String], lines: &[&str]) -> String {
    let mut frame = "\x1b[J".to_owned();
    for line in above {
        frame.push_str(line);
        frame.push_str("\r\n");
    }
    let count = lines.len();
    if count == 0 {
        return frame;
    }
    // A vertical tab moves down within the column and scrolls at the last line. After this there is room, and nothing
    // scrolls between the saved position and its use.
    frame = format!("{frame}{}\x1b[{count}A\x1b7", "\x0b".repeat(count));
    // A line that the terminal measures wider than we do is cut at its edge, and doesn't wrap.
    frame.push_str("\x1b[?7l");
    for line in lines {
        frame.push_str("\r\n");
        frame.push_str(line);
    }
    frame.push_str("\x1b[?7h\x1b8");
    frame
}

impl TermLike for Painter {
    fn width(&self) -> u16 {
        self.term.size().1
    }

    fn height(&self) -> u16 {
        self.term.size().0
    }

    // The cursor is not where `indicatif` expects it.
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        lock(&self.text).push_str(text);
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let text = mem::take(&mut *lock(&self.text));
        let lines: Vec<_> =
            text.split(LINE_MARK).skip(1).map(|line| line.trim_end_matches([' ', '\r', '\n'])).collect();
        let above = lock(&self.above).take();
        io::stderr().write_all(paint(&above, &lines).as_bytes())
    }
}

impl fmt::Debug for Painter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Painter").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_leaves_the_cursor_where_it_was() {
        assert_eq!(paint(&[], &["a", "b"]), "\x1b[J\x0b\x0b\x1b[2A\x1b7\x1b[?7l\r\na\r\nb\x1b[?7h\x1b8");
    }

    #[test]
    fn lines_that_stay_move_the_cursor_below_them() {
        let above = ["failed".to_owned()];
        assert_eq!(paint(&above, &["a"]), "\x1b[Jfailed\r\n\x0b\x1b[1A\x1b7\x1b[?7l\r\na\x1b[?7h\x1b8");
        assert_eq!(paint(&above, &[]), "\x1b[Jfailed\r\n");
    }
}
