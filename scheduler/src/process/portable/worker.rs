//! `Worker`: the parent's handle to a job's process. The parent watches for its exit, and sweeps.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::process::Signal;

use super::exit_watch::ExitWatch;
use super::listing::{self, Descendants, EMPTY_PASSES};
use crate::clock::Deadline;
use crate::outcome::{Sweep, SweptBy, Usage};
use crate::process::output::{ChildStdio, DefaultOutput, Relay};
use crate::process::unix::poll::Awaited;
use crate::process::unix::{ChildPid, DataSocket, reap_child};
use crate::process::unix_worker::{ControlSocket, Interest, PollWorker, output_interest, spawn, wait};
use crate::process::{DataStream, Origin, RUN_VARIABLE, Readiness, Received, RunMarker, WorkerEvent};
use crate::wire::frame::{FrameKind, StreamMark};
use crate::wire::message::{ExitReport, Request, SpawnMode};

/// How long a job's descendants may take to exit after its process, before they are reported as escaped.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(2);

/// How long dropping a worker may wait for the exit of its process.
const DROP_TIMEOUT: Duration = Duration::from_secs(3);

/// A job's process, which is started before a job is assigned to it.
///
/// Dropping it kills the process and its group, and waits for their exit, but not in a fork of the application: the job's
/// process isn't a child of the fork.
#[derive(Debug)]
pub(crate) struct Worker {
    /// The leader of its process group, since it was started.
    child: ChildPid,
    run_marker: RunMarker,
    control: ControlSocket,
    /// The job's end of its stream, until the job has received it: some kernels lose a descriptor that is only in transit.
    sent: Option<OwnedFd>,
    exit: ExitWatch,
    /// The standard error of the process, and of its job without an output option.
    stderr: Relay,
    /// The descendants of the job that were killed.
    killed: BTreeSet<i32>,
    /// The run time of the function when its process enforced a deadline itself.
    expired: Option<Duration>,
    phase: ExitPhase,
    is_dismissed: bool,
    origin: Origin,
}

/// The phases of the exit of a job's process.
#[derive(Debug)]
enum ExitPhase {
    Running,
    /// The process has exited and is not reaped, so that its id, which is its group's as well, isn't reused.
    Sweeping {
        /// The number of passes in a row that found nothing.
        empty: u32,
        deadline: Deadline,
    },
    /// It is reaped, and everything is reported.
    Reaped,
}

impl Worker {
    /// Starts `command` in a process group of its own.
    pub(crate) fn spawn(
        command: &mut Command,
        run_marker: &RunMarker,
        mark: StreamMark,
        default_output: DefaultOutput,
    ) -> io::Result<Self> {
        let (child, control, stderr) = spawn(command.env(RUN_VARIABLE, run_marker.value()), mark, default_output)?;
        let child = ChildPid::new(child.id().cast_signed()).expect("a process that was started has an id of its own");
        Ok(Self {
            child,
            run_marker: run_marker.clone(),
            control,
            sent: None,
            exit: ExitWatch::new(child),
            stderr,
            killed: BTreeSet::new(),
            expired: None,
            phase: ExitPhase::Running,
            is_dismissed: false,
            origin: Origin::here(),
        })
    }

    /// Does nothing: without wardens no process forks jobs.
    #[expect(clippy::unused_self, reason = "a warden is queried")]
    pub(crate) fn query_spawn_mode(&mut self) {}

    /// Does nothing: without wardens no process makes another one.
    #[expect(clippy::unused_self, reason = "a warden does it")]
    pub(crate) fn prepare(&mut self, _: SpawnMode) {}

    /// Sends the job's request and the ends of its output to the process. Returns the stream to it.
    pub(crate) fn assign(&mut self, request: &mut Request, ends: &ChildStdio) -> io::Result<DataStream> {
        let (link, jobs_data) = DataSocket::open()?;
        self.control.send_request(request, ends, jobs_data.as_fd(), None)?;
        self.sent = Some(jobs_data);
        Ok(DataStream::new(link))
    }

    /// Kills the process, its group and descendants that have left the group.
    ///
    /// The process is killed last: if the application is killed meanwhile, the process continues the kill.
    pub(crate) fn request_kill(&mut self) {
        for process in listing::descendants(self.child, &self.run_marker).found {
            // It may have exited already; otherwise it counts as killed.
            if process.kill().is_ok() {
                self.killed.insert(process.get());
            }
        }
        self.kill();
    }

    /// Does nothing: without a warden nothing is captured.
    #[expect(clippy::unused_self, reason = "a warden captures")]
    pub(crate) fn request_capture(&mut self) {}

    /// Kills only: without a warden nothing is captured.
    pub(crate) fn request_capture_and_kill(&mut self) {
        self.request_kill();
    }

    /// Reports the job's extended time limit, for the deadline that its process keeps.
    pub(crate) fn extend(&mut self, timeout: Duration) {
        self.control.send_encoded(FrameKind::Extend, &timeout);
    }

    /// Lets the job live until this time since the machine's start.
    #[cfg(feature = "remote")]
    pub(crate) fn renew(&mut self, until: Duration) {
        self.control.send_encoded(FrameKind::Renew, &until);
    }

    /// Sends SIGTERM to the job's group.
    pub(crate) fn request_terminate(&mut self) {
        if !matches!(self.phase, ExitPhase::Reaped) && !self.exit.was_reaped_elsewhere() {
            // This fails if the group is empty, and then there is nothing to stop.
            let _ = self.child.terminate_group();
        }
    }

    /// Receives the next event: that the process has started, or how it exited.
    pub(crate) fn receive(&mut self) -> Received {
        match &mut self.phase {
            ExitPhase::Running => {
                match self.control.receive() {
                    Received::Event(WorkerEvent::Expired(ran)) => {
                        self.expired = Some(ran);
                        return Received::Partial;
                    }
                    Received::Event(event) => {
                        self.sent = None;
                        return Received::Event(event);
                    }
                    Received::Partial => return Received::Partial,
                    // The socket is closed when the process exits, or when the job closes descriptors that aren't its own.
                    Received::WouldBlock | Received::Closed => {}
                }
                if !self.exit.has_exited() {
                    return Received::WouldBlock;
                }
                // One pass is enough if it finds nothing; a job that has left one process may have left more.
                let deadline = Deadline::after(SWEEP_TIMEOUT);
                self.phase = ExitPhase::Sweeping { empty: EMPTY_PASSES - 1, deadline };
                Received::Partial
            }
            ExitPhase::Sweeping { empty, deadline } => {
                let Descendants { found: left, is_uncertain } = listing::descendants(self.child, &self.run_marker);
                *empty = if left.is_empty() && !is_uncertain { *empty + 1 } else { 0 };
                let must_continue = *empty < EMPTY_PASSES && !deadline.is_past();
                // Processes that can't be listed are reached only through the group.
                let _ = self.child.send_to_group(Signal::KILL);
                for process in &left {
                    // A program with more rights can't be signaled, and is listed until the deadline.
                    let _ = process.kill();
                    self.killed.insert(process.get());
                }
                if must_continue {
                    return Received::WouldBlock;
                }
                let sweep = if left.is_empty() {
                    Sweep::Unproved { killed: self.killed.len() }
                } else {
                    Sweep::escaped(left.into_iter().map(|process| process.get().cast_unsigned()))
                };
                let reaped = reap_child(Some(self.child), 0).ok().flatten();
                self.phase = ExitPhase::Reaped;
                Received::Event(WorkerEvent::Exit(Some(ExitReport {
                    // If the application ignores SIGCHLD, or reaps every child, this is lost.
                    exit: reaped.as_ref().map(|child| child.exit),
                    usage: reaped.map_or(Usage::default(), |child| child.usage),
                    sweep,
                    swept_by: SweptBy::Search,
                    ran: self.expired,
                    expired: self.expired.is_some(),
                    over_memory: false,
                    is_kept: false,
                })))
            }
            ExitPhase::Reaped => Received::WouldBlock,
        }
    }

    /// Returns whether its descriptors are still its own. None of it is kept between calls.
    #[expect(clippy::unused_self, reason = "wardens are kept, and lose theirs")]
    pub(crate) fn has_own_descriptors(&self) -> bool {
        true
    }

    /// Kills the process, which is no longer needed, and closes its streams.
    pub(crate) fn dismiss(&mut self) {
        if self.origin.is_here() {
            self.kill();
            self.control.hang_up();
        }
        self.is_dismissed = true;
        self.control.close();
        self.sent = None;
        self.stderr.close();
    }

    /// Kills the process and its group.
    pub(crate) fn kill(&mut self) {
        // Once it is reaped, its id may belong to another process.
        if self.origin.is_here() && !matches!(self.phase, ExitPhase::Reaped) && !self.exit.was_reaped_elsewhere() {
            let _ = self.child.send_to_group(Signal::KILL);
            // It may have left its group.
            let _ = self.child.kill();
        }
    }

    /// Reaps the process if it has exited and is dismissed. Returns `true` once it is reaped.
    pub(crate) fn reap(&mut self) -> bool {
        if !matches!(self.phase, ExitPhase::Reaped) && self.is_dismissed && self.exit.has_exited() {
            // Its group was killed, and its exit status isn't needed.
            let _ = self.child.send_to_group(Signal::KILL);
            let _ = reap_child(Some(self.child), 0);
            self.phase = ExitPhase::Reaped;
        }
        matches!(self.phase, ExitPhase::Reaped)
    }

    /// Returns the error of a failed send to the process, unless the process was gone.
    pub(crate) fn send_error(&self) -> Option<&io::Error> {
        self.control.send_error()
    }

    /// Returns the relay of its standard error.
    pub(crate) fn stderr(&mut self) -> &mut Relay {
        &mut self.stderr
    }
}

impl PollWorker for Worker {
    fn report_interests(&self, events: PollFlags) -> [Option<Awaited<'_>>; 2] {
        match self.phase {
            ExitPhase::Running => [self.control.interest(events), self.exit.interest()],
            ExitPhase::Sweeping { .. } | ExitPhase::Reaped => [None, None],
        }
    }

    fn stderr_interest(&self) -> Option<Awaited<'_>> {
        output_interest(self.stderr.interest())
    }

    fn exit_interest(&self) -> Option<Awaited<'_>> {
        self.exit.interest().filter(|_| self.is_dismissed && !matches!(self.phase, ExitPhase::Reaped))
    }

    /// Returns what must be polled: a sweep, and a process whose [`ExitWatch`] has no thread.
    fn unsignaled(&self) -> Readiness {
        match self.phase {
            ExitPhase::Running if self.exit.interest().is_some() => Readiness::default(),
            ExitPhase::Running if self.is_dismissed => Readiness { exited: true, ..Readiness::default() },
            ExitPhase::Running | ExitPhase::Sweeping { .. } => Readiness { control: true, ..Readiness::default() },
            ExitPhase::Reaped => Readiness::default(),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.dismiss();
        if !self.origin.is_here() {
            return;
        }
        let deadline = Deadline::after(DROP_TIMEOUT);
        while !self.reap() && !deadline.is_past() {
            wait(std::iter::once(Interest::exit(self)), None, deadline);
        }
    }
}
