//! Bytes in one block: `serde` hands a `Vec<u8>` over byte by byte, which takes a hundred times as long.
//!
//! Nothing in `serde` says that a list is one of bytes. What does is the type: that of the iterator which
//! [`collect_seq`](serde::Serializer::collect_seq) is given, and that of the visitor which
//! [`deserialize_seq`](serde::Deserializer::deserialize_seq) is given. Both are compared by their `TypeId`, so that a type
//! with an implementation of its own, which may check or change what it reads, is never taken for a plain list.

use std::any::TypeId;
use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::LazyLock;

use serde::de::{Deserialize, Deserializer, Visitor};

/// Returns the bytes that this iterates over, if it is a plain slice or vector of them.
#[inline]
pub(super) fn of_list<I>(list: &I) -> Option<&[u8]> {
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

/// Says whether `V` makes a `Vec<u8>` of a list, byte by byte and nothing else.
#[inline]
pub(super) fn are_wanted_by<'de, V: Visitor<'de>>() -> bool {
    *PLAIN_VISITOR == Some(typeid::of::<V>())
}

/// Returns the bytes as the value of a visitor that [wants](are_wanted_by) them.
///
/// # Panics
///
/// If the visitor's value is something else.
pub(super) fn into_value<T>(bytes: Vec<u8>) -> T {
    assert!(typeid::of::<T>() == TypeId::of::<Vec<u8>>(), "it is the value of a visitor that wants bytes");
    let bytes = ManuallyDrop::new(bytes);
    let bytes: *const ManuallyDrop<Vec<u8>> = &raw const bytes;
    #[expect(unsafe_code, reason = "a type parameter can't be made of a type otherwise")]
    // SAFETY: `T` is `Vec<u8>`, which has no lifetime in it, and the original is not dropped.
    unsafe {
        bytes.cast::<T>().read()
    }
}

/// Says whether a value of this type is bytes and nothing else, which every encoding carries in one block.
pub(super) fn are_all_of<T: ?Sized>() -> bool {
    [
        TypeId::of::<Vec<u8>>(),
        TypeId::of::<Box<[u8]>>(),
        TypeId::of::<Option<Vec<u8>>>(),
        TypeId::of::<Option<Box<[u8]>>>(),
    ]
    .contains(&typeid::of::<T>())
}

/// Visits bytes, and owns them.
pub(super) struct Owned;

impl Visitor<'_> for Owned {
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

/// The type of the visitor that `Vec<u8>` itself brings along.
static PLAIN_VISITOR: LazyLock<Option<TypeId>> = LazyLock::new(|| Vec::<u8>::deserialize(Probe).err()?.0);

/// Asks a type which visitor it brings along for a list.
struct Probe;

#[derive(Debug)]
struct Visited(Option<TypeId>);

impl fmt::Display for Visited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no value to visit")
    }
}

impl std::error::Error for Visited {}

impl serde::de::Error for Visited {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(None)
    }
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Visited;

    fn deserialize_seq<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Visited> {
        Err(Visited(Some(typeid::of::<V>())))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Visited> {
        Err(Visited(None))
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
    fn plain_lists_of_bytes_are_seen_and_no_others() {
        let bytes = vec![1_u8, 2, 3];
        assert_eq!(of_list(&&bytes), Some(&[1, 2, 3][..]));
        assert_eq!(of_list(&&bytes[1..]), Some(&[2, 3][..]));
        assert_eq!(of_list(&bytes), None);
        assert_eq!(of_list(&&vec![1_i8]), None);
        assert_eq!(of_list(&&VecDeque::from([1_u8])), None);
    }

    #[test]
    fn the_plain_visitor_is_known_and_a_similar_one_is_not_taken_for_it() {
        struct Reversed;
        impl Visitor<'_> for Reversed {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }
        }
        assert!(PLAIN_VISITOR.is_some());
        assert!(!are_wanted_by::<Reversed>());
    }

    #[test]
    fn bytes_become_a_value_of_their_own_type() {
        assert_eq!(into_value::<Vec<u8>>(vec![1, 2]), [1, 2]);
    }
}
