//! Large values of a report: they stand behind its description, in which each has its length.

use serde::{Deserialize, Serialize};

/// A value, by its length.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct StoredValue(u64);

/// The values of a report that is encoded.
#[derive(Default)]
pub(super) struct WrittenValues<'a>(Vec<&'a [u8]>);

impl<'a> WrittenValues<'a> {
    pub(super) fn add(&mut self, bytes: &'a [u8]) -> StoredValue {
        self.0.push(bytes);
        StoredValue(bytes.len() as u64)
    }

    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|bytes| bytes.len()).sum()
    }

    pub(super) fn append_to(&self, bytes: &mut Vec<u8>) {
        self.0.iter().for_each(|value| bytes.extend_from_slice(value));
    }
}

/// The values of a report that is decoded, which are taken in the order in which they were added.
pub(super) struct ReadValues<'a>(&'a [u8]);

impl<'a> ReadValues<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn take(&mut self, StoredValue(length): StoredValue) -> Result<Vec<u8>, String> {
        let split = usize::try_from(length).ok().and_then(|length| self.0.split_at_checked(length));
        let (value, rest) = split.ok_or("a value in it is incomplete")?;
        self.0 = rest;
        Ok(value.to_vec())
    }

    pub(super) fn check_end(&self) -> Result<(), String> {
        if self.0.is_empty() { Ok(()) } else { Err(format!("{} bytes are left over", self.0.len())) }
    }
}
