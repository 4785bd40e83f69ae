//! `Wary`: a `serde` format that takes no memory for what a length only promises.
//!
//! `bincode` makes an owned text or byte string as long as its prefix says before it looks whether so many bytes are
//! left, and a prefix of nine bytes can say 2⁶⁰: the process would be aborted for want of memory. For a borrowed one it
//! looks first, and so that is what it is asked for here. A list's length goes on to visitors as a hint of how much to
//! reserve; one that is greater than the number of bytes does not.
//!
//! What is in a value is reached through visitors, accesses and seeds; each hands the wariness on to the next.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};

#[derive(Clone, Copy, Debug)]
pub(super) struct Wary<T> {
    inner: T,
    /// How many bytes there are in all.
    bytes: usize,
}

impl<T> Wary<T> {
    pub(super) fn new(inner: T, bytes: usize) -> Self {
        Self { inner, bytes }
    }

    fn hand_on<U>(&self, inner: U) -> Wary<U> {
        Wary::new(inner, self.bytes)
    }

    fn believable(&self, hint: Option<usize>) -> Option<usize> {
        hint.filter(|length| *length <= self.bytes)
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Wary<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        let deserializer = self.hand_on(deserializer);
        self.inner.deserialize(deserializer)
    }
}

/// Asks the inner format, for the same or for something else.
macro_rules! ask {
    ($($method:ident as $other:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
            self.inner.$other(visitor)
        }
    )*};
}

/// Asks the inner format for something that has other values in it.
macro_rules! ask_deeply {
    ($($method:ident($($argument:ident: $type:ty),*)),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, $($argument: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            let visitor = self.hand_on(visitor);
            self.inner.$method($($argument,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Wary<D> {
    type Error = D::Error;

    ask! {
        deserialize_string as deserialize_str,
        deserialize_byte_buf as deserialize_bytes,

        deserialize_any as deserialize_any,
        deserialize_bool as deserialize_bool,
        deserialize_i8 as deserialize_i8,
        deserialize_i16 as deserialize_i16,
        deserialize_i32 as deserialize_i32,
        deserialize_i64 as deserialize_i64,
        deserialize_i128 as deserialize_i128,
        deserialize_u8 as deserialize_u8,
        deserialize_u16 as deserialize_u16,
        deserialize_u32 as deserialize_u32,
        deserialize_u64 as deserialize_u64,
        deserialize_u128 as deserialize_u128,
        deserialize_f32 as deserialize_f32,
        deserialize_f64 as deserialize_f64,
        deserialize_char as deserialize_char,
        deserialize_str as deserialize_str,
        deserialize_bytes as deserialize_bytes,
        deserialize_unit as deserialize_unit,
        deserialize_identifier as deserialize_identifier,
        deserialize_ignored_any as deserialize_ignored_any,
    }

    ask_deeply! {
        deserialize_option(),
        deserialize_unit_struct(name: &'static str),
        deserialize_newtype_struct(name: &'static str),
        deserialize_seq(),
        deserialize_tuple(length: usize),
        deserialize_tuple_struct(name: &'static str, length: usize),
        deserialize_map(),
        deserialize_struct(name: &'static str, fields: &'static [&'static str]),
        deserialize_enum(name: &'static str, variants: &'static [&'static str]),
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// Visits what can have other values in it, and what can stand in its place: nothing.
impl<'de, V: Visitor<'de>> Visitor<'de> for Wary<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.expecting(f)
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.inner.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.hand_on(deserializer);
        self.inner.visit_some(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        let deserializer = self.hand_on(deserializer);
        self.inner.visit_newtype_struct(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.hand_on(access);
        self.inner.visit_seq(access)
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.hand_on(access);
        self.inner.visit_map(access)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<V::Value, A::Error> {
        let access = self.hand_on(access);
        self.inner.visit_enum(access)
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Wary<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.hand_on(seed);
        self.inner.next_element_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.believable(self.inner.size_hint())
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Wary<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let seed = self.hand_on(seed);
        self.inner.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.hand_on(seed);
        self.inner.next_value_seed(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        self.believable(self.inner.size_hint())
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Wary<A> {
    type Error = A::Error;
    type Variant = Wary<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let seed = self.hand_on(seed);
        let bytes = self.bytes;
        self.inner.variant_seed(seed).map(|(value, variant)| (value, Wary::new(variant, bytes)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Wary<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.inner.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        let seed = self.hand_on(seed);
        self.inner.newtype_variant_seed(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        let visitor = self.hand_on(visitor);
        self.inner.tuple_variant(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        let visitor = self.hand_on(visitor);
        self.inner.struct_variant(fields, visitor)
    }
}
