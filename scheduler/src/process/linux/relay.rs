//! `Relay`: passes on what the job writes, its standard error to the parent's, and keeps the end of it.
//!
//! The parent must never wait for whoever reads its standard error. A terminal or a pipe is therefore opened once more,
//! without blocking, and a socket is written to without waiting. What can't be opened again (the standard error of a
//! container may belong to another user) gets small pieces while it has room. While the reader is slow the job's pipe
//! is left alone, so that the job waits, as it would if it wrote there itself.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read as _, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::SendFlags;

use super::printer::Printer;

/// How much of the end is kept.
const TAIL: usize = 8 * 1024;
/// How much is read at a time.
const CHUNK: usize = 16 * 1024;
/// How much is looked through for the end once nothing is passed on any more: a pipe holds less.
const REST: usize = 1 << 20;
/// How much a pipe takes without blocking if it is ready for anything (`PIPE_BUF`).
const PIECE: usize = 4096;

#[derive(Debug)]
pub(super) struct Relay {
    source: Option<PipeReader>,
    /// Where it goes; the parent's standard error is opened when the first text comes.
    sink: Option<Sink>,
    /// What was read and not yet passed on.
    pending: VecDeque<u8>,
    tail: VecDeque<u8>,
}

impl Relay {
    /// Returns one to the parent's standard error, and the end of its pipe to write to.
    pub(super) fn to_stderr() -> io::Result<(Self, PipeWriter)> {
        Self::open(None)
    }

    /// Returns one that prints, and the end of its pipe to write to.
    pub(super) fn to_printer(print: fn(&str)) -> io::Result<(Self, PipeWriter)> {
        Self::open(Some(Sink::Printer(Printer::new(print))))
    }

    fn open(sink: Option<Sink>) -> io::Result<(Self, PipeWriter)> {
        let (source, writer) = io::pipe()?;
        rustix::io::ioctl_fionbio(&source, true)?;
        Ok((Self { source: Some(source), sink, pending: VecDeque::new(), tail: VecDeque::new() }, writer))
    }

    /// Returns what must be ready before [`step`](Self::step) can do something.
    pub(super) fn interest(&self) -> Option<PollFd<'_>> {
        match (&self.sink, &self.source) {
            (Some(sink), _) if !self.pending.is_empty() => sink.interest(),
            (_, Some(source)) => Some(PollFd::new(source, PollFlags::IN)),
            (_, None) => None,
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
        let sink = self.sink.get_or_insert_with(Sink::open);
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

/// The parent's standard error, or what prints.
#[derive(Debug)]
enum Sink {
    /// Opened once more, so that only this description doesn't block.
    Reopened(File),
    Socket,
    /// A plain file, or what can't be opened again.
    Direct,
    Printer(Printer),
}

impl Sink {
    fn open() -> Self {
        let stderr = rustix::stdio::stderr();
        let kind = rustix::fs::fstat(stderr).map(|stat| FileType::from_raw_mode(stat.st_mode));
        match kind {
            Ok(FileType::Socket) => Self::Socket,
            Ok(FileType::Fifo | FileType::CharacterDevice) => {
                let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let reopened = rustix::fs::open("/proc/thread-self/fd/2", flags, Mode::empty());
                reopened.map_or(Self::Direct, |fd: OwnedFd| Self::Reopened(fd.into()))
            }
            _ => Self::Direct,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = rustix::stdio::stderr();
        match self {
            Self::Printer(printer) => Ok(printer.print(bytes)),
            Self::Reopened(file) => file.write(bytes),
            Self::Socket => Ok(rustix::net::send(stderr, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?),
            Self::Direct => {
                let mut room = [PollFd::new(&stderr, PollFlags::OUT)];
                match rustix::event::poll(&mut room, Some(&Timespec::default()))? {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(rustix::io::write(stderr, &bytes[..bytes.len().min(PIECE)])?),
                }
            }
        }
    }

    fn interest(&self) -> Option<PollFd<'_>> {
        let sink = match self {
            Self::Reopened(file) => file.as_fd(),
            Self::Socket | Self::Direct => rustix::stdio::stderr(),
            // It takes all that it is given.
            Self::Printer(_) => return None,
        };
        Some(PollFd::from_borrowed_fd(sink, PollFlags::OUT))
    }
}
