//! `OwnStream`: this process's standard output or standard error, which is written to without waiting; and `Source`, the end
//! of a pipe from which comes what is to be written there.
//!
//! A terminal or a pipe is opened once more, without blocking, and a socket is written to without waiting. What can't be
//! opened again (a standard stream of a container may belong to another user) gets small pieces while it has room.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::SendFlags;

use super::channel::NO_SIGNAL;
use super::descriptor::{above_standard, own};
use crate::outcome::StandardStream;

/// How much a pipe takes without blocking if it is ready for anything (`PIPE_BUF`).
const PIECE: usize = 4096;

#[derive(Debug)]
pub(crate) struct OwnStream {
    stream: StandardStream,
    way: Way,
}

#[derive(Debug)]
enum Way {
    /// Opened once more, so that only this description doesn't block.
    Reopened(File),
    Socket,
    /// A plain file, or what can't be opened again.
    Direct,
}

impl OwnStream {
    pub(in crate::process) fn open(stream: StandardStream) -> Self {
        let kind = own(stream).and_then(|own| rustix::fs::fstat(own).ok());
        let way = match kind.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Some(FileType::Socket) => Way::Socket,
            // Elsewhere to open it again is to have the same description.
            Some(FileType::Fifo | FileType::CharacterDevice) if cfg!(target_os = "linux") => {
                let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let path = match stream {
                    StandardStream::Stdout => "/proc/thread-self/fd/1",
                    StandardStream::Stderr => "/proc/thread-self/fd/2",
                };
                let reopened = rustix::fs::open(path, flags, Mode::empty());
                let reopened = reopened.ok().and_then(|file: OwnedFd| above_standard(file).ok());
                reopened.map_or(Way::Direct, |file| Way::Reopened(file.into()))
            }
            _ => Way::Direct,
        };
        Self { stream, way }
    }

    pub(in crate::process) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The application may have closed it, and its number may belong to something else since.
        let own = || own(self.stream).ok_or(io::ErrorKind::BrokenPipe);
        match &mut self.way {
            Way::Reopened(file) => file.write(bytes),
            Way::Socket => Ok(rustix::net::send(own()?, bytes, NO_SIGNAL | SendFlags::DONTWAIT)?),
            Way::Direct => {
                let own = own()?;
                let mut room = [PollFd::new(&own, PollFlags::OUT)];
                match rustix::event::poll(&mut room, Some(&Timespec::default()))? {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(rustix::io::write(own, &bytes[..bytes.len().min(PIECE)])?),
                }
            }
        }
    }

    /// What was written is where it goes.
    #[expect(clippy::unused_self, reason = "elsewhere a thread may still be writing")]
    pub(in crate::process) fn is_through(&self) -> bool {
        true
    }

    pub(in crate::process) fn interest(&self) -> PollFd<'_> {
        let sink = match &self.way {
            Way::Reopened(file) => file.as_fd(),
            Way::Socket | Way::Direct => descriptor(self.stream),
        };
        PollFd::from_borrowed_fd(sink, PollFlags::OUT)
    }
}

fn descriptor(stream: StandardStream) -> BorrowedFd<'static> {
    match stream {
        StandardStream::Stdout => rustix::stdio::stdout(),
        StandardStream::Stderr => rustix::stdio::stderr(),
    }
}

/// The parent's end of a pipe, which doesn't block.
#[derive(Debug)]
pub(crate) struct Source(PipeReader);

/// The job's end.
pub(crate) type SourceWriter = PipeWriter;

impl Source {
    pub(in crate::process) fn open() -> io::Result<(Self, SourceWriter)> {
        let (source, writer) = io::pipe()?;
        let (source, writer) = (above_standard(source)?, above_standard(writer)?);
        rustix::io::ioctl_fionbio(&source, true)?;
        Ok((Self(source), writer))
    }

    pub(in crate::process) fn interest(&self) -> PollFd<'_> {
        PollFd::new(&self.0, PollFlags::IN)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}
