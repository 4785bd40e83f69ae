//! `Checkpoint`: what a job has saved of its work, with the type that it is of.

use std::any::type_name;
use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::panic_guard;
use crate::wire::codec;
use crate::wire::value::{self, Encoding};

/// How many bytes a checkpoint may take: 64 MiB.
pub(crate) const LIMIT: usize = 64 << 20;

/// What a job has [saved](crate::this_job::checkpoint) of its work.
///
/// It is in the [`Record`](crate::Record) and the [`Run`](crate::Run) of the job, whatever became of that, and a call
/// that is made to [`resume_from`](crate::Job::resume_from) one of them begins with it.
#[derive(Clone, PartialEq, Eq)]
pub struct Checkpoint(Arc<Vec<u8>>);

impl Checkpoint {
    /// Takes what a job has sent, which may be anything.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(Arc::new(bytes))
    }

    /// Returns how a value is sent: behind the name of its type, as bytes that happen to decode are not enough. What can't
    /// be read back is refused now, as it would be lost when it is needed.
    pub(crate) fn encoded<T: Serialize + DeserializeOwned>(value: &T, encoding: Encoding) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        codec::append(&mut bytes, type_name::<T>()).map_err(|error| error.to_string())?;
        let value_at = bytes.len();
        value::append(&mut bytes, value, encoding).map_err(|error| error.to_string())?;
        if bytes.len() > LIMIT {
            let length = bytes.len();
            return Err(format!(
                "it takes {length} bytes, over the limit of {LIMIT}; write it to a file, and save where that is"
            ));
        }
        let read_back = value::decode::<T>(&bytes[value_at..]);
        panic_guard::discard(read_back.map_err(|error| format!("it can't be read back: {error}"))?);
        Ok(bytes)
    }

    /// Returns the value.
    pub(crate) fn decoded<T: DeserializeOwned>(&self) -> Result<T, String> {
        let mut bytes = &self.0[..];
        let saved: String = codec::take(&mut bytes).map_err(|error| error.to_string())?;
        if saved != type_name::<T>() {
            return Err(format!("it is of type `{saved}`, not `{}`", type_name::<T>()));
        }
        value::decode(bytes).map_err(|error| error.to_string())
    }

    /// Returns how many bytes it takes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it holds the name of its type at the least")]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns what is sent.
    pub(crate) fn bytes(&self) -> &Arc<Vec<u8>> {
        &self.0
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint of {} bytes", self.0.len())
    }
}

/// What a call can be made to resume from: a [`Record`](crate::Record), a [`Run`](crate::Run) or a [`Checkpoint`].
///
/// Nothing else implements it.
pub trait Resumable: HoldsCheckpoint {}

impl<T: HoldsCheckpoint> Resumable for T {}

/// It is not public, so that nothing else can be resumed from.
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
    fn a_checkpoint_is_read_as_its_own_type_only() {
        let saved = Checkpoint::from_bytes(Checkpoint::encoded(&7_u32, Encoding::Compact).expect("numbers encode"));
        assert_eq!(saved.decoded::<u32>(), Ok(7));
        // The bytes would decode as either.
        assert_eq!(saved.decoded::<u64>(), Err("it is of type `u32`, not `u64`".to_owned()));
    }

    #[test]
    fn whatever_was_sent_is_refused_and_never_panics() {
        for bytes in [vec![], vec![255; 40], vec![3, b'u', b'3', b'2'], vec![3, b'u', b'3', b'2', 7, 7]] {
            assert!(Checkpoint::from_bytes(bytes.clone()).decoded::<u32>().is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused_with_what_to_do() {
        let error =
            Checkpoint::encoded(&"x".repeat(LIMIT), Encoding::Compact).expect_err("its name takes some bytes, too");
        assert!(error.ends_with("over the limit of 67108864; write it to a file, and save where that is"), "{error}");
    }
}
