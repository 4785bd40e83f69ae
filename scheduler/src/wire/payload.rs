//! `Payload`: the payload of a frame, read only as far as needed.
//!
//! Arguments are decoded while they arrive: the job's process never holds them a second time, and decodes while its parent
//! still sends.

use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read, Take};

/// The number of bytes that are read at a time for small values.
const CHUNK: u64 = 16 << 10;

/// The payload of one frame of a stream that blocks.
pub(crate) struct Payload<S>(BufReader<Take<Chain<Cursor<Vec<u8>>, S>>>);

impl<S: Read> Payload<S> {
    /// Returns the payload of `length` bytes that begins with `begun` and continues in the stream.
    pub(super) fn new(begun: Vec<u8>, length: u64, stream: S) -> Self {
        let capacity = usize::try_from(length.min(CHUNK)).expect("a chunk fits into memory");
        Self(BufReader::with_capacity(capacity, Cursor::new(begun).chain(stream).take(length)))
    }

    /// Returns all bytes that are left, unless the stream ends too early.
    pub(crate) fn read_to_end(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).ok()?;
        (self.left() == 0).then_some(bytes)
    }

    /// Returns the number of bytes that are left.
    pub(crate) fn left(&self) -> u64 {
        self.0.buffer().len() as u64 + self.0.get_ref().limit()
    }

    /// Returns the number of bytes that are left, capped to a size in memory.
    pub(super) fn left_in_memory(&self) -> usize {
        usize::try_from(self.left()).unwrap_or(usize::MAX)
    }

    /// Returns the next bytes. They take memory as they arrive.
    pub(super) fn next(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.0).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Returns the stream, which continues after the payload once that was read.
    pub(crate) fn into_stream(self) -> S {
        self.0.into_inner().into_inner().into_inner().1
    }

    /// Returns a reader of the bytes that are left.
    pub(super) fn reader(&mut self) -> &mut BufReader<impl Read + use<S>> {
        &mut self.0
    }
}

#[cfg(feature = "json")]
impl<'a> Payload<&'a [u8]> {
    /// Returns a payload that is in memory.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self::new(Vec::new(), bytes.len() as u64, bytes)
    }
}

impl<S: Read> fmt::Debug for Payload<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("left", &self.left()).finish_non_exhaustive()
    }
}
