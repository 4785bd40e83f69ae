//! `Client`: a program that carries bytes, with its standard streams. None of them blocks.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};

use super::descriptor::above_standard;

/// Whether there are slots and agents.
pub(crate) const SLOTS_EXIST: bool = true;

/// A running client, and what is left of its streams.
#[derive(Debug)]
pub(crate) struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    end: Option<ClientEnd>,
}

/// One of its streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientStream {
    Input,
    Output,
    Errors,
}

/// How a client ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientEnd {
    Exited(ExitStatus),
    /// Other code of the application has collected its exit status.
    Unknown,
}

/// What a read has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientRead {
    Bytes(usize),
    Nothing,
    End,
}

/// Has a client asked to exit when this thread ends, as it does at the death of the application. One that waits in a queue doesn't read
/// its input, and would not notice.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only the client itself can ask the kernel for that, before it is executed")]
fn end_with_this_thread(command: &mut Command) {
    let parent = std::process::id();
    let ask = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::TERM))?;
        // It may have died before.
        if std::os::unix::process::parent_id() == parent { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: Both calls are system calls, and may be made in a fork of a process with threads.
    unsafe { command.pre_exec(ask) };
}

/// Elsewhere a client has to notice the end of its input.
#[cfg(not(target_os = "linux"))]
fn end_with_this_thread(_: &mut Command) {}

impl Client {
    /// Starts the program, in a process group of its own: Ctrl-C at the terminal is for the application, which tells it to its jobs.
    ///
    /// # Errors
    ///
    /// Fails if it can't be started, or no descriptor is left.
    pub(crate) fn start(program: &OsString, arguments: &[OsString]) -> io::Result<Self> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        end_with_this_thread(&mut command);
        let mut child = command.spawn()?;
        let streams = || -> io::Result<_> {
            let streams = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let input = streams.0.map(above_standard).transpose()?;
            let output = streams.1.map(above_standard).transpose()?;
            let errors = streams.2.map(above_standard).transpose()?;
            for stream in
                [input.as_ref().map(AsFd::as_fd), output.as_ref().map(AsFd::as_fd), errors.as_ref().map(AsFd::as_fd)]
            {
                stream.map_or(Ok(()), |stream| rustix::io::ioctl_fionbio(stream, true))?;
            }
            Ok((input, output, errors))
        }();
        match streams {
            Ok((input, output, errors)) => Ok(Self { child, input, output, errors, end: None }),
            Err(error) => {
                // It has no work yet.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }

    /// Returns its standard input, until that is closed.
    pub(crate) fn input(&mut self) -> Option<impl Write + '_> {
        self.input.as_mut()
    }

    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// Reads what a stream has. A stream that has ended is closed.
    pub(crate) fn read(&mut self, stream: ClientStream, bytes: &mut [u8]) -> ClientRead {
        let read = match stream {
            ClientStream::Output => self.output.as_mut().map(|output| output.read(bytes)),
            ClientStream::Errors => self.errors.as_mut().map(|errors| errors.read(bytes)),
            ClientStream::Input => None,
        };
        match read {
            Some(Ok(count)) if count > 0 => ClientRead::Bytes(count),
            Some(Err(error)) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                ClientRead::Nothing
            }
            _ => {
                match stream {
                    ClientStream::Output => self.output = None,
                    ClientStream::Errors => self.errors = None,
                    ClientStream::Input => {}
                }
                ClientRead::End
            }
        }
    }

    /// Returns whether a stream is open.
    pub(crate) fn has(&self, stream: ClientStream) -> bool {
        self.stream(stream).is_some()
    }

    /// Returns an open stream.
    pub(in crate::process) fn stream(&self, stream: ClientStream) -> Option<BorrowedFd<'_>> {
        match stream {
            ClientStream::Input => self.input.as_ref().map(AsFd::as_fd),
            ClientStream::Output => self.output.as_ref().map(AsFd::as_fd),
            ClientStream::Errors => self.errors.as_ref().map(AsFd::as_fd),
        }
    }

    /// Returns how it ended, once it has.
    pub(crate) fn end(&mut self) -> Option<ClientEnd> {
        if self.end.is_none() {
            self.end = match self.child.try_wait() {
                Ok(status) => status.map(ClientEnd::Exited),
                Err(_) => Some(ClientEnd::Unknown),
            };
        }
        self.end
    }

    /// Asks it to exit.
    pub(crate) fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
    }

    fn signal(&mut self, signal: Signal) {
        // It wasn't reaped, so that the number is still its own.
        if self.end().is_none()
            && let Some(pid) = Pid::from_raw(self.child.id().cast_signed())
        {
            let _ = rustix::process::kill_process(pid, signal);
        }
    }
}
