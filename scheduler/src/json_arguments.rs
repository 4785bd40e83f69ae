//! `JsonArguments`: the arguments of a call, each as JSON, or, from a command line, as the text itself where its type takes one.

use std::cell::Cell;

use erased_serde::Deserializer as ErasedDeserializer;
use serde::de::value::Error as PlainError;
use serde::de::{DeserializeOwned, Error as _, IgnoredAny, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use crate::json::{JsonProblem, absent, decode};
use crate::panic_guard::{self, guarded};

/// A given argument of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GivenArgument<'a> {
    Json(&'a str),
    /// JSON, or, if that can't be read, the text itself.
    #[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "only the command line is given words"))]
    JsonOrText(&'a str),
    Absent,
}

/// The arguments of a call, in the order of its job's parameters.
#[derive(Debug)]
pub(crate) struct JsonArguments<'a> {
    given: Vec<GivenArgument<'a>>,
    /// The number of arguments that were read, or that the first one has that can't be read.
    read: usize,
    problem: Option<JsonProblem>,
}

impl<'a> JsonArguments<'a> {
    pub(crate) fn new(given: Vec<GivenArgument<'a>>) -> Self {
        Self { given, read: 0, problem: None }
    }

    /// Returns the next argument. If it can't be read, the problem is kept, and its message returned.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<T, String> {
        let decoded = match self.given.get(self.read).copied().unwrap_or(GivenArgument::Absent) {
            GivenArgument::Json(text) => decode(text),
            GivenArgument::JsonOrText(text) => decode_or_text(text),
            GivenArgument::Absent => absent().ok_or_else(|| JsonProblem::whole("it is missing", "")),
        };
        match decoded {
            Ok(value) => {
                self.read += 1;
                Ok(value)
            }
            Err(problem) => {
                let message = problem.message.clone();
                self.problem = Some(problem);
                Err(message)
            }
        }
    }

    /// Returns the index of the argument that could not be read, and the reason.
    pub(crate) fn into_problem(self) -> Option<(usize, JsonProblem)> {
        let index = self.read;
        self.problem.map(|problem| (index, problem))
    }
}

/// Returns the value that JSON holds, or, if that fails, the value that is this text itself.
///
/// A text that begins with a quote is meant as JSON, and so is one that begins like a list, an object or a number, unless the type
/// asks for a text: `[a-z]+` may be a `String`, and `127.0.0.1` an address. Of a type that takes anything, such as
/// `serde_json::Value`, a mistake in a number would otherwise make a text.
fn decode_or_text<T: DeserializeOwned>(text: &str) -> Result<T, JsonProblem> {
    let problem = match decode(text) {
        Ok(value) => return Ok(value),
        Err(problem) => problem,
    };
    let quoted = serde_json::Value::from(text).to_string();
    let form = form_of(text);
    match decode::<T>(&quoted) {
        Ok(value) if form == Form::Text || (form == Form::Begun && asked::<T>().is_text) => Ok(value),
        Ok(value) => {
            panic_guard::discard(value);
            let message =
                format!("{}; a text that begins so is written as JSON: {}", problem.message, in_shell(&quoted));
            Err(JsonProblem { message, ..problem })
        }
        // What begins so is meant as JSON: its mistake is more helpful than what would be wrong with the text.
        Err(_) if form != Form::Text && text.starts_with(['{', '[', '"']) => Err(problem),
        Err(_) if serde_json::from_str::<IgnoredAny>(text).is_ok() => Err(advised::<T>(problem)),
        Err(problem) => Err(advised::<T>(JsonProblem { span: 0..text.len(), ..problem })),
    }
}

/// How an argument looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Text,
    /// It begins as JSON does that is no text.
    Begun,
    Quoted,
}

fn form_of(text: &str) -> Form {
    let begin = text.trim_start_matches([' ', '\t', '\n', '\r']);
    match begin.strip_prefix('-').unwrap_or(begin).chars().next() {
        Some('"') if text.starts_with('"') => Form::Quoted,
        Some('0'..='9') => Form::Begun,
        Some('{' | '[' | '"') if !begin.starts_with('-') => Form::Begun,
        _ => Form::Text,
    }
}

/// Returns a text as a word of a shell.
fn in_shell(text: &str) -> String {
    format!("`'{}'`", text.replace('\'', r"'\''"))
}

/// Adds what is to be written to the problem of a type with members, such as a `Duration`.
fn advised<T: DeserializeOwned>(problem: JsonProblem) -> JsonProblem {
    let Some(members) = asked::<T>().members.filter(|members| !members.is_empty()) else { return problem };
    let members: Vec<_> = members.iter().map(|member| format!("\"{member}\": …")).collect();
    let message = format!("{}; write {}", problem.message, in_shell(&format!("{{{}}}", members.join(", "))));
    JsonProblem { message, ..problem }
}

/// What a type asks a format for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Asked {
    /// A text, or the name of a variant.
    is_text: bool,
    members: Option<&'static [&'static str]>,
}

fn asked<T: DeserializeOwned>() -> Asked {
    let asked = Cell::default();
    let probe: &mut dyn ErasedDeserializer<'_> = &mut <dyn ErasedDeserializer<'_>>::erase(TypeProbe(&asked));
    if let Ok(Ok(value)) = guarded(|| T::deserialize(probe)) {
        panic_guard::discard(value);
    }
    asked.get()
}

/// Notes what a type asks for, and has nothing.
struct TypeProbe<'a>(&'a Cell<Asked>);

impl TypeProbe<'_> {
    fn text<V>(self) -> Result<V, PlainError> {
        self.0.set(Asked { is_text: true, members: None });
        Err(PlainError::custom("nothing is there"))
    }
}

impl<'de> Deserializer<'de> for TypeProbe<'_> {
    type Error = PlainError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PlainError> {
        Err(PlainError::custom("nothing is there"))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, PlainError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, PlainError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_char<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PlainError> {
        self.text()
    }

    fn deserialize_str<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PlainError> {
        self.text()
    }

    fn deserialize_string<V: Visitor<'de>>(self, _: V) -> Result<V::Value, PlainError> {
        self.text()
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, PlainError> {
        self.text()
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        members: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, PlainError> {
        self.0.set(Asked { is_text: false, members: Some(members) });
        Err(PlainError::custom("nothing is there"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bytes byte_buf unit unit_struct seq tuple tuple_struct map identifier
        ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::path::PathBuf;
    use std::time::Duration;

    use serde::Deserialize;
    use serde_json::Value;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    enum Mode {
        Fast,
        Slow(u8),
    }

    /// Takes bytes, and a text as well.
    #[derive(Debug, PartialEq)]
    struct Bytes(Vec<u8>);

    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct BytesVisitor;

            impl<'de> Visitor<'de> for BytesVisitor {
                type Value = Bytes;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("bytes")
                }

                fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                    Ok(Bytes(bytes.into()))
                }

                fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut list: A) -> Result<Bytes, A::Error> {
                    let mut bytes = Vec::new();
                    while let Some(byte) = list.next_element()? {
                        bytes.push(byte);
                    }
                    Ok(Bytes(bytes))
                }
            }

            deserializer.deserialize_byte_buf(BytesVisitor)
        }
    }

    #[test]
    fn text_needs_no_quotes() {
        assert_eq!(decode_or_text("a.png"), Ok(PathBuf::from("a.png")));
        assert_eq!(decode_or_text("5"), Ok("5".to_owned()));
        assert_eq!(decode_or_text("[a-z]+"), Ok("[a-z]+".to_owned()));
        assert_eq!(decode_or_text("{a"), Ok(Some("{a".to_owned())));
        assert_eq!(decode_or_text("3 apples"), Ok("3 apples".to_owned()));
        assert_eq!(decode_or_text(r#""5""#), Ok("5".to_owned()));
        assert_eq!(decode_or_text("5"), Ok(5_u8));
        assert_eq!(decode_or_text("127.0.0.1"), Ok(IpAddr::from([127, 0, 0, 1])));
        assert_eq!(decode_or_text("Fast"), Ok(Mode::Fast));
        assert_eq!(decode_or_text(r#"{"Slow": 1}"#), Ok(Mode::Slow(1)));
        assert_eq!(decode_or_text("x"), Ok(Some('x')));
        assert_eq!(decode_or_text("null"), Ok(None::<String>));
        assert_eq!(decode_or_text("- no list"), Ok(Value::from("- no list")));
        assert_eq!(decode_or_text("hello"), Ok(Value::from("hello")));
        assert_eq!(decode_or_text("abc"), Ok(Bytes(b"abc".to_vec())));
        assert_eq!(decode_or_text("[1, 2]"), Ok(Bytes(vec![1, 2])));
    }

    #[test]
    fn what_begins_as_json_is_no_text_unless_the_type_is_one() {
        let deep = "[".repeat(500);
        for text in ["1e999", "-1e999", "[1", "{a: 1}", " \"a", "5s", &deep] {
            let problem = decode_or_text::<Value>(text).expect_err("it is no JSON").message;
            assert!(problem.contains("; a text that begins so is written as JSON: `'\""), "{text}: {problem}");
        }
        let problem = decode_or_text::<Bytes>("[256]").expect_err("it is no byte").message;
        assert!(problem.starts_with("invalid value: integer `256`, expected u8; a text that"), "{problem}");
    }

    #[test]
    fn what_begins_with_a_quote_is_json() {
        for (text, written) in [
            (r#""hello" he said"#, r#"`'"\"hello\" he said"'`"#),
            (r#""a"b"#, r#"`'"\"a\"b"'`"#),
            ("\"", r#"`'"\""'`"#),
            ("\"it's", r#"`'"\"it'\''s"'`"#),
        ] {
            let problem = decode_or_text::<String>(text).expect_err("it is no JSON").message;
            assert!(problem.ends_with(written), "{text}: {problem}");
        }
    }

    #[test]
    fn the_problem_is_that_of_what_was_meant() {
        let refused = |text| decode_or_text::<u32>(text).expect_err("it is no number").message;
        assert_eq!(refused("wide"), r#"invalid type: string "wide", expected u32"#);
        assert_eq!(refused("-5"), "invalid value: integer `-5`, expected u32");
        assert_eq!(refused("[1"), "invalid type: sequence, expected u32");
        let list = decode_or_text::<Vec<u8>>("[1, 2").expect_err("it is unclosed");
        assert_eq!(list.message, "EOF while parsing a list");
        let duration = decode_or_text::<Duration>("5s").expect_err("it has members").message;
        let expected = r#"invalid type: string "5s", expected struct Duration; write `'{"secs": …, "nanos": …}'`"#;
        assert_eq!(duration, expected);
    }
}
