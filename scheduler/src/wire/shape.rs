//! The shape of a value: the kinds and groups that its `Serialize` writes, so that its `Deserialize` can be compared with
//! it.
//!
//! The compact encoding has no names and no types in its bytes. If a type reads other parts than it writes (after
//! `skip_serializing_if`, or where the two halves of a `with` module disagree), every later part is read from the wrong
//! place, and may still be a valid value. So the encoder adds two things to the bytes:
//!
//! - before them the *schema*: for each struct the names of the fields that were written, and for each enum the name of
//!   each variant that was written. The decoder matches fields and variants by those names;
//! - after them a hash of the *shape*: the kinds of all values, in order, and the number of parts of each tuple, list and
//!   struct. The decoder computes the same hash of the values that the type reads.

use std::cell::Cell;

use serde::{Deserialize, Serialize};

/// A kind of value that the encoding distinguishes: two numbers of one kind have the same bytes if they are equal.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(super) enum ValueKind {
    None,
    U8,
    I8,
    /// An integer of 16 bits or more, whose encoding has a variable length.
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

/// The hash of the shape of a value, as far as the value is written or read.
#[derive(Clone, Debug)]
pub(super) struct ShapeHasher {
    last: Cell<ValueKind>,
    /// The number of values of the last kind in a row.
    repeated: Cell<u64>,
    hash: Cell<u64>,
}

impl ShapeHasher {
    pub(super) fn new() -> Self {
        Self { last: Cell::new(ValueKind::None), repeated: Cell::new(0), hash: Cell::new(FNV_START) }
    }

    /// Notes a value.
    #[inline]
    pub(super) fn value(&self, kind: ValueKind) {
        self.values(kind, 1);
    }

    /// Notes several values of one kind.
    #[inline]
    pub(super) fn values(&self, kind: ValueKind, count: u64) {
        if self.last.get() as u8 != kind as u8 {
            self.mix(self.last.replace(kind) as u64);
            self.mix(self.repeated.replace(0));
        }
        self.repeated.set(self.repeated.get().wrapping_add(count));
    }

    /// Notes text or bytes, which have the shape of a list of `u8`.
    pub(super) fn bytes(&self, length: usize) {
        self.value(ValueKind::Length);
        if length > 0 {
            self.values(ValueKind::U8, length as u64);
        }
        self.end(length);
    }

    /// Notes the end of a tuple, a list or a map. A single part has the shape of that part alone.
    pub(super) fn end(&self, parts: usize) {
        if parts > 1 {
            self.number(parts as u64);
        }
    }

    /// Notes a number of parts, or the hash of a schema entry.
    pub(super) fn number(&self, number: u64) {
        self.values(ValueKind::None, 1);
        self.mix(number);
    }

    pub(super) fn finish(&self) -> u64 {
        let ended = self.clone();
        ended.number(0);
        ended.hash.get()
    }

    #[inline]
    fn mix(&self, number: u64) {
        self.hash.set((self.hash.get() ^ number).wrapping_mul(FNV_PRIME).rotate_left(29));
    }
}

/// The names of one struct's fields, or of one variant of an enum, as they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SchemaEntry<S> {
    /// The name of the struct, of the enum, or of the variant with named fields.
    pub(super) owner: S,
    /// The index of the variant; `None` for fields.
    pub(super) index: Option<u32>,
    /// The names of the fields in their order, or of the one variant.
    pub(super) names: Vec<S>,
}

impl<S: AsRef<str>> SchemaEntry<S> {
    /// Returns the hash that a [`ShapeHasher`] notes. The owner is no part of it: a type may be written as another one.
    pub(super) fn hash(&self) -> u64 {
        let start = self.index.map_or(FNV_START, |index| hash(&index.to_le_bytes(), FNV_PRIME));
        self.names.iter().fold(start, |before, name| hash(name.as_ref().as_bytes(), before))
    }
}

/// The hash of no bytes.
#[cfg(feature = "cbor")]
pub(super) const HASH_START: u64 = FNV_START;

/// Continues a hash with more bytes.
pub(super) fn continue_hash(bytes: &[u8], before: u64) -> u64 {
    bytes.iter().fold(before, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(FNV_PRIME))
}

const FNV_START: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0000_0100_0000_01b3;

fn hash(bytes: &[u8], before: u64) -> u64 {
    // UTF-8 text contains no such byte, so that two names never hash as one.
    continue_hash(&[0xff], continue_hash(bytes, before))
}

/// Returns whether two names differ only in their style, such as `file_name` and `fileName`: `rename_all` may differ
/// between `Serialize` and `Deserialize`.
pub(super) fn differ_only_in_style(a: &str, b: &str) -> bool {
    let letters = |name: &str| {
        let letters = name.chars().filter(|letter| !matches!(letter, '_' | '-'));
        letters.flat_map(char::to_lowercase).collect::<String>()
    };
    a == b || letters(a) == letters(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape_of(note: impl Fn(&ShapeHasher)) -> u64 {
        let shape = ShapeHasher::new();
        note(&shape);
        shape.finish()
    }

    #[test]
    fn bytes_are_a_list_of_their_bytes() {
        for length in [0, 1, 2, 300] {
            let one_by_one = shape_of(|shape| {
                shape.value(ValueKind::Length);
                (0..length).for_each(|_| shape.value(ValueKind::U8));
                shape.end(length);
            });
            assert_eq!(shape_of(|shape| shape.bytes(length)), one_by_one, "{length}");
        }
    }

    #[test]
    fn values_in_another_order_or_in_other_groups_have_another_shape() {
        let shapes = [
            shape_of(|_| ()),
            shape_of(|shape| shape.value(ValueKind::U8)),
            shape_of(|shape| shape.values(ValueKind::U8, 2)),
            shape_of(|shape| shape.value(ValueKind::I8)),
            shape_of(|shape| [ValueKind::U8, ValueKind::I8].iter().for_each(|kind| shape.value(*kind))),
            shape_of(|shape| [ValueKind::I8, ValueKind::U8].iter().for_each(|kind| shape.value(*kind))),
            shape_of(|shape| {
                shape.values(ValueKind::U8, 2);
                shape.end(2);
            }),
            shape_of(|shape| {
                shape.value(ValueKind::U8);
                shape.number(2);
                shape.value(ValueKind::U8);
            }),
        ];
        for (index, shape) in shapes.iter().enumerate() {
            assert!(!shapes[..index].contains(shape), "{index}");
        }
    }

    #[test]
    fn schema_entries_differ_by_their_names_and_indices() {
        let hash = |index, names: &[&'static str]| SchemaEntry { owner: "S", index, names: names.to_vec() }.hash();
        assert_ne!(hash(None, &["ab", "c"]), hash(None, &["a", "bc"]));
        assert_ne!(hash(None, &["a"]), hash(Some(0), &["a"]));
        assert_ne!(hash(Some(1), &["a"]), hash(Some(0), &["a"]));
        assert_eq!(hash(Some(1), &["a"]), SchemaEntry { owner: "T", index: Some(1), names: vec!["a"] }.hash());
    }

    #[test]
    fn names_may_differ_in_style() {
        assert!(
            differ_only_in_style("file_name", "fileName")
                && differ_only_in_style("FILE-NAME", "FileName")
                && differ_only_in_style("a", "a")
        );
        assert!(!differ_only_in_style("file", "files"));
    }
}
