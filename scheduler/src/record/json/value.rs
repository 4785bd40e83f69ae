//! `Value`: a job's result that was checked before it is written into a record.
//!
//! A JSON serializer fails in the middle of a record whose result has, for example, a map with tuples as keys, and then the whole
//! document is lost. So each result is serialized first with a serializer that writes nothing.

use std::fmt;

use serde::ser::{
    Error as _, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};
use serde::{Serialize, Serializer};

use crate::panic_guard::{self, guarded};
use crate::result_codec::ErasedCodec;

/// The rules of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rules {
    /// Keys are text, and integers have 64 bits at most.
    Json,
    /// The format represents every type of `serde`.
    Binary,
}

/// A result that can be written. It is decoded again for each pass, because a `Serialize` may write something else the second time:
/// one that takes its value out of a `Cell` does.
pub(super) struct Value<'a> {
    codec: ErasedCodec,
    bytes: &'a [u8],
}

impl<'a> Value<'a> {
    /// Checks a result. Fails with one clause that says why it can't be written.
    pub(super) fn of(codec: ErasedCodec, bytes: &'a [u8], rules: Rules) -> Result<Self, String> {
        let value = Self { codec, bytes };
        value.pass(Check { rules, place: Position::Value })?.map_err(|problem| problem.0)?;
        Ok(value)
    }

    /// Decodes the result and serializes it once. Fails if it can't be decoded, or if user code panics.
    fn pass<S: Serializer>(&self, serializer: S) -> Result<Result<S::Ok, S::Error>, String> {
        let value = self.codec.decode(self.bytes).map_err(|error| format!("it can't be read back: {error}"))?;
        let written = guarded(|| value.serialize(serializer)).map_err(|panic| panic.to_string());
        panic_guard::discard(value);
        written
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.pass(serializer).unwrap_or_else(|problem| Err(S::Error::custom(problem)))
    }
}

/// The reason why a value can't be written.
#[derive(Debug)]
struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl serde::ser::Error for Problem {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

/// The position of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    Value,
    Key,
}

/// A serializer that checks every value, and writes nothing.
#[derive(Clone, Copy, Debug)]
struct Check {
    rules: Rules,
    place: Position,
}

impl Check {
    fn inside(self, place: Position) -> Self {
        Self { place, ..self }
    }

    /// Checks a value that can't be a key.
    fn no_key(self, what: &str) -> Result<Self, Problem> {
        match (self.rules, self.place) {
            (Rules::Json, Position::Key) => {
                Err(Problem(format!("{what} is a key of a map, and JSON takes text for one")))
            }
            _ => Ok(self),
        }
    }

    /// Checks that an integer has no more bits than the format supports.
    fn wide<T>(self, fits: Result<T, std::num::TryFromIntError>) -> Result<(), Problem> {
        match (self.rules, self.place, fits) {
            (Rules::Json, Position::Value, Err(_)) => Err(Problem(
                "an integer has more than 64 bits, which few readers of JSON keep; return it as text".into(),
            )),
            _ => Ok(()),
        }
    }

    /// Checks that a number is finite or isn't a key.
    fn float(self, number: f64) -> Result<(), Problem> {
        if number.is_finite() { Ok(()) } else { self.no_key("a number that is not finite").map(drop) }
    }
}

macro_rules! taken {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, _: $type) -> Result<(), Problem> {
            Ok(())
        }
    )*};
}

impl Serializer for Check {
    type Ok = ();
    type Error = Problem;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Self;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    taken! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_char: char,
        serialize_str: &str
    }

    fn serialize_i128(self, number: i128) -> Result<(), Problem> {
        if number < 0 { self.wide(i64::try_from(number)) } else { self.wide(u64::try_from(number)) }
    }

    fn serialize_u128(self, number: u128) -> Result<(), Problem> {
        self.wide(u64::try_from(number))
    }

    fn serialize_f32(self, number: f32) -> Result<(), Problem> {
        self.float(number.into())
    }

    fn serialize_f64(self, number: f64) -> Result<(), Problem> {
        self.float(number)
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), Problem> {
        self.no_key("a string of bytes").map(drop)
    }

    fn serialize_none(self) -> Result<(), Problem> {
        self.no_key("an `Option`").map(drop)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Problem> {
        value.serialize(self.no_key("an `Option`")?)
    }

    fn serialize_unit(self) -> Result<(), Problem> {
        self.no_key("a unit").map(drop)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), Problem> {
        self.no_key("a unit").map(drop)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Problem> {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), Problem> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), Problem> {
        value.serialize(self.no_key("a variant with a value")?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self, Problem> {
        self.no_key("a list")
    }

    fn serialize_tuple(self, _: usize) -> Result<Self, Problem> {
        self.no_key("a tuple")
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self, Problem> {
        self.no_key("a tuple")
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Problem> {
        self.no_key("a variant with a value")
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self, Problem> {
        self.no_key("a map")
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self, Problem> {
        self.no_key("a struct")
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Self, Problem> {
        self.no_key("a variant with a value")
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), Problem> {
        use std::fmt::Write as _;
        // A `Display` may fail.
        write!(Nowhere, "{value}").map_err(Problem::custom)
    }

    fn is_human_readable(&self) -> bool {
        self.rules == Rules::Json
    }
}

struct Nowhere;

impl fmt::Write for Nowhere {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        Ok(())
    }
}

macro_rules! parts {
    ($($trait:ident::$method:ident),*) => {$(
        impl $trait for Check {
            type Ok = ();
            type Error = Problem;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
                value.serialize(self.inside(Position::Value))
            }

            fn end(self) -> Result<(), Problem> {
                Ok(())
            }
        }
    )*};
}

parts! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
}

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl $trait for Check {
            type Ok = ();
            type Error = Problem;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, _: &'static str, value: &T) -> Result<(), Problem> {
                value.serialize(self.inside(Position::Value))
            }

            fn end(self) -> Result<(), Problem> {
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct, SerializeStructVariant }

impl SerializeMap for Check {
    type Ok = ();
    type Error = Problem;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Problem> {
        key.serialize(self.inside(Position::Key))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Problem> {
        value.serialize(self.inside(Position::Value))
    }

    fn end(self) -> Result<(), Problem> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn problem<T: Serialize>(value: &T) -> Option<String> {
        value.serialize(Check { rules: Rules::Json, place: Position::Value }).err().map(|problem| problem.0)
    }

    #[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
    enum Key {
        Unit,
        New(u8),
        Tuple(u8, u8),
        Struct { field: u8 },
    }

    #[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
    struct New<T>(T);

    /// Asserts that a map with this key is refused if and only if JSON refuses it.
    #[track_caller]
    fn agrees_with_json<K: Serialize + Ord>(key: K) {
        let map = BTreeMap::from([(key, [Some(1.5), None])]);
        let refused = problem(&map);
        assert_eq!(refused.is_none(), serde_json::to_string(&map).is_ok(), "{refused:?}");
        assert_eq!(refused.is_none(), serde_json::to_value(&map).is_ok(), "{refused:?}");
        let binary = Check { rules: Rules::Binary, place: Position::Value };
        assert!(map.serialize(binary).is_ok());
    }

    #[test]
    fn a_key_is_refused_if_json_refuses_it() {
        agrees_with_json("text");
        agrees_with_json('c');
        agrees_with_json(true);
        agrees_with_json(-1_i8);
        agrees_with_json(u64::MAX);
        agrees_with_json(u128::MAX);
        agrees_with_json(New(New(7_u16)));
        agrees_with_json(Key::Unit);
        agrees_with_json(Key::New(1));
        agrees_with_json(Key::Tuple(1, 2));
        agrees_with_json(Key::Struct { field: 1 });
        agrees_with_json((1, 2));
        agrees_with_json(New((1, 2)));
        agrees_with_json([1, 2]);
        agrees_with_json(vec![1]);
        agrees_with_json(());
        agrees_with_json(None::<u8>);
        agrees_with_json(BTreeMap::from([(1, 2)]));
    }

    #[test]
    fn a_nested_problem_is_found() {
        let nested = vec![Some((1, BTreeMap::from([((1, 2), 3)])))];
        assert_eq!(problem(&nested).as_deref(), Some("a tuple is a key of a map, and JSON takes text for one"));
        let wide = BTreeMap::from([("a", u128::from(u64::MAX) + 1)]);
        assert!(serde_json::to_value(&wide).is_err());
        assert!(problem(&wide).is_some_and(|problem| problem.contains("more than 64 bits")));
        assert_eq!(problem(&(u128::from(u64::MAX), i128::from(i64::MIN), f64::NAN)), None);
    }
}
