//! `ParentLink`: a warden's connection to its parent, from which its orders come.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use super::exit::setup_failure;
use crate::clock::Deadline;
use crate::outcome::Sweep;
use crate::process::{self, ControlChild, ParentWatch, ReapResult, SigchldEvent, WakeReason, exit_warden};
use crate::wire::codec;
use crate::wire::frame::{self, Frame, FrameKind, FrameReader, ReadStep};
use crate::wire::message::{ExitReport, Request, SpawnMode};

/// The connection to the parent.
pub(super) struct ParentLink {
    pub(super) control: ControlChild,
    pub(super) frames: FrameReader,
    pub(super) watch: ParentWatch,
}

/// What the parent wants next.
pub(super) enum Order {
    Serve(Box<Request>),
    /// Make the process of the next job ahead.
    Prepare(SpawnMode),
    /// Exit: the parent is gone, or needs no further run.
    Exit,
    /// Nothing yet: a child may have exited, or the deadline has passed.
    None,
}

impl ParentLink {
    /// Waits for the next order until the deadline has passed, or a SIGCHLD arrives.
    pub(super) fn next_order(&mut self, mode: SpawnMode, sigchld: Option<&SigchldEvent>, deadline: Deadline) -> Order {
        loop {
            match self.frames.read(&mut self.control) {
                Ok(ReadStep::Frame(Frame { kind: FrameKind::Request, payload })) => match codec::decode(&payload) {
                    Ok(request) => {
                        return Order::Serve(Box::new(request));
                    }
                    Err(_) => return Order::Exit,
                },
                Ok(ReadStep::Frame(Frame { kind: FrameKind::Prepare, payload })) => {
                    return codec::decode(&payload).map_or(Order::Exit, Order::Prepare);
                }
                Ok(ReadStep::Frame(Frame { kind: FrameKind::ReadyQuery, .. })) => {
                    let sent = self.send(FrameKind::Ready, &codec::encode(&mode).expect("numbers always encode"));
                    sent.unwrap_or_else(|_| exit_warden());
                }
                // A command for a job that has just exited.
                Ok(
                    ReadStep::Frame(Frame {
                        kind:
                            FrameKind::Kill
                            | FrameKind::Terminate
                            | FrameKind::Extend
                            | FrameKind::Renew
                            | FrameKind::Capture
                            | FrameKind::CaptureAndKill,
                        ..
                    })
                    | ReadStep::Partial,
                ) => {}
                Ok(ReadStep::WouldBlock) => match self.wait(sigchld, deadline) {
                    WakeReason::ParentSent => {}
                    WakeReason::ParentExited => return Order::Exit,
                    WakeReason::Other => return Order::None,
                },
                Ok(ReadStep::Frame(_) | ReadStep::End) | Err(_) => return Order::Exit,
            }
        }
    }

    /// Waits until the parent sends something or exits, a SIGCHLD arrives, or the deadline passes.
    pub(super) fn wait(&mut self, sigchld: Option<&SigchldEvent>, deadline: Deadline) -> WakeReason {
        self.watch.wait(Some(self.control.as_fd()), sigchld.map(AsFd::as_fd), deadline)
    }

    pub(super) fn send(&mut self, kind: FrameKind, payload: &[u8]) -> io::Result<()> {
        let mark = self.frames.mark().expect("the parent sends the first frame");
        frame::write(&mut self.control, mark, kind, payload)
    }

    pub(super) fn refuse(&mut self, error: &io::Error) {
        let kind = if process::lacks_room(error) { FrameKind::NoRoom } else { FrameKind::Refused };
        // The report below suffices if this fails.
        let _ = self.send(kind, setup_failure(error).as_bytes());
        // If no process was created, none is left, as the kernel confirms.
        let sweep = match process::reap() {
            Ok(ReapResult::NoChildren) => Sweep::Clean,
            _ => Sweep::Unproved { killed: 0 },
        };
        self.report(&ExitReport { exit: None, sweep, ..ExitReport::without_processes() });
    }

    /// Sends the report on a run. If that fails the warden exits, which the parent detects.
    pub(super) fn report(&mut self, report: &ExitReport) {
        self.try_report(report).unwrap_or_else(|_| exit_warden());
    }

    pub(super) fn try_report(&mut self, report: &ExitReport) -> io::Result<()> {
        self.send(FrameKind::Exit, &codec::encode(report).expect("numbers always encode"))
    }

    /// Reads the next command for the current job.
    pub(super) fn next_command(&mut self) -> ParentCommand {
        match self.frames.read(&mut self.control) {
            Ok(ReadStep::Partial | ReadStep::WouldBlock) => ParentCommand::None,
            Ok(ReadStep::Frame(Frame { kind: FrameKind::Terminate, .. })) => ParentCommand::Terminate,
            Ok(ReadStep::Frame(Frame { kind: FrameKind::Capture, .. })) => ParentCommand::Capture,
            Ok(ReadStep::Frame(Frame { kind: FrameKind::CaptureAndKill, .. })) => ParentCommand::CaptureAndKill,
            Ok(ReadStep::Frame(Frame { kind: FrameKind::Extend, payload })) => {
                codec::decode(&payload).map_or(ParentCommand::Kill, ParentCommand::Extend)
            }
            Ok(ReadStep::Frame(Frame { kind: FrameKind::Renew, payload })) => {
                codec::decode(&payload).map_or(ParentCommand::Kill, ParentCommand::Renew)
            }
            // No other frame follows a request.
            Ok(ReadStep::Frame(_)) => ParentCommand::Kill,
            Ok(ReadStep::End) | Err(_) => ParentCommand::Gone,
        }
    }
}

/// A command of the parent for the current job.
pub(super) enum ParentCommand {
    None,
    /// Send SIGTERM to its process group.
    Terminate,
    /// Send where its processes are.
    Capture,
    /// Send where its processes are, and kill it.
    CaptureAndKill,
    /// Its function has this much time.
    Extend(Duration),
    /// The job may live until this time since the machine's start.
    Renew(Duration),
    /// Kill it.
    Kill,
    /// Kill it: the parent is gone, or needs this warden no more.
    Gone,
}
