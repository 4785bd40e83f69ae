//! `Worker`: the parent's side of a warden, a re-executed copy of this binary that is there to start jobs.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::{ControlSocket, poll};
use crate::clock::Deadline;
use crate::process::output::{Awaited, ChildStdio, DefaultOutput, Relay};
use crate::process::unix::descriptor::above_standard;
use crate::process::unix::spawn;
use crate::process::{DataSocket, Interest, Origin, RUN_MARKER, Ready, Received, RunMarker, Stream, wait};
use crate::wire::frame::{FrameKind, StreamMark};
use crate::wire::message::Request;

/// How long a worker that is dropped may take to end everything.
const ABANDON: Duration = Duration::from_secs(3);

/// A warden, as the parent holds it: the process, and the socket by which it is told what to do.
///
/// Dropping it closes the socket, at which the warden sweeps and ends, and waits for that. In a fork of the process that
/// started the warden nothing of that happens: the warden isn't its child, and works for somebody else.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    pidfd: Option<OwnedFd>,
    control: ControlSocket,
    /// What it writes to standard error itself, and its jobs, one after the other, that are told nothing else.
    stderr: Relay,
    reaped: bool,
    origin: Origin,
}

impl Worker {
    /// Starts `command` as a warden, whose processes bear the cookie and its frames the mark.
    pub(crate) fn spawn(
        command: &mut Command,
        run_marker: &RunMarker,
        mark: StreamMark,
        default_output: DefaultOutput,
    ) -> io::Result<Self> {
        let (child, control, stderr) = spawn(command.env(RUN_MARKER, run_marker.value()), mark, default_output)?;
        Ok(Self { pidfd: pidfd(&child), child, control, stderr, reaped: false, origin: Origin::here() })
    }

    /// Asks the warden how it will make processes.
    pub(crate) fn ask(&mut self) {
        self.control.send(FrameKind::ReadyQuery);
    }

    /// Has the warden start a job, and to which ends to write, and returns the stream to that.
    pub(crate) fn assign(&mut self, request: &mut Request, ends: &ChildStdio) -> io::Result<Stream> {
        let (link, jobs_data) = DataSocket::open()?;
        self.control.request(request, ends, jobs_data.as_fd())?;
        Ok(Stream::over(link))
    }

    /// Tells the warden to end the job and all that it started.
    pub(crate) fn request_kill(&mut self) {
        self.control.send(FrameKind::Kill);
    }

    /// Tells the warden to ask the processes of the job's group to end.
    pub(crate) fn request_terminate(&mut self) {
        self.control.send(FrameKind::Terminate);
    }

    /// Listens for a step to what the warden says.
    pub(crate) fn listen(&mut self) -> Received {
        self.control.listen()
    }

    /// Tells the warden to end, which has nothing to do any more.
    pub(crate) fn dismiss(&mut self) {
        if self.origin.is_here() {
            self.control.hang_up();
        }
        self.control.close();
        self.stderr.close();
    }

    /// Ends the warden itself; its job dies with it.
    pub(crate) fn kill(&mut self) {
        if self.reaped || !self.origin.is_here() {
            return;
        }
        // It may have ended by now, which is as good.
        let _ = match &self.pidfd {
            Some(pidfd) => rustix::process::pidfd_send_signal(pidfd, Signal::KILL).map_err(io::Error::from),
            None => self.child.kill(),
        };
    }

    /// Collects the warden if it has ended; true once that is done.
    pub(crate) fn reap(&mut self) -> bool {
        self.reaped = self.reaped
            || match self.child.try_wait() {
                Ok(exited) => exited.is_some(),
                // The application ignores SIGCHLD, or somebody else waits for every child.
                Err(_) => self.pidfd.as_ref().is_none_or(has_ended),
            };
        self.reaped
    }

    /// Returns why something could not be sent to the warden, unless it had gone.
    pub(crate) fn unsent(&self) -> Option<&io::Error> {
        self.control.unsent()
    }

    /// Returns what passes on what is written to its standard error.
    pub(crate) fn stderr(&mut self) -> &mut Relay {
        &mut self.stderr
    }

    /// Returns what is waited for: in `word` the warden's next word, else no more than its end.
    pub(in crate::process) fn word_interests(&self, word: PollFlags) -> [Option<PollFd<'_>>; 2] {
        [self.control.interest(word), None]
    }

    pub(in crate::process) fn stderr_awaited(&self) -> Awaited<'_> {
        self.stderr.awaited()
    }

    pub(in crate::process) fn exit_interest(&self) -> Option<PollFd<'_>> {
        // A warden ends after it has closed its socket.
        let exit = self.pidfd.as_ref().filter(|_| self.control.is_closed() && !self.reaped);
        exit.map(|pidfd| PollFd::new(pidfd, PollFlags::IN))
    }

    /// Returns what must be polled for: without a pidfd the warden's exit, once its socket has closed.
    pub(in crate::process) fn unsignaled(&self) -> Ready {
        Ready { exited: self.pidfd.is_none() && self.control.is_closed() && !self.reaped, ..Ready::default() }
    }

    fn reap_until(&mut self, deadline: Deadline) {
        while !self.reap() && !deadline.is_past() {
            wait(std::iter::once(Interest::exit(self)), None, deadline);
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.dismiss();
        if !self.origin.is_here() {
            return;
        }
        self.reap_until(Deadline::after(ABANDON));
        self.kill();
        // A process that was sent SIGKILL ends, unless the kernel holds on to it; to wait for it is what keeps a zombie
        // from being left.
        self.reap_until(Deadline::after(ABANDON));
    }
}

/// Says whether the process has ended, whoever has collected it. What can't be told counts as ended.
fn has_ended(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    poll::poll(&mut fds, Deadline::after(Duration::ZERO)).is_err() || !fds[0].revents().is_empty()
}

fn pidfd(child: &Child) -> Option<OwnedFd> {
    let pid = Pid::from_raw(child.id().cast_signed())?;
    // An old kernel, or a sandbox, has none.
    above_standard(rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?).ok()
}
