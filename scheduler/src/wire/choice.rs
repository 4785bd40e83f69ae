//! The variants of enums, as [`Bounded`] reads them: each is found by its name.

use std::cell::Cell;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, Error, VariantAccess, Visitor};

use super::bounded::{Bounded, Parts, Visiting};
use super::reading::{Fields, Reading, Variant};

/// The choice of a variant.
pub(super) struct Choice<'c, A> {
    pub(super) inner: A,
    pub(super) reading: &'c Reading,
    pub(super) parts: Parts<'c>,
}

impl<'de, 'c, A: EnumAccess<'de>> EnumAccess<'de> for Choice<'c, A> {
    type Error = A::Error;
    type Variant = Chosen<'c, A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let Self { inner, reading, parts } = self;
        let name = Cell::new("");
        let (value, inner) = inner.variant_seed(Which { seed, reading, parts, name: &name })?;
        Ok((value, Chosen { inner, reading, name: name.get() }))
    }
}

/// Says which variant it is.
struct Which<'a, 'c, S> {
    seed: S,
    reading: &'c Reading,
    parts: Parts<'c>,
    /// Where the name goes under which it was written.
    name: &'a Cell<&'c str>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Which<'_, '_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let Parts::Variants(owner, variants) = self.parts else {
            return self.seed.deserialize(deserializer);
        };
        if !self.reading.is_checked() {
            return self.seed.deserialize(deserializer);
        }
        let index = u32::deserialize(deserializer)?;
        let Variant { written_as, read_as, label } = self.reading.variant(owner, variants, index)?;
        self.reading.trace.label(label);
        self.name.set(written_as);
        self.seed.deserialize(VariantName { name: read_as, index, error: PhantomData })
    }
}

/// The name of a variant, or its number for a type that asks for a number.
struct VariantName<E> {
    name: &'static str,
    index: u32,
    error: PhantomData<E>,
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            visitor.visit_u32(self.index)
        }
    )*};
}

impl<'de, E: Error> Deserializer<'de> for VariantName<E> {
    type Error = E;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_str(self.name)
    }

    numbers! { deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A variant that was chosen.
pub(super) struct Chosen<'c, A> {
    inner: A,
    reading: &'c Reading,
    /// Its name as it was written.
    name: &'c str,
}

impl<'c, A> Chosen<'c, A> {
    fn visiting<V>(&self, inner: V, parts: Parts<'c>) -> Visiting<'c, V> {
        Visiting { inner, reading: self.reading, parts }
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Chosen<'_, A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.inner.newtype_variant_seed(Bounded::new(seed, self.reading))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.visiting(visitor, Parts::Some);
        self.inner.tuple_variant(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        match self.reading.fields(self.name, fields)? {
            Fields::AsTheyCome(parts) => {
                let visitor = self.visiting(visitor, parts);
                self.inner.struct_variant(fields, visitor)
            }
            Fields::ByName(names, label) => {
                let visitor = self.visiting(visitor, Parts::Fields(names, label));
                self.inner.tuple_variant(names.len(), visitor)
            }
        }
    }
}
