//! The self-describing encoding, CBOR. The only module that names `cbor4ii`, so that it can be replaced.

use std::convert::Infallible;
use std::marker::PhantomData;

use cbor4ii::core::dec::{Error as Fault, Read, Reference};
use cbor4ii::core::enc::Write;
use cbor4ii::serde::{DecodeError, Deserializer, EncodeError, Serializer};
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};

use super::bounded::Bounded;
use super::codec::{CodecError, VecWriter, check_end, guarded};
use super::decode_context::{DIFFERS, DecodeContext};

/// The deepest nesting that is decoded: each level takes about a kilobyte of stack in a debug build.
const MAX_DEPTH: usize = 500;

/// Appends the encoding of `value`.
pub(super) fn append<T: Serialize>(bytes: &mut Vec<u8>, value: &T) -> Result<(), CodecError> {
    guarded(|| {
        let mut serializer = Serializer::new(VecWriter(bytes));
        value.serialize(&mut serializer).map_err(|error| match error {
            EncodeError::Custom(message) => CodecError::new(message),
            EncodeError::Core(error) => CodecError::new(error.to_string()),
        })
    })
}

/// Decodes a value that takes all of `bytes`. A length in it takes memory only once the bytes are there.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    guarded(|| {
        let context = DecodeContext::self_describing(bytes.len());
        let mut deserializer = Deserializer::new(SliceReader { bytes, levels: MAX_DEPTH });
        let value = Bounded::new(PhantomData, &context).deserialize(&mut deserializer);
        let value = value.map_err(|error| CodecError::new(message(error)))?;
        check_end(deserializer.into_inner().bytes.len()).map(|()| value)
    })
}

impl Write for VecWriter<'_> {
    type Error = Infallible;

    fn push(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.append(bytes);
        Ok(())
    }
}

/// The bytes left, and the levels of nesting left.
struct SliceReader<'de> {
    bytes: &'de [u8],
    levels: usize,
}

impl<'de> Read<'de> for SliceReader<'de> {
    type Error = Infallible;

    fn fill<'short>(&'short mut self, wanted: usize) -> Result<Reference<'de, 'short>, Infallible> {
        Ok(Reference::Long(&self.bytes[..wanted.min(self.bytes.len())]))
    }

    fn advance(&mut self, count: usize) {
        self.bytes = &self.bytes[count.min(self.bytes.len())..];
    }

    fn step_in(&mut self) -> bool {
        let deeper = self.levels.checked_sub(1);
        self.levels = deeper.unwrap_or_default();
        deeper.is_some()
    }

    fn step_out(&mut self) {
        self.levels += 1;
    }
}

/// The advice if the forms of `Serialize` and `Deserialize` differ.
const AGREE: &str = "make `into` and `from` (or the two functions of `with`) agree";

fn message(error: DecodeError<Infallible>) -> String {
    let fault = match error {
        DecodeError::Custom(message) => return with_advice(&message),
        DecodeError::Core(fault) => fault,
    };
    match fault {
        Fault::DepthOverflow { .. } => format!("it is nested more than {MAX_DEPTH} levels deep; send it flat"),
        Fault::Eof { .. } => "the bytes end too early".to_owned(),
        Fault::RequireLength { .. } => "its `Deserialize` asks for another number of elements than its `Serialize` \
            writes: a tuple can't leave elements out; give its fields names"
            .to_owned(),
        Fault::CastOverflow { .. } | Fault::ArithmeticOverflow { .. } => {
            format!("its `Deserialize` asks for a smaller number than its `Serialize` writes; {AGREE}")
        }
        Fault::Mismatch { name, .. } | Fault::Unsupported { name, .. } => {
            format!("its `Deserialize` asks for `{name}`, and its `Serialize` writes something else; {AGREE}")
        }
        fault => fault.to_string(),
    }
}

/// Returns a type's own message, with advice if the cause is known.
fn with_advice(message: &str) -> String {
    let is_self_describing = ["` as i128", "` as u128"].iter().any(|integer| message.contains(integer));
    let is_unsupported = message.starts_with("invalid type: integer") && is_self_describing;
    if is_unsupported || ["i128 is not supported", "u128 is not supported"].contains(&message) {
        return format!(
            "{message}; serde keeps no 128-bit integers in `flatten`, `untagged` and internally tagged types; send it as \
             text, or in a field outside of them"
        );
    }
    if message == DIFFERS { format!("{message}; {AGREE}") } else { message.to_owned() }
}
