//! The compact encoding of values, and the encoding of our own messages. The only module that names `bincode`, so that it
//! can be replaced.

use std::fmt;
use std::io::{self, Read};
use std::marker::PhantomData;

use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use bincode::serde::OwnedSerdeDecoder;
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};

use super::bounded::Bounded;
use super::decode_context::{DIFFERS, DecodeContext};
use super::frame;
use super::payload::Payload;
use super::shape::continue_hash;
use crate::huge_pages;
use crate::panic_guard;

/// The reason why a value could not be encoded or decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CodecError(String);

impl CodecError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    pub(crate) fn into_message(self) -> String {
        self.0
    }
}

/// The reason why bytes could not be decoded.
#[derive(Debug)]
pub(super) enum DecodeFailure {
    /// The type's own `Deserialize` refused the value.
    Rejected(String),
    /// The type's own `Deserialize` panicked.
    Panicked(String),
    /// The bytes don't hold the requested values.
    Malformed(String),
    /// Another encoding's error, which needs no explanation.
    Other(CodecError),
}

impl From<DecodeFailure> for CodecError {
    fn from(decode_failure: DecodeFailure) -> Self {
        match decode_failure {
            DecodeFailure::Other(error) => error,
            DecodeFailure::Rejected(message) | DecodeFailure::Panicked(message) | DecodeFailure::Malformed(message) => {
                Self(message)
            }
        }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CodecError {}

/// Appends the encoding of `value`. Values that are appended one after the other read back as one tuple.
pub(crate) fn append<T: Serialize + ?Sized>(bytes: &mut Vec<u8>, value: &T) -> Result<(), CodecError> {
    append_by(bytes, &mut encoding(value))
}

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    encode_by(&mut encoding(value))
}

/// Decodes one message and removes it from the front of `bytes`. A length in it takes memory only once the bytes are there.
pub(crate) fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, CodecError> {
    let context = DecodeContext::of_message(bytes.len());
    take_by(bytes, &context).map_err(CodecError::from)
}

/// [`take`] with the state of a user's value.
pub(super) fn take_by<T: DeserializeOwned>(bytes: &mut &[u8], context: &DecodeContext) -> Result<T, DecodeFailure> {
    let mut taken = None;
    decode_by(&mut || {
        let seed = Bounded::new(PhantomData, context);
        taken = Some(bincode::serde::seed_decode_from_slice(seed, bytes, bincode::config::standard())?);
        Ok(())
    })?;
    let (value, length) = taken.expect("a value was decoded");
    *bytes = &bytes[length..];
    Ok(value)
}

/// Decodes a message that takes all of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, CodecError> {
    let value = take(&mut bytes)?;
    match check_end(bytes.len()) {
        Ok(()) => Ok(value),
        Err(error) => {
            panic_guard::discard(value);
            Err(error)
        }
    }
}

/// Decodes the next message of a payload while it arrives. A length in it takes no more memory than payloads can be long.
pub(super) fn receive<T: DeserializeOwned>(payload: &mut Payload<impl Read>) -> Result<T, CodecError> {
    let context = DecodeContext::of_message(payload.left_in_memory());
    receive_by(payload, &context).map_err(CodecError::from)
}

/// [`receive`] with the state of a user's value.
pub(super) fn receive_by<T: DeserializeOwned>(
    payload: &mut Payload<impl Read>,
    context: &DecodeContext,
) -> Result<T, DecodeFailure> {
    let mut received = None;
    decode_by(&mut || {
        let seed = Bounded::new(PhantomData, context);
        let config = bincode::config::standard().with_limit::<DECODE_LIMIT>();
        let mut decoder = OwnedSerdeDecoder::from_reader(payload.reader(), config);
        received = Some(seed.deserialize(decoder.as_deserializer())?);
        Ok(())
    })?;
    Ok(received.expect("a value was decoded"))
}

/// The most memory that the values in a payload may claim. One byte stands for at most 16, those of a `u128`.
#[expect(clippy::cast_possible_truncation, reason = "the limit of a frame fits into 32 bits")]
const DECODE_LIMIT: usize = 16_usize.saturating_mul(frame::LIMIT as usize);

fn encoding<T: Serialize + ?Sized>(value: &T) -> impl FnMut(&mut Vec<u8>) -> Result<(), EncodeError> {
    move |bytes| bincode::serde::encode_into_writer(value, VecWriter(bytes), bincode::config::standard())
}

/// Continues a hash with the encoding of a number.
pub(super) fn continue_hash_with<T: Serialize>(number: &T, before: u64) -> u64 {
    let mut hashing = HashWriter(before);
    // Neither a number nor the writer fails.
    let _ = bincode::serde::encode_into_writer(number, &mut hashing, bincode::config::standard());
    hashing.0
}

// The code below depends on no user type: generic code is compiled once more for every type of every job.

/// A writer that hashes.
struct HashWriter(u64);

impl Writer for &mut HashWriter {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0 = continue_hash(bytes, self.0);
        Ok(())
    }
}

/// A writer that appends to a vector.
pub(super) struct VecWriter<'a>(pub(super) &'a mut Vec<u8>);

impl VecWriter<'_> {
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) {
        // Most pieces are a few bytes long and fit.
        if self.0.capacity() - self.0.len() < bytes.len() {
            huge_pages::reserve(self.0, bytes.len());
        }
        self.0.extend_from_slice(bytes);
    }
}

impl Writer for VecWriter<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.append(bytes);
        Ok(())
    }
}

type EncodeFn<'a> = &'a mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>;

fn append_by(bytes: &mut Vec<u8>, encoding: EncodeFn<'_>) -> Result<(), CodecError> {
    let before = bytes.len();
    let appended = guarded(|| encoding(bytes).map_err(|error| CodecError(encode_message(&error))));
    if appended.is_err() {
        bytes.truncate(before);
    }
    appended
}

fn encode_by(encoding: EncodeFn<'_>) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    append_by(&mut bytes, encoding)?;
    Ok(bytes)
}

fn decode_by(decoding: &mut dyn FnMut() -> Result<(), DecodeError>) -> Result<(), DecodeFailure> {
    guarded(|| Ok(decoding()))
        .map_err(|panic| DecodeFailure::Panicked(panic.0))?
        .map_err(|error| decode_failure(&error))
}

pub(super) fn check_end(left: usize) -> Result<(), CodecError> {
    match left {
        0 => Ok(()),
        1 => Err(CodecError("1 byte was left over".into())),
        left => Err(CodecError(format!("{left} bytes were left over"))),
    }
}

fn encode_message(error: &EncodeError) -> String {
    match error {
        EncodeError::Other(message) => (*message).to_owned(),
        EncodeError::OtherString(message) => message.clone(),
        error => error.to_string(),
    }
}

const ENDS_TOO_EARLY: &str = "the bytes end too early";

fn decode_failure(error: &DecodeError) -> DecodeFailure {
    match error {
        DecodeError::Other(message) => DecodeFailure::Rejected((*message).to_owned()),
        DecodeError::OtherString(message) => DecodeFailure::Rejected(message.clone()),
        // On a 32-bit platform a length can exceed the address space.
        DecodeError::UnexpectedEnd { .. } | DecodeError::LimitExceeded | DecodeError::OutsideUsizeRange(_) => {
            DecodeFailure::Malformed(ENDS_TOO_EARLY.to_owned())
        }
        DecodeError::Io { inner, .. } if inner.kind() == io::ErrorKind::UnexpectedEof => {
            DecodeFailure::Malformed(ENDS_TOO_EARLY.to_owned())
        }
        DecodeError::Io { inner, .. } => DecodeFailure::Rejected(inner.to_string()),
        _ => DecodeFailure::Malformed(DIFFERS.to_owned()),
    }
}

/// Runs user code (a `Serialize` or `Deserialize`) and returns its panic as an error.
pub(super) fn guarded<T>(code: impl FnOnce() -> Result<T, CodecError>) -> Result<T, CodecError> {
    panic_guard::guarded(code).unwrap_or_else(|panic| Err(CodecError(panic.to_string())))
}

#[cfg(test)]
mod tests;
