//! Byte lists in one block: `serde` passes a `Vec<u8>` byte by byte, which takes a hundred times as long.
//!
//! `serde` doesn't mark a list as one of bytes. The types do: that of the iterator in
//! [`collect_seq`](serde::Serializer::collect_seq), and that of the visitor in
//! [`deserialize_seq`](serde::Deserializer::deserialize_seq). Both are compared by their `TypeId`, so that a type with its
//! own implementation, which may check or change the bytes, is never mistaken for a plain list.

use std::any::TypeId;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::LazyLock;

use serde::de::{Deserialize, Deserializer, Visitor};

/// Returns the bytes of a list, if it is a plain slice or vector of bytes.
#[inline]
pub(super) fn as_bytes<I>(list: &I) -> Option<&[u8]> {
    let list_type = typeid::of::<I>();
    if list_type == TypeId::of::<&Vec<u8>>() {
        let list: *const I = list;
        #[expect(unsafe_code, reason = "a type parameter can't be compared with a type otherwise")]
        // SAFETY: the type is a reference to a vector of bytes, of some lifetime that outlives the borrow of `list`.
        return Some(unsafe { *list.cast::<&Vec<u8>>() });
    }
    if list_type == TypeId::of::<&[u8]>() {
        let list: *const I = list;
        #[expect(unsafe_code, reason = "as above")]
        // SAFETY: the type is a reference to a slice of bytes, of some lifetime that outlives the borrow of `list`.
        return Some(unsafe { *list.cast::<&[u8]>() });
    }
    None
}

/// Returns whether `V` is the visitor of `Vec<u8>`, which collects a list byte by byte.
#[inline]
pub(super) fn is_byte_visitor<'de, V: Visitor<'de>>() -> bool {
    *PLAIN_VISITOR == Some(typeid::of::<V>())
}

/// Returns the bytes as the value of a visitor that [collects bytes](is_byte_visitor).
///
/// # Panics
///
/// If the visitor's value is something else.
pub(super) fn into_value<T>(bytes: Vec<u8>) -> T {
    assert!(typeid::of::<T>() == TypeId::of::<Vec<u8>>(), "it is the value of a visitor of bytes");
    let bytes = ManuallyDrop::new(bytes);
    let bytes: *const ManuallyDrop<Vec<u8>> = &raw const bytes;
    #[expect(unsafe_code, reason = "a type parameter can't be made of a type otherwise")]
    // SAFETY: `T` is `Vec<u8>`, which has no lifetime in it, and the original is not dropped.
    unsafe {
        bytes.cast::<T>().read()
    }
}

/// Returns whether this type is bytes and nothing else, which every encoding carries in one block.
pub(super) fn is_byte_type<T: ?Sized>() -> bool {
    [
        TypeId::of::<Vec<u8>>(),
        TypeId::of::<Box<[u8]>>(),
        TypeId::of::<Option<Vec<u8>>>(),
        TypeId::of::<Option<Box<[u8]>>>(),
    ]
    .contains(&typeid::of::<T>())
}

/// A visitor that copies bytes.
pub(super) struct OwnedBytes;

impl Visitor<'_> for OwnedBytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

/// The type of the visitor that `Vec<u8>` itself passes to a deserializer.
static PLAIN_VISITOR: LazyLock<Option<TypeId>> = LazyLock::new(|| Vec::<u8>::deserialize(VisitorProbe).err()?.0);

/// A deserializer that returns the type of the visitor that a type passes for a list.
struct VisitorProbe;

#[derive(Debug)]
struct VisitorType(Option<TypeId>);

impl fmt::Display for VisitorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no value to visit")
    }
}

impl std::error::Error for VisitorType {}

impl serde::de::Error for VisitorType {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

impl<'de> Deserializer<'de> for VisitorProbe {
    type Error = VisitorType;

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, VisitorType> {
        Err(VisitorType(Some(typeid::of::<V>())))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, VisitorType> {
        Err(VisitorType(None))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct tuple tuple_struct map struct enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    #[test]
    fn only_plain_lists_of_bytes_are_recognized() {
        let bytes = vec![1_u8, 2, 3];
        assert_eq!(as_bytes(&&bytes), Some(&[1, 2, 3][..]));
        assert_eq!(as_bytes(&&bytes[1..]), Some(&[2, 3][..]));
        assert_eq!(as_bytes(&bytes), None);
        assert_eq!(as_bytes(&&vec![1_i8]), None);
        assert_eq!(as_bytes(&&VecDeque::from([1_u8])), None);
    }

    #[test]
    fn only_the_visitor_of_a_vector_of_bytes_is_recognized() {
        struct Reversed;
        impl Visitor<'_> for Reversed {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
        }
        assert!(PLAIN_VISITOR.is_some());
        assert!(!is_byte_visitor::<Reversed>());
    }

    #[test]
    fn bytes_are_returned_as_the_visitor_s_value() {
        assert_eq!(into_value::<Vec<u8>>(vec![1, 2]), [1, 2]);
    }
}
