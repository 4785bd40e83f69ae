//! `Sink`: the stream that a job's output is forwarded to, without ever waiting for its reader.

use std::io;
use std::sync::{Mutex, MutexGuard};

use super::line_splitter::LineSplitter;
use super::printer::Printer;
use crate::outcome::StandardStream;
use crate::process::{OwnStream, PerProcess};
use crate::sync::lock;

/// The most bytes of complete lines that are written at a time.
const MAX_WRITE: usize = 4096;

/// For each of this process's streams, the rest of a line of any job that was written only in part. No other output may
/// come before it.
static UNFINISHED_LINES: [PerProcess<Mutex<Vec<u8>>>; 2] = [const { PerProcess::new(Mutex::new(Vec::new())) }; 2];

#[derive(Debug)]
pub(super) enum Sink {
    /// A stream of this process.
    Own(OwnSink),
    Printer(Printer),
    /// A function that prints lines.
    Lines {
        print: fn(&str),
        splitter: LineSplitter,
    },
    /// The output isn't forwarded.
    Nowhere,
}

/// A stream of this process, which is opened at the first write.
#[derive(Debug)]
pub(super) struct OwnSink {
    stream: StandardStream,
    opened: Option<OwnStream>,
    unit: WriteUnit,
}

/// The unit that no other output may interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WriteUnit {
    Byte,
    Line,
}

impl Sink {
    /// Returns a sink that writes to a stream of this process.
    pub(super) fn own(stream: StandardStream, unit: WriteUnit) -> Self {
        Self::Own(OwnSink { stream, opened: None, unit })
    }

    /// Returns a sink that has this function print the lines of a stream.
    pub(super) fn lines(stream: StandardStream, print: fn(&str)) -> Self {
        Self::Lines { print, splitter: LineSplitter::new(stream) }
    }

    /// Writes some of these bytes, and returns how many the caller can drop.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Own(own) => own.write(bytes),
            Self::Printer(printer) => Ok(printer.print(bytes)),
            Self::Lines { splitter, .. } => {
                splitter.push(bytes);
                self.print_lines();
                Ok(bytes.len())
            }
            Self::Nowhere => Ok(bytes.len()),
        }
    }

    /// Returns whether everything is written.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::Own(own) => {
                own.opened.as_ref().is_none_or(|stream| stream.is_flushed() && own.unfinished_line().is_empty())
            }
            Self::Printer(_) | Self::Lines { .. } | Self::Nowhere => true,
        }
    }

    /// Prints what is incomplete at the end of the output.
    pub(super) fn finish(&mut self) {
        match self {
            Self::Printer(printer) => printer.finish(),
            Self::Lines { splitter, .. } => {
                splitter.finish();
                self.print_lines();
            }
            Self::Own(_) | Self::Nowhere => {}
        }
    }

    fn print_lines(&mut self) {
        if let Self::Lines { print, splitter } = self {
            splitter.take().iter().for_each(|line| print(&line.text));
        }
    }

    /// Returns the stream that must have room before more can be written, if the sink is one.
    pub(super) fn awaited_stream(&self) -> Option<&OwnStream> {
        match self {
            Self::Own(own) => own.opened.as_ref(),
            Self::Printer(_) | Self::Lines { .. } | Self::Nowhere => None,
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
                // The reader is gone.
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
