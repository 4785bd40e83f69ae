//! `Bounded`: a `serde` format over another one that believes neither lengths nor types.
//!
//! `bincode` makes an owned text or byte string as long as its prefix says before it looks whether so many bytes are
//! left, and a prefix of nine bytes can say 2⁶⁰: the process would be aborted for lack of memory. For a borrowed one it
//! looks first, and so that is what it is asked for here. A list's length goes on to visitors as a hint of how much to
//! reserve; one that is greater than the number of bytes does not.
//!
//! Of a user's value it notes the [shape](super::shape), and has fields and variants found by their names where their
//! places differ between what is written and what is read.
//!
//! What is in a value is reached through visitors, accesses and seeds; each hands the wariness on to the next.

use std::cell::Cell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::bytes;
use super::choice::Choice;
use super::reading::{Fields, Reading};
use super::shape::Kind;

pub(super) struct Bounded<'c, T> {
    inner: T,
    reading: &'c Reading,
}

impl<'c, T> Bounded<'c, T> {
    pub(super) fn new(inner: T, reading: &'c Reading) -> Self {
        Self { inner, reading }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Bounded::new(deserializer, self.reading))
    }
}

/// Notes a value, and asks the inner format for it.
macro_rules! ask {
    ($($method:ident $kind:ident),* $(,)?) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.reading.trace.value(Kind::$kind);
            self.inner.$method(visitor)
        }
    )*};
}

/// Asks the inner format for text or bytes.
macro_rules! ask_for_bytes {
    ($($method:ident as $other:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.visiting(visitor, Parts::None);
            self.inner.$other(visitor)
        }
    )*};
}

impl<'c, D> Bounded<'c, D> {
    fn visiting<V>(&self, inner: V, parts: Parts<'c>) -> Visiting<'c, V> {
        Visiting { inner, reading: self.reading, parts }
    }

    fn unit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error>
    where
        D: Deserializer<'de>,
    {
        if self.reading.is_named() {
            self.inner.deserialize_option(Null(visitor))
        } else {
            self.inner.deserialize_unit(visitor)
        }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    ask! {
        deserialize_bool Bool,
        deserialize_i8 I8,
        deserialize_i16 Signed,
        deserialize_i32 Signed,
        deserialize_i64 Signed,
        deserialize_i128 Signed,
        deserialize_u8 U8,
        deserialize_u16 Unsigned,
        deserialize_u32 Unsigned,
        deserialize_u64 Unsigned,
        deserialize_u128 Unsigned,
        deserialize_f32 F32,
        deserialize_f64 F64,
        deserialize_char Char,
    }

    ask_for_bytes! {
        deserialize_str as deserialize_str,
        deserialize_string as deserialize_str,
        deserialize_bytes as deserialize_bytes,
        deserialize_byte_buf as deserialize_bytes,
        deserialize_identifier as deserialize_identifier,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.reading.is_named() {
            return Err(self.reading.cannot_tell());
        }
        let visitor = self.visiting(visitor, Parts::Any);
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if self.reading.is_named() {
            self.inner.deserialize_ignored_any(visitor)
        } else {
            Err(self.reading.cannot_tell())
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.reading.trace.value(Kind::Presence);
        let visitor = self.visiting(visitor, Parts::None);
        self.inner.deserialize_option(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.unit(visitor)
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.visiting(visitor, Parts::Some);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.reading.is_named() && bytes::are_wanted_by::<V>() {
            return self.deserialize_bytes(bytes::Owned).map(bytes::into_value);
        }
        self.reading.trace.value(Kind::Length);
        let visitor = self.visiting(visitor, Parts::Some);
        self.inner.deserialize_seq(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.visiting(visitor, Parts::Some);
        self.inner.deserialize_tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.visiting(visitor, Parts::Some);
        self.inner.deserialize_tuple_struct(name, length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.reading.trace.value(Kind::Length);
        let visitor = self.visiting(visitor, Parts::Some);
        self.inner.deserialize_map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        match self.reading.fields(name, fields)? {
            Fields::AsTheyCome(parts) => {
                let visitor = self.visiting(visitor, parts);
                self.inner.deserialize_struct(name, fields, visitor)
            }
            Fields::ByName(names, label) => {
                let visitor = self.visiting(visitor, Parts::Fields(names, label));
                self.inner.deserialize_tuple(names.len(), visitor)
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.visiting(visitor, Parts::Variants(name, variants));
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// What parts a visitor may meet.
#[derive(Clone, Copy)]
pub(super) enum Parts<'c> {
    None,
    /// Elements, or keys and values.
    Some,
    /// The fields of a struct, in their places, and the label that is noted at their end.
    Labeled(u64),
    /// Fields of these names, and the label that is noted at their end.
    Fields(&'c [String], u64),
    /// Those of one of these variants of an enum.
    Variants(&'static str, &'static [&'static str]),
    /// Whatever comes, and null is nothing.
    Any,
}

/// A visitor.
pub(super) struct Visiting<'c, V> {
    pub(super) inner: V,
    pub(super) reading: &'c Reading,
    pub(super) parts: Parts<'c>,
}

/// Visits what it is given, and notes how long that is.
macro_rules! visit_bytes {
    ($($method:ident($type:ty)),* $(,)?) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.reading.trace.bytes(value.len());
            self.inner.$method(value)
        }
    )*};
}

/// Visits what only a format with names can come with unasked.
macro_rules! visit {
    ($($method:ident($type:ty)),* $(,)?) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Visiting<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit_bytes! {
        visit_str(&str),
        visit_borrowed_str(&'de str),
        visit_string(String),
        visit_bytes(&[u8]),
        visit_borrowed_bytes(&'de [u8]),
        visit_byte_buf(Vec<u8>),
    }

    visit! {
        visit_bool(bool),
        visit_i8(i8),
        visit_i16(i16),
        visit_i32(i32),
        visit_i64(i64),
        visit_i128(i128),
        visit_u8(u8),
        visit_u16(u16),
        visit_u32(u32),
        visit_u64(u64),
        visit_u128(u128),
        visit_f32(f32),
        visit_f64(f64),
        visit_char(char),
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        // Null may be a unit as well; an option takes that for nothing, too.
        if matches!(self.parts, Parts::Any) { self.inner.visit_unit() } else { self.inner.visit_none() }
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Bounded::new(deserializer, self.reading))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Bounded::new(deserializer, self.reading))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut inner: A) -> Result<V::Value, A::Error> {
        let Self { inner: visitor, reading, parts } = self;
        let progress = Progress::default();
        let elements = Elements { inner: &mut inner, reading, progress: &progress };
        let value = match parts {
            Parts::Fields(names, _) => visitor.visit_map(NamedFields { names, elements })?,
            _ => visitor.visit_seq(elements)?,
        };
        if reading.is_named() && !progress.at_end.get() && inner.next_element::<IgnoredAny>()?.is_some() {
            return Err(reading.takes_less());
        }
        reading.trace.end(progress.parts.get());
        if let Parts::Labeled(label) | Parts::Fields(_, label) = parts {
            reading.trace.label(label);
        }
        Ok(value)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut inner: A) -> Result<V::Value, A::Error> {
        let Self { inner: visitor, reading, .. } = self;
        let progress = Progress::default();
        let value = visitor.visit_map(Elements { inner: &mut inner, reading, progress: &progress })?;
        if reading.is_named() && !progress.at_end.get() && inner.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {
            return Err(reading.takes_less());
        }
        reading.trace.end(progress.parts.get());
        Ok(value)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { inner: visitor, reading, parts } = self;
        visitor.visit_enum(Choice { inner, reading, parts })
    }
}

/// Takes null for a unit.
struct Null<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for Null<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }
}

/// How many parts were read, and whether it was seen that there are no more.
#[derive(Default)]
struct Progress {
    parts: Cell<usize>,
    at_end: Cell<bool>,
}

impl Progress {
    fn note<T>(&self, part: Option<T>) -> Option<T> {
        if part.is_some() {
            self.parts.set(self.parts.get() + 1);
        } else {
            self.at_end.set(true);
        }
        part
    }
}

/// The elements of a list, or the entries of a map.
struct Elements<'c, A> {
    inner: A,
    reading: &'c Reading,
    progress: &'c Progress,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let element = self.inner.next_element_seed(Bounded::new(seed, self.reading))?;
        Ok(self.progress.note(element))
    }

    fn size_hint(&self) -> Option<usize> {
        self.reading.believable(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Elements<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = self.inner.next_key_seed(Bounded::new(seed, self.reading))?;
        Ok(self.progress.note(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Bounded::new(seed, self.reading))
    }

    fn size_hint(&self) -> Option<usize> {
        self.reading.believable(self.inner.size_hint())
    }
}

/// The values of fields, with the names that stood before them.
struct NamedFields<'c, A> {
    names: &'c [String],
    elements: Elements<'c, A>,
}

impl<'de, A: SeqAccess<'de>> MapAccess<'de> for NamedFields<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let name = self.names.get(self.elements.progress.parts.get());
        name.map(|name| seed.deserialize(StrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.elements.next_element_seed(seed)?;
        value.ok_or_else(|| self.elements.reading.takes_less())
    }
}
