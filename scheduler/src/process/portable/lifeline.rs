//! The lifeline: a thread of a job's process that kills the process and its descendants when the application has exited.

#![expect(unsafe_code, reason = "signal masks and `_exit` have no safe API")]

use std::io;
use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::ptr;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use super::listing::{self, Descendants, EMPTY_PASSES};
use super::milestone_times::MilestoneTimes;
use crate::clock::Deadline;
use crate::process::unix::ChildPid;
use crate::process::unix::descriptor::identity;
use crate::process::unix::since_boot;
use crate::process::unix::{ControlChild, ParentWatch, WakeReason, poll};
use crate::process::{Due, FallbackDeadlines, RunMarker};
use crate::wire::codec;
use crate::wire::frame::{self, Frame, FrameKind, FrameReader, ReadStep, StreamMark};

const STACK_SIZE: usize = 256 * 1024;

/// The time limit of the search for processes that have left the group.
const SWEEP_TIMEOUT: Duration = Duration::from_secs(2);

/// The deadlines that a job's process enforces itself.
pub(super) struct OwnDeadlines {
    pub(super) fallback: FallbackDeadlines,
    pub(super) milestones: MilestoneTimes,
    /// The mark of the frames on the control socket.
    pub(super) mark: StreamMark,
}

impl OwnDeadlines {
    /// Reports to the parent, which may read it later, that the job was killed at its deadline, and its run time.
    fn report_expiry(&self, control: &mut ControlChild) {
        let ran = self.milestones.function_time().unwrap_or_default();
        // Without this report, the parent still detects that the process has exited.
        let _ = codec::encode(&ran).map(|ran| frame::write(control, self.mark, FrameKind::Expired, &ran));
    }
}

/// Starts the lifeline, which watches the application's socket and its process.
///
/// If the application is stopped (as by SIGSTOP), the lifeline enforces the job's deadlines.
pub(super) fn spawn(
    control: ControlChild,
    mut watch: ParentWatch,
    mut deadlines: OwnDeadlines,
    run_marker: Option<RunMarker>,
) -> io::Result<()> {
    let own = identity(control.as_fd())?;
    // A job may close descriptors that aren't its own. One that then has this number is the job's: it is not closed here.
    let mut control = ManuallyDrop::new(control);
    let run = move || {
        // The job's signals are for the job's own threads.
        block_signals();
        let mut frames = FrameReader::new(deadlines.mark, frame::LIMIT);
        loop {
            // Once the job has closed the socket, its number is the job's: only the parent's process is left to watch.
            let socket = is_unchanged(own, &control).then(|| control.as_fd());
            let due = deadlines.fallback.due(deadlines.milestones.latest(), since_boot);
            let has_socket = socket.is_some();
            let next_check = match due {
                // The parent may have extended the deadline before it passed.
                Due::Now => Duration::ZERO,
                Due::In(left) => left,
                Due::Never => Duration::MAX,
            };
            match watch.wait(socket, None, Deadline::after(next_check)) {
                WakeReason::ParentExited => kill_all(run_marker.as_ref()),
                WakeReason::ParentSent if is_unchanged(own, &control) => {
                    if read_commands(&mut frames, &mut control, &mut deadlines.fallback).is_break() {
                        kill_all(run_marker.as_ref());
                    }
                }
                WakeReason::Other if due == Due::Now => {
                    if has_socket {
                        deadlines.report_expiry(&mut control);
                    }
                    kill_all(run_marker.as_ref());
                }
                WakeReason::ParentSent | WakeReason::Other => {}
            }
        }
    };
    thread::Builder::new().name("scheduler-lifeline".to_owned()).stack_size(STACK_SIZE).spawn(run).map(drop)
}

/// Reads and applies the parent's commands that have arrived. Returns `Break` if the other end of the socket is closed.
fn read_commands(
    frames: &mut FrameReader,
    control: &mut ControlChild,
    fallback: &mut FallbackDeadlines,
) -> ControlFlow<()> {
    loop {
        match frames.read(control) {
            Ok(ReadStep::Frame(Frame { kind: FrameKind::Extend, payload })) => {
                if let Ok(timeout) = codec::decode(&payload) {
                    fallback.extend(timeout);
                }
            }
            Ok(ReadStep::Frame(Frame { kind: FrameKind::Renew, payload })) => {
                if let Ok(until) = codec::decode(&payload) {
                    fallback.renew(until);
                }
            }
            Ok(ReadStep::Frame(_) | ReadStep::Partial) => {}
            Ok(ReadStep::WouldBlock) => return ControlFlow::Continue(()),
            // The parent closed it, perhaps before it had read everything that was sent to it.
            Ok(ReadStep::End) | Err(_) => return ControlFlow::Break(()),
        }
    }
}

/// Returns whether the descriptor is still the control socket, and not one that the job has opened.
fn is_unchanged(own: (i128, u64), control: &ControlChild) -> bool {
    identity(control.as_fd()).is_ok_and(|identity| identity == own)
}

/// Kills the descendants and the group, including this process.
fn kill_all(run_marker: Option<&RunMarker>) -> ! {
    if let Some(me) = ChildPid::new(std::process::id().cast_signed()) {
        let deadline = Deadline::after(SWEEP_TIMEOUT);
        let mut empty = 0;
        while let Some(run_marker) = run_marker.filter(|_| empty < EMPTY_PASSES && !deadline.is_past()) {
            // A process that forks or executes during a pass is found by the next one.
            let Descendants { found, is_uncertain } = listing::descendants(me, run_marker);
            for process in &found {
                // It may have exited already.
                let _ = process.kill();
            }
            empty = if found.is_empty() && !is_uncertain { empty + 1 } else { 0 };
            if empty < EMPTY_PASSES {
                poll::pause();
            }
        }
        // If there is a group of that number, it is this process's own.
        let _ = me.send_to_group(Signal::KILL);
    }
    // SAFETY: The call ends the process at once, in any state.
    unsafe { libc::_exit(1) }
}

/// Blocks every signal that the calling thread can block.
fn block_signals() {
    let mut all = MaybeUninit::uninit();
    // SAFETY: `sigfillset` initializes the set that `pthread_sigmask` then reads; the old mask isn't asked for.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), ptr::null_mut());
    }
}
