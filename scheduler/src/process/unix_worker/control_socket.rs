//! `ControlSocket`: the parent's end of the socket that carries commands to a copy of this binary, and reports back; and
//! how such a copy is started.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::mem;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::event::PollFlags;
use serde::Serialize;

use crate::outcome::StandardStream;
use crate::process::output::{ChildStdio, ChildStream, DefaultOutput, Relay};
use crate::process::unix::descriptor::FileIdentity;
use crate::process::unix::poll::Awaited;
use crate::process::unix::{descriptor, socket};
use crate::process::{Received, WorkerEvent};
use crate::wire::codec;
use crate::wire::frame::{self, FrameKind, FrameReader, ReadStep, StreamMark};
use crate::wire::message::{Request, StdioTarget};

/// Returns whether a process could not be started for lack of resources, which are free again once another process has
/// exited.
pub(crate) fn lacks_room(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM))
}

/// Starts `command` with a socket as standard input and a pipe as standard error. The frames on the socket bear this mark.
///
/// It gets a process group of its own, so that a Ctrl-C at the terminal reaches the parent only, which decides what to do.
pub(in crate::process) fn spawn(
    command: &mut Command,
    mark: StreamMark,
    default_output: DefaultOutput,
) -> io::Result<(Child, ControlSocket, Relay)> {
    // Everything that can fail comes before there is a process.
    let (socket, copys_socket) = socket::pair()?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    let (stderr, copys_stderr) = default_output.relay()?;
    // If `Command` opened the null device itself, that could get a number that the copy's streams are moved to.
    let null = descriptor::null()?;
    command.stdin(OwnedFd::from(copys_socket)).stdout(null).stderr(copys_stderr);
    let child = command.process_group(0).spawn().map_err(|error| exec_error(command, error));
    // A `Command` keeps its descriptors, and so the streams open.
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let frames = FrameReader::new(mark, frame::LIMIT);
    let outgoing = VecDeque::new();
    let owner = std::process::id();
    Ok((child?, ControlSocket { socket: Some(socket), owner, mark, frames, outgoing, send_error: None }, stderr))
}

/// Adds the file's name to an error that concerns the file.
fn exec_error(command: &Command, error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::PermissionDenied => {
            let file = command.get_program().display();
            io::Error::new(error.kind(), format!("`{file}` can't be executed: {error}"))
        }
        _ => error,
    }
}

/// The parent's end of a copy's control socket. When it is closed, the copy kills its job, sweeps and exits.
#[derive(Debug)]
pub(in crate::process) struct ControlSocket {
    socket: Option<UnixStream>,
    /// The process that started the copy. A fork of it has the socket as well, and must not use it.
    owner: u32,
    /// The mark of its frames.
    mark: StreamMark,
    frames: FrameReader,
    /// Bytes that the socket had no room for yet.
    outgoing: VecDeque<u8>,
    send_error: Option<io::Error>,
}

impl ControlSocket {
    /// Sends a job's request, with the descriptors of the job: its data socket, its working directory, its standard streams
    /// and the inherited ones.
    ///
    /// # Errors
    ///
    /// Fails, before anything is sent, if a standard stream of this process is missing and the null device can't be opened.
    pub(in crate::process) fn send_request(
        &mut self,
        request: &Request,
        stdio: &ChildStdio,
        data: BorrowedFd<'_>,
        folder: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let request = codec::encode(request).expect("text and numbers always encode");
        let mut message = frame::header(self.mark, FrameKind::Request, request.len()).to_vec();
        message.extend(request);
        let stdout = stdio_fd(&stdio.stdout, StandardStream::Stdout)?;
        let stderr = stdio_fd(&stdio.stderr, StandardStream::Stderr)?;
        let mut descriptors = vec![data];
        descriptors.extend(folder);
        descriptors.extend([&stdout, &stderr].into_iter().flatten().map(AsFd::as_fd));
        descriptors.extend(stdio.inherited.descriptors());
        self.send_bytes(&message, &descriptors);
        Ok(())
    }

    /// Sends a command without a payload.
    pub(in crate::process) fn send(&mut self, kind: FrameKind) {
        self.send_bytes(&frame::header(self.mark, kind, 0), &[]);
    }

    /// Sends a command.
    pub(in crate::process) fn send_encoded(&mut self, kind: FrameKind, payload: &impl Serialize) {
        let payload = codec::encode(payload).expect("numbers always encode");
        self.send_bytes(&[&frame::header(self.mark, kind, payload.len()), &payload[..]].concat(), &[]);
    }

    /// Sends bytes: now, as many as the socket has room for, and the rest when it is ready.
    ///
    /// With descriptors nothing may be waiting to be sent: the copy that a request goes to has read everything before it.
    fn send_bytes(&mut self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
        let mut sent = 0;
        if let Some(socket) = self.socket.as_ref().filter(|_| !descriptors.is_empty()) {
            match send(socket, bytes, descriptors) {
                // The descriptors travel with the first byte.
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
        // The copy may have exited, or may just be out of reach. In the second case it reads the end of the stream, sweeps
        // and reports.
        let _ = self.socket.as_ref().map(|socket| socket.shutdown(Shutdown::Write));
        self.outgoing.clear();
        self.send_error.get_or_insert(error);
    }

    /// Reads once, without waiting.
    pub(in crate::process) fn receive(&mut self) -> Received {
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

    /// Sends the end of the stream. Closing the socket does so only where no fork of this process has it open as well.
    pub(in crate::process) fn hang_up(&self) {
        // The copy may have exited already.
        let _ = self.socket.as_ref().map(|socket| socket.shutdown(Shutdown::Both));
    }

    pub(in crate::process) fn close(&mut self) {
        if let Some(socket) = self.socket.take().filter(|_| self.owner == std::process::id()) {
            // A fork of this process may have the socket open as well, so that dropping it here would not end the stream.
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// Returns what identifies the socket: its number may be another file by now.
    #[allow(dead_code, reason = "only a warden is kept for so long")]
    pub(in crate::process) fn identity(&self) -> Option<FileIdentity> {
        self.socket.as_ref().and_then(|socket| descriptor::identity(socket.as_fd()).ok())
    }

    /// Forgets the socket, whose number is another file by now.
    #[allow(dead_code, reason = "only a warden is kept for so long")]
    pub(in crate::process) fn forget(&mut self) {
        mem::forget(self.socket.take());
    }

    pub(in crate::process) fn is_closed(&self) -> bool {
        self.socket.is_none()
    }

    /// Returns the error that a send has failed with, unless it was that the other end is closed.
    pub(in crate::process) fn send_error(&self) -> Option<&io::Error> {
        let is_closed = |error: &io::Error| matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
        self.send_error.as_ref().filter(|error| !is_closed(error))
    }

    /// Returns the interest in `events`, in the end of the stream, and in room if something is unsent.
    pub(in crate::process) fn interest(&self, events: PollFlags) -> Option<Awaited<'_>> {
        let room = if self.outgoing.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        self.socket.as_ref().map(|socket| Awaited::new(socket, events | room))
    }
}

/// The descriptor that a job gets for one of its standard streams.
enum StdioFd<'a> {
    Borrowed(BorrowedFd<'a>),
    /// The null device: this process has no such stream.
    Null(OwnedFd),
}

impl AsFd for StdioFd<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(descriptor) => *descriptor,
            Self::Null(null) => null.as_fd(),
        }
    }
}

/// Returns the descriptor to send for a standard stream, if one is to be sent: a pipe's end, or else this process's own
/// stream.
fn stdio_fd(child: &ChildStream, stream: StandardStream) -> io::Result<Option<StdioFd<'_>>> {
    if !matches!(child.target, StdioTarget::Sent(_)) {
        return Ok(None);
    }
    Ok(Some(match child.writer.as_ref().map(AsFd::as_fd).or_else(|| descriptor::own(stream)) {
        Some(descriptor) => StdioFd::Borrowed(descriptor),
        None => StdioFd::Null(descriptor::null()?),
    }))
}

fn send(socket: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<usize> {
    loop {
        match socket::send(socket.as_fd(), bytes, descriptors) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
