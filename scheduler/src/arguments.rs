//! `Arguments`: the arguments of a call, as they are encoded in the parent.

use serde::Serialize;

#[cfg(feature = "json")]
use crate::json;
use crate::wire::codec::CodecError;
use crate::wire::value::{self, Encoding};

/// An argument of a job, in the parent: an owned type that `serde` can serialize.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a job",
    label = "this type can't travel between processes",
    note = "a type of your own needs `#[derive(serde::Serialize, serde::Deserialize)]` and no borrowed parts; one of another crate \
            may need that crate's feature for `serde`"
)]
pub trait WritableArgument: Serialize + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + 'static> WritableArgument for T {}

/// A [`WritableArgument`] of a foreign type, whose error message suggests another type in place of a derive.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be an argument of a job",
    label = "this type can't travel between processes",
    note = "send what it is made from: a path in place of a `File`, an address in place of a socket, a `SystemTime` or a `Duration` \
            in place of an `Instant`, the value itself in place of an `Rc` or `Arc`, a `Vec` in place of an array of more than 32, \
            a struct in place of a tuple of more than 16"
)]
pub trait WritableForeign: WritableArgument {}

#[diagnostic::do_not_recommend]
impl<T: WritableArgument> WritableForeign for T {}

/// The encoded arguments of a call, one after the other.
#[derive(Debug, Default)]
pub struct Arguments {
    bytes: Vec<u8>,
    problem: Option<String>,
    encoding: Encoding,
    /// The arguments as JSON, if they are to be shown instead of sent.
    #[cfg(feature = "json")]
    shown: Option<Vec<String>>,
}

impl Arguments {
    /// Returns an empty list of arguments.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the encoding of the arguments that follow.
    #[must_use]
    pub fn encoded_as(self, encoding: Encoding) -> Self {
        Self { encoding, ..self }
    }

    /// Adds the next argument. The first that can't be encoded is reported in the record of the run.
    pub fn push<T: WritableArgument>(&mut self, name: &str, value: &T) {
        #[cfg(feature = "json")]
        if self.shown.is_some() {
            return self.show(name, value);
        }
        let appended = value::append(&mut self.bytes, value, self.encoding);
        self.note(name, appended);
    }

    /// Adds the next argument, as [`push`](Self::push) does, with another compile error for its bound.
    pub fn push_foreign<T: WritableForeign>(&mut self, name: &str, value: &T) {
        self.push(name, value);
    }

    /// Returns the encoded arguments, or the reason why they can't be encoded.
    pub(crate) fn into_bytes(self) -> Result<Vec<u8>, String> {
        self.problem.map_or(Ok(self.bytes), Err)
    }

    fn note(&mut self, name: &str, appended: Result<(), CodecError>) {
        if let Err(error) = appended {
            self.problem.get_or_insert_with(|| unserializable(name, &error));
        }
    }
}

#[cfg(feature = "json")]
impl Arguments {
    /// Returns an empty list of arguments that are written as JSON.
    pub(crate) fn shown_as_json() -> Self {
        Self { shown: Some(Vec::new()), ..Self::default() }
    }

    fn show(&mut self, name: &str, value: &dyn erased_serde::Serialize) {
        match json::encode(value) {
            Ok(text) => self.shown.get_or_insert_default().push(text),
            Err(problem) => {
                let problem = format!("its argument `{name}` can't be written as JSON: {problem}");
                self.problem.get_or_insert(problem);
            }
        }
    }

    /// Returns each argument as JSON, or the reason why one can't be written.
    pub(crate) fn into_json(self) -> Result<Vec<String>, String> {
        self.problem.map_or(Ok(self.shown.unwrap_or_default()), Err)
    }
}

/// Returns the reason why a call can't be made.
pub(crate) fn unserializable(name: &str, error: &CodecError) -> String {
    format!("its argument `{name}` could not be serialized: {error}")
}
