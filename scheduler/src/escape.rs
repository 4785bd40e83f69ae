//! `OneLine`: displays foreign text on one line.

use std::fmt::{self, Write as _};

/// Displays a text with its control characters escaped, so that one event is one line, and no escape sequence in an id or a message
/// reaches a terminal or a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if breaks_a_line(character) || has_no_width(character) {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Returns `true` if a character ends a line or changes how text is displayed: the control characters, Unicode's two line
/// separators, and the marks that change the direction of writing.
pub(crate) fn breaks_a_line(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns whether a reader can't see a character, so that two different names look the same. The joiners of scripts and of emoji
/// aren't among them.
fn has_no_width(character: char) -> bool {
    matches!(character, '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_direction_marks_and_what_has_no_width_are_escaped() {
        let written = OneLine("a\nb\r\t\u{1b}[31mred\u{2028}\u{202e}\u{200b}\u{feff}").to_string();
        assert_eq!(written, r"a\nb\r\t\u{1b}[31mred\u{2028}\u{202e}\u{200b}\u{feff}");
    }

    #[test]
    fn text_of_any_script_is_unchanged() {
        assert_eq!(OneLine("Zürich – 東京 🦀").to_string(), "Zürich – 東京 🦀");
    }
}
