//! `VariantSeed`: finds a variant of an enum by its name in the schema.

use std::cell::Cell;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, Visitor};

use super::decode_context::{Content, DecodeContext, ResolvedVariant};

/// A seed that reads the index of a variant and passes its name on.
pub(super) struct VariantSeed<'a, 'c, S> {
    pub(super) seed: S,
    pub(super) context: &'c DecodeContext,
    pub(super) content: Content<'c>,
    /// The name under which the variant was written, once it is read.
    pub(super) name: &'a Cell<&'c str>,
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for VariantSeed<'_, '_, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let Content::Variants(owner, variants) = self.content else {
            return self.seed.deserialize(deserializer);
        };
        if !self.context.has_schema() {
            return self.seed.deserialize(deserializer);
        }
        let index = u32::deserialize(deserializer)?;
        let ResolvedVariant { written_as, read_as, hash } = self.context.variant(owner, variants, index)?;
        self.context.shape.number(hash);
        self.name.set(written_as);
        self.seed.deserialize(VariantName { name: read_as, index, error: PhantomData })
    }
}

/// The name of a variant, or its index for a type that asks for a number.
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
