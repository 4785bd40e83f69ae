//! `Bounded`: a `serde` deserializer around another one, which trusts neither lengths nor types.
//!
//! `bincode` allocates an owned text or byte string of the length in its prefix before it checks whether that many are
//! left, and a prefix of nine bytes can claim 2⁶⁰: the process would be aborted for lack of memory. For a borrowed one it
//! checks first, so that `Bounded` asks for borrowed ones. It passes a list's length on to visitors as a hint of how much
//! to reserve, unless the length is greater than the number of bytes.
//!
//! It also notes the [shape](super::shape) of a user's value, and finds fields and variants by their names where
//! `Serialize` and `Deserialize` order them differently.
//!
//! The parts of a value are reached through visitors, accesses and seeds; each wraps the next one.

use std::cell::Cell;
use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};

use super::bytes;
use super::decode_context::{Content, DecodeContext, FieldOrder};
use super::shape::ValueKind;
use super::variant_seed::VariantSeed;

/// A deserializer or a seed.
pub(super) struct Bounded<'c, T> {
    inner: T,
    context: &'c DecodeContext,
}

impl<'c, T> Bounded<'c, T> {
    pub(super) fn new(inner: T, context: &'c DecodeContext) -> Self {
        Self { inner, context }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Bounded<'_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.inner.deserialize(Bounded::new(deserializer, self.context))
    }
}

/// Notes a value and asks the inner deserializer for it.
macro_rules! forward {
    ($($method:ident $kind:ident),* $(,)?) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.context.shape.value(ValueKind::$kind);
            self.inner.$method(visitor)
        }
    )*};
}

/// Asks the inner deserializer for text or bytes.
macro_rules! forward_bytes {
    ($($method:ident as $other:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.visitor(visitor, Content::Plain);
            self.inner.$other(visitor)
        }
    )*};
}

impl<'c, D> Bounded<'c, D> {
    fn visitor<V>(&self, inner: V, content: Content<'c>) -> BoundedVisitor<'c, V> {
        BoundedVisitor { inner, context: self.context, content }
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Bounded<'_, D> {
    type Error = D::Error;

    forward! {
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

    forward_bytes! {
        deserialize_str as deserialize_str,
        deserialize_string as deserialize_str,
        deserialize_bytes as deserialize_bytes,
        deserialize_byte_buf as deserialize_bytes,
        deserialize_identifier as deserialize_identifier,
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.context.is_self_describing() {
            return Err(self.context.needs_self_describing());
        }
        let visitor = self.visitor(visitor, Content::Any);
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if self.context.is_self_describing() {
            self.inner.deserialize_ignored_any(visitor)
        } else {
            Err(self.context.needs_self_describing())
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.context.shape.value(ValueKind::Presence);
        let visitor = self.visitor(visitor, Content::Plain);
        self.inner.deserialize_option(visitor)
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if self.context.is_self_describing() {
            self.inner.deserialize_option(NullAsUnit(visitor))
        } else {
            self.inner.deserialize_unit(visitor)
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.visitor(visitor, Content::Plain);
        self.inner.deserialize_newtype_struct(name, visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        if !self.context.is_self_describing() && bytes::is_byte_visitor::<V>() {
            return self.deserialize_bytes(bytes::OwnedBytes).map(bytes::into_value);
        }
        self.context.shape.value(ValueKind::Length);
        let visitor = self.visitor(visitor, Content::Plain);
        self.inner.deserialize_seq(visitor)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, D::Error> {
        let visitor = self.visitor(visitor, Content::Plain);
        self.inner.deserialize_tuple(length, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.visitor(visitor, Content::Plain);
        self.inner.deserialize_tuple_struct(name, length, visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.context.shape.value(ValueKind::Length);
        let visitor = self.visitor(visitor, Content::Plain);
        self.inner.deserialize_map(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let bounded = |content| BoundedVisitor { inner: visitor, context: self.context, content };
        match self.context.fields(name, fields)? {
            FieldOrder::InOrder(content) => self.inner.deserialize_struct(name, fields, bounded(content)),
            FieldOrder::ByName(names, hash) => {
                self.inner.deserialize_tuple(names.len(), bounded(Content::NamedFields(names, hash)))
            }
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        let visitor = self.visitor(visitor, Content::Variants(name, variants));
        self.inner.deserialize_enum(name, variants, visitor)
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// A visitor.
struct BoundedVisitor<'c, V> {
    inner: V,
    context: &'c DecodeContext,
    content: Content<'c>,
}

/// Passes a value on; notes the length of text and bytes.
macro_rules! visit {
    ($($method:ident($type:ty) $($note:ident)?),* $(,)?) => {$(
        fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            $(self.context.shape.$note(value.len());)?
            self.inner.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>> Visitor<'de> for BoundedVisitor<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    visit! {
        visit_str(&str) bytes,
        visit_borrowed_str(&'de str) bytes,
        visit_string(String) bytes,
        visit_bytes(&[u8]) bytes,
        visit_borrowed_bytes(&'de [u8]) bytes,
        visit_byte_buf(Vec<u8>) bytes,
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
        // Null may be a unit as well; an `Option` takes a unit for `None`, too.
        if matches!(self.content, Content::Any) { self.inner.visit_unit() } else { self.inner.visit_none() }
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_some(Bounded::new(deserializer, self.context))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.inner.visit_newtype_struct(Bounded::new(deserializer, self.context))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut inner: A) -> Result<V::Value, A::Error> {
        let Self { inner: visitor, context, content } = self;
        let count = PartCount::default();
        let access = BoundedAccess { inner: &mut inner, context, count: &count };
        let value = match content {
            Content::NamedFields(names, _) => visitor.visit_map(NamedFieldAccess { names, access })?,
            _ => visitor.visit_seq(access)?,
        };
        if context.is_self_describing() && !count.seen_end.get() && inner.next_element::<IgnoredAny>()?.is_some() {
            return Err(context.has_unread_parts());
        }
        context.shape.end(count.parts.get());
        if let Content::OrderedFields(hash) | Content::NamedFields(_, hash) = content {
            context.shape.number(hash);
        }
        Ok(value)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut inner: A) -> Result<V::Value, A::Error> {
        let Self { inner: visitor, context, .. } = self;
        let count = PartCount::default();
        let value = visitor.visit_map(BoundedAccess { inner: &mut inner, context, count: &count })?;
        if context.is_self_describing()
            && !count.seen_end.get()
            && inner.next_entry::<IgnoredAny, IgnoredAny>()?.is_some()
        {
            return Err(context.has_unread_parts());
        }
        context.shape.end(count.parts.get());
        Ok(value)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, inner: A) -> Result<V::Value, A::Error> {
        let Self { inner: visitor, context, content } = self;
        visitor.visit_enum(BoundedEnum { inner, context, content })
    }
}

/// Reads null as a unit.
struct NullAsUnit<V>(V);

impl<'de, V: Visitor<'de>> Visitor<'de> for NullAsUnit<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(f)
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }
}

/// The number of parts that were read, and whether their end was seen.
#[derive(Default)]
struct PartCount {
    parts: Cell<usize>,
    seen_end: Cell<bool>,
}

impl PartCount {
    fn note<T>(&self, part: Option<T>) -> Option<T> {
        if part.is_some() {
            self.parts.set(self.parts.get() + 1);
        } else {
            self.seen_end.set(true);
        }
        part
    }
}

/// The elements of a list, or the entries of a map.
struct BoundedAccess<'c, A> {
    inner: A,
    context: &'c DecodeContext,
    count: &'c PartCount,
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for BoundedAccess<'_, A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let element = self.inner.next_element_seed(Bounded::new(seed, self.context))?;
        Ok(self.count.note(element))
    }

    fn size_hint(&self) -> Option<usize> {
        self.context.bounded_hint(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for BoundedAccess<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let key = self.inner.next_key_seed(Bounded::new(seed, self.context))?;
        Ok(self.count.note(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.next_value_seed(Bounded::new(seed, self.context))
    }

    fn size_hint(&self) -> Option<usize> {
        self.context.bounded_hint(self.inner.size_hint())
    }
}

/// The values of fields, with their names from the schema.
struct NamedFieldAccess<'c, A> {
    names: &'c [String],
    access: BoundedAccess<'c, A>,
}

impl<'de, A: SeqAccess<'de>> MapAccess<'de> for NamedFieldAccess<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let name = self.names.get(self.access.count.parts.get());
        name.map(|name| seed.deserialize(StrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let value = self.access.next_element_seed(seed)?;
        value.ok_or_else(|| self.access.context.has_unread_parts())
    }
}

/// An enum whose variant is to be read.
struct BoundedEnum<'c, A> {
    inner: A,
    context: &'c DecodeContext,
    content: Content<'c>,
}

impl<'de, 'c, A: EnumAccess<'de>> EnumAccess<'de> for BoundedEnum<'c, A> {
    type Error = A::Error;
    type Variant = BoundedVariant<'c, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let Self { inner, context, content } = self;
        let name = Cell::new("");
        let (value, inner) = inner.variant_seed(VariantSeed { seed, context, content, name: &name })?;
        Ok((value, BoundedVariant { inner, context, name: name.get() }))
    }
}

/// A variant whose content is to be read.
struct BoundedVariant<'c, A> {
    inner: A,
    context: &'c DecodeContext,
    /// The name under which it was written.
    name: &'c str,
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for BoundedVariant<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Bounded::new(seed, self.context))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = BoundedVisitor { inner: visitor, context: self.context, content: Content::Plain };
        self.inner.tuple_variant(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let bounded = |content| BoundedVisitor { inner: visitor, context: self.context, content };
        match self.context.fields(self.name, fields)? {
            FieldOrder::InOrder(content) => self.inner.struct_variant(fields, bounded(content)),
            FieldOrder::ByName(names, hash) => {
                self.inner.tuple_variant(names.len(), bounded(Content::NamedFields(names, hash)))
            }
        }
    }
}
