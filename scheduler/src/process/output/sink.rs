//! `Sink`: where what a job writes is passed on to, never waiting for whoever reads there.

use std::io;
use std::sync::{Mutex, MutexGuard};

use super::printer::Printer;
use crate::outcome::StandardStream;
use crate::process::{OwnStream, PerProcess};
use crate::sync::lock;

/// How much of whole lines is written at a time.
const PIECE: usize = 4096;

/// What of a line of each of this process's streams was not written with the rest of it, whoever's line it is: nothing may
/// come in between.
static CUT_OFF: [PerProcess<Mutex<Vec<u8>>>; 2] = [const { PerProcess::new(Mutex::new(Vec::new())) }; 2];

#[derive(Debug)]
pub(super) enum Sink {
    /// A stream of this process.
    Own(Own),
    Printer(Printer),
    /// It isn't passed on.
    Nowhere,
}

/// A stream of this process, opened when there is something to write.
#[derive(Debug)]
pub(super) struct Own {
    stream: StandardStream,
    opened: Option<OwnStream>,
    unit: Unit,
}

/// What must not be written in parts with something else in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Byte,
    Line,
}

impl Sink {
    /// Returns one that writes to a stream of this process.
    pub(super) fn own(stream: StandardStream, unit: Unit) -> Self {
        Self::Own(Own { stream, opened: None, unit })
    }

    /// Writes some of these bytes, and returns how many of them need not be written any more.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Own(own) => own.write(bytes),
            Self::Printer(printer) => Ok(printer.print(bytes)),
            Self::Nowhere => Ok(bytes.len()),
        }
    }

    /// Says whether nothing has to be written before the next bytes.
    pub(super) fn is_through(&self) -> bool {
        match self {
            Self::Own(own) => own.opened.as_ref().is_none_or(|stream| stream.is_through() && own.cut_off().is_empty()),
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
    pub(super) fn needs_room(&self) -> Option<&OwnStream> {
        match self {
            Self::Own(own) => own.opened.as_ref(),
            Self::Printer(_) | Self::Nowhere => None,
        }
    }
}

impl Own {
    fn cut_off(&self) -> MutexGuard<'static, Vec<u8>> {
        lock(CUT_OFF[self.stream as usize].here())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut cut_off = self.cut_off();
        let stream = self.opened.get_or_insert_with(|| OwnStream::open(self.stream));
        while !cut_off.is_empty() {
            match stream.write(&cut_off) {
                Ok(count) => drop(cut_off.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(error),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // Nobody will ever read it.
                Err(error) => {
                    cut_off.clear();
                    return Err(error);
                }
            }
        }
        if self.unit == Unit::Byte || bytes.is_empty() {
            return stream.write(bytes);
        }
        let end_of_line =
            |from: usize| bytes[from..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| from + at + 1);
        let whole = bytes[..bytes.len().min(PIECE)].iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let whole = whole.unwrap_or_else(|| end_of_line(0));
        let count = stream.write(&bytes[..whole])?;
        if count == 0 || bytes[count - 1] == b'\n' {
            return Ok(count);
        }
        let end = end_of_line(count);
        cut_off.extend(&bytes[count..end]);
        Ok(end)
    }
}
