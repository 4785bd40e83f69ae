//! `Printer`: converts bytes to text, for functions that print only text.

use super::utf8::incomplete_suffix;

/// Prints text that arrives in pieces, which may be cut within a character. Invalid UTF-8 is replaced as by
/// [`String::from_utf8_lossy`].
#[derive(Debug)]
pub(in crate::process) struct Printer {
    print: fn(&str),
    /// The beginning of a character whose rest has not arrived.
    incomplete: Vec<u8>,
}

impl Printer {
    pub(in crate::process) fn new(print: fn(&str)) -> Self {
        Self { print, incomplete: Vec::new() }
    }

    /// Prints all complete characters. Returns the number of bytes, which the printer keeps or has printed.
    pub(in crate::process) fn print(&mut self, bytes: &[u8]) -> usize {
        self.incomplete.extend(bytes);
        let rest = self.incomplete.split_off(self.incomplete.len() - incomplete_suffix(&self.incomplete));
        self.finish();
        self.incomplete = rest;
        bytes.len()
    }

    /// Prints an incomplete character at the end of the output.
    pub(in crate::process) fn finish(&mut self) {
        if !self.incomplete.is_empty() {
            (self.print)(&String::from_utf8_lossy(&self.incomplete));
            self.incomplete.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    thread_local! {
        static PRINTED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    fn printed(pieces: &[&[u8]]) -> Vec<String> {
        let mut printer = Printer::new(print);
        for piece in pieces {
            assert_eq!(printer.print(piece), piece.len());
        }
        printer.finish();
        PRINTED.take()
    }

    fn print(text: &str) {
        PRINTED.with_borrow_mut(|printed| printed.push(text.to_owned()));
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
    fn invalid_bytes_are_replaced_once_they_cannot_become_a_character() {
        assert_eq!(printed(&[b"a\xff", b"b"]), ["a\u{fffd}", "b"]);
        assert_eq!(printed(&[b"a\xe6", b"b"]), ["a", "\u{fffd}b"]);
        assert_eq!(printed(&[b"a\xf0\x9f"]), ["a", "\u{fffd}"]);
    }
}
