//! `Relay`: reads what a job writes to one stream, passes it on, and keeps of it what is to be kept.
//!
//! The parent must never wait for whoever reads its own streams. While the reader is slow the job's pipe is left alone, so
//! that the job waits, as it would if it wrote there itself.

use std::collections::VecDeque;
use std::io::{self, Read as _};

use super::head_tail::HeadTail;
use super::line_prefixer::LinePrefixer;
use super::sink::Sink;
use super::tail::Tail;
use crate::process::{OutputReader, OutputWriter, OwnStream};

/// How much is read at a time.
const CHUNK: usize = 16 * 1024;
/// How much is looked through for the end once nothing is passed on any more: a pipe holds less.
const MAX_REST: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Relay {
    source: Option<OutputReader>,
    sink: Sink,
    /// What makes whole lines of it.
    line_prefixer: Option<LinePrefixer>,
    /// What was read and not yet passed on.
    pending: VecDeque<u8>,
    tail: Option<Tail>,
    head_tail: Option<HeadTail>,
}

impl Relay {
    /// Returns one that passes on to this sink, and the end of its pipe to write to.
    pub(super) fn open(sink: Sink) -> io::Result<(Self, OutputWriter)> {
        let (source, writer) = OutputReader::open()?;
        let pending = VecDeque::new();
        Ok((Self { source: Some(source), sink, line_prefixer: None, pending, tail: None, head_tail: None }, writer))
    }

    /// Has it remember the last text.
    pub(super) fn with_tail(mut self) -> Self {
        self.tail = Some(Tail::default());
        self
    }

    /// Has it pass on whole lines.
    pub(super) fn with_line_prefixer(mut self, line_prefixer: LinePrefixer) -> Self {
        self.line_prefixer = Some(line_prefixer);
        self
    }

    /// Has it keep what comes.
    pub(super) fn with_head_tail(mut self, head_tail: HeadTail) -> Self {
        self.head_tail = Some(head_tail);
        self
    }

    /// Passes nothing on any more.
    pub(in crate::process) fn close(&mut self) {
        self.source = None;
        self.pending.clear();
    }

    /// Returns what must be ready before [`step`](Self::step) can do something.
    pub(in crate::process) fn interest(&self) -> RelayInterest<'_> {
        match (self.sink.awaited_stream(), &self.source) {
            (Some(stream), _) if !self.is_flushed() => RelayInterest::Writable(stream),
            (_, Some(source)) => RelayInterest::Readable(source),
            (_, None) => RelayInterest::Nothing,
        }
    }

    /// Reads and passes on once, without waiting; false if there was nothing to do. What is kept is kept as of this turn.
    pub(crate) fn step(&mut self, turn: u64) -> bool {
        if !self.is_flushed() {
            return self.forward();
        }
        let read = self.read(turn);
        if read == ReadResult::Bytes {
            self.forward();
        }
        read != ReadResult::WouldBlock
    }

    /// Takes what is there, but for what never ends, for all that comes: the last line is whole with it. Returns true once it
    /// has been passed on.
    pub(super) fn complete(&mut self, turn: u64) -> bool {
        for _ in 0..MAX_REST / CHUNK {
            if !self.step(turn) {
                break;
            }
        }
        // While something can't be passed on, nothing was read.
        if let Some(line_prefixer) =
            self.line_prefixer.as_mut().filter(|_| self.pending.is_empty() && self.sink.is_flushed())
        {
            line_prefixer.finish(&mut self.pending);
            self.step(turn);
        }
        self.is_flushed()
    }

    /// Returns true once nothing is left to pass on.
    pub(crate) fn is_flushed(&self) -> bool {
        self.pending.is_empty() && self.sink.is_flushed()
    }

    /// Gives up on passing on what has been written so far, and returns the last text of it.
    pub(crate) fn finish(&mut self, turn: u64) -> String {
        for _ in 0..MAX_REST / CHUNK {
            self.pending.clear();
            if self.read(turn) == ReadResult::WouldBlock {
                break;
            }
        }
        self.pending.clear();
        self.sink.finish();
        self.tail.as_mut().map_or(String::new(), Tail::take)
    }

    /// Returns what was kept, if that was asked for.
    pub(super) fn into_head_tail(self) -> Option<HeadTail> {
        self.head_tail
    }

    fn read(&mut self, turn: u64) -> ReadResult {
        let Some(source) = &mut self.source else {
            return ReadResult::WouldBlock;
        };
        let mut chunk = [0; CHUNK];
        match source.read(&mut chunk) {
            Ok(0) => self.source = None,
            Ok(count) => {
                self.accept(&chunk[..count], turn);
                return ReadResult::Bytes;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ReadResult::WouldBlock,
            Err(_) => self.source = None,
        }
        ReadResult::Retry
    }

    fn accept(&mut self, text: &[u8], turn: u64) {
        if let Some(tail) = &mut self.tail {
            tail.push(text);
        }
        if let Some(head_tail) = &mut self.head_tail {
            head_tail.push(turn, text);
        }
        match (&mut self.line_prefixer, &self.sink) {
            (_, Sink::Nowhere) => {}
            (Some(line_prefixer), _) => line_prefixer.push(text, &mut self.pending),
            (None, _) => self.pending.extend(text),
        }
    }

    fn forward(&mut self) -> bool {
        match self.sink.write(self.pending.make_contiguous()) {
            Ok(count) => drop(self.pending.drain(..count)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
            // Nobody listens any more. What is kept is kept all the same.
            Err(_) => self.pending.clear(),
        }
        true
    }
}

/// What came of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadResult {
    Bytes,
    /// No text, but more may be there.
    Retry,
    WouldBlock,
}

/// What a relay waits for.
#[derive(Clone, Copy, Debug)]
pub(in crate::process) enum RelayInterest<'a> {
    /// That something is written.
    Readable(&'a OutputReader),
    /// That what was written can be passed on.
    Writable(&'a OwnStream),
    Nothing,
}
