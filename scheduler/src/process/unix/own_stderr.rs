//! `OwnStderr`: this process's standard error, which is written to without waiting; and `Source`, the end of a pipe from
//! which comes what is to be written there.
//!
//! A terminal or a pipe is opened once more, without blocking, and a socket is written to without waiting. What can't be
//! opened again (the standard error of a container may belong to another user) gets small pieces while it has room.

use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::net::SendFlags;

use super::channel::NO_SIGNAL;

/// How much a pipe takes without blocking if it is ready for anything (`PIPE_BUF`).
const PIECE: usize = 4096;

#[derive(Debug)]
pub(crate) enum OwnStderr {
    /// Opened once more, so that only this description doesn't block.
    Reopened(File),
    Socket,
    /// A plain file, or what can't be opened again.
    Direct,
}

impl OwnStderr {
    pub(in crate::process) fn open() -> Self {
        let stderr = rustix::stdio::stderr();
        let kind = rustix::fs::fstat(stderr).map(|stat| FileType::from_raw_mode(stat.st_mode));
        match kind {
            Ok(FileType::Socket) => Self::Socket,
            // Elsewhere to open it again is to have the same description.
            Ok(FileType::Fifo | FileType::CharacterDevice) if cfg!(target_os = "linux") => {
                let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                let reopened = rustix::fs::open("/proc/thread-self/fd/2", flags, Mode::empty());
                reopened.map_or(Self::Direct, |fd: OwnedFd| Self::Reopened(fd.into()))
            }
            _ => Self::Direct,
        }
    }

    pub(in crate::process) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = rustix::stdio::stderr();
        match self {
            Self::Reopened(file) => file.write(bytes),
            Self::Socket => Ok(rustix::net::send(stderr, bytes, NO_SIGNAL | SendFlags::DONTWAIT)?),
            Self::Direct => {
                let mut room = [PollFd::new(&stderr, PollFlags::OUT)];
                match rustix::event::poll(&mut room, Some(&Timespec::default()))? {
                    0 => Err(io::ErrorKind::WouldBlock.into()),
                    _ => Ok(rustix::io::write(stderr, &bytes[..bytes.len().min(PIECE)])?),
                }
            }
        }
    }

    pub(in crate::process) fn interest(&self) -> PollFd<'_> {
        let sink = match self {
            Self::Reopened(file) => file.as_fd(),
            Self::Socket | Self::Direct => rustix::stdio::stderr(),
        };
        PollFd::from_borrowed_fd(sink, PollFlags::OUT)
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
