//! The encoding of a user's values. The first byte of each names its encoding.
//!
//! The compact encoding is preceded by the value's schema and followed by the hash of its shape ([`shape`](super::shape)),
//! so that no value is read as another one. A value that it can't carry is written in a self-describing encoding, if the
//! feature for that is on.

use std::io::Read;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::{Error as _, Impossible, SerializeTuple, Serializer};

use super::bytes;
use super::codec::{self, CodecError, DecodeFailure, guarded};
use super::decode_context::{CompactFault, DIFFERS, DecodeContext};
use super::payload::Payload;
#[cfg(feature = "cbor")]
use super::shape_recorder::Fingerprint;
use super::shape_recorder::{FormatStyle, ShapeRecorder, Unsupported};
use super::shape_serializer::WithShape;
use crate::panic_guard;

/// The encoding of a job's values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Without the names of fields, if the value can be carried so.
    #[default]
    Compact,
    /// CBOR, with the names of fields.
    #[cfg(feature = "cbor")]
    Cbor,
}

impl Encoding {
    fn format(self) -> FormatStyle {
        match self {
            Self::Compact => FormatStyle::Compact,
            #[cfg(feature = "cbor")]
            Self::Cbor => FormatStyle::SelfDescribing,
        }
    }
}

/// The first byte of a value.
const COMPACT: u8 = 1;
const CBOR: u8 = 2;

/// Appends the encoding of `value`.
pub(crate) fn append<T: Serialize + ?Sized>(
    bytes: &mut Vec<u8>,
    value: &T,
    encoding: Encoding,
) -> Result<(), CodecError> {
    let write = &mut |bytes: &mut Vec<u8>, recorder: &ShapeRecorder, encoding| {
        let recorded = WithShape { value, recorder };
        match encoding {
            Encoding::Compact => codec::append(bytes, &recorded),
            #[cfg(feature = "cbor")]
            Encoding::Cbor => super::cbor::append(bytes, &recorded),
        }
    };
    // Bytes are one block in any encoding.
    append_by(bytes, if bytes::is_byte_type::<T>() { Encoding::Compact } else { encoding }, write)
}

/// Returns the encoding of `value`.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, encoding: Encoding) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    append(&mut bytes, value, encoding)?;
    Ok(bytes)
}

/// Decodes a value that takes all of `bytes`.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut value = None;
    let read = &mut |encoded: EncodedValue<'_, _>| {
        value = Some(match encoded {
            EncodedValue::Compact(bytes, context) => codec::take_by(bytes, context)?,
            EncodedValue::SelfDescribing(bytes) => decode_self_describing(bytes).map_err(DecodeFailure::Other)?,
        });
        Ok(())
    };
    let decoded = decode_by(bytes, read);
    value_if(decoded, value)
}

/// Decodes the next value of a payload while it arrives. A length in it takes no more memory than payloads can be long.
pub(crate) fn receive<T: DeserializeOwned>(payload: &mut Payload<impl Read>) -> Result<T, CodecError> {
    let mut value = None;
    let read = &mut |encoded: EncodedValue<'_, Payload<_>>| {
        value = Some(match encoded {
            EncodedValue::Compact(payload, context) => codec::receive_by(payload, context)?,
            EncodedValue::SelfDescribing(bytes) => decode_self_describing(bytes).map_err(DecodeFailure::Other)?,
        });
        Ok(())
    };
    let received = receive_by(payload, read);
    value_if(received, value)
}

/// Returns the value if nothing else is wrong.
fn value_if<T>(result: Result<(), CodecError>, value: Option<T>) -> Result<T, CodecError> {
    match (result, value) {
        (Ok(()), value) => Ok(value.expect("a value was decoded")),
        (Err(error), value) => {
            panic_guard::discard(value);
            Err(error)
        }
    }
}

/// Appends the encodings of the parts of a tuple, one after the other.
///
/// # Errors
///
/// Fails with the index of the part that can't be encoded.
pub(crate) fn append_each<T: Serialize>(
    bytes: &mut Vec<u8>,
    tuple: &T,
    encoding: Encoding,
) -> Result<(), (usize, CodecError)> {
    let mut done = 0;
    let serialized = guarded(|| tuple.serialize(ElementSerializer { bytes, encoding, done: &mut done }));
    serialized.map_err(|error| (done, error))
}

// The code below depends on no user type: generic code is compiled once more for every type of every job.

/// The encoded value that is to be decoded.
enum EncodedValue<'a, B> {
    Compact(&'a mut B, &'a DecodeContext),
    SelfDescribing(&'a [u8]),
}

type ReadValue<'a, B> = &'a mut dyn FnMut(EncodedValue<'_, B>) -> Result<(), DecodeFailure>;

fn decode_by<'de>(mut bytes: &'de [u8], read: ReadValue<'_, &'de [u8]>) -> Result<(), CodecError> {
    match codec::take::<u8>(&mut bytes)? {
        COMPACT => {
            let context = DecodeContext::compact(bytes.len(), codec::take(&mut bytes)?);
            read(EncodedValue::Compact(&mut bytes, &context)).map_err(|failure| explain(failure, &context))?;
            check_shape(&context, codec::take(&mut bytes))?;
        }
        CBOR => {
            let length = u64::from_le_bytes(codec::take(&mut bytes)?);
            let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
            let (value, left) = bytes.split_at(length.ok_or_else(|| CodecError::new("the bytes end too early"))?);
            bytes = left;
            read(EncodedValue::SelfDescribing(value))?;
        }
        other => return Err(unknown(other)),
    }
    codec::check_end(bytes.len())
}

fn receive_by<S: Read>(payload: &mut Payload<S>, read: ReadValue<'_, Payload<S>>) -> Result<(), CodecError> {
    match codec::receive::<u8>(payload)? {
        COMPACT => {
            let schema = codec::receive(payload)?;
            let context = DecodeContext::compact(payload.left_in_memory(), schema);
            read(EncodedValue::Compact(payload, &context)).map_err(|failure| explain(failure, &context))?;
            check_shape(&context, codec::receive(payload))
        }
        CBOR => {
            let length = u64::from_le_bytes(codec::receive(payload)?);
            let bytes = payload.next(length).map_err(|error| CodecError::new(error.to_string()))?;
            Ok(read(EncodedValue::SelfDescribing(&bytes))?)
        }
        other => Err(unknown(other)),
    }
}

type WriteValue<'a> = &'a mut dyn FnMut(&mut Vec<u8>, &ShapeRecorder, Encoding) -> Result<(), CodecError>;

fn append_by(bytes: &mut Vec<u8>, encoding: Encoding, write: WriteValue<'_>) -> Result<(), CodecError> {
    let before = bytes.len();
    let recorder = ShapeRecorder::new(encoding.format());
    let appended = match encoding {
        Encoding::Compact => append_compact(bytes, recorder, write),
        #[cfg(feature = "cbor")]
        Encoding::Cbor => append_cbor(bytes, &recorder, write),
    };
    if appended.is_err() {
        bytes.truncate(before);
    }
    appended
}

fn append_compact(bytes: &mut Vec<u8>, recorder: ShapeRecorder, write: WriteValue<'_>) -> Result<(), CodecError> {
    let before = bytes.len();
    // An empty schema, which most values have.
    bytes.extend([COMPACT, 0]);
    write(bytes, &recorder, Encoding::Compact)?;
    if let Some(unsupported) = recorder.unsupported() {
        return append_self_describing(bytes, before, (&recorder, unsupported), write);
    }
    if recorder.is_ambiguous() && append_unambiguous(bytes, before, &recorder, write) {
        return Ok(());
    }
    let (schema, hash) = recorder.finish();
    if !schema.is_empty() {
        bytes.splice(before + 1..before + 2, codec::encode(&schema)?);
    }
    bytes.extend(hash.to_le_bytes());
    Ok(())
}

/// Replaces the bytes from `from` on by a self-describing encoding, in which structs of one name are distinguishable.
/// Returns whether that succeeded.
#[cfg(feature = "cbor")]
fn append_unambiguous(bytes: &mut Vec<u8>, from: usize, first: &ShapeRecorder, write: WriteValue<'_>) -> bool {
    let mut named = Vec::new();
    let fingerprint = first.fingerprint_of(&bytes[from + 2..]);
    let appended = append_again(&mut named, &fingerprint, write);
    if appended.is_ok() {
        bytes.truncate(from);
        bytes.extend(named);
    }
    appended.is_ok()
}

#[cfg(not(feature = "cbor"))]
fn append_unambiguous(_: &mut Vec<u8>, _: usize, _: &ShapeRecorder, _: WriteValue<'_>) -> bool {
    false
}

/// Replaces the bytes from `from` on by a self-describing encoding of a value that the compact one can't carry.
#[cfg(feature = "cbor")]
fn append_self_describing(
    bytes: &mut Vec<u8>,
    from: usize,
    (first, _): (&ShapeRecorder, Unsupported),
    write: WriteValue<'_>,
) -> Result<(), CodecError> {
    let fingerprint = first.fingerprint_of(&bytes[from + 2..]);
    bytes.truncate(from);
    append_again(bytes, &fingerprint, write)
}

#[cfg(not(feature = "cbor"))]
fn append_self_describing(
    _: &mut Vec<u8>,
    _: usize,
    (_, unsupported): (&ShapeRecorder, Unsupported),
    _: WriteValue<'_>,
) -> Result<(), CodecError> {
    let reason = match unsupported {
        Unsupported::SkippedField => "its `Serialize` skips a field (`skip_serializing_if`)",
        Unsupported::UnknownLength => {
            "its `Serialize` doesn't announce the number of elements (as with `#[serde(flatten)]` and many iterators)"
        }
    };
    Err(CodecError::new(format!(
        "{reason}, which the compact encoding can't carry; turn on the feature `cbor` of `scheduler`"
    )))
}

/// Appends a value for the second time, with names, and refuses one that differs from the first pass: a `Serialize` may
/// move its content out of a `Cell`, for example.
#[cfg(feature = "cbor")]
fn append_again(bytes: &mut Vec<u8>, first: &Fingerprint, write: WriteValue<'_>) -> Result<(), CodecError> {
    let recorder = ShapeRecorder::of_second_pass();
    append_cbor(bytes, &recorder, write)?;
    if recorder.fingerprint() == *first { Ok(()) } else { Err(CodecError::new(NOT_TWICE)) }
}

#[cfg(feature = "cbor")]
const NOT_TWICE: &str = "its `Serialize` writes another value the second time, and a value that skips fields (`skip_serializing_if`) \
    or has an unknown length (`flatten`) is written twice; put `#[job(encoding = \"cbor\")]` above the job, which writes it \
    once";

#[cfg(feature = "cbor")]
fn append_cbor(bytes: &mut Vec<u8>, recorder: &ShapeRecorder, write: WriteValue<'_>) -> Result<(), CodecError> {
    bytes.push(CBOR);
    let length_at = bytes.len();
    bytes.extend([0; 8]);
    let value_at = bytes.len();
    write(bytes, recorder, Encoding::Cbor)?;
    let length = (bytes.len() - value_at) as u64;
    bytes[length_at..value_at].copy_from_slice(&length.to_le_bytes());
    Ok(())
}

#[cfg(feature = "cbor")]
fn decode_self_describing<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    super::cbor::decode(bytes)
}

#[cfg(not(feature = "cbor"))]
fn decode_self_describing<T: DeserializeOwned>(_: &[u8]) -> Result<T, CodecError> {
    Err(unknown(CBOR))
}

fn unknown(encoding: u8) -> CodecError {
    CodecError::new(format!("its encoding is unknown to this build (number {encoding})"))
}

/// Compares the shape that was read with the one that was written.
fn check_shape(context: &DecodeContext, hash: Result<[u8; 8], CodecError>) -> Result<(), CodecError> {
    if hash.is_ok_and(|hash| u64::from_le_bytes(hash) == context.shape.finish()) {
        return Ok(());
    }
    Err(explain(DecodeFailure::Malformed(DIFFERS.to_owned()), context))
}

#[cfg(feature = "cbor")]
const WAY_OUT: &str = "put `#[job(encoding = \"cbor\")]` above the job";
#[cfg(not(feature = "cbor"))]
const WAY_OUT: &str = "put `#[job(encoding = \"cbor\")]` above the job, with the feature `cbor` of `scheduler`";

/// Returns the reason why a value of the compact encoding can't be read, with advice.
fn explain(decode_failure: DecodeFailure, context: &DecodeContext) -> CodecError {
    let remedy = format!(
        "if `Serialize` and `Deserialize` differ in form, make them agree; if only in order or names, {WAY_OUT}"
    );
    CodecError::new(match (context.fault(), decode_failure) {
        (_, DecodeFailure::Panicked(message)) => message,
        (_, DecodeFailure::Other(error)) => return error,
        (Some(CompactFault::NotSelfDescribing), _) => format!(
            "its `Deserialize` skips or ignores a field, or asks the encoding for the kind of the next value (as untagged and \
             flattened types and `serde_json::Value` do), and the compact encoding isn't self-describing; {WAY_OUT}"
        ),
        (Some(CompactFault::Differs), _) => format!("{DIFFERS}, and the compact encoding has no names; {remedy}"),
        (None, DecodeFailure::Malformed(message)) if message == DIFFERS => {
            format!("{DIFFERS}, and the compact encoding has no names; {remedy}")
        }
        (None, DecodeFailure::Malformed(message)) => format!("{message}; {remedy}"),
        (None, DecodeFailure::Rejected(message)) => format!("{message} ({remedy})"),
    })
}

/// Serializes the elements of a tuple one by one.
struct ElementSerializer<'a> {
    bytes: &'a mut Vec<u8>,
    encoding: Encoding,
    done: &'a mut usize,
}

type NotATuple = Impossible<(), CodecError>;

impl serde::ser::Error for CodecError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

macro_rules! refuse {
    ($($method:ident($($type:ty),*) -> $result:ty;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<$result, CodecError> {
            Err(CodecError::custom("it is not a tuple"))
        }
    )*};
}

impl Serializer for ElementSerializer<'_> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = NotATuple;
    type SerializeTuple = Self;
    type SerializeTupleStruct = NotATuple;
    type SerializeTupleVariant = NotATuple;
    type SerializeMap = NotATuple;
    type SerializeStruct = NotATuple;
    type SerializeStructVariant = NotATuple;

    fn serialize_tuple(self, _: usize) -> Result<Self, CodecError> {
        Ok(self)
    }

    fn serialize_unit(self) -> Result<(), CodecError> {
        Ok(())
    }

    refuse! {
        serialize_bool(bool) -> ();
        serialize_i8(i8) -> ();
        serialize_i16(i16) -> ();
        serialize_i32(i32) -> ();
        serialize_i64(i64) -> ();
        serialize_u8(u8) -> ();
        serialize_u16(u16) -> ();
        serialize_u32(u32) -> ();
        serialize_u64(u64) -> ();
        serialize_f32(f32) -> ();
        serialize_f64(f64) -> ();
        serialize_char(char) -> ();
        serialize_str(&str) -> ();
        serialize_bytes(&[u8]) -> ();
        serialize_none() -> ();
        serialize_unit_struct(&'static str) -> ();
        serialize_unit_variant(&'static str, u32, &'static str) -> ();
        serialize_seq(Option<usize>) -> NotATuple;
        serialize_tuple_struct(&'static str, usize) -> NotATuple;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> NotATuple;
        serialize_map(Option<usize>) -> NotATuple;
        serialize_struct(&'static str, usize) -> NotATuple;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> NotATuple;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), CodecError> {
        Err(CodecError::custom("it is not a tuple"))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), CodecError> {
        Err(CodecError::custom("it is not a tuple"))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), CodecError> {
        Err(CodecError::custom("it is not a tuple"))
    }
}

impl SerializeTuple for ElementSerializer<'_> {
    type Ok = ();
    type Error = CodecError;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        append(self.bytes, value, self.encoding)?;
        *self.done += 1;
        Ok(())
    }

    fn end(self) -> Result<(), CodecError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
