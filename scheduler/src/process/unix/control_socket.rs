//! `ControlSocket`: the parent's end of the socket by which a copy of this binary is told what to do, and how such a copy is
//! started.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags};

use super::{channel, descriptor};
use crate::outcome::StandardStream;
use crate::process::output::{ChildStdio, DefaultOutput, Relay};
use crate::process::{Received, WorkerEvent};
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, FrameReader, ReadStep, StreamMark};
use crate::wire::message::Request;

/// Says whether a process could not be made because of those that are there: there will be room once one has ended.
pub(crate) fn lacks_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Starts `command` with a socket as standard input and a pipe as standard error, in a process group of its own, where a
/// Ctrl-C at the terminal doesn't reach it before the parent has decided what to do. The frames on the socket bear this mark.
pub(in crate::process) fn spawn(
    command: &mut Command,
    mark: StreamMark,
    default_output: DefaultOutput,
) -> io::Result<(Child, ControlSocket, Relay)> {
    // What can fail comes before there is a process.
    let (socket, copys_socket) = channel::pair()?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    let (stderr, copys_stderr) = default_output.relay()?;
    // One that the command opened itself could get a number that the copy's streams are put on.
    let null = descriptor::null()?;
    command.stdin(OwnedFd::from(copys_socket)).stdout(null).stderr(copys_stderr);
    let child = command.process_group(0).spawn().map_err(|error| unexecuted(command, error));
    // A `Command` keeps the descriptors that it was given, and with them the streams open.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let frames = FrameReader::new(mark, frame::LIMIT);
    let outgoing = VecDeque::new();
    let owner = std::process::id();
    Ok((child?, ControlSocket { socket: Some(socket), owner, mark, frames, outgoing, unsent: None }, stderr))
}

/// Names the file, where that is what is wrong.
fn unexecuted(command: &Command, error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            let file = command.get_program().display();
            io::Error::new(error.kind(), format!("`{file}` can't be executed: {error}"))
        }
        _ => error,
    }
}

/// Frames go down and up. When it is closed the copy ends all that it has to do.
#[derive(Debug)]
pub(in crate::process) struct ControlSocket {
    socket: Option<UnixStream>,
    /// The process that started the copy. A fork of it has the socket, too, and nothing to say there.
    owner: u32,
    /// What marks the frames on it.
    mark: StreamMark,
    frames: FrameReader,
    /// What the socket has not taken yet.
    outgoing: VecDeque<u8>,
    unsent: Option<io::Error>,
}

impl ControlSocket {
    /// Sends the request of a job, with its end of its stream, and of those standard streams that lead along.
    ///
    /// # Errors
    ///
    /// Fails, before anything is sent, if there is no null device for a stream that this process doesn't have.
    pub(in crate::process) fn request(
        &mut self,
        request: &Request,
        ends: &ChildStdio,
        data: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let request = codec::encode(request).expect("text and numbers always encode");
        let mut message = frame::header(self.mark, FrameKind::Request, request.len()).to_vec();
        message.extend(request);
        let stdout = channel::along(&ends.stdout, StandardStream::Stdout)?;
        let stderr = channel::along(&ends.stderr, StandardStream::Stderr)?;
        let mut descriptors = vec![data];
        descriptors.extend([&stdout, &stderr].into_iter().flatten().map(AsFd::as_fd));
        descriptors.extend(ends.inherited.descriptors());
        self.say(&message, &descriptors);
        Ok(())
    }

    /// Sends a word.
    pub(in crate::process) fn send(&mut self, kind: FrameKind) {
        self.say(&frame::header(self.mark, kind, 0), &[]);
    }

    /// Sends bytes, now as far as the socket takes them, and the rest when it is ready. With descriptors nothing may be
    /// waiting to be sent: to whom a request goes has read all before it.
    fn say(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut sent = 0;
        if let Some(socket) = self.socket.as_ref().filter(|_| !descriptors.is_empty()) {
            match send(socket, bytes, descriptors) {
                // They go with the first byte.
                Ok(count) => sent = count,
                Err(error) => return self.give_up(error),
            }
        }
        self.outgoing.extend(&bytes[sent..]);
        self.flush();
    }

    fn flush(&mut self) {
        while let Some(socket) = self.socket.as_ref().filter(|_| !self.outgoing.is_empty()) {
            match send(socket, self.outgoing.as_slices().0, &[]) {
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => return self.give_up(error),
            }
        }
    }

    fn give_up(&mut self, error: io::Error) {
        // Whether it has gone or just can't be told: at the end of its stream it sweeps, and reports what there is to report.
        let _ = self.socket.as_ref().map(|socket| socket.shutdown(Shutdown::Write));
        self.outgoing.clear();
        self.unsent.get_or_insert(error);
    }

    /// Listens for a step to what comes up.
    pub(in crate::process) fn listen(&mut self) -> Received {
        self.flush();
        let Some(socket) = &mut self.socket else {
            return Received::Closed;
        };
        match self.frames.read(socket) {
            Ok(ReadStep::Frame(frame)) => Received::Event(WorkerEvent::from_frame(frame)),
            Ok(ReadStep::Partial) => Received::Partial,
            Ok(ReadStep::WouldBlock) => Received::WouldBlock,
            Ok(ReadStep::End) | Err(_) => {
                self.socket = None;
                Received::Closed
            }
        }
    }

    /// Says by the end of the stream that nothing follows: to close it says that only where no fork of this process has it
    /// open, too.
    pub(in crate::process) fn hang_up(&self) {
        // That the other end has gone is as good.
        let _ = self.socket.as_ref().map(|socket| socket.shutdown(Shutdown::Both));
    }

    pub(in crate::process) fn close(&mut self) {
        if let Some(socket) = self.socket.take().filter(|_| self.owner == std::process::id()) {
            // A fork of this process may have the socket, too, so that to drop it here would not end it.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub(in crate::process) fn is_closed(&self) -> bool {
        self.socket.is_none()
    }

    /// Returns why something could not be sent, unless the other end had gone.
    pub(in crate::process) fn unsent(&self) -> Option<&io::Error> {
        let has_gone = |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        self.unsent.as_ref().filter(|error| !has_gone(error))
    }

    /// Returns what is waited for: in `word` the next word, else no more than the end; and room for what is still to be sent.
    pub(in crate::process) fn interest(&self, word: PollFlags) -> Option<PollFd<'_>> {
        let room = if self.outgoing.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        self.socket.as_ref().map(|socket| PollFd::new(socket, word | room))
    }
}

fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    loop {
        match channel::send(socket.as_fd(), bytes, descriptors) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
