//! `ShapeRecorder`: the shape and the schema of a value, recorded while the value is written.

use std::cell::{Cell, RefCell};

use serde::ser::{Error, Serialize};

use super::codec;
#[cfg(feature = "cbor")]
use super::shape::HASH_START;
use super::shape::{SchemaEntry, ShapeHasher, ValueKind, continue_hash};

/// The kind of the inner format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FormatStyle {
    /// Values alone, in their order.
    Compact,
    /// Values with the names of fields and with ends; units and `None` are null.
    SelfDescribing,
}

/// A property of a value that the compact encoding can't carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsupported {
    /// A field that `Serialize` leaves out.
    SkippedField,
    /// A list or map whose length isn't known before its elements.
    UnknownLength,
}

/// The record of one value.
#[derive(Debug)]
pub(super) struct ShapeRecorder {
    format: FormatStyle,
    pub(super) shape: ShapeHasher,
    schema: RefCell<Vec<HashedEntry>>,
    /// The place of the entry that was written last.
    last: Cell<usize>,
    unsupported: Cell<Option<Unsupported>>,
    /// Whether the next value is the content of a `Some`.
    in_some: Cell<bool>,
    /// Whether two structs of one name had different fields.
    is_ambiguous: Cell<bool>,
    /// The hash of the compact encoding of the same value, computed in a second pass.
    compact: Option<Cell<u64>>,
}

/// A hash of everything that one pass wrote: two passes that write the same value have the same fingerprint.
#[cfg(feature = "cbor")]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    compact: u64,
    shape: u64,
}

/// A schema entry and its hash.
#[derive(Debug)]
struct HashedEntry {
    entry: SchemaEntry<&'static str>,
    hash: u64,
}

impl ShapeRecorder {
    pub(super) fn new(format: FormatStyle) -> Self {
        Self {
            format,
            shape: ShapeHasher::new(),
            schema: RefCell::default(),
            last: Cell::new(0),
            unsupported: Cell::new(None),
            in_some: Cell::new(false),
            is_ambiguous: Cell::new(false),
            compact: None,
        }
    }

    /// Returns a recorder for a second, self-describing pass. It computes the [fingerprint](Self::fingerprint) of the
    /// first, compact pass.
    #[cfg(feature = "cbor")]
    pub(super) fn of_second_pass() -> Self {
        Self { compact: Some(Cell::new(HASH_START)), ..Self::new(FormatStyle::SelfDescribing) }
    }

    /// Returns the fingerprint of the second pass.
    #[cfg(feature = "cbor")]
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let compact = self.compact.as_ref().map(Cell::get).unwrap_or_default();
        Fingerprint { compact, shape: self.shape.finish() }
    }

    /// Returns the fingerprint of a compact pass that wrote these bytes.
    #[cfg(feature = "cbor")]
    pub(super) fn fingerprint_of(&self, bytes: &[u8]) -> Fingerprint {
        Fingerprint { compact: continue_hash(bytes, HASH_START), shape: self.shape.finish() }
    }

    /// Hashes, in the second pass, the bytes that the first pass wrote for this number.
    #[inline]
    pub(super) fn note_written<T: Serialize>(&self, value: T) {
        if let Some(hash) = &self.compact {
            hash.set(codec::continue_hash_with(&value, hash.get()));
        }
    }

    /// Hashes text or bytes as [`note_written`](Self::note_written) does.
    pub(super) fn note_written_bytes(&self, bytes: &[u8]) {
        self.note_written(bytes.len());
        if let Some(hash) = &self.compact {
            hash.set(continue_hash(bytes, hash.get()));
        }
    }

    /// Returns whether schema entries are recorded: in a compact pass, and in the second pass that is compared with it.
    pub(super) fn has_schema(&self) -> bool {
        !self.is_self_describing() || self.compact.is_some()
    }

    /// Returns the first property of the value that the compact encoding can't carry.
    pub(super) fn unsupported(&self) -> Option<Unsupported> {
        self.unsupported.get()
    }

    /// Returns whether two structs of one name had different fields: a decoder may not be able to tell them apart.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.is_ambiguous.get()
    }

    /// Returns the schema and the hash of the shape.
    pub(super) fn finish(self) -> (Vec<SchemaEntry<&'static str>>, u64) {
        (self.schema.into_inner().into_iter().map(|known| known.entry).collect(), self.shape.finish())
    }

    pub(super) fn is_self_describing(&self) -> bool {
        self.format == FormatStyle::SelfDescribing
    }

    #[inline]
    pub(super) fn value(&self, kind: ValueKind) {
        self.in_some.set(false);
        self.shape.value(kind);
    }

    /// Begins a `Some`.
    pub(super) fn begin_some(&self) {
        self.value(ValueKind::Presence);
        self.note_written(1_u8);
        self.in_some.set(true);
    }

    /// Begins a value that isn't null.
    pub(super) fn begin_compound(&self) {
        self.in_some.set(false);
    }

    /// Refuses a null in a `Some` where `None` is null as well.
    pub(super) fn check_no_null_in_some<E: Error>(&self) -> Result<(), E> {
        let is_lost = self.in_some.replace(false) && self.is_self_describing();
        if is_lost { Err(E::custom(NULL_IN_SOME)) } else { Ok(()) }
    }

    /// Notes a property that the compact encoding can't carry. The pass continues, since the second pass is compared with
    /// all of it.
    pub(super) fn note_unsupported(&self, unsupported: Unsupported) {
        if !self.is_self_describing() && self.unsupported.get().is_none() {
            self.unsupported.set(Some(unsupported));
        }
    }

    /// Notes the length of a list or a map, and returns the length to write. An unknown length is written as 0 to the
    /// compact encoding, whose bytes are then discarded.
    pub(super) fn length(&self, length: Option<usize>) -> Option<usize> {
        self.value(ValueKind::Length);
        self.note_written(length.unwrap_or_default());
        if length.is_none() {
            self.note_unsupported(Unsupported::UnknownLength);
        }
        length.or(if self.is_self_describing() { None } else { Some(0) })
    }

    pub(super) fn variant(&self, owner: &'static str, index: u32, variant: &'static str) {
        self.begin_compound();
        self.note_written(index);
        if !self.has_schema() {
            return;
        }
        let is_it = |known: &HashedEntry| {
            let SchemaEntry { owner: other, index: other_index, names } = &known.entry;
            *other_index == Some(index) && names[..] == [variant] && *other == owner
        };
        let place = self.place(is_it);
        let place = place.unwrap_or_else(|| self.add(SchemaEntry { owner, index: Some(index), names: vec![variant] }));
        self.note(place);
    }

    /// Returns the place of a matching entry, beginning at the last one: values of one type follow each other.
    fn place(&self, fits: impl Fn(&HashedEntry) -> bool) -> Option<usize> {
        let schema = self.schema.borrow();
        let last = self.last.get();
        let near = [last, last + 1].into_iter().find(|place| schema.get(*place).is_some_and(&fits));
        near.or_else(|| schema.iter().position(&fits))
    }

    fn add(&self, entry: SchemaEntry<&'static str>) -> usize {
        let mut all = self.schema.borrow_mut();
        let hash = entry.hash();
        all.push(HashedEntry { entry, hash });
        all.len() - 1
    }

    fn add_fields(&self, entry: SchemaEntry<&'static str>) -> usize {
        let is_other = |of: &HashedEntry| of.entry.index.is_none() && of.entry.owner == entry.owner;
        let has_other = self.schema.borrow().iter().any(is_other);
        self.is_ambiguous.set(self.is_ambiguous.get() || has_other);
        self.add(entry)
    }

    fn note(&self, place: usize) {
        self.last.set(place);
        self.shape.number(self.schema.borrow()[place].hash);
    }
}

const NULL_IN_SOME: &str = "`Some(None)`, `Some(())` and `Some(serde_json::Value::Null)` read back as `None` where names are \
    written (so a double `Option` can't tell null from a field that is missing); give the inner type a variant of its own (an \
    `enum`) in place of the second `Option`";

/// The names of the fields of one struct, compared with the struct before, which is usually of the same type.
pub(super) struct FieldNames {
    owner: &'static str,
    /// The place of the entry that matches so far.
    place: Option<usize>,
    /// The names, if no entry matches.
    names: Vec<&'static str>,
}

impl FieldNames {
    pub(super) fn of(recorder: &ShapeRecorder, owner: &'static str) -> Self {
        let is_unrecorded = !recorder.has_schema() || owner.is_empty();
        let place =
            if is_unrecorded { None } else { recorder.place(|of| of.entry.index.is_none() && of.entry.owner == owner) };
        Self { owner, place, names: Vec::new() }
    }

    pub(super) fn next(&mut self, recorder: &ShapeRecorder, number: usize, name: &'static str) {
        if let Some(place) = self.place {
            let known = &recorder.schema.borrow()[place].entry.names;
            if known.get(number) == Some(&name) {
                return;
            }
            self.names.extend(&known[..number.min(known.len())]);
            self.place = None;
        }
        self.names.push(name);
    }

    pub(super) fn end(mut self, recorder: &ShapeRecorder, count: usize) {
        if let Some(place) = self.place {
            let known = &recorder.schema.borrow()[place].entry.names;
            if known.len() == count {
                self.names.clear();
            } else {
                self.names.extend(&known[..count]);
                self.place = None;
            }
        }
        let Self { owner, place, names } = self;
        let place = place.or_else(|| {
            let is_it =
                |of: &HashedEntry| of.entry.index.is_none() && of.entry.owner == owner && of.entry.names == names;
            recorder.place(is_it)
        });
        recorder.note(place.unwrap_or_else(|| recorder.add_fields(SchemaEntry { owner, index: None, names })));
    }
}
