//! `Sink`: where what a job writes is passed on to, never waiting for whoever reads there.

use std::io;
use std::sync::{Mutex, MutexGuard};

use super::printer::Printer;
use crate::outcome::StandardStream;
use crate::process::{OwnStream, PerProcess};
use crate::sync::lock;

/// How much of whole lines is written at a time.
const MAX_WRITE: usize = 4096;

/// What of a line of each of this process's streams was not written with the rest of it, whoever's line it is: nothing may
/// come in between.
static UNFINISHED_LINES: [PerProcess<Mutex<Vec<u8>>>; 2] = [const { PerProcess::new(Mutex::new(Vec::new())) }; 2];

#[derive(Debug)]
pub(super) enum Sink {
    /// A stream of this process.
    OwnSink(OwnSink),
    Printer(Printer),
    /// It isn't passed on.
    Nowhere,
}

/// A stream of this process, opened when there is something to write.
#[derive(Debug)]
pub(super) struct OwnSink {
    stream: StandardStream,
    opened: Option<OwnStream>,
    unit: WriteUnit,
}

/// What must not be written in parts with something else in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteUnit {
    Byte,
    Line,
}

impl Sink {
    /// Returns one that writes to a stream of this process.
    pub(super) fn own(stream: StandardStream, unit: WriteUnit) -> Self {
        Self::OwnSink(OwnSink { stream, opened: None, unit })
    }

    /// Writes some of these bytes, and returns how many of them need not be written any more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::OwnSink(own) => own.write(bytes),
            Self::Printer(printer) => Ok(printer.print(bytes)),
            Self::Nowhere => Ok(bytes.len()),
        }
    }

    /// Says whether nothing has to be written before the next bytes.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::OwnSink(own) => {
                own.opened.as_ref().is_none_or(|stream| stream.is_flushed() && own.unfinished_line().is_empty())
            }
            Self::Printer(_) | Self::Nowhere => true,
        }
    }

    /// Takes what comes as the last.
    pub(super) fn finish(&mut self) {
        if let Self::Printer(printer) = self {
            printer.finish();
        }
    }

    /// Returns the stream that must have room before something can be written, if it isn't always so.
    pub(super) fn awaited_stream(&self) -> Option<&OwnStream> {
        match self {
            Self::OwnSink(own) => own.opened.as_ref(),
            Self::Printer(_) | Self::Nowhere => None,
        }
    }
}

impl OwnSink {
    fn unfinished_line(&self) -> MutexGuard<'static, Vec<u8>> {
        lock(UNFINISHED_LINES[self.stream as usize].here())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut unfinished_line = self.unfinished_line();
        let stream = self.opened.get_or_insert_with(|| OwnStream::open(self.stream));
        while !unfinished_line.is_empty() {
            match stream.write(&unfinished_line) {
                Ok(count) => drop(unfinished_line.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nobody will ever read it.
                Err(error) => {
                    unfinished_line.clear();
                    return Err(error);
                }
            }
        }
        if self.unit == WriteUnit::Byte || bytes.is_empty() {
            return stream.write(bytes);
        }
        let end_of_line =
            |from: usize| bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| from + at + 1);
        let whole = bytes[..bytes.len().min(MAX_WRITE)].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let whole = whole.unwrap_or_else(|| end_of_line(0));
        let count = stream.write(&bytes[..whole])?;
        if count == 0 || bytes[count - 1] == b'\n' {
            return Ok(count);
        }
        let end = end_of_line(count);
        unfinished_line.extend(&bytes[count..end]);
        Ok(end)
    }
}
