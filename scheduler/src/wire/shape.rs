//! The shape of a value: what its `Serialize` writes, so that its `Deserialize` can be compared with it.
//!
//! A compact encoding has no names and no types in its bytes. If a type reads other parts than it writes (after
//! `skip_serializing_if`, or where the two halves of a `with` module disagree), every later part is read from the wrong
//! place, and may still be a value. So the encoder writes two things beside the bytes:
//!
//! - before them the *labels*: for each struct the names of the fields that were written, and for each enum the name of
//!   each variant that was written. The decoder matches fields and variants by those names;
//! - behind them a hash of the *trace*: the kinds of all values, in order, and the number of parts of each tuple, list and
//!   struct. The decoder computes it from what the type reads.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

/// The kinds of values that the encoding tells apart: two numbers of one kind have the same bytes if they are equal.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum Kind {
    Nothing,
    U8,
    I8,
    /// From 16 bits on; small numbers take fewer bytes.
    Unsigned,
    Signed,
    F32,
    F64,
    Bool,
    Char,
    /// The length of a list, a map, text or bytes.
    Length,
    /// Whether there is a value.
    Presence,
}

/// A running hash of what was written, or read.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    last: Cell<Kind>,
    /// How many of the last kind there have been in a row.
    repeated: Cell<u64>,
    hash: Cell<u64>,
}

impl Trace {
    pub(super) fn new() -> Self {
        Self { last: Cell::new(Kind::Nothing), repeated: Cell::new(0), hash: Cell::new(FNV_START) }
    }

    /// Notes a value.
    #[inline]
    pub(super) fn value(&self, kind: Kind) {
        self.values(kind, 1);
    }

    /// Notes so many values of one kind.
    #[inline]
    pub(super) fn values(&self, kind: Kind, count: u64) {
        if self.last.get() as u8 != kind as u8 {
            self.mix(self.last.replace(kind) as u64);
            self.mix(self.repeated.replace(0));
        }
        self.repeated.set(self.repeated.get().wrapping_add(count));
    }

    /// Notes text or bytes, which are a list of so many `u8`.
    pub(super) fn bytes(&self, length: usize) {
        self.value(Kind::Length);
        if length > 0 {
            self.values(Kind::U8, length as u64);
        }
        self.end(length);
    }

    /// Notes the end of a tuple, a list or a map of so many parts. One part alone is the same as that part.
    pub(super) fn end(&self, parts: usize) {
        if parts > 1 {
            self.label(parts as u64);
        }
    }

    /// Notes a label, by its hash, or a number.
    pub(super) fn label(&self, label: u64) {
        self.values(Kind::Nothing, 1);
        self.mix(label);
    }

    pub(super) fn finish(&self) -> u64 {
        let ended = self.clone();
        ended.label(0);
        ended.hash.get()
    }

    #[inline]
    fn mix(&self, number: u64) {
        self.hash.set((self.hash.get() ^ number).wrapping_mul(FNV_PRIME).rotate_left(29));
    }
}

/// The labels of one struct, or of one variant of an enum, as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Labels<S> {
    /// The struct, the enum, or the variant with named fields.
    pub(super) owner: S,
    /// Which variant of the enum it is; nothing for fields.
    pub(super) index: Option<u32>,
    /// The fields in their order, or the one variant.
    pub(super) names: Vec<S>,
}

impl<S: AsRef<str>> Labels<S> {
    /// Returns what a [`Trace`] notes of them. The owner is no part of it: a type may be written as another one.
    pub(super) fn hash(&self) -> u64 {
        let start = self.index.map_or(FNV_START, |index| hash(&index.to_le_bytes(), FNV_PRIME));
        self.names.iter().fold(start, |before, name| hash(name.as_ref().as_bytes(), before))
    }
}

/// What a hash begins with.
#[cfg(feature = "cbor")]
pub(super) const HASH_START: u64 = FNV_START;

/// Continues a hash with more bytes, wherever they are cut.
pub(super) fn continued(bytes: &[u8], before: u64) -> u64 {
    bytes.iter().fold(before, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn hash(bytes: &[u8], before: u64) -> u64 {
    // No UTF-8 text has the last byte in it.
    continued(&[0xff], continued(bytes, before))
}

/// Says whether two names differ only in their style, such as `file_name` and `fileName`: `rename_all` may give one to
/// what is written and another one to what is read.
pub(super) fn are_alike(a: &str, b: &str) -> bool {
    let letters = |name: &str| {
        let letters = name.chars().filter(|letter| !matches!(letter, '_' | '-'));
        letters.flat_map(char::to_lowercase).collect::<String>()
    };
    a == b || letters(a) == letters(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traced(note: impl Fn(&Trace)) -> u64 {
        let trace = Trace::new();
        note(&trace);
        trace.finish()
    }

    #[test]
    fn bytes_are_a_list_of_their_bytes() {
        for length in [0, 1, 2, 300] {
            let one_by_one = traced(|trace| {
                trace.value(Kind::Length);
                (0..length).for_each(|_| trace.value(Kind::U8));
                trace.end(length);
            });
            assert_eq!(traced(|trace| trace.bytes(length)), one_by_one, "{length}");
        }
    }

    #[test]
    fn what_is_in_another_order_or_in_other_groups_is_something_else() {
        let traces = [
            traced(|_| ()),
            traced(|trace| trace.value(Kind::U8)),
            traced(|trace| trace.values(Kind::U8, 2)),
            traced(|trace| trace.value(Kind::I8)),
            traced(|trace| [Kind::U8, Kind::I8].iter().for_each(|kind| trace.value(*kind))),
            traced(|trace| [Kind::I8, Kind::U8].iter().for_each(|kind| trace.value(*kind))),
            traced(|trace| {
                trace.values(Kind::U8, 2);
                trace.end(2);
            }),
            traced(|trace| {
                trace.value(Kind::U8);
                trace.label(2);
                trace.value(Kind::U8);
            }),
        ];
        for (index, trace) in traces.iter().enumerate() {
            assert!(!traces[..index].contains(trace), "{index}");
        }
    }

    #[test]
    fn labels_are_told_apart_by_their_names_and_places() {
        let labels = |index, names: &[&'static str]| Labels { owner: "S", index, names: names.to_vec() }.hash();
        assert_ne!(labels(None, &["ab", "c"]), labels(None, &["a", "bc"]));
        assert_ne!(labels(None, &["a"]), labels(Some(0), &["a"]));
        assert_ne!(labels(Some(1), &["a"]), labels(Some(0), &["a"]));
        assert_eq!(labels(Some(1), &["a"]), Labels { owner: "T", index: Some(1), names: vec!["a"] }.hash());
    }

    #[test]
    fn names_in_two_styles_are_alike() {
        assert!(are_alike("file_name", "fileName") && are_alike("FILE-NAME", "FileName") && are_alike("a", "a"));
        assert!(!are_alike("file", "files"));
    }
}
