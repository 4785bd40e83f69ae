//! `Execution`: one attempt at a job, in a process of this machine or at a slot on another one.

use std::ops::ControlFlow;
#[cfg(feature = "remote")]
use std::time::Duration;
use std::time::SystemTime;

use super::job_run::JobRun;
#[cfg(feature = "remote")]
use super::remote_run::RemoteRun;
use super::state_machine::StopReason;
use super::updates::LatestUpdates;
use super::warden_pool::WardenPool;
use crate::clock::Deadline;
use crate::process::{Interest, Readiness};
use crate::record::{RunReport, Site};

/// Where an attempt is made.
#[derive(Debug)]
#[cfg_attr(feature = "remote", expect(clippy::large_enum_variant, reason = "it stands in a box of its own"))]
pub(super) enum Execution {
    Process(JobRun),
    #[cfg(feature = "remote")]
    Remote(RemoteRun),
}

/// Calls a method of either.
macro_rules! either {
    ($execution:expr, $run:ident => $call:expr) => {
        match $execution {
            Execution::Process($run) => $call,
            #[cfg(feature = "remote")]
            Execution::Remote($run) => $call,
        }
    };
}

impl Execution {
    /// Returns the run of a process of this machine.
    #[cfg_attr(
        not(feature = "remote"),
        expect(clippy::unnecessary_wraps, reason = "with the feature there may be none")
    )]
    fn process_run(&self) -> Option<&JobRun> {
        match self {
            Self::Process(run) => Some(run),
            #[cfg(feature = "remote")]
            Self::Remote(_) => None,
        }
    }

    /// Returns where it runs, if that is another machine, and known.
    pub(super) fn site(&self) -> Option<&Site> {
        match self {
            Self::Process(_) => None,
            #[cfg(feature = "remote")]
            Self::Remote(run) => run.site(),
        }
    }

    pub(super) fn has_started(&self) -> bool {
        either!(self, run => run.has_started())
    }

    /// Returns when the function was called, by the wall clock, once it was.
    pub(super) fn started_at(&self) -> Option<SystemTime> {
        either!(self, run => run.started_at())
    }

    /// Returns the id of the job's process, once it is known.
    pub(super) fn process(&self) -> Option<u32> {
        either!(self, run => run.process())
    }

    pub(super) fn is_done(&self) -> bool {
        either!(self, run => run.is_done())
    }

    /// Returns whether the start of another process no longer delays this one.
    pub(super) fn is_up(&self) -> bool {
        self.process_run().is_none_or(JobRun::is_up)
    }

    /// Returns what to wait for; nothing if its events come through the mailbox.
    pub(super) fn interests(&self) -> Option<Interest<'_>> {
        self.process_run().map(JobRun::interests)
    }

    /// Returns the time at which [`advance`](Self::advance) is due, even if nothing is ready.
    pub(super) fn deadline(&self) -> Deadline {
        self.process_run().map_or(Deadline::NEVER, JobRun::deadline)
    }

    /// Handles what is ready, and the deadline if it has passed.
    pub(super) fn advance(&mut self, ready: Readiness) {
        match self {
            Self::Process(run) => run.advance(ready),
            // The agent on the other machine holds its deadlines.
            #[cfg(feature = "remote")]
            Self::Remote(_) => {}
        }
    }

    /// Returns whether its process could not be started for lack of descriptors, processes or memory.
    pub(super) fn found_no_room(&self) -> bool {
        self.process_run().is_some_and(JobRun::found_no_room)
    }

    /// Returns why its process could not be started.
    pub(super) fn refusal(&self) -> &str {
        self.process_run().map_or("", JobRun::refusal)
    }

    /// Returns whether the warden that was to make its process had exited before.
    pub(super) fn lost_its_warden(&self) -> bool {
        self.process_run().is_some_and(JobRun::lost_its_warden)
    }

    /// Returns whether its process was started before its turn, and exited before its function was called.
    pub(super) fn exited_before_call(&self) -> bool {
        self.process_run().is_some_and(JobRun::exited_before_call)
    }

    /// Gives the warden all the time that the start may take.
    pub(super) fn trust_warden(&mut self) {
        match self {
            Self::Process(run) => run.trust_warden(),
            #[cfg(feature = "remote")]
            Self::Remote(_) => {}
        }
    }

    /// Discards a run whose function has not been called.
    pub(super) fn discard(self, pool: &mut WardenPool) {
        match self {
            Self::Process(run) => run.discard(pool),
            #[cfg(feature = "remote")]
            Self::Remote(mut run) => run.kill(StopReason::Cancelled),
        }
    }

    /// Returns the report. Call it once it is done.
    pub(super) fn finish(self, pool: &mut WardenPool) -> RunReport {
        match self {
            Self::Process(run) => run.finish(pool),
            #[cfg(feature = "remote")]
            Self::Remote(run) => run.finish(),
        }
    }

    /// Asks the job to stop, and kills it after its grace period.
    pub(super) fn request_stop(&mut self, reason: StopReason) {
        either!(self, run => run.request_stop(reason));
    }

    /// Kills the job at once.
    pub(super) fn kill(&mut self, reason: StopReason) {
        either!(self, run => run.kill(reason));
    }

    /// Lets its job live until this time since the machine's start.
    #[cfg(feature = "remote")]
    pub(super) fn renew(&mut self, until: Duration) {
        if let Self::Process(run) = self {
            run.renew(until);
        }
    }

    /// Writes the last checkpoint to the journal, as `RunUpdates::write_checkpoint` does.
    pub(super) fn write_checkpoint(&mut self) -> ControlFlow<()> {
        either!(self, run => run.write_checkpoint())
    }

    /// Returns the updates, if there are some that no event has announced.
    pub(super) fn take_updates(&mut self) -> Option<LatestUpdates> {
        either!(self, run => run.take_updates())
    }

    /// Returns what the job has asked since the last call, with the numbers of its requests.
    pub(super) fn take_questions(&mut self) -> Vec<(u64, Vec<u8>)> {
        either!(self, run => run.take_questions())
    }

    /// Sends the answer to a question, or why there is none.
    pub(super) fn answer(&mut self, number: u64, answer: Result<Vec<u8>, String>) {
        either!(self, run => run.answer(number, answer));
    }

    /// Sends the messages of the job's handle that were not sent yet.
    pub(super) fn send_messages(&mut self) {
        either!(self, run => run.send_messages());
    }
}
