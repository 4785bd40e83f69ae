//! The start of a run: whether its process exists, and the call of its function.

use std::sync::Arc;
use std::time::Duration;

use super::JobRun;
use crate::clock::{Deadline, Stopwatch};
use crate::supervisor::state_machine::Verdict;
use crate::supervisor::warden_pool::WardenPool;
use crate::wire::frame::{self, FrameKind};

/// How long a warden that was kept may take to make the process: after that it is taken for stopped, and replaced.
const TAKE_LIMIT: Duration = Duration::from_secs(2);
/// The most bytes of arguments that are copied, to send them in one piece with their header.
const COPIED_ARGUMENTS: usize = 16 * 1024;

impl JobRun {
    /// Returns whether the process still waits for its arguments, as far as is known.
    pub(in crate::supervisor) fn is_callable(&self) -> bool {
        !self.is_done() && !self.stream.is_closed_by_job()
    }

    /// Returns whether the process was started before its turn, and exited before its function was called.
    pub(in crate::supervisor) fn exited_before_call(&self) -> bool {
        self.is_prespawned && self.never_started() && !self.was_refused()
    }

    /// Returns whether the warden was one that had been kept, and was found to have exited or stopped before it made the
    /// process.
    pub(in crate::supervisor) fn lost_its_warden(&self) -> bool {
        self.was_kept && self.never_started() && self.observations.hello.is_none() && !self.was_refused()
    }

    fn was_refused(&self) -> bool {
        self.observations.start_expired || self.observations.refusal.is_some()
    }

    /// Returns whether the process could not be started for lack of descriptors, processes or memory.
    pub(in crate::supervisor) fn found_no_room(&self) -> bool {
        self.never_started() && self.observations.no_room
    }

    /// Returns why the process could not be started; empty if it could.
    pub(in crate::supervisor) fn refusal(&self) -> &str {
        self.observations.refusal.as_deref().unwrap_or_default()
    }

    fn never_started(&self) -> bool {
        self.state.verdict() == Some(Verdict::NeverStarted)
    }

    /// Sends the arguments, so that the function is called.
    pub(in crate::supervisor) fn call(&mut self, pool: &mut WardenPool) {
        self.output.guard_stdout();
        self.since_call = Stopwatch::start();
        self.start_deadline = self.warden.overdue.unwrap_or_else(|| Deadline::after(self.spec.start_timeout));
        let limit = if self.awaits_warden() { TAKE_LIMIT } else { Duration::MAX };
        self.deadline = self.start_deadline.earlier(Deadline::after(limit));
        if let Some(checkpoint) = &self.spec.checkpoint {
            let bytes = checkpoint.bytes();
            self.stream.send(Arc::new(frame::header(self.mark, FrameKind::Resume, bytes.len()).to_vec()));
            self.stream.send(Arc::clone(bytes));
        }
        let arguments = &self.spec.arguments;
        let header = frame::header(self.mark, FrameKind::Arguments, arguments.len());
        if arguments.len() <= COPIED_ARGUMENTS {
            // One piece wakes the job once.
            self.stream.send(Arc::new([&header[..], &arguments[..]].concat()));
        } else {
            self.stream.send(Arc::new(header.to_vec()));
            self.stream.send(Arc::clone(arguments));
        }
        if let Some(messages) = &self.spec.messages {
            messages.restart();
            self.send_messages();
        }
        // Meanwhile the process wakes up. It can't use up the memory in less time than this takes.
        self.oom_kills = pool.oom_counter().kills();
    }

    /// Returns whether it isn't known yet that a warden which was kept is still there.
    pub(super) fn awaits_warden(&self) -> bool {
        self.was_kept && self.observations.hello.is_none()
    }

    /// Gives the warden all the time that the start may take: others before it were slow as well, and so is the machine.
    pub(in crate::supervisor) fn trust_warden(&mut self) {
        self.was_kept = false;
        self.deadline = self.start_deadline;
    }
}
