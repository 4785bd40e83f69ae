//! `ShapeSerializer`: a `serde` serializer around another one, which records the [shape](super::shape) of the value.
//!
//! It also detects values that the inner format can't carry: a skipped field, a list of unknown length, and, where names
//! are written, a `Some` that reads back as `None`.

use std::fmt::Display;

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::bytes;
use super::shape::ValueKind;
use super::shape_recorder::{FieldNames, ShapeRecorder, Unsupported};

/// A value whose shape is recorded while it is written.
pub(super) struct WithShape<'a, T: ?Sized> {
    pub(super) value: &'a T,
    pub(super) recorder: &'a ShapeRecorder,
}

impl<T: Serialize + ?Sized> Serialize for WithShape<'_, T> {
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(ShapeSerializer { inner, recorder: self.recorder })
    }
}

/// The serializer around another one.
pub(super) struct ShapeSerializer<'a, S> {
    inner: S,
    recorder: &'a ShapeRecorder,
}

impl<S: Serializer> ShapeSerializer<'_, S> {
    fn with_shape<'b, T: ?Sized>(recorder: &'b ShapeRecorder, value: &'b T) -> WithShape<'b, T> {
        WithShape { value, recorder }
    }
}

/// Notes a value and writes it.
macro_rules! values {
    ($($method:ident($type:ty) $kind:ident),* $(,)?) => {$(
        #[inline]
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.recorder.value(ValueKind::$kind);
            self.recorder.note_written(value);
            self.inner.$method(value)
        }
    )*};
}

impl<'a, S: Serializer> Serializer for ShapeSerializer<'a, S> {
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
        self.recorder.begin_compound();
        self.recorder.shape.bytes(text.len());
        self.recorder.note_written_bytes(text.as_bytes());
        self.inner.serialize_str(text)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<S::Ok, S::Error> {
        self.recorder.begin_compound();
        self.recorder.shape.bytes(bytes.len());
        self.recorder.note_written_bytes(bytes);
        self.inner.serialize_bytes(bytes)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.recorder.check_no_null_in_some()?;
        self.recorder.value(ValueKind::Presence);
        self.recorder.note_written(0_u8);
        self.inner.serialize_none()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.recorder.begin_some();
        self.inner.serialize_some(&Self::with_shape(self.recorder, value))
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.recorder.check_no_null_in_some()?;
        if self.recorder.is_self_describing() { self.inner.serialize_none() } else { self.inner.serialize_unit() }
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.recorder.check_no_null_in_some()?;
        if self.recorder.is_self_describing() {
            self.inner.serialize_none()
        } else {
            self.inner.serialize_unit_struct(name)
        }
    }

    fn serialize_unit_variant(self, name: &'static str, index: u32, variant: &'static str) -> Result<S::Ok, S::Error> {
        self.recorder.variant(name, index, variant);
        self.inner.serialize_unit_variant(name, index, variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.serialize_newtype_struct(name, &Self::with_shape(self.recorder, value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.recorder.variant(name, index, variant);
        self.inner.serialize_newtype_variant(name, index, variant, &Self::with_shape(self.recorder, value))
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        let note_written = self.recorder.length(length);
        Ok(Compound::new(self.recorder, "", length, self.inner.serialize_seq(note_written)?))
    }

    fn serialize_tuple(self, length: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.recorder.begin_compound();
        Ok(Compound::new(self.recorder, "", Some(length), self.inner.serialize_tuple(length)?))
    }

    fn serialize_tuple_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.recorder.begin_compound();
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
        let note_written = self.recorder.length(length);
        Ok(Compound::new(self.recorder, "", length, self.inner.serialize_map(note_written)?))
    }

    fn serialize_struct(self, name: &'static str, length: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.recorder.begin_compound();
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
        if let Some(bytes) = bytes::as_bytes(&list).filter(|_| !self.recorder.is_self_describing()) {
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
        // The inner serializer may not report the length.
        self.serialize_str(&value.to_string())
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }
}

/// A value with parts: a list, a map, a tuple or a struct.
pub(super) struct Compound<'a, C> {
    inner: C,
    recorder: &'a ShapeRecorder,
    announced: Option<usize>,
    parts: usize,
    fields: FieldNames,
}

impl<'a, C> Compound<'a, C> {
    pub(super) fn new(recorder: &'a ShapeRecorder, owner: &'static str, announced: Option<usize>, inner: C) -> Self {
        Self { inner, recorder, announced, parts: 0, fields: FieldNames::of(recorder, owner) }
    }
}

impl<C> Compound<'_, C> {
    /// Checks the number of parts against the announced one, where the decoder relies on it.
    fn check<E: Error>(&self) -> Result<(), E> {
        let parts = self.parts;
        match self.announced.filter(|announced| *announced != parts) {
            None => Ok(()),
            Some(announced) => {
                let elements = if announced == 1 { "element" } else { "elements" };
                Err(E::custom(format!("its `Serialize` announces {announced} {elements} and writes {parts}")))
            }
        }
    }

    fn check_if_self_describing<E: Error>(&self) -> Result<(), E> {
        if self.recorder.is_self_describing() { self.check() } else { Ok(()) }
    }

    fn begin_field(&mut self, name: &'static str) {
        if self.recorder.has_schema() {
            self.fields.next(self.recorder, self.parts, name);
        }
        self.parts += 1;
    }
}

macro_rules! elements {
    ($($trait:ident::$method:ident, $check:ident;)*) => {$(
        impl<C: $trait> $trait for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                self.parts += 1;
                self.inner.$method(&WithShape { value, recorder: self.recorder })
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.$check()?;
                self.recorder.shape.end(self.parts);
                self.inner.end()
            }
        }
    )*};
}

elements! {
    SerializeSeq::serialize_element, check;
    SerializeTuple::serialize_element, check_if_self_describing;
    SerializeTupleStruct::serialize_field, check_if_self_describing;
    SerializeTupleVariant::serialize_field, check_if_self_describing;
}

macro_rules! fields {
    ($($trait:ident),* $(,)?) => {$(
        impl<C: $trait> $trait for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), C::Error> {
                self.begin_field(key);
                self.inner.serialize_field(key, &WithShape { value, recorder: self.recorder })
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.recorder.note_unsupported(Unsupported::SkippedField);
                self.inner.skip_field(key)
            }

            fn end(self) -> Result<C::Ok, C::Error> {
                self.check_if_self_describing()?;
                self.recorder.shape.end(self.parts);
                if self.recorder.has_schema() {
                    self.fields.end(self.recorder, self.parts);
                }
                self.inner.end()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl<C: SerializeMap> SerializeMap for Compound<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        self.parts += 1;
        self.inner.serialize_key(&WithShape { value: key, recorder: self.recorder })
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        self.inner.serialize_value(&WithShape { value, recorder: self.recorder })
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.check()?;
        self.recorder.shape.end(self.parts);
        self.inner.end()
    }
}
