//! `ResultCodec`: encodes and decodes a job's result type, through plain function pointers.
//!
//! Each job has one in a static, so that records and calls need no bounds on type parameters, and nothing large is compiled again
//! for each job.

use std::any::{TypeId, type_name};
use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::outcome::Failure;
use crate::wire::codec::CodecError;
use crate::wire::value::{self, Encoding};

/// The bound on the result of a job: an owned type that implements `serde`'s `Serialize` and `Deserialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a job",
    label = "this type can't travel between processes",
    note = "a type of your own needs `#[derive(serde::Serialize, serde::Deserialize)]` and no borrowed parts; one of another crate \
            may need that crate's feature for `serde`"
)]
pub trait JobResult: Serialize + DeserializeOwned + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + 'static> JobResult for T {}

/// As [`JobResult`], for a foreign type, to which the user can't add a derive.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be the result of a job",
    label = "this type can't travel between processes",
    note = "send what it is made from: a path in place of a `File`, an address in place of a socket, a `SystemTime` or a `Duration` \
            in place of an `Instant`, the value itself in place of an `Rc` or `Arc`, a `Vec` in place of an array of more than 32, \
            a struct in place of a tuple of more than 16"
)]
pub trait ForeignResult: JobResult {}

#[diagnostic::do_not_recommend]
impl<T: JobResult> ForeignResult for T {}

/// The functions that encode and decode results of type `T`.
pub struct ResultCodec<T> {
    encode: fn(&T, Encoding) -> Result<Vec<u8>, CodecError>,
    pub(crate) decode: fn(&[u8]) -> Result<T, CodecError>,
    erased: ErasedCodec,
}

impl<T: JobResult> ResultCodec<T> {
    const fn new() -> Self {
        Self {
            encode: value::encode::<T>,
            decode: value::decode::<T>,
            erased: ErasedCodec {
                type_id: TypeId::of::<T>,
                type_name: type_name::<T>,
                encoding: Encoding::Compact,
                decode: |bytes| Ok(Box::new(value::decode::<T>(bytes)?)),
            },
        }
    }
}

/// Returns the codec of `T`. It is a function because the message of an unmet bound on a method would hide that of the trait.
#[must_use]
pub const fn result_codec<T: JobResult>() -> ResultCodec<T> {
    ResultCodec::new()
}

/// Returns the same as [`result_codec`], with other advice if the bound isn't met.
#[must_use]
pub const fn foreign_result_codec<T: ForeignResult>() -> ResultCodec<T> {
    ResultCodec::new()
}

impl<T> ResultCodec<T> {
    /// Sets the encoding of the job's arguments and result.
    #[must_use]
    pub const fn encoded_as(mut self, encoding: Encoding) -> Self {
        self.erased.encoding = encoding;
        self
    }

    pub(crate) fn encode(&self, value: &T) -> Result<Vec<u8>, CodecError> {
        (self.encode)(value, self.erased.encoding)
    }

    /// Returns the codec without the type.
    #[must_use]
    pub const fn erased(&self) -> ErasedCodec {
        self.erased
    }
}

impl<T> fmt::Debug for ResultCodec<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.erased.fmt(f)
    }
}

/// A [`ResultCodec`] without its type parameter.
#[derive(Clone, Copy)]
pub struct ErasedCodec {
    type_id: fn() -> TypeId,
    type_name: fn() -> &'static str,
    encoding: Encoding,
    decode: DecodeErased,
}

type DecodeErased = fn(&[u8]) -> Result<Box<dyn erased_serde::Serialize>, CodecError>;

impl ErasedCodec {
    /// Returns `true` if `T` is the type of the results.
    pub(crate) fn is<T: 'static>(self) -> bool {
        (self.type_id)() == TypeId::of::<T>()
    }

    pub(crate) fn type_name(self) -> &'static str {
        (self.type_name)()
    }

    pub(crate) fn encoding(self) -> Encoding {
        self.encoding
    }

    /// Decodes a result, so that it can be serialized to another format.
    pub(crate) fn decode(self, bytes: &[u8]) -> Result<Box<dyn erased_serde::Serialize>, CodecError> {
        (self.decode)(bytes)
    }
}

impl fmt::Debug for ErasedCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResultCodec<{}>", self.type_name())
    }
}

/// Returns the failure of a job whose result can't be read back.
pub(crate) fn undecodable(error: &impl fmt::Display) -> Failure {
    Failure::Unserializable { message: format!("it can't be read back: {error}") }
}
