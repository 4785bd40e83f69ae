//! `in_attribute`, `in_text`: foreign text as XML 1.0 can have it, through a writer that leaves out more than it must.
//!
//! The one of `quick-junit` drops tabs and all control characters, what follows an escape sequence without an end, and keeps
//! line breaks in attributes, where a parser makes spaces of them. What it would drop or keep wrongly is therefore replaced
//! by what it leaves alone, and comes back in what it has written.

use std::fmt::Write as _;

/// Stands for the beginning of a character reference. A private character: one in foreign text becomes a reference itself.
const REFERENCE: char = '\u{e000}';

/// Stands before the number of a character that is written as it is: readers such as `quick-junit` know no references in texts.
const PLAIN: char = '\u{e001}';

/// Returns the text for an attribute, where tabs and line breaks are references: a parser would make spaces of them.
pub(super) fn in_attribute(text: &str) -> String {
    represented(text, REFERENCE)
}

/// Returns the text for an element.
pub(super) fn in_text(text: &str) -> String {
    represented(text, PLAIN)
}

/// Returns what was written, with the characters that were replaced.
pub(super) fn restored(written: &str) -> String {
    let written = written.replace(REFERENCE, "&#");
    let mut parts = written.split(PLAIN);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (number, rest) = part.split_once(';').unwrap_or_default();
        text.extend(number.parse().ok().and_then(char::from_u32));
        text.push_str(rest);
    }
    text
}

fn represented(text: &str, mark: char) -> String {
    let mut represented = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c == '\u{1b}' {
            rest = &rest[escape_sequence(rest)..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '\n' if mark == PLAIN => represented.push(c),
            '\t' | '\n' | '\r' | '\u{7f}'..='\u{9f}' | REFERENCE | PLAIN => {
                write!(represented, "{mark}{};", u32::from(c)).expect("a string grows");
            }
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            c => represented.push(c),
        }
    }
    represented
}

/// Returns the length of the sequence for a terminal (ECMA-48) that the text begins with; that of the escape character
/// alone if the sequence has no end, or is none.
fn escape_sequence(text: &str) -> usize {
    let bytes = text.as_bytes();
    // Counts the bytes from a place on that are in the range.
    let count = |from: usize, least: u8, greatest: u8| {
        bytes[from..].iter().take_while(|byte| (least..=greatest).contains(*byte)).count()
    };
    let end = match bytes.get(1) {
        // A control sequence, such as a color: parameters, then a final byte.
        Some(b'[') => {
            let last = 2 + count(2, b'0', b'?');
            let last = last + count(last, b' ', b'/');
            bytes.get(last).filter(|byte| (b'@'..=b'~').contains(*byte)).map(|_| last + 1)
        }
        // A string, such as the title of a window or the target of a link.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let string = &text[2..];
            let bell = string.find('\u{7}').map(|at| at + 1);
            let terminator = string.find("\u{1b}\\").map(|at| at + 2);
            let length = bell.into_iter().chain(terminator).min();
            length.filter(|length| !string[..*length].contains('\n')).map(|length| 2 + length)
        }
        _ => {
            let last = 1 + count(1, b' ', b'/');
            bytes.get(last).filter(|byte| (b'0'..=b'~').contains(*byte)).map(|_| last + 1)
        }
    };
    end.unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_for_a_terminal_are_left_out_and_what_has_no_end_is_kept() {
        for (text, expected) in [
            ("\u{1b}[31;1mred\u{1b}[0m", "red"),
            ("\u{1b}[?25l\u{1b}[2 qa", "a"),
            ("\u{1b}]0;title\u{7}a", "a"),
            ("\u{1b}]8;;file:///a\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}(B\u{1b}7a\u{1b}M", "a"),
            ("\u{1b}]no end", "]no end"),
            ("\u{1b}]no end\non this line\u{7}", "]no end\non this line"),
            ("\u{1b}[31", "[31"),
            ("\u{1b}[31é", "[31é"),
            ("\u{1b}\u{1b}[31ma", "a"),
            ("a\u{1b}", "a"),
            ("\u{1b}é", "é"),
        ] {
            assert_eq!(restored(&in_text(text)), expected, "{text:?}");
        }
    }
}
