//! `Relay`: reads one output stream of a job, forwards it, and captures it.
//!
//! The parent must never block on the readers of its own streams. While such a reader is slow, the relay doesn't read the
//! job's pipe, so the job blocks, as it would if it wrote to the reader itself.

use std::collections::VecDeque;
use std::io::{self, Read as _};
use std::mem;

use super::head_tail::HeadTail;
use super::line_prefixer::LinePrefixer;
use super::line_splitter::{LineSplitter, OutputLine};
use super::sink::Sink;
use super::tail::Tail;
use crate::outcome::StandardStream;
use crate::process::{OutputReader, OutputWriter, OwnStream};

/// The size of a read.
const CHUNK: usize = 16 * 1024;
/// The most bytes that are read once nothing is forwarded any more. A pipe holds less.
const MAX_REST: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Relay {
    source: Option<OutputReader>,
    sink: Sink,
    /// Splits the output into prefixed lines.
    line_prefixer: Option<LinePrefixer>,
    /// Output that is read and not forwarded yet.
    pending: VecDeque<u8>,
    tail: Option<Tail>,
    head_tail: Option<HeadTail>,
    /// Splits the output into lines for observers.
    line_splitter: Option<LineSplitter>,
}

impl Relay {
    /// Returns a relay to this sink, and the end of its pipe to write to.
    pub(super) fn open(sink: Sink) -> io::Result<(Self, OutputWriter)> {
        let (source, writer) = OutputReader::open()?;
        let pending = VecDeque::new();
        let source = Some(source);
        let relay =
            Self { source, sink, line_prefixer: None, pending, tail: None, head_tail: None, line_splitter: None };
        Ok((relay, writer))
    }

    /// Makes the relay keep the tail of the output.
    pub(super) fn with_tail(mut self) -> Self {
        self.tail = Some(Tail::default());
        self
    }

    /// Makes the relay forward prefixed lines.
    pub(super) fn with_line_prefixer(mut self, line_prefixer: LinePrefixer) -> Self {
        self.line_prefixer = Some(line_prefixer);
        self
    }

    /// Makes the relay capture the output.
    pub(super) fn with_head_tail(mut self, head_tail: HeadTail) -> Self {
        self.head_tail = Some(head_tail);
        self
    }

    /// Makes the relay keep the lines from now on, as those of this stream, or keep none.
    pub(crate) fn observe_lines(&mut self, stream: Option<StandardStream>) {
        self.line_splitter = stream.map(LineSplitter::new);
    }

    /// Removes and returns the lines that are complete.
    pub(crate) fn take_lines(&mut self) -> Vec<OutputLine> {
        self.line_splitter.as_mut().map(LineSplitter::take).unwrap_or_default()
    }

    /// Takes what has arrived of the last line for all of it.
    pub(crate) fn end_line(&mut self) {
        self.line_splitter.iter_mut().for_each(LineSplitter::finish);
        self.sink.finish();
    }

    /// Closes the pipe and drops pending output.
    pub(in crate::process) fn close(&mut self) {
        self.source = None;
        self.pending.clear();
    }

    /// Forgets the pipe, whose number is another file by now.
    #[allow(dead_code, reason = "only that of a warden is kept for so long")]
    pub(in crate::process) fn forget(&mut self) {
        mem::forget(self.source.take());
    }

    /// Returns what must be ready before [`step`](Self::step) can do something.
    pub(in crate::process) fn interest(&self) -> RelayInterest<'_> {
        match (self.sink.awaited_stream(), &self.source) {
            (Some(stream), _) if !self.is_flushed() => RelayInterest::Writable(stream),
            (_, Some(source)) => RelayInterest::Readable(source),
            (_, None) => RelayInterest::Nothing,
        }
    }

    /// Reads and forwards once, without blocking. Returns `false` if there was nothing to do. Captured output has this
    /// turn.
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

    /// Reads the available output, within a limit, and treats it as the rest: its last line is complete. Returns `true`
    /// once everything is forwarded.
    pub(super) fn complete(&mut self, turn: u64) -> bool {
        for _ in 0..MAX_REST / CHUNK {
            if !self.step(turn) {
                break;
            }
        }
        // Nothing is read while something can't be forwarded.
        if let Some(line_prefixer) =
            self.line_prefixer.as_mut().filter(|_| self.pending.is_empty() && self.sink.is_flushed())
        {
            line_prefixer.finish(&mut self.pending);
            self.step(turn);
        }
        self.end_line();
        self.is_flushed()
    }

    /// Returns whether everything is forwarded.
    pub(crate) fn is_flushed(&self) -> bool {
        self.pending.is_empty() && self.sink.is_flushed()
    }

    /// Stops forwarding, reads the rest, and returns the tail.
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

    /// Returns the captured output, if there is any.
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
        if let Some(line_splitter) = &mut self.line_splitter {
            line_splitter.push(text);
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
            // The reader is gone. The output is still captured.
            Err(_) => self.pending.clear(),
        }
        true
    }
}

/// The result of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ReadResult {
    Bytes,
    /// No bytes, but another read may return some.
    Retry,
    WouldBlock,
}

/// The stream that a relay waits for.
#[derive(Clone, Copy, Debug)]
pub(in crate::process) enum RelayInterest<'a> {
    /// Output of the job.
    Readable(&'a OutputReader),
    /// Room in a stream of this process.
    Writable(&'a OwnStream),
    Nothing,
}
