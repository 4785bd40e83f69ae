//! `Orders`: the parent's end of the socket by which a copy of this binary is told what to do, and how such a copy is
//! started.

use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags};

use super::channel;
use crate::process::output::{Ends, Outlet, Relay};
use crate::process::{Heard, Word};
use crate::wire::codec;
use crate::wire::frame::{self, FrameReader, Kind, Mark, Progress};
use crate::wire::message::Request;

/// Says whether a process could not be made because of those that are there: there will be room once one has ended.
pub(crate) fn lacks_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Starts `command` with a socket as standard input and a pipe as standard error, in a process group of its own, where a
/// Ctrl-C at the terminal doesn't reach it before the parent has decided what to do. The frames on the socket bear this mark.
pub(in crate::process) fn spawn(
    command: &mut Command,
    mark: Mark,
    outlet: Outlet,
) -> io::Result<(Child, Orders, Relay)> {
    // What can fail comes before there is a process.
    let (socket, copys_socket) = channel::pair()?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    let (stderr, copys_stderr) = outlet.relay()?;
    command.stdin(OwnedFd::from(copys_socket)).stdout(Stdio::null()).stderr(copys_stderr);
    let child = command.process_group(0).spawn();
    // A `Command` keeps the descriptors that it was given, and with them the streams open.
    command.stdin(Stdio::null()).stderr(Stdio::null());
    let frames = FrameReader::new(mark, frame::LIMIT);
    Ok((child?, Orders { socket: Some(socket), mark, frames, unsent: None }, stderr))
}

/// Frames go down and up. When it is closed the copy ends all that it has to do.
#[derive(Debug)]
pub(in crate::process) struct Orders {
    socket: Option<UnixStream>,
    /// What marks the frames on it.
    mark: Mark,
    frames: FrameReader,
    unsent: Option<io::Error>,
}

impl Orders {
    /// Sends the request of a job, with its end of its stream, and of those standard streams that lead along.
    pub(in crate::process) fn request(&mut self, request: &Request, ends: &Ends, data: BorrowedFd<'_>) {
        let request = codec::encode(request).expect("text and numbers always encode");
        let mut message = frame::header(self.mark, Kind::Request, request.len()).to_vec();
        message.extend(request);
        let mut descriptors = vec![data];
        descriptors.extend(channel::along(&ends.stdout, rustix::stdio::stdout()));
        descriptors.extend(channel::along(&ends.stderr, rustix::stdio::stderr()));
        self.send_whole(&message, &descriptors);
    }

    /// Sends a word.
    #[cfg_attr(
        any(not(target_os = "linux"), scheduler_portable),
        expect(dead_code, reason = "only wardens are told more")
    )]
    pub(in crate::process) fn send(&mut self, kind: Kind) {
        self.send_whole(&frame::header(self.mark, kind, 0), &[]);
    }

    /// Sends what is short, and the socket empty, so that it is sent as a whole.
    fn send_whole(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let Some(socket) = &self.socket else {
            return;
        };
        if let Err(error) = send_whole(socket, bytes, descriptors) {
            // Whether it has gone or just can't be told: at the end of its stream it sweeps, and reports what there is to
            // report.
            let _ = socket.shutdown(Shutdown::Write);
            self.unsent.get_or_insert(error);
        }
    }

    /// Listens for a step to what comes up.
    pub(in crate::process) fn listen(&mut self) -> Heard {
        let Some(socket) = &mut self.socket else {
            return Heard::End;
        };
        match self.frames.read(socket) {
            Ok(Progress::Frame(frame)) => Heard::Word(Word::from_frame(frame)),
            Ok(Progress::Partial) => Heard::Partial,
            Ok(Progress::WouldBlock) => Heard::Nothing,
            Ok(Progress::End) | Err(_) => {
                self.socket = None;
                Heard::End
            }
        }
    }

    pub(in crate::process) fn close(&mut self) {
        self.socket = None;
    }

    #[cfg_attr(
        any(not(target_os = "linux"), scheduler_portable),
        expect(dead_code, reason = "only wardens end by themselves")
    )]
    pub(in crate::process) fn is_closed(&self) -> bool {
        self.socket.is_none()
    }

    /// Returns why something could not be sent, unless the other end had gone.
    pub(in crate::process) fn unsent(&self) -> Option<&io::Error> {
        let has_gone = |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        self.unsent.as_ref().filter(|error| !has_gone(error))
    }

    /// Returns what is waited for: in `word` the next word, else no more than the end.
    pub(in crate::process) fn interest(&self, word: PollFlags) -> Option<PollFd<'_>> {
        self.socket.as_ref().map(|socket| PollFd::new(socket, word))
    }
}

fn send_whole(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    loop {
        match channel::send(socket.as_fd(), bytes, descriptors) {
            Ok(count) if count == bytes.len() => return Ok(()),
            Ok(_) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
