//! The watch of a running job: its exit, its deadline, and the commands of the parent.

use std::time::Duration;

use super::parent_link::{ParentCommand, ParentLink};
use crate::clock::Deadline;
use crate::outcome::{Exit, Usage};
use crate::panic_guard::guarded;
use crate::process::{
    self, Capture, ChildPid, Due, ExitedChild, FallbackDeadlines, KILL_SIGNAL, MilestoneTimes, ReapResult,
    SeizedProcesses, SigchldEvent, TreeMemory, WakeReason,
};
use crate::wire::frame::FrameKind;

/// The interval at which the warden checks its job even without a SIGCHLD.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The number of processes that are reaped before the warden reads from its parent: a storm of orphans must not delay that.
const REAP_BATCH: usize = 64;

/// The exit of the job, as far as it was observed.
pub(super) struct JobStatus {
    pub(super) job: ChildPid,
    pub(super) exit: Option<Exit>,
    pub(super) usage: Usage,
    /// The number of other processes that were killed.
    pub(super) killed: usize,
    /// The processes and threads whose exits are reported because they are traced.
    pub(super) seized: SeizedProcesses,
}

impl JobStatus {
    pub(super) fn record(&mut self, ExitedChild { pid, exit, usage }: &ExitedChild) {
        if !self.seized.is_first_exit(*pid) {
            return;
        }
        if *pid == self.job {
            self.exit = Some(*exit);
            self.usage = *usage;
        } else if matches!(exit, Exit::Signal { number: KILL_SIGNAL, .. }) {
            self.killed += 1;
        }
    }
}

/// The reason why the warden stops waiting for a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WaitEnd {
    /// The job has exited, or the parent commands to kill it.
    ExitOrCommand,
    /// The parent is gone.
    ParentGone,
    /// The parent commands to kill it after a capture.
    Capture,
    /// The job's deadline has passed, and the parent sent no command.
    Expired,
    /// The job and its descendants take more memory than they may.
    OverMemory,
    /// The call has ended, and the job's process waits for another one.
    Idle,
}

/// The limits that the warden enforces itself.
pub(super) struct JobLimits {
    pub(super) fallback: FallbackDeadlines,
    pub(super) memory: Option<TreeMemory>,
    /// Whether the job is captured when it crashes, which it is once.
    pub(super) captures_crash: bool,
}

/// Waits until the job has exited or must be killed.
pub(super) fn wait_for_exit(
    status: &mut JobStatus,
    parent: &mut ParentLink,
    sigchld: &SigchldEvent,
    JobLimits { fallback, memory, captures_crash }: &mut JobLimits,
    milestones: &MilestoneTimes,
    is_idle: impl Fn() -> bool,
) -> WaitEnd {
    loop {
        sigchld.reset();
        let mut left = REAP_BATCH;
        while left > 0 {
            match process::reap() {
                Ok(ReapResult::Exited(child)) => status.record(&child),
                Ok(ReapResult::NoneExited) => break,
                Ok(ReapResult::NoChildren) | Err(_) => return WaitEnd::ExitOrCommand,
            }
            left -= 1;
        }
        if status.exit.is_some() {
            return WaitEnd::ExitOrCommand;
        }
        if is_idle() {
            return WaitEnd::Idle;
        }
        if *captures_crash && let Some(thread) = milestones.crashed_thread() {
            *captures_crash = false;
            send_capture(status, parent, sigchld, Some(thread));
            // Its process waits for that, and dies.
            milestones.report_captured();
        }
        if memory.as_mut().is_some_and(TreeMemory::is_exceeded) {
            return WaitEnd::OverMemory;
        }
        let due_in = fallback.due(milestones.latest(), process::since_boot);
        let timeout = match due_in {
            // The parent may have extended the deadline before it passed.
            Due::Now => Duration::ZERO,
            // More processes may have exited, for which no further SIGCHLD comes.
            _ if left == 0 => Duration::ZERO,
            Due::In(left) => left.min(POLL_INTERVAL),
            Due::Never => POLL_INTERVAL,
        };
        let timeout = memory.as_ref().map_or(timeout, |memory| timeout.min(memory.due()));
        let has_buffered = parent.frames.has_buffered();
        let woken =
            if has_buffered { WakeReason::ParentSent } else { parent.wait(Some(sigchld), Deadline::after(timeout)) };
        let command = if woken == WakeReason::ParentSent { parent.next_command() } else { ParentCommand::None };
        match (woken, command) {
            (WakeReason::ParentExited, _) | (_, ParentCommand::Gone) => return WaitEnd::ParentGone,
            (_, ParentCommand::Kill) => return WaitEnd::ExitOrCommand,
            (_, ParentCommand::CaptureAndKill) => return WaitEnd::Capture,
            (WakeReason::Other, _) if due_in == Due::Now => return WaitEnd::Expired,
            // The job has not been reaped, so that the group is still its own. An empty group needs no signal.
            (_, ParentCommand::Terminate) => drop(status.job.terminate_group()),
            (_, ParentCommand::Extend(timeout)) => fallback.extend(timeout),
            (_, ParentCommand::Renew(until)) => fallback.renew(until),
            (_, ParentCommand::Capture) => send_capture(status, parent, sigchld, None),
            (_, ParentCommand::None) => {}
        }
    }
}

/// Captures the processes of a job, which go on, and sends where they are.
fn send_capture(status: &mut JobStatus, parent: &mut ParentLink, sigchld: &SigchldEvent, crashed: Option<u32>) {
    if let Some(capture) = capture(status.job, sigchld, crashed) {
        let (snapshots, seized) = capture.resume();
        status.seized.extend(seized);
        // If the parent is gone, the next read finds the end of its stream.
        let _ = parent.send(FrameKind::Snapshots, &snapshots);
    }
}

/// Captures the processes of a job; `None` if that panics, on something in them that nobody has thought of. They go on then.
pub(super) fn capture(job: ChildPid, sigchld: &SigchldEvent, crashed: Option<u32>) -> Option<Capture> {
    guarded(|| Capture::take(job, sigchld, crashed)).ok()
}
