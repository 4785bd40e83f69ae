//! The compact encoding, and that of our own messages. The only module that names `bincode`, so that it can be replaced.

use std::fmt;
use std::io::{self, Read};
use std::marker::PhantomData;

use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};
use bincode::serde::OwnedSerdeDecoder;
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};

use super::bounded::Bounded;
use super::frame;
use super::payload::Payload;
use super::reading::{NO_MIRROR, Reading};
use super::shape::continued;
use crate::huge_pages;
use crate::panic_guard;

/// Why a value could not be turned into bytes, or bytes into a value.
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

/// Why bytes are no value.
#[derive(Debug)]
pub(super) enum Undecoded {
    /// The type's own `Deserialize` refuses the value.
    ByType(String),
    /// The type's own `Deserialize` panics.
    Panicked(String),
    /// The bytes are not what it asks for.
    ByBytes(String),
}

impl From<Undecoded> for CodecError {
    fn from(undecoded: Undecoded) -> Self {
        match undecoded {
            Undecoded::ByType(message) | Undecoded::Panicked(message) | Undecoded::ByBytes(message) => Self(message),
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

/// Takes one message off the front of `bytes`. A length in it takes memory only once the bytes are there.
pub(crate) fn take<T: DeserializeOwned>(bytes: &mut &[u8]) -> Result<T, CodecError> {
    let reading = Reading::of_message(bytes.len());
    take_by(bytes, &reading).map_err(CodecError::from)
}

/// [`take`], with what is known of the value.
pub(super) fn take_by<T: DeserializeOwned>(bytes: &mut &[u8], reading: &Reading) -> Result<T, Undecoded> {
    let mut taken = None;
    decode_by(&mut || {
        let seed = Bounded::new(PhantomData, reading);
        taken = Some(bincode::serde::seed_decode_from_slice(seed, bytes, bincode::config::standard())?);
        Ok(())
    })?;
    let (value, length) = taken.expect("a value was decoded");
    *bytes = &bytes[length..];
    Ok(value)
}

/// Turns the whole of `bytes` into a value; bytes left over are an error.
pub(crate) fn decode<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, CodecError> {
    let value = take(&mut bytes)?;
    match nothing_left(bytes.len()) {
        Ok(()) => Ok(value),
        Err(error) => {
            panic_guard::discard(value);
            Err(error)
        }
    }
}

/// Takes the next message off a payload as it comes. A length in it takes no more memory than payloads can be long.
pub(super) fn receive<T: DeserializeOwned>(payload: &mut Payload<impl Read>) -> Result<T, CodecError> {
    let reading = Reading::of_message(payload.most());
    receive_by(payload, &reading).map_err(CodecError::from)
}

/// [`receive`], with what is known of the value.
pub(super) fn receive_by<T: DeserializeOwned>(
    payload: &mut Payload<impl Read>,
    reading: &Reading,
) -> Result<T, Undecoded> {
    let mut received = None;
    decode_by(&mut || {
        let seed = Bounded::new(PhantomData, reading);
        let config = bincode::config::standard().with_limit::<MOST>();
        let mut decoder = OwnedSerdeDecoder::from_reader(payload.reader(), config);
        received = Some(seed.deserialize(decoder.as_deserializer())?);
        Ok(())
    })?;
    Ok(received.expect("a value was decoded"))
}

/// What the values in a payload may say that they take. Each of its bytes stands for 16 at most, those of an `u128`.
#[expect(clippy::cast_possible_truncation, reason = "the limit of a frame fits into 32 bits")]
const MOST: usize = 16_usize.saturating_mul(frame::LIMIT as usize);

fn encoding<T: Serialize + ?Sized>(value: &T) -> impl FnMut(&mut Vec<u8>) -> Result<(), EncodeError> {
    move |bytes| bincode::serde::encode_into_writer(value, Growing(bytes), bincode::config::standard())
}

/// Continues a hash with the encoding of a number.
pub(super) fn hashed<T: Serialize>(number: &T, before: u64) -> u64 {
    let mut hashing = Hashing(before);
    // Neither a number nor the writer fails.
    let _ = bincode::serde::encode_into_writer(number, &mut hashing, bincode::config::standard());
    hashing.0
}

// What depends on no type stands below: code that does is made once more for every type of every job.

/// A hash of what is written to it.
struct Hashing(u64);

impl Writer for &mut Hashing {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0 = continued(bytes, self.0);
        Ok(())
    }
}

/// What grows as it is written to.
pub(super) struct Growing<'a>(pub(super) &'a mut Vec<u8>);

impl Growing<'_> {
    #[inline]
    pub(super) fn append(&mut self, bytes: &[u8]) {
        // Most pieces are of a few bytes, and find room.
        if self.0.capacity() - self.0.len() < bytes.len() {
            huge_pages::reserve(self.0, bytes.len());
        }
        self.0.extend_from_slice(bytes);
    }
}

impl Writer for Growing<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.append(bytes);
        Ok(())
    }
}

type Encoding<'a> = &'a mut dyn FnMut(&mut Vec<u8>) -> Result<(), EncodeError>;

fn append_by(bytes: &mut Vec<u8>, encoding: Encoding<'_>) -> Result<(), CodecError> {
    let before = bytes.len();
    let appended = guarded(|| encoding(bytes).map_err(|error| CodecError(encode_message(&error))));
    if appended.is_err() {
        bytes.truncate(before);
    }
    appended
}

fn encode_by(encoding: Encoding<'_>) -> Result<Vec<u8>, CodecError> {
    let mut bytes = Vec::new();
    append_by(&mut bytes, encoding)?;
    Ok(bytes)
}

fn decode_by(decoding: &mut dyn FnMut() -> Result<(), DecodeError>) -> Result<(), Undecoded> {
    guarded(|| Ok(decoding())).map_err(|panic| Undecoded::Panicked(panic.0))?.map_err(|error| undecoded(&error))
}

pub(super) fn nothing_left(left: usize) -> Result<(), CodecError> {
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

fn undecoded(error: &DecodeError) -> Undecoded {
    match error {
        DecodeError::Other(message) => Undecoded::ByType((*message).to_owned()),
        DecodeError::OtherString(message) => Undecoded::ByType(message.clone()),
        // Where addresses have 32 bits, a length can promise more than there can be.
        DecodeError::UnexpectedEnd { .. } | DecodeError::LimitExceeded | DecodeError::OutsideUsizeRange(_) => {
            Undecoded::ByBytes(ENDS_TOO_EARLY.to_owned())
        }
        DecodeError::Io { inner, .. } if inner.kind() == io::ErrorKind::UnexpectedEof => {
            Undecoded::ByBytes(ENDS_TOO_EARLY.to_owned())
        }
        DecodeError::Io { inner, .. } => Undecoded::ByType(inner.to_string()),
        _ => Undecoded::ByBytes(NO_MIRROR.to_owned()),
    }
}

/// Runs user code (a `Serialize` or `Deserialize`), whose panic must not cross into code that didn't call it.
pub(super) fn guarded<T>(code: impl FnOnce() -> Result<T, CodecError>) -> Result<T, CodecError> {
    panic_guard::guarded(code).unwrap_or_else(|panic| Err(CodecError(panic.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;
    use std::ffi::CString;

    #[test]
    fn values_appended_in_turn_are_one_tuple() {
        let mut bytes = Vec::new();
        append(&mut bytes, "path").expect("text encodes");
        append(&mut bytes, &200_u32).expect("numbers encode");
        assert_eq!(Ok(bytes), encode(&("path", 200_u32)));
    }

    #[test]
    fn what_goes_in_comes_out() {
        let value = BTreeMap::from([("a".to_owned(), vec![Some(1.5), None])]);
        let bytes = encode(&value).expect("maps encode");
        assert_eq!(decode::<BTreeMap<String, Vec<Option<f64>>>>(&bytes), Ok(value));
    }

    #[test]
    fn every_shape_of_a_value_comes_out_as_it_went_in() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Unit;
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Pair(char, bool);
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        enum Shape {
            Unit,
            New(Box<Tree>),
            Tuple(i128, u128),
            Struct { text: String, unit: Unit },
        }
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Tree {
            shapes: Vec<Shape>,
            pair: Option<Pair>,
            names: BTreeMap<String, Option<CString>>,
        }
        let leaf = Tree { shapes: vec![], pair: None, names: BTreeMap::new() };
        let shapes = vec![
            Shape::Unit,
            Shape::New(Box::new(leaf)),
            Shape::Tuple(i128::MIN, u128::MAX),
            Shape::Struct { text: "ü".to_owned(), unit: Unit },
        ];
        let names = BTreeMap::from([("a".to_owned(), None), ("b".to_owned(), Some(c"c".to_owned()))]);
        let tree = Tree { shapes, pair: Some(Pair('ß', true)), names };
        let bytes = encode(&tree).expect("it has no form of its own");
        assert_eq!(receive(&mut Payload::new(Vec::new(), bytes.len() as u64, &*bytes)).as_ref(), Ok(&tree));
        assert_eq!(decode(&bytes), Ok(tree));
    }

    #[test]
    fn values_are_taken_off_a_payload_as_they_come() {
        // Longer than what is read at a time, or what Miri, which is slow, has the time for.
        let long = "x".repeat(if cfg!(miri) { 300 } else { 200_000 });
        let mut bytes = Vec::new();
        append(&mut bytes, "path").expect("text encodes");
        append(&mut bytes, &vec![Some(1_u64 << 40), None]).expect("lists encode");
        append(&mut bytes, &long).expect("text encodes");
        let length = bytes.len() as u64;
        bytes.extend(b"what follows");
        let stream = bytes.split_off(3);
        let mut payload = Payload::new(bytes, length, &*stream);
        assert_eq!(receive(&mut payload), Ok("path".to_owned()));
        assert_eq!(receive(&mut payload), Ok(vec![Some(1_u64 << 40), None]));
        assert_eq!(receive(&mut payload), Ok(long));
        assert_eq!(receive::<u8>(&mut payload).expect_err("it is at its end").to_string(), ENDS_TOO_EARLY);
        assert_eq!((payload.left(), payload.into_stream()), (0, &b"what follows"[..]));
    }

    #[test]
    fn numbers_that_take_more_than_their_bytes_are_taken() {
        let numbers = vec![1_u128; 1000];
        let bytes = encode(&numbers).expect("numbers encode");
        let mut payload = Payload::new(Vec::new(), bytes.len() as u64, &*bytes);
        assert_eq!(receive(&mut payload), Ok(numbers));
    }

    #[test]
    fn a_length_takes_no_memory_before_its_bytes_are_there() {
        for length in [6, 1 << 40, 1 << 60, u64::MAX] {
            let mut bytes = encode(&length).expect("numbers encode");
            bytes.extend(b"short");
            let error = ENDS_TOO_EARLY;
            assert_eq!(decode::<String>(&bytes).expect_err("five bytes follow").to_string(), error);
            let mut payload = Payload::new(Vec::new(), bytes.len() as u64, &*bytes);
            assert_eq!(receive::<String>(&mut payload).expect_err("five bytes follow").to_string(), error);
            assert_eq!(decode::<CString>(&bytes).expect_err("five bytes follow").to_string(), error);
            assert_eq!(
                decode::<Vec<Option<String>>>(&[&[1, 1], &*bytes].concat()).expect_err("so they do").to_string(),
                error
            );
        }
    }

    #[test]
    fn a_list_that_the_bytes_can_not_hold_is_not_announced() {
        /// What its visitor is told of its size.
        #[derive(Debug, PartialEq)]
        struct Announced(Option<usize>);
        impl<'de> Deserialize<'de> for Announced {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_seq(Self(None))
            }
        }
        impl<'de> serde::de::Visitor<'de> for Announced {
            type Value = Self;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, list: A) -> Result<Self, A::Error> {
                Ok(Self(list.size_hint()))
            }
        }
        let bytes = |length: u64| encode(&length).expect("numbers encode");
        let received = |bytes: &[u8]| receive(&mut Payload::new(Vec::new(), bytes.len() as u64, bytes));
        for (bytes, announced) in [([bytes(3), vec![0; 3]].concat(), Some(3)), (bytes(1 << 30), None)] {
            assert_eq!(take(&mut &*bytes), Ok(Announced(announced)));
            assert_eq!(received(&bytes), Ok(Announced(announced)));
        }
    }

    #[test]
    fn bytes_left_over_are_refused() {
        let bytes = encode(&(1_u8, 2_u8)).expect("numbers encode");
        let error = decode::<u8>(&bytes).expect_err("one byte is left over");
        assert!(error.to_string().contains("1 byte was left over"), "{error}");
    }

    #[test]
    fn a_panic_in_user_code_is_an_error() {
        struct Panics;
        impl Serialize for Panics {
            fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
                panic!("no way")
            }
        }
        let mut bytes = vec![7];
        let error = append(&mut bytes, &Panics).expect_err("it panics");
        assert_eq!(error.to_string(), "it panicked: no way");
        assert_eq!(bytes, [7]);
    }
}
