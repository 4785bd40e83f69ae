//! `JobEvent`: what the supervisor reports about a job.

use std::ops::ControlFlow;
use std::time::Duration;

use super::updates::LatestUpdates;
use crate::outcome::Attempt;
use crate::record::RunReport;

/// An event in the life of a job.
#[derive(Debug)]
pub(crate) enum JobEvent {
    /// It waits for its turn.
    Queued,
    /// Its function was called, in this process if its id is known.
    Started { attempt: u32, process: Option<u32> },
    /// This attempt has sent updates.
    Updated { attempt: u32, updates: LatestUpdates },
    /// An attempt has finished; if another one follows, after this delay.
    AttemptEnded { attempt: Attempt, retry_in: Option<Duration> },
    /// The job has finished. Every job has exactly one such event, its last.
    Finished(RunReport),
}

/// Which events are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventDetail {
    FinishedOnly,
    All,
}

/// Receives each event with its job's number; returns `Break` if no further job may start.
pub(super) type EventHandler<'a> = dyn FnMut(usize, JobEvent) -> ControlFlow<()> + 'a;
