//! `Relay`: passes on what the job writes, its standard error to the parent's, and keeps the end of it.
//!
//! The parent must never wait for whoever reads its standard error. While the reader is slow the job's pipe is left
//! alone, so that the job waits, as it would if it wrote there itself.

use std::collections::VecDeque;
use std::io::{self, Read as _};

use super::printer::Printer;
use super::{OwnStderr, Source, SourceWriter};

/// How much of the end is kept.
const TAIL: usize = 8 * 1024;
/// How much is read at a time.
const CHUNK: usize = 16 * 1024;
/// How much is looked through for the end once nothing is passed on any more: a pipe holds less.
const REST: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Relay {
    source: Option<Source>,
    /// Where it goes; the parent's standard error is opened when the first text comes.
    sink: Option<Sink>,
    /// What was read and not yet passed on.
    pending: VecDeque<u8>,
    tail: VecDeque<u8>,
}

impl Relay {
    /// Returns one to the parent's standard error, and the end of its pipe to write to.
    pub(super) fn to_stderr() -> io::Result<(Self, SourceWriter)> {
        Self::open(None)
    }

    /// Returns one that prints, and the end of its pipe to write to.
    pub(super) fn to_printer(print: fn(&str)) -> io::Result<(Self, SourceWriter)> {
        Self::open(Some(Sink::Printer(Printer::new(print))))
    }

    fn open(sink: Option<Sink>) -> io::Result<(Self, SourceWriter)> {
        let (source, writer) = Source::open()?;
        Ok((Self { source: Some(source), sink, pending: VecDeque::new(), tail: VecDeque::new() }, writer))
    }

    /// Returns what must be ready before [`step`](Self::step) can do something.
    pub(super) fn awaited(&self) -> Awaited<'_> {
        match (&self.sink, &self.source) {
            (Some(Sink::Stderr(stderr)), _) if !self.pending.is_empty() => Awaited::Room(stderr),
            // What prints takes all that it is given.
            (_, Some(source)) => Awaited::Text(source),
            (_, None) => Awaited::Nothing,
        }
    }

    /// Reads and passes on once, without waiting; false if there was nothing to do.
    pub(super) fn step(&mut self) -> bool {
        if !self.pending.is_empty() {
            return self.pass_on();
        }
        let read = self.read();
        if read == Read::Text {
            self.pass_on();
        }
        read != Read::Nothing
    }

    /// Returns true once nothing is left to pass on, and nothing can be read.
    pub(super) fn is_through(&self) -> bool {
        self.pending.is_empty()
    }

    /// Gives up on passing on what has been written so far, and returns the last text of it.
    pub(super) fn finish(&mut self) -> String {
        for _ in 0..REST / CHUNK {
            self.pending.clear();
            if self.read() == Read::Nothing {
                break;
            }
        }
        if let Some(Sink::Printer(printer)) = &mut self.sink {
            printer.finish();
        }
        let tail = self.tail();
        self.tail.clear();
        tail
    }

    fn read(&mut self) -> Read {
        let Some(source) = &mut self.source else {
            return Read::Nothing;
        };
        let mut chunk = [0; CHUNK];
        match source.read(&mut chunk) {
            Ok(0) => self.source = None,
            Ok(count) => {
                self.pending.extend(&chunk[..count]);
                self.tail.extend(&chunk[..count]);
                let excess = self.tail.len().saturating_sub(TAIL);
                self.tail.drain(..excess);
                return Read::Text;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Read::Nothing,
            Err(_) => self.source = None,
        }
        Read::More
    }

    fn pass_on(&mut self) -> bool {
        let sink = self.sink.get_or_insert_with(|| Sink::Stderr(OwnStderr::open()));
        match sink.write(self.pending.as_slices().0) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // Nobody listens any more. The tail is kept all the same.
            Err(_) => self.pending.clear(),
        }
        true
    }

    /// Returns the last text that was read.
    fn tail(&self) -> String {
        let (front, back) = self.tail.as_slices();
        let tail = [front, back].concat();
        // Cut from the front, it may begin in the middle of a character.
        let begun = tail.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
        String::from_utf8_lossy(&tail[begun..]).into_owned()
    }
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    Text,
    /// No text, but more may be there.
    More,
    Nothing,
}

/// What a relay waits for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Awaited<'a> {
    /// That something is written.
    Text(&'a Source),
    /// That what was written can be passed on.
    Room(&'a OwnStderr),
    Nothing,
}

/// Where it is passed on to.
#[derive(Debug)]
enum Sink {
    Stderr(OwnStderr),
    Printer(Printer),
}

impl Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stderr(stderr) => stderr.write(bytes),
            Self::Printer(printer) => Ok(printer.print(bytes)),
        }
    }
}
