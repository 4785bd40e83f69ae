//! Values from JSON and to JSON: the arguments of a call, and the place of each problem in them.

use std::fmt;
use std::iter;
use std::marker::PhantomData;
use std::ops::Range;

use erased_serde::Deserializer as ErasedDeserializer;
use serde::de::value::Error as PlainError;
use serde::de::{DeserializeOwned, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_json::value::RawValue;
use serde_path_to_error::Track;

use crate::escape::OneLine;
use crate::panic_guard::{self, guarded};

/// The reason why a text is refused, and its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonProblem {
    /// One clause.
    pub(crate) message: String,
    /// The path of the value that is wrong, such as `.size.width` or `[3].name`; empty for the whole value.
    pub(crate) path: String,
    /// The bytes of the text that are wrong.
    pub(crate) span: Range<usize>,
}

impl JsonProblem {
    pub(crate) fn whole(message: impl Into<String>, text: &str) -> Self {
        Self { message: message.into(), path: String::new(), span: 0..text.len() }
    }

    /// Returns the problem of an error whose text ends with its position, as those of `serde_json` do.
    fn of(error: &impl fmt::Display, track: Option<Track>, text: &str) -> Self {
        let whole = error.to_string();
        let (message, position) = split_position(&whole);
        let path = track.map_or_else(String::new, |track| path_of(&track.path().to_string()));
        let span = position.map_or(0..text.len(), |(line, column)| token_at(text, line, column));
        Self { message: shortened(&OneLine(message).to_string()), path: OneLine(&path).to_string(), span }
    }

    /// Returns the problem in a text in which this one's text begins at `offset`.
    pub(crate) fn after(self, offset: usize) -> Self {
        Self { span: self.span.start + offset..self.span.end + offset, ..self }
    }
}

/// Returns a message without its middle if it quotes a long value.
fn shortened(message: &str) -> String {
    const KEPT: usize = 120;
    let length = message.chars().count();
    if length <= 2 * KEPT {
        return message.to_owned();
    }
    let start: String = message.chars().take(KEPT).collect();
    let end: String = message.chars().skip(length - KEPT).collect();
    format!("{start}…{end}")
}

/// Returns a path as it continues the name of a variable.
fn path_of(path: &str) -> String {
    match path {
        "." | "" => String::new(),
        path if path.starts_with('[') => path.to_owned(),
        path => format!(".{path}"),
    }
}

/// Splits the position off a message of `serde_json`: its line and column, from 1.
fn split_position(message: &str) -> (&str, Option<(usize, usize)>) {
    let split = || {
        let (before, position) = message.rsplit_once(" at line ")?;
        let (line, column) = position.split_once(" column ")?;
        Some((before, (line.parse().ok()?, column.parse().ok()?)))
    };
    split().map_or((message, None), |(before, position)| (before, Some(position)))
}

/// Returns the bytes of the token that contains, or ends with, the byte at this line and column.
fn token_at(text: &str, line: usize, column: usize) -> Range<usize> {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let bytes = text.as_bytes();
    let last = (before + column.saturating_sub(1)).min(bytes.len().saturating_sub(1));
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._".contains(byte) || !byte.is_ascii();
    let start = match bytes.get(last) {
        None => return 0..0,
        Some(b'"') => {
            let is_quote = |at: &usize| bytes[*at] == b'"' && (*at == 0 || bytes[*at - 1] != b'\\');
            (0..last).rev().find(is_quote).unwrap_or(last)
        }
        Some(byte) if is_word(byte) => (0..last).rev().take_while(|at| is_word(&bytes[*at])).last().unwrap_or(last),
        Some(_) => last,
    };
    let rest = &bytes[last + 1..];
    let end = last + 1 + if is_word(&bytes[last]) { rest.iter().take_while(|byte| is_word(byte)).count() } else { 0 };
    start..end
}

/// Returns the value that a text holds.
pub(crate) fn decode<T: DeserializeOwned>(text: &str) -> Result<T, JsonProblem> {
    let mut value = None;
    let decoded = decode_by(text, &mut |deserializer| {
        value = Some(T::deserialize(deserializer)?);
        Ok(())
    });
    match (decoded, value) {
        (Ok(()), value) => Ok(value.expect("a value was decoded")),
        (Err(problem), value) => {
            panic_guard::discard(value);
            Err(problem)
        }
    }
}

/// Returns the value of an argument that is left out: `None`, for an `Option`.
pub(crate) fn absent<T: DeserializeOwned>() -> Option<T> {
    let absent: &mut dyn ErasedDeserializer<'_> = &mut <dyn ErasedDeserializer<'_>>::erase(Absent);
    guarded(|| T::deserialize(absent)).ok()?.ok()
}

type ReadJson<'a> = &'a mut dyn FnMut(&mut dyn ErasedDeserializer<'_>) -> Result<(), erased_serde::Error>;

/// Calls `read` with the value that a text holds. It depends on no type of the user: generic code is compiled once more for
/// every type of every job.
fn decode_by(text: &str, read: ReadJson<'_>) -> Result<(), JsonProblem> {
    let mut json = serde_json::Deserializer::from_str(text);
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut json, &mut track);
    match guarded(|| read(&mut <dyn ErasedDeserializer>::erase(tracked))) {
        Ok(Ok(())) => json.end().map_err(|error| JsonProblem::of(&error, None, text)),
        Ok(Err(error)) => Err(JsonProblem::of(&error, Some(track), text)),
        Err(panic) => Err(JsonProblem::whole(panic.to_string(), text)),
    }
}

/// The value of an argument that is left out.
struct Absent;

impl<'de> Deserializer<'de> for Absent {
    type Error = PlainError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PlainError> {
        Err(PlainError::custom("it is missing"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PlainError> {
        visitor.visit_none()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct newtype_struct
        seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// Returns a value as JSON, or one clause that says why it can't be written.
pub(crate) fn encode(value: &dyn erased_serde::Serialize) -> Result<String, String> {
    let mut bytes = Vec::new();
    let written = guarded(|| erased_serde::serialize(value, &mut serde_json::Serializer::new(&mut bytes)));
    written.map_err(|panic| panic.to_string())?.map_err(|error: serde_json::Error| error.to_string())?;
    Ok(String::from_utf8(bytes).expect("JSON is UTF-8"))
}

/// Returns the elements of an array.
pub(crate) fn elements(text: &str) -> Result<Vec<&RawValue>, JsonProblem> {
    parts::<Elements<'_>>(text).map(|parts| parts.0)
}

/// Returns the members of an object, in their order; the same name may appear twice.
pub(crate) fn members(text: &str) -> Result<Vec<(String, &RawValue)>, JsonProblem> {
    parts::<Members<'_>>(text).map(|parts| parts.0)
}

fn parts<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, JsonProblem> {
    serde_json::from_str(text).map_err(|error| JsonProblem::of(&error, None, text))
}

/// Returns where a part of a text begins in it.
pub(crate) fn offset(text: &str, part: &RawValue) -> usize {
    part.get().as_ptr().addr() - text.as_ptr().addr()
}

/// Returns the bytes of the name of a member, with its quotes, by its value.
pub(crate) fn name_of(text: &str, value: &RawValue) -> Range<usize> {
    let before = text[..offset(text, value)].trim_end().trim_end_matches(':').trim_end();
    let closing = before.len().saturating_sub(1);
    let bytes = before.as_bytes();
    // A quote within the name is escaped, and what stands before the name is no backslash.
    let is_opening = |at: &usize| bytes[*at] == b'"' && (*at == 0 || bytes[*at - 1] != b'\\');
    (0..closing).rev().find(is_opening).unwrap_or(closing)..before.len()
}

struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Parts::<&RawValue>(PhantomData)).map(Self)
    }
}

struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Parts::<(String, &RawValue)>(PhantomData)).map(Self)
    }
}

/// Visits an array or an object without decoding its parts.
struct Parts<T>(PhantomData<T>);

impl<'de: 'a, 'a> Visitor<'de> for Parts<&'a RawValue> {
    type Value = Vec<&'a RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        iter::from_fn(|| elements.next_element().transpose()).collect()
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Parts<(String, &'a RawValue)> {
    type Value = Vec<(String, &'a RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        iter::from_fn(|| members.next_entry().transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Serialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Size {
        width: u32,
        height: u32,
    }

    /// Asserts the message, the path and the text at the place of the problem.
    #[track_caller]
    fn refused<T: DeserializeOwned + fmt::Debug>(text: &str, expected: [&str; 3]) {
        let problem = decode::<T>(text).expect_err("it is wrong");
        assert_eq!([&*problem.message, &*problem.path, &text[problem.span.clone()]], expected);
    }

    #[test]
    fn a_problem_has_its_path_and_its_place() {
        refused::<Size>(
            r#"{"width": "wide", "height": 3}"#,
            [r#"invalid type: string "wide", expected u32"#, ".width", r#""wide""#],
        );
        refused::<Vec<Size>>(
            "[{\"width\": 1, \"height\": 2},\n {\"width\": 1, \"height\": -2}]",
            ["invalid value: integer `-2`, expected u32", "[1].height", "-2"],
        );
        refused::<Size>(r#"{"width": 1}"#, ["missing field `height`", "", "}"]);
        refused::<u8>("256", ["invalid value: integer `256`, expected u8", "", "256"]);
        refused::<u8>("[", ["invalid type: sequence, expected u8", "", "["]);
        refused::<u8>("1 2", ["trailing characters", "", "2"]);
        refused::<bool>("ünd", ["expected value", "", "ünd"]);
        refused::<u8>("", ["EOF while parsing a value", "", ""]);
        let message = r#"invalid type: string "é\"é", expected u8"#;
        refused::<BTreeMap<String, u8>>(r#"{"ä": "é\"é"}"#, [message, ".ä", r#""é\"é""#]);
    }

    #[test]
    fn a_value_that_panics_is_refused() {
        #[derive(Debug)]
        struct Panics;

        impl<'de> Deserialize<'de> for Panics {
            fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
                panic!("no")
            }
        }

        refused::<Panics>("1", ["it panicked: no", "", "1"]);
        assert!(absent::<Panics>().is_none());
    }

    #[test]
    fn numbers_keep_all_their_bits() {
        assert_eq!(decode("340282366920938463463374607431768211455"), Ok(u128::MAX));
        assert_eq!(decode("-9223372036854775808"), Ok(i64::MIN));
        assert_eq!(encode(&u128::MAX).as_deref(), Ok("340282366920938463463374607431768211455"));
    }

    #[test]
    fn only_an_option_can_be_left_out() {
        assert_eq!(absent::<Option<u8>>(), Some(None));
        assert_eq!(absent::<u8>(), None);
        assert_eq!(absent::<Size>(), None);
        assert_eq!(absent::<()>(), None);
    }

    #[test]
    fn parts_are_found_where_they_are() {
        let text = r#" { "a" : [1, 2], "a": null } "#;
        let parts = members(text).expect("it is an object");
        let [(first, list), (second, null)] = &parts[..] else { panic!("{parts:?}") };
        assert_eq!((&**first, list.get(), offset(text, list)), ("a", "[1, 2]", 9));
        assert_eq!((&**second, null.get()), ("a", "null"));
        let items = elements(list.get()).expect("it is an array");
        assert_eq!(items.iter().map(|item| item.get()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(members("[1]").expect_err("it is none").message, "invalid type: sequence, expected an object");
        assert_eq!(members(r#"{"a" 1}"#).expect_err("it is none").message, "expected `:`");
    }
}
