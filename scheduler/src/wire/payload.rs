//! `Payload`: the payload of a frame, read only as far as it is needed.
//!
//! Arguments are decoded as they come, into the values that the function is called with: there is no second copy of them in
//! the job's process, which decodes while its parent still sends.

use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read, Take};

/// How many bytes are read at a time, where a value takes fewer.
const CHUNK: u64 = 16 << 10;

/// The payload of one frame of a stream that blocks.
pub(crate) struct Payload<S>(BufReader<Take<Chain<Cursor<Vec<u8>>, S>>>);

impl<S: Read> Payload<S> {
    /// Returns the payload of `length` bytes that has `begun` so, and goes on in the stream.
    pub(super) fn new(begun: Vec<u8>, length: u64, stream: S) -> Self {
        let capacity = usize::try_from(length.min(CHUNK)).expect("a chunk fits into memory");
        Self(BufReader::with_capacity(capacity, Cursor::new(begun).chain(stream).take(length)))
    }

    /// Returns all of it, if it comes.
    pub(crate) fn whole(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes).ok()?;
        (self.left() == 0).then_some(bytes)
    }

    /// Returns how many bytes are still to come.
    pub(crate) fn left(&self) -> u64 {
        self.0.buffer().len() as u64 + self.0.get_ref().limit()
    }

    /// Returns how many bytes are still to come, as far as that can be a size in memory.
    pub(super) fn most(&self) -> usize {
        usize::try_from(self.left()).unwrap_or(usize::MAX)
    }

    /// Returns the next bytes. They take memory as they come.
    pub(super) fn next(&mut self, length: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.0).take(length).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == length { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Returns the stream, which goes on behind the payload once that was read.
    pub(crate) fn into_stream(self) -> S {
        self.0.into_inner().into_inner().into_inner().1
    }

    /// Returns where it is read.
    pub(super) fn reader(&mut self) -> &mut BufReader<impl Read + use<S>> {
        &mut self.0
    }
}

impl<S: Read> fmt::Debug for Payload<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload").field("left", &self.left()).finish_non_exhaustive()
    }
}
