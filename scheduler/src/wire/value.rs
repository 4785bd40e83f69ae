//! A user's values, as bytes: each bears which encoding it is in.
//!
//! The compact encoding has the labels of what follows before it, and the hash of its trace behind it
//! ([`shape`](super::shape)), so that no value is read as another one. What it can't carry goes in a self-describing one,
//! with the feature that has it.

use std::io::Read;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde::ser::{Error as _, Impossible, SerializeTuple, Serializer};

use super::bytes;
use super::codec::{self, CodecError, Undecoded, guarded};
use super::payload::Payload;
use super::reading::{Cannot, NO_MIRROR, Reading};
#[cfg(feature = "cbor")]
use super::recording::Fingerprint;
use super::recording::{Format, Need, Recorded, Recorder};
use crate::panic_guard;

/// How values are to be encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Without names, where the value can be carried so.
    #[default]
    Compact,
    /// With the names of fields, as CBOR.
    #[cfg(feature = "cbor")]
    Cbor,
}

impl Encoding {
    fn format(self) -> Format {
        match self {
            Self::Compact => Format::Compact,
            #[cfg(feature = "cbor")]
            Self::Cbor => Format::Named,
        }
    }
}

/// What stands before a value.
const COMPACT: u8 = 1;
const CBOR: u8 = 2;

/// Appends the encoding of `value`.
pub(crate) fn append<T: Serialize + ?Sized>(
    bytes: &mut Vec<u8>,
    value: &T,
    encoding: Encoding,
) -> Result<(), CodecError> {
    let write = &mut |bytes: &mut Vec<u8>, recorder: &Recorder, encoding| {
        let recorded = Recorded { value, recorder };
        match encoding {
            Encoding::Compact => codec::append(bytes, &recorded),
            #[cfg(feature = "cbor")]
            Encoding::Cbor => super::cbor::append(bytes, &recorded),
        }
    };
    // Those are one block in any encoding.
    append_by(bytes, if bytes::are_all_of::<T>() { Encoding::Compact } else { encoding }, write)
}

/// Returns the encoding of `value`.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T, encoding: Encoding) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    append(&mut bytes, value, encoding)?;
    Ok(bytes)
}

/// Turns the whole of `bytes` into a value; bytes left over are an error.
pub(crate) fn decode<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, CodecError> {
    let bytes = &mut bytes;
    let value = match codec::take::<u8>(bytes)? {
        COMPACT => {
            let reading = Reading::compact(bytes.len(), codec::take(bytes)?);
            let value = codec::take_by(bytes, &reading).map_err(|error| explained(error, &reading))?;
            only_if(compared(&reading, codec::take(bytes)), value)?
        }
        CBOR => {
            let length = u64::from_le_bytes(codec::take(bytes)?);
            let length = usize::try_from(length).ok().filter(|length| *length <= bytes.len());
            let (value, left) = bytes.split_at(length.ok_or_else(|| CodecError::new("the bytes end too early"))?);
            *bytes = left;
            named(value)?
        }
        other => return Err(unknown(other)),
    };
    only_if(codec::nothing_left(bytes.len()), value)
}

/// Takes the next value off a payload as it comes. A length in it takes no more memory than payloads can be long.
pub(crate) fn receive<T: DeserializeOwned>(payload: &mut Payload<impl Read>) -> Result<T, CodecError> {
    match codec::receive::<u8>(payload)? {
        COMPACT => {
            let labels = codec::receive(payload)?;
            let reading = Reading::compact(payload.most(), labels);
            let value = codec::receive_by(payload, &reading).map_err(|error| explained(error, &reading))?;
            only_if(compared(&reading, codec::receive(payload)), value)
        }
        CBOR => {
            let length = u64::from_le_bytes(codec::receive(payload)?);
            named(&payload.next(length).map_err(|error| CodecError::new(error.to_string()))?)
        }
        other => Err(unknown(other)),
    }
}

/// Returns the value if all is well with it.
fn only_if<T>(is_well: Result<(), CodecError>, value: T) -> Result<T, CodecError> {
    match is_well {
        Ok(()) => Ok(value),
        Err(error) => {
            panic_guard::discard(value);
            Err(error)
        }
    }
}

/// Appends the encodings of the parts of a tuple, one after the other.
///
/// # Errors
///
/// Fails with the number of the part that can't be encoded.
pub(crate) fn append_each<T: Serialize>(
    bytes: &mut Vec<u8>,
    tuple: &T,
    encoding: Encoding,
) -> Result<(), (usize, CodecError)> {
    let mut done = 0;
    let serialized = guarded(|| tuple.serialize(Each { bytes, encoding, done: &mut done }));
    serialized.map_err(|error| (done, error))
}

// What depends on no type stands below: code that does is made once more for every type of every job.

type Write<'a> = &'a mut dyn FnMut(&mut Vec<u8>, &Recorder, Encoding) -> Result<(), CodecError>;

fn append_by(bytes: &mut Vec<u8>, encoding: Encoding, write: Write<'_>) -> Result<(), CodecError> {
    let before = bytes.len();
    let recorder = Recorder::new(encoding.format());
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

fn append_compact(bytes: &mut Vec<u8>, recorder: Recorder, write: Write<'_>) -> Result<(), CodecError> {
    let before = bytes.len();
    // In the place of the labels, of which there are none, mostly.
    bytes.extend([COMPACT, 0]);
    write(bytes, &recorder, Encoding::Compact)?;
    if let Some(need) = recorder.need() {
        return append_otherwise(bytes, before, (&recorder, need), write);
    }
    if recorder.is_ambiguous() && append_unambiguous(bytes, before, &recorder, write) {
        return Ok(());
    }
    let (labels, hash) = recorder.finish();
    if !labels.is_empty() {
        bytes.splice(before + 1..before + 2, codec::encode(&labels)?);
    }
    bytes.extend(hash.to_le_bytes());
    Ok(())
}

/// Appends, in place of what stands there from `from` on, what its type can tell apart by names alone; false if that can't
/// be done.
#[cfg(feature = "cbor")]
fn append_unambiguous(bytes: &mut Vec<u8>, from: usize, first: &Recorder, write: Write<'_>) -> bool {
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
fn append_unambiguous(_: &mut Vec<u8>, _: usize, _: &Recorder, _: Write<'_>) -> bool {
    false
}

/// Appends what the compact encoding can't carry, in place of what stands there from `from` on.
#[cfg(feature = "cbor")]
fn append_otherwise(
    bytes: &mut Vec<u8>,
    from: usize,
    (first, _): (&Recorder, Need),
    write: Write<'_>,
) -> Result<(), CodecError> {
    let fingerprint = first.fingerprint_of(&bytes[from + 2..]);
    bytes.truncate(from);
    append_again(bytes, &fingerprint, write)
}

#[cfg(not(feature = "cbor"))]
fn append_otherwise(_: &mut Vec<u8>, _: usize, (_, need): (&Recorder, Need), _: Write<'_>) -> Result<(), CodecError> {
    let what = match need {
        Need::SkippedField => "its `Serialize` leaves a field out (`skip_serializing_if`)",
        Need::UnknownLength => {
            "its `Serialize` doesn't say how many elements there are (as `#[serde(flatten)]` and many iterators do)"
        }
    };
    Err(CodecError::new(format!(
        "{what}, which the compact encoding can't carry; turn on the feature `cbor` of `scheduler`, with which it is carried"
    )))
}

/// Appends a value for the second time, with names. A `Serialize` may take what it writes out of a `Cell`, say: what differs
/// from what was written first is refused.
#[cfg(feature = "cbor")]
fn append_again(bytes: &mut Vec<u8>, first: &Fingerprint, write: Write<'_>) -> Result<(), CodecError> {
    let recorder = Recorder::of_second_pass();
    append_cbor(bytes, &recorder, write)?;
    if recorder.fingerprint() == *first { Ok(()) } else { Err(CodecError::new(NOT_TWICE)) }
}

#[cfg(feature = "cbor")]
const NOT_TWICE: &str = "its `Serialize` writes something else the second time, and what leaves fields out (`skip_serializing_if`) \
    or doesn't say how long it is (`flatten`) is written twice; put `#[job(encoding = \"cbor\")]` above the job, which writes \
    it once";

#[cfg(feature = "cbor")]
fn append_cbor(bytes: &mut Vec<u8>, recorder: &Recorder, write: Write<'_>) -> Result<(), CodecError> {
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
fn named<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    super::cbor::decode(bytes)
}

#[cfg(not(feature = "cbor"))]
fn named<T: DeserializeOwned>(_: &[u8]) -> Result<T, CodecError> {
    Err(unknown(CBOR))
}

fn unknown(encoding: u8) -> CodecError {
    CodecError::new(format!("it is in an encoding that this build doesn't know (number {encoding})"))
}

/// Compares what was read with what was written.
fn compared(reading: &Reading, hash: Result<[u8; 8], CodecError>) -> Result<(), CodecError> {
    if hash.is_ok_and(|hash| u64::from_le_bytes(hash) == reading.trace.finish()) {
        return Ok(());
    }
    Err(explained(Undecoded::ByBytes(NO_MIRROR.to_owned()), reading))
}

#[cfg(feature = "cbor")]
const WAY_OUT: &str = "put `#[job(encoding = \"cbor\")]` above the job";
#[cfg(not(feature = "cbor"))]
const WAY_OUT: &str = "put `#[job(encoding = \"cbor\")]` above the job, with the feature `cbor` of `scheduler`";

/// Returns why a value of the compact encoding can't be read, and what to write.
fn explained(undecoded: Undecoded, reading: &Reading) -> CodecError {
    let remedy = format!(
        "if `Serialize` and `Deserialize` differ in form, make them agree; if only in order or names, {WAY_OUT}"
    );
    CodecError::new(match (reading.cannot(), undecoded) {
        (_, Undecoded::Panicked(message)) => message,
        (Some(Cannot::Tell), _) => format!(
            "its `Deserialize` skips or ignores a field, or asks the encoding what comes next (as untagged and flattened \
             types and `serde_json::Value` do), which the compact one can't tell; {WAY_OUT}"
        ),
        (Some(Cannot::Match), _) => format!("{NO_MIRROR}, and the compact encoding has no names; {remedy}"),
        (None, Undecoded::ByBytes(message)) if message == NO_MIRROR => {
            format!("{NO_MIRROR}, and the compact encoding has no names; {remedy}")
        }
        (None, Undecoded::ByBytes(message)) => format!("{message}; {remedy}"),
        (None, Undecoded::ByType(message)) => format!("{message} ({remedy})"),
    })
}

/// Serializes a tuple part by part.
struct Each<'a> {
    bytes: &'a mut Vec<u8>,
    encoding: Encoding,
    done: &'a mut usize,
}

/// Why a tuple could not be serialized.
type Unable = CodecError;

type Nothing = Impossible<(), Unable>;

impl serde::ser::Error for CodecError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }
}

macro_rules! no_tuple {
    ($($method:ident($($type:ty),*) -> $result:ty;)*) => {$(
        fn $method(self, $(_: $type),*) -> Result<$result, Unable> {
            Err(Unable::custom("it is no tuple"))
        }
    )*};
}

impl Serializer for Each<'_> {
    type Ok = ();
    type Error = Unable;
    type SerializeSeq = Nothing;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Nothing;
    type SerializeTupleVariant = Nothing;
    type SerializeMap = Nothing;
    type SerializeStruct = Nothing;
    type SerializeStructVariant = Nothing;

    fn serialize_tuple(self, _: usize) -> Result<Self, Unable> {
        Ok(self)
    }

    fn serialize_unit(self) -> Result<(), Unable> {
        Ok(())
    }

    no_tuple! {
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
        serialize_seq(Option<usize>) -> Nothing;
        serialize_tuple_struct(&'static str, usize) -> Nothing;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Nothing;
        serialize_map(Option<usize>) -> Nothing;
        serialize_struct(&'static str, usize) -> Nothing;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Nothing;
    }

    fn serialize_some<T: Serialize + ?Sized>(self, _: &T) -> Result<(), Unable> {
        Err(Unable::custom("it is no tuple"))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<(), Unable> {
        Err(Unable::custom("it is no tuple"))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), Unable> {
        Err(Unable::custom("it is no tuple"))
    }
}

impl SerializeTuple for Each<'_> {
    type Ok = ();
    type Error = Unable;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unable> {
        append(self.bytes, value, self.encoding)?;
        *self.done += 1;
        Ok(())
    }

    fn end(self) -> Result<(), Unable> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
