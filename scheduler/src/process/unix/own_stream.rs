//! `OwnStream`: this process's standard output or standard error, written to without blocking; and `OutputReader`, the
//! parent's end of a pipe that a job writes to.
//!
//! A terminal or a pipe is opened once more, with `O_NONBLOCK`, and a socket is sent to with `MSG_DONTWAIT`. Where it can't
//! be opened again (a container's standard stream may belong to another user), small pieces are written while `poll`
//! reports room.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::SendFlags;

use super::descriptor::{above_standard, own};
use super::poll::Awaited;
use super::socket::NO_SIGNAL;
use crate::outcome::StandardStream;

/// The size that a pipe which `poll` reports as ready takes without blocking (`PIPE_BUF`).
const PIECE: usize = 4096;

/// One of this process's standard streams, written to without blocking.
#[derive(Debug)]
pub(crate) struct OwnStream {
    stream: StandardStream,
    method: WriteMethod,
}

#[derive(Debug)]
enum WriteMethod {
    /// To a second open file description, which alone is nonblocking.
    Reopened(File),
    Socket,
    /// To the stream itself: a plain file, or one that can't be opened again.
    Direct,
}

impl OwnStream {
    pub(in crate::process) fn open(stream: StandardStream) -> Self {
        let kind = own(stream).and_then(|own| rustix::fs::fstat(own).ok());
        let method = match kind.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Some(FileType::Socket) => WriteMethod::Socket,
            // On other systems opening it again returns the same description.
            Some(FileType::Fifo | FileType::CharacterDevice) if cfg!(target_os = "linux") => {
                let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let path = match stream {
                    StandardStream::Stdout => "/proc/thread-self/fd/1",
                    StandardStream::Stderr => "/proc/thread-self/fd/2",
                };
                let reopened = rustix::fs::open(path, flags, Mode::empty());
                let reopened = reopened.ok().and_then(|file: OwnedFd| above_standard(file).ok());
                reopened.map_or(WriteMethod::Direct, |file| WriteMethod::Reopened(file.into()))
            }
            _ => WriteMethod::Direct,
        };
        Self { stream, method }
    }

    pub(in crate::process) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The application may have closed it, and its number may be another file by now.
        let own = || own(self.stream).ok_or(io::ErrorKind::BrokenPipe);
        match &mut self.method {
            WriteMethod::Reopened(file) => file.write(bytes),
            WriteMethod::Socket => Ok(rustix::net::send(own()?, bytes, NO_SIGNAL | SendFlags::DONTWAIT)?),
            WriteMethod::Direct => {
                let own = own()?;
                let mut room = [PollFd::new(&own, PollFlags::OUT)];
                match rustix::event::poll(&mut room, Some(&Timespec::default()))? {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(rustix::io::write(own, &bytes[..bytes.len().min(PIECE)])?),
                }
            }
        }
    }

    /// Returns whether everything is written, which `write` has done already.
    #[expect(clippy::unused_self, reason = "on Windows a thread may still be writing")]
    pub(in crate::process) fn is_flushed(&self) -> bool {
        true
    }

    pub(in crate::process) fn interest(&self) -> Awaited<'_> {
        let descriptor = match &self.method {
            WriteMethod::Reopened(file) => file.as_fd(),
            WriteMethod::Socket | WriteMethod::Direct => descriptor(self.stream),
        };
        Awaited { descriptor, events: PollFlags::OUT }
    }
}

fn descriptor(stream: StandardStream) -> BorrowedFd<'static> {
    match stream {
        StandardStream::Stdout => rustix::stdio::stdout(),
        StandardStream::Stderr => rustix::stdio::stderr(),
    }
}

/// The parent's end of a pipe that a job writes to. It doesn't block.
#[derive(Debug)]
pub(crate) struct OutputReader(PipeReader);

/// The job's end of such a pipe.
pub(crate) type OutputWriter = PipeWriter;

impl OutputReader {
    pub(in crate::process) fn open() -> io::Result<(Self, OutputWriter)> {
        let (reader, writer) = io::pipe()?;
        let (reader, writer) = (above_standard(reader)?, above_standard(writer)?);
        rustix::io::ioctl_fionbio(&reader, true)?;
        Ok((Self(reader), writer))
    }

    pub(in crate::process) fn interest(&self) -> Awaited<'_> {
        Awaited::new(&self.0, PollFlags::IN)
    }
}

impl Read for OutputReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
