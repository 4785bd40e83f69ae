//! `Printer`: converts bytes to text, for functions that print only text.

/// Prints text that arrives in pieces, which may be cut within a character. Invalid UTF-8 is replaced as by
/// [`String::from_utf8_lossy`].
#[derive(Debug)]
pub(in crate::process) struct Printer {
    print: fn(&str),
    unit: PrintUnit,
    /// The beginning of a unit whose rest has not arrived.
    incomplete: Vec<u8>,
}

/// What is printed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PrintUnit {
    Character,
    Line,
}

/// The longest line that is not cut, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

impl Printer {
    pub(in crate::process) fn new(print: fn(&str)) -> Self {
        Self { print, unit: PrintUnit::Character, incomplete: Vec::new() }
    }

    /// Returns a printer of whole lines: the function is called with one or several of them, each with its end, but for the last one
    /// of the output.
    pub(in crate::process) fn of_lines(print: fn(&str)) -> Self {
        Self { unit: PrintUnit::Line, ..Self::new(print) }
    }

    /// Prints all complete units. Returns the number of bytes, which the printer keeps or has printed.
    pub(in crate::process) fn print(&mut self, bytes: &[u8]) -> usize {
        self.incomplete.extend(bytes);
        let whole = self.complete();
        let rest = self.incomplete.split_off(whole);
        self.finish();
        self.incomplete = rest;
        bytes.len()
    }

    /// Returns how many bytes complete units take.
    fn complete(&self) -> usize {
        let characters = self.incomplete.len() - incomplete_suffix(&self.incomplete);
        let lines = || self.incomplete.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        match self.unit {
            PrintUnit::Character => characters,
            PrintUnit::Line => lines().unwrap_or(if characters < LONGEST_LINE { 0 } else { characters }),
        }
    }

    /// Prints an incomplete unit at the end of the output.
    pub(in crate::process) fn finish(&mut self) {
        if !self.incomplete.is_empty() {
            (self.print)(&String::from_utf8_lossy(&self.incomplete));
            self.incomplete.clear();
        }
    }
}

/// Returns how many of the last bytes start an incomplete character.
fn incomplete_suffix(bytes: &[u8]) -> usize {
    let last = bytes.utf8_chunks().last().map_or(&[][..], |chunk| chunk.invalid());
    let might_go_on = std::str::from_utf8(last).is_err_and(|error| error.error_len().is_none());
    if might_go_on { last.len() } else { 0 }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static PRINTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn printed(pieces: &[&[u8]]) -> Vec<String> {
        printed_by(Printer::new(print), pieces)
    }

    fn print(text: &str) {
        PRINTED.with_borrow_mut(|printed| printed.push(text.to_owned()));
    }

    fn printed_by(mut printer: Printer, pieces: &[&[u8]]) -> Vec<String> {
        for piece in pieces {
            assert_eq!(printer.print(piece), piece.len());
        }
        printer.finish();
        PRINTED.take()
    }

    #[test]
    fn a_character_that_arrives_in_pieces_is_printed_whole() {
        let text = "aé漢😀".as_bytes();
        for at in 0..=text.len() {
            assert_eq!(printed(&[&text[..at], &text[at..]]).concat(), "aé漢😀", "cut at {at}");
        }
        let bytes: Vec<_> = text.chunks(1).collect();
        assert_eq!(printed(&bytes), ["a", "é", "漢", "😀"]);
    }

    #[test]
    fn lines_are_printed_whole() {
        let lines = |pieces: &[&[u8]]| printed_by(Printer::of_lines(print), pieces);
        assert_eq!(lines(&[b"a", b"b\nc", b"\n\nd"]), ["ab\n", "c\n\n", "d"]);
        assert_eq!(lines(&["é\n".as_bytes(), b"\xc3"]), ["é\n", "\u{fffd}"]);
        let long = vec![b'a'; LONGEST_LINE];
        assert_eq!(lines(&[&long, b"b\n"]), ["a".repeat(LONGEST_LINE), "b\n".to_owned()]);
    }

    #[test]
    fn invalid_bytes_are_replaced_once_they_cannot_become_a_character() {
        assert_eq!(printed(&[b"a\xff", b"b"]), ["a\u{fffd}", "b"]);
        assert_eq!(printed(&[b"a\xe6", b"b"]), ["a", "\u{fffd}b"]);
        assert_eq!(printed(&[b"a\xf0\x9f"]), ["a", "\u{fffd}"]);
    }
}
