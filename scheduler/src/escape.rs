//! Text that others chose, written so that it stays on one line.

use std::fmt::{self, Write as _};

/// Displays a text with its control characters escaped: one event is one line, and no colour or cursor code of an id
/// or a message reaches a terminal or a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if breaks_a_line(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Says whether a character ends a line or steers what shows it: the control characters, the two line separators of
/// Unicode, and the marks that turn the direction of writing.
pub(crate) fn breaks_a_line(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_break_or_colour_a_line_is_escaped() {
        let written = OneLine("a\nb\r\t\u{1b}[31mred\u{2028}\u{202e}").to_string();
        assert_eq!(written, r"a\nb\r\t\u{1b}[31mred\u{2028}\u{202e}");
    }

    #[test]
    fn ordinary_text_of_any_script_is_left_alone() {
        assert_eq!(OneLine("Zürich – 東京 🦀").to_string(), "Zürich – 東京 🦀");
    }
}
