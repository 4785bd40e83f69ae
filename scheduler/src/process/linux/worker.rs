//! `Worker`: the parent's handle to a warden, a re-executed copy of this binary that starts jobs.

use std::io;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags, Signal};

use super::descriptor_limit;
use crate::clock::Deadline;
use crate::process::output::{ChildStdio, DefaultOutput, Relay};
use crate::process::unix::DataSocket;
use crate::process::unix::descriptor::{FileIdentity, above_standard};
use crate::process::unix::poll::{self, Awaited};
use crate::process::unix_worker::{ControlSocket, Interest, PollWorker, output_interest, spawn, wait};
use crate::process::{DataStream, Origin, RUN_VARIABLE, Readiness, Received, RunMarker};
use crate::wire::frame::{FrameKind, StreamMark};
use crate::wire::message::{AfterRun, Request, SpawnMode};

/// The time that a dropped worker has to sweep and exit, before and after it is killed.
const DROP_LIMIT: Duration = Duration::from_secs(3);

/// The parent's handle to a warden: its process and its control socket.
///
/// Dropping it closes the socket, which makes the warden sweep and exit, and waits for that. In a fork of the process that
/// started the warden, dropping does nothing of that: the warden is the child of the original process, and serves that one.
#[derive(Debug)]
pub(crate) struct Worker {
    child: Child,
    pidfd: Option<OwnedFd>,
    control: ControlSocket,
    /// What identifies that socket.
    identity: Option<FileIdentity>,
    /// The standard error of the warden, and of those of its jobs that have no other.
    stderr: Relay,
    reaped: bool,
    origin: Origin,
}

impl Worker {
    /// Starts `command` as a warden. Its processes carry the run marker, and its frames the mark.
    pub(crate) fn spawn(
        command: &mut Command,
        run_marker: &RunMarker,
        mark: StreamMark,
        default_output: DefaultOutput,
    ) -> io::Result<Self> {
        let (child, control, stderr) = spawn(command.env(RUN_VARIABLE, run_marker.value()), mark, default_output)?;
        // Before it can start a job, as it has no request yet.
        descriptor_limit::set_applications_own(child.id());
        let (pidfd, identity) = (pidfd(&child), control.identity());
        Ok(Self { child, pidfd, control, identity, stderr, reaped: false, origin: Origin::here() })
    }

    /// Asks the warden whether it will fork its jobs or execute them. The reply is
    /// [`WorkerEvent::Ready`](crate::process::WorkerEvent).
    pub(crate) fn query_spawn_mode(&mut self) {
        self.control.send(FrameKind::ReadyQuery);
    }

    /// Makes the warden make the process of its next job ahead, in this way.
    pub(crate) fn prepare(&mut self, mode: SpawnMode) {
        self.control.send_encoded(FrameKind::Prepare, &mode);
    }

    /// Makes the warden start a job with these standard streams, and returns the stream to that job.
    pub(crate) fn assign(&mut self, request: &mut Request, stdio: &ChildStdio) -> io::Result<DataStream> {
        let (socket, jobs_socket) = DataSocket::open()?;
        // A warden that was started for this job is in the right one already.
        let folder = if request.after_run == AfterRun::Stay { Some(current_folder()?) } else { None };
        request.has_folder = folder.is_some();
        self.control.send_request(request, stdio, jobs_socket.as_fd(), folder.as_ref().map(AsFd::as_fd))?;
        Ok(DataStream::new(socket))
    }

    /// Tells the warden to kill the job and all processes that it started.
    pub(crate) fn request_kill(&mut self) {
        self.control.send(FrameKind::Kill);
    }

    /// Tells the warden to send where the job's processes are, which then go on.
    pub(crate) fn request_capture(&mut self) {
        self.control.send(FrameKind::Capture);
    }

    /// Tells the warden to send where the job's processes are, and to kill them.
    pub(crate) fn request_capture_and_kill(&mut self) {
        self.control.send(FrameKind::CaptureAndKill);
    }

    /// Reports the job's extended time limit, for the deadline that the warden keeps.
    pub(crate) fn extend(&mut self, timeout: Duration) {
        self.control.send_encoded(FrameKind::Extend, &timeout);
    }

    /// Lets the job live until this time since the machine's start.
    #[cfg(feature = "remote")]
    pub(crate) fn renew(&mut self, until: Duration) {
        self.control.send_encoded(FrameKind::Renew, &until);
    }

    /// Tells the warden to send SIGTERM to the job's process group.
    pub(crate) fn request_terminate(&mut self) {
        self.control.send(FrameKind::Terminate);
    }

    /// Reads once from the warden, without waiting.
    pub(crate) fn receive(&mut self) -> Received {
        self.control.receive()
    }

    /// Returns whether its descriptors are still its own. An application may close those that it doesn't know, as daemons
    /// do, and the numbers may be files of the application by now.
    pub(crate) fn has_own_descriptors(&self) -> bool {
        self.control.is_closed() || self.control.identity() == self.identity
    }

    /// Makes the warden sweep and exit, by closing its control socket.
    pub(crate) fn dismiss(&mut self) {
        if !self.has_own_descriptors() {
            // The warden exits at the end of its stream. What has the numbers now isn't touched.
            self.control.forget();
            self.stderr.forget();
            mem::forget(self.pidfd.take());
        }
        if self.origin.is_here() {
            self.control.hang_up();
        }
        self.control.close();
        self.stderr.close();
    }

    /// Kills the warden itself. The kernel kills its job with it.
    pub(crate) fn kill(&mut self) {
        if self.reaped || !self.origin.is_here() {
            return;
        }
        // It may have exited already.
        let _ = match &self.pidfd {
            Some(pidfd) => rustix::process::pidfd_send_signal(pidfd, Signal::KILL).map_err(io::Error::from),
            None => self.child.kill(),
        };
    }

    /// Reaps the warden if it has exited. Returns whether it is reaped.
    pub(crate) fn reap(&mut self) -> bool {
        self.reaped = self.reaped
            || match self.child.try_wait() {
                Ok(exited) => exited.is_some(),
                // Either the application ignores SIGCHLD, or other code of it reaps every child.
                Err(_) => self.pidfd.as_ref().is_none_or(has_exited),
            };
        self.reaped
    }

    /// Returns the error that a send to the warden has failed with, unless it was that the warden has exited.
    pub(crate) fn send_error(&self) -> Option<&io::Error> {
        self.control.send_error()
    }

    /// Returns the relay of its standard error.
    pub(crate) fn stderr(&mut self) -> &mut Relay {
        &mut self.stderr
    }

    fn reap_until(&mut self, deadline: Deadline) {
        while !self.reap() && !deadline.is_past() {
            wait(std::iter::once(Interest::exit(self)), None, deadline);
        }
    }
}

impl PollWorker for Worker {
    fn report_interests(&self, events: PollFlags) -> [Option<Awaited<'_>>; 2] {
        [self.control.interest(events), None]
    }

    fn stderr_interest(&self) -> Option<Awaited<'_>> {
        output_interest(self.stderr.interest())
    }

    fn exit_interest(&self) -> Option<Awaited<'_>> {
        // A warden closes its socket before it exits.
        let exit = self.pidfd.as_ref().filter(|_| self.control.is_closed() && !self.reaped);
        exit.map(|pidfd| Awaited::new(pidfd, PollFlags::IN))
    }

    /// Without a pidfd the warden's exit is polled for, once its socket has closed.
    fn unsignaled(&self) -> Readiness {
        Readiness { exited: self.pidfd.is_none() && self.control.is_closed() && !self.reaped, ..Readiness::default() }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.dismiss();
        if !self.origin.is_here() {
            return;
        }
        self.reap_until(Deadline::after(DROP_LIMIT));
        self.kill();
        // A killed process exits, unless the kernel blocks it. Without this wait it would be left as a zombie.
        self.reap_until(Deadline::after(DROP_LIMIT));
    }
}

/// Returns whether the process has exited, also if other code has reaped it. Returns `true` if `poll` fails.
fn has_exited(pidfd: &OwnedFd) -> bool {
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    poll::poll(&mut fds, Deadline::after(Duration::ZERO)).is_err() || !fds[0].revents().is_empty()
}

/// Returns the working directory of this process, also one that is deleted.
pub(super) fn current_folder() -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    above_standard(rustix::fs::open(c".", flags, Mode::empty())?)
}

fn pidfd(child: &Child) -> Option<OwnedFd> {
    let pid = Pid::from_raw(child.id().cast_signed())?;
    // The kernel may be too old, or a sandbox may forbid it.
    above_standard(rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?).ok()
}
