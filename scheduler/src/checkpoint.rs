//! `Checkpoint`: a value that a job saved, with the name of its type.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::panic_guard;
use crate::wire::codec;
use crate::wire::value::{self, Encoding};

/// The maximum size of a checkpoint in bytes: 64 MiB.
pub(crate) const LIMIT: usize = 64 << 20;

/// A value that a job [saved](crate::this_job::checkpoint), so that another attempt can continue from it.
///
/// The last one is in the [`Record`](crate::Record) and the [`Run`](crate::Run) of the job, whatever its outcome, and a call can
/// [`resume_from`](crate::Job::resume_from) one of them.
#[derive(Clone, PartialEq, Eq)]
#[doc(alias = "snapshot")]
#[doc(alias = "resume")]
pub struct Checkpoint(Arc<Vec<u8>>);

impl Checkpoint {
    /// Returns the checkpoint that a job sent. The bytes may be anything.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }

    /// Encodes a value after the name of its type, because bytes of another type might decode, too. A value that can't be read back
    /// is refused now, as it would be lost when it is needed.
    pub(crate) fn encoded<T: Serialize + DeserializeOwned>(value: &T, encoding: Encoding) -> Result<Vec<u8>, String> {
        let (bytes, value_at) = encode_typed(value, encoding)?;
        if bytes.len() > LIMIT {
            let length = bytes.len();
            return Err(format!(
                "it takes {length} bytes, over the limit of {LIMIT}; write it to a file, and save the path"
            ));
        }
        let read_back = value::decode::<T>(&bytes[value_at..]);
        panic_guard::discard(read_back.map_err(|error| format!("it can't be read back: {error}"))?);
        Ok(bytes)
    }

    /// Decodes the value.
    pub(crate) fn decoded<T: DeserializeOwned>(&self) -> Result<T, String> {
        decode_typed(&self.0)
    }

    /// Returns the size in bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it is never empty: it has the name of its type")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the encoded value, with the name of its type.
    pub(crate) fn bytes(&self) -> &Arc<Vec<u8>> {
        &self.0
    }
}

/// Encodes a value after the name of the type that it is read as. Returns the bytes, and where the value begins.
pub(crate) fn encode_typed<T: Serialize + ?Sized>(value: &T, encoding: Encoding) -> Result<(Vec<u8>, usize), String> {
    let mut bytes = Vec::new();
    // What is behind a reference is read, and a text as one that is owned.
    let name = match type_name::<T>().trim_start_matches('&') {
        "str" => type_name::<String>(),
        name => name,
    };
    codec::append(&mut bytes, name).map_err(|error| error.to_string())?;
    let value_at = bytes.len();
    value::append(&mut bytes, value, encoding).map_err(|error| error.to_string())?;
    Ok((bytes, value_at))
}

/// Decodes a value after the name of its type.
pub(crate) fn decode_typed<T: DeserializeOwned>(mut bytes: &[u8]) -> Result<T, String> {
    let saved: String = codec::take(&mut bytes).map_err(|error| error.to_string())?;
    if saved != type_name::<T>() {
        return Err(format!("it is of type `{saved}`, not `{}`", type_name::<T>()));
    }
    value::decode(bytes).map_err(|error| error.to_string())
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint of {} bytes", self.0.len())
    }
}

/// A source of a checkpoint to [resume from](crate::Job::resume_from): a [`Record`](crate::Record), a [`Run`](crate::Run) or a
/// [`Checkpoint`].
///
/// This trait is sealed.
pub trait Resumable: HoldsCheckpoint {}

impl<T: HoldsCheckpoint> Resumable for T {}

/// Seals [`Resumable`]: it isn't exported.
pub trait HoldsCheckpoint {
    #[doc(hidden)]
    fn held(&self) -> Option<&Checkpoint>;
}

impl HoldsCheckpoint for Checkpoint {
    fn held(&self) -> Option<&Checkpoint> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_is_decoded_as_its_own_type_only() {
        let saved = Checkpoint::from_bytes(Checkpoint::encoded(&7_u32, Encoding::Compact).expect("numbers encode"));
        assert_eq!(saved.decoded::<u32>(), Ok(7));
        // The bytes would decode as either.
        assert_eq!(saved.decoded::<u64>(), Err("it is of type `u32`, not `u64`".to_owned()));
    }

    #[test]
    fn a_text_is_read_as_an_owned_one() {
        let decoded =
            |encoded: Result<(Vec<u8>, usize), String>| decode_typed::<String>(&encoded.expect("texts encode").0);
        assert_eq!(decoded(encode_typed("text", Encoding::Compact)), Ok("text".to_owned()));
        assert_eq!(decoded(encode_typed(&&"text", Encoding::Compact)), Ok("text".to_owned()));
        assert_eq!(decoded(encode_typed(&"text".to_owned(), Encoding::Compact)), Ok("text".to_owned()));
    }

    #[test]
    fn invalid_bytes_are_refused_without_a_panic() {
        for bytes in [vec![], vec![255; 40], vec![3, b'u', b'3', b'2'], vec![3, b'u', b'3', b'2', 7, 7]] {
            assert!(Checkpoint::from_bytes(bytes.clone()).decoded::<u32>().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn a_checkpoint_over_the_limit_is_refused_with_advice() {
        let error =
            Checkpoint::encoded(&"x".repeat(LIMIT), Encoding::Compact).expect_err("its name takes some bytes, too");
        assert!(error.ends_with("over the limit of 67108864; write it to a file, and save the path"), "{error}");
    }
}
