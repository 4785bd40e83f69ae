//! `Recording`: a `serde` format over another one that notes the [shape](super::shape) of what is written.
//!
//! It also sees what the format below can't carry: a field that is left out, a list that doesn't say how long it is, and,
//! where names are written, a `Some` that reads back as `None`.

use std::cell::{Cell, RefCell};
use std::fmt::Display;

use serde::ser::{Error, Serialize, SerializeSeq, Serializer};

use super::bytes;
use super::codec;
use super::compound::Compound;
#[cfg(feature = "cbor")]
use super::shape::HASH_START;
use super::shape::{Kind, Labels, Trace, continued};

/// What the format below is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Nothing but values, in their order.
    Compact,
    /// It writes the names of fields, and where something ends; what is nothing is null.
    Named,
}

/// What a compact format can't carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    SkippedField,
    UnknownLength,
}

/// What is noted of a value.
#[derive(Debug)]
pub(super) struct Recorder {
    format: Format,
    pub(super) trace: Trace,
    pub(super) labels: RefCell<Vec<Known>>,
    /// Which of them was written last.
    last: Cell<usize>,
    need: Cell<Option<Need>>,
    /// What comes next is in a `Some`.
    in_some: Cell<bool>,
    /// Structs of one name had other fields.
    is_ambiguous: Cell<bool>,
    /// The hash of what the compact encoding of all this would be, where a value is written for the second time.
    compact: Option<Cell<u64>>,
}

/// What a value was when it was written: two passes that have written the same have the same one.
#[cfg(feature = "cbor")]
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    compact: u64,
    trace: u64,
}

/// Labels, and what the trace notes of them.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) labels: Labels<&'static str>,
    hash: u64,
}

impl Recorder {
    pub(super) fn new(format: Format) -> Self {
        Self {
            format,
            trace: Trace::new(),
            labels: RefCell::default(),
            last: Cell::new(0),
            need: Cell::new(None),
            in_some: Cell::new(false),
            is_ambiguous: Cell::new(false),
            compact: None,
        }
    }

    /// Returns one for the second pass over a value, with names. It computes the [fingerprint](Self::fingerprint) that
    /// the first, compact pass had.
    #[cfg(feature = "cbor")]
    pub(super) fn of_second_pass() -> Self {
        Self { compact: Some(Cell::new(HASH_START)), ..Self::new(Format::Named) }
    }

    /// Returns the fingerprint of what was written in the second pass.
    #[cfg(feature = "cbor")]
    pub(super) fn fingerprint(&self) -> Fingerprint {
        let compact = self.compact.as_ref().map(Cell::get).unwrap_or_default();
        Fingerprint { compact, trace: self.trace.finish() }
    }

    /// Returns the fingerprint of what was written compactly, as these bytes.
    #[cfg(feature = "cbor")]
    pub(super) fn fingerprint_of(&self, bytes: &[u8]) -> Fingerprint {
        Fingerprint { compact: continued(bytes, HASH_START), trace: self.trace.finish() }
    }

    /// Notes, in the second pass, what the first one has written.
    #[inline]
    fn written<T: Serialize>(&self, value: T) {
        if let Some(hash) = &self.compact {
            hash.set(codec::hashed(&value, hash.get()));
        }
    }

    /// Notes text or bytes as [`written`](Self::written) does.
    fn written_bytes(&self, bytes: &[u8]) {
        self.written(bytes.len());
        if let Some(hash) = &self.compact {
            hash.set(continued(bytes, hash.get()));
        }
    }

    /// Says whether labels are noted: where no names are written, and where that is to be compared.
    pub(super) fn has_labels(&self) -> bool {
        !self.is_named() || self.compact.is_some()
    }

    /// Returns what was found that a compact format can't carry.
    pub(super) fn need(&self) -> Option<Need> {
        self.need.get()
    }

    /// Says whether structs of one name had other fields: what reads them may not be able to tell which is which.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.is_ambiguous.get()
    }

    /// Returns the labels of all that was written, and the hash of its trace.
    pub(super) fn finish(self) -> (Vec<Labels<&'static str>>, u64) {
        (self.labels.into_inner().into_iter().map(|known| known.labels).collect(), self.trace.finish())
    }

    pub(super) fn is_named(&self) -> bool {
        self.format == Format::Named
    }

    #[inline]
    fn value(&self, kind: Kind) {
        self.in_some.set(false);
        self.trace.value(kind);
    }

    /// Begins what has parts.
    fn begin(&self) {
        self.in_some.set(false);
    }

    /// Refuses nothing within something, where both are null.
    fn nothing<E: Error>(&self) -> Result<(), E> {
        let is_lost = self.in_some.replace(false) && self.is_named();
        if is_lost { Err(E::custom(SOME_NOTHING)) } else { Ok(()) }
    }

    /// Notes what a compact format can't carry. The pass goes on to its end, as a second one is compared with all of it.
    pub(super) fn needs(&self, need: Need) {
        if !self.is_named() && self.need.get().is_none() {
            self.need.set(Some(need));
        }
    }

    /// Notes the length of a list or a map, and returns what is written for it. What has none is written as none to a
    /// format that sees its end, and as 0 to one that doesn't, whose bytes are discarded.
    fn length(&self, length: Option<usize>) -> Option<usize> {
        self.value(Kind::Length);
        self.written(length.unwrap_or_default());
        if length.is_none() {
            self.needs(Need::UnknownLength);
        }
        length.or(if self.is_named() { None } else { Some(0) })
    }

    fn variant(&self, owner: &'static str, index: u32, variant: &'static str) {
        self.begin();
        self.written(index);
        if !self.has_labels() {
            return;
        }
        let is_it = |known: &Known| {
            let Labels { owner: other, index: other_index, names } = &known.labels;
            *other_index == Some(index) && names[..] == [variant] && *other == owner
        };
        let place = self.place(is_it);
        let place = place.unwrap_or_else(|| self.add(Labels { owner, index: Some(index), names: vec![variant] }));
        self.note(place);
    }

    /// Returns where labels are that fit, the ones after the last first: values of one type follow each other.
    pub(super) fn place(&self, fits: impl Fn(&Known) -> bool) -> Option<usize> {
        let labels = self.labels.borrow();
        let last = self.last.get();
        let near = [last, last + 1].into_iter().find(|place| labels.get(*place).is_some_and(&fits));
        near.or_else(|| labels.iter().position(&fits))
    }

    fn add(&self, labels: Labels<&'static str>) -> usize {
        let mut all = self.labels.borrow_mut();
        let hash = labels.hash();
        all.push(Known { labels, hash });
        all.len() - 1
    }

    pub(super) fn add_fields(&self, labels: Labels<&'static str>) -> usize {
        let is_other = |of: &Known| of.labels.index.is_none() && of.labels.owner == labels.owner;
        let has_other = self.labels.borrow().iter().any(is_other);
        self.is_ambiguous.set(self.is_ambiguous.get() || has_other);
        self.add(labels)
    }

    pub(super) fn note(&self, place: usize) {
        self.last.set(place);
        self.trace.label(self.labels.borrow()[place].hash);
    }
}

const SOME_NOTHING: &str = "`Some(None)`, `Some(())` and `Some(serde_json::Value::Null)` read back as `None` where names are \
    written (so a double `Option` can't tell null from a field that is missing); give the inner type a variant of its own (an \
    `enum`) in place of the second `Option`";

/// A value whose shape is noted as it is written.
pub(super) struct Recorded<'a, T: ?Sized> {
    pub(super) value: &'a T,
    pub(super) recorder: &'a Recorder,
}

impl<T: Serialize + ?Sized> Serialize for Recorded<'_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Recording { inner, recorder: self.recorder })
    }
}

/// The format.
pub(super) struct Recording<'a, S> {
    inner: S,
    recorder: &'a Recorder,
}

impl<S: Serializer> Recording<'_, S> {
    fn of<'b, T: ?Sized>(recorder: &'b Recorder, value: &'b T) -> Recorded<'b, T> {
        Recorded { value, recorder }
    }
}

/// Notes a value, and writes it.
macro_rules! values {
    ($($method:ident($type:ty) $kind:ident),* $(,)?) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.recorder.value(Kind::$kind);
            self.recorder.written(value);
            self.inner.$method(value)
        }
    )*};
}

impl<'a, S: Serializer> Serializer for Recording<'a, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Compound<'a, S::SerializeSeq>;
    type SerializeTuple = Compound<'a, S::SerializeTuple>;
    type SerializeTupleStruct = Compound<'a, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Compound<'a, S::SerializeTupleVariant>;
    type SerializeMap = Compound<'a, S::SerializeMap>;
    type SerializeStruct = Compound<'a, S::SerializeStruct>;
    type SerializeStructVariant = Compound<'a, S::SerializeStructVariant>;

    values! {
        serialize_bool(bool) Bool,
        serialize_i8(i8) I8,
        serialize_i16(i16) Signed,
        serialize_i32(i32) Signed,
        serialize_i64(i64) Signed,
        serialize_i128(i128) Signed,
        serialize_u8(u8) U8,
        serialize_u16(u16) Unsigned,
        serialize_u32(u32) Unsigned,
        serialize_u64(u64) Unsigned,
        serialize_u128(u128) Unsigned,
        serialize_f32(f32) F32,
        serialize_f64(f64) F64,
        serialize_char(char) Char,
    }

    fn serialize_str(self, text: &str) -> Result<S::Ok, S::Error> {
        self.recorder.begin();
        self.recorder.trace.bytes(text.len());
        self.recorder.written_bytes(text.as_bytes());
        self.inner.serialize_str(text)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<S::Ok, S::Error> {
        self.recorder.begin();
        self.recorder.trace.bytes(bytes.len());
        self.recorder.written_bytes(bytes);
        self.inner.serialize_bytes(bytes)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.recorder.nothing()?;
        self.recorder.value(Kind::Presence);
        self.recorder.written(0_u8);
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.recorder.value(Kind::Presence);
        self.recorder.written(1_u8);
        self.recorder.in_some.set(true);
        self.inner.serialize_some(&Self::of(self.recorder, value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.recorder.nothing()?;
        if self.recorder.is_named() { self.inner.serialize_none() } else { self.inner.serialize_unit() }
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.recorder.nothing()?;
        if self.recorder.is_named() { self.inner.serialize_none() } else { self.inner.serialize_unit_struct(name) }
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.recorder.variant(name, index, variant);
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &Self::of(self.recorder, value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.recorder.variant(name, index, variant);
        self.inner.serialize_newtype_variant(name, index, variant, &Self::of(self.recorder, value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let written = self.recorder.length(length);
        Ok(Compound::new(self.recorder, "", length, self.inner.serialize_seq(written)?))
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.recorder.begin();
        Ok(Compound::new(self.recorder, "", Some(length), self.inner.serialize_tuple(length)?))
    }

    fn serialize_tuple_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.recorder.begin();
        Ok(Compound::new(self.recorder, "", Some(length), self.inner.serialize_tuple_struct(name, length)?))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.recorder.variant(name, index, variant);
        let inner = self.inner.serialize_tuple_variant(name, index, variant, length)?;
        Ok(Compound::new(self.recorder, "", Some(length), inner))
    }

    fn serialize_map(self, length: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        let written = self.recorder.length(length);
        Ok(Compound::new(self.recorder, "", length, self.inner.serialize_map(written)?))
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.recorder.begin();
        Ok(Compound::new(self.recorder, name, Some(length), self.inner.serialize_struct(name, length)?))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        length: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.recorder.variant(name, index, variant);
        let inner = self.inner.serialize_struct_variant(name, index, variant, length)?;
        Ok(Compound::new(self.recorder, variant, Some(length), inner))
    }

    fn collect_seq<I: IntoIterator<Item: Serialize>>(self, list: I) -> Result<S::Ok, S::Error> {
        if let Some(bytes) = bytes::of_list(&list).filter(|_| !self.recorder.is_named()) {
            return self.serialize_bytes(bytes);
        }
        let list = list.into_iter();
        let length = match list.size_hint() {
            (least, Some(most)) if least == most => Some(least),
            _ => None,
        };
        let mut elements = self.serialize_seq(length)?;
        for element in list {
            SerializeSeq::serialize_element(&mut elements, &element)?;
        }
        SerializeSeq::end(elements)
    }

    fn collect_str<T: Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        // The format below may not say how long it became.
        self.serialize_str(&value.to_string())
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}
