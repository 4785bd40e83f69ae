//! `JobEvent`: what the supervisor reports about a job.

use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::question::Question;
use super::updates::LatestUpdates;
use crate::outcome::{Attempt, Captured};
use crate::record::{Record, RunReport};
use crate::wire::value::Encoding;

/// An event in the life of a job. `at` is when it happened, by the wall clock.
#[derive(Debug)]
pub(crate) enum JobEvent {
    /// It waits for its turn.
    Queued { at: SystemTime, group: Option<Cow<'static, str>> },
    /// It waits although it was its turn, as for this reason no process could be started beside the running ones.
    Postponed { at: SystemTime, running: usize, reason: String },
    /// Its function was called, in this process if its id is known, and on this machine if that is another one.
    Started { at: SystemTime, attempt: u32, slot: usize, process: Option<u32>, host: Option<Arc<str>> },
    /// This attempt has sent updates.
    Updated { at: SystemTime, attempt: u32, updates: LatestUpdates },
    /// It waits for the answer to a question.
    Asked(Question),
    /// An attempt has finished. It had this slot if a process was made for it.
    AttemptEnded { at: SystemTime, attempt: Attempt, slot: Option<usize>, retry: Option<Retried> },
    /// The job has finished. Every job has exactly one such event, its last.
    Finished(RunReport),
    /// An event of another job in the same entry: of a later part of its chain, or of its follow-up.
    OfPart(Box<PartEvent>),
    /// A follow-up has finished: the last of the events of it.
    FollowedUp { at: SystemTime, record: Box<Record> },
}

/// An event of a job that isn't the first one of its entry.
#[derive(Debug)]
pub(crate) struct PartEvent {
    /// The key for observers, if it is a follow-up.
    pub(crate) follow_up: Option<u64>,
    /// The name of the part's job.
    pub(crate) job: &'static str,
    /// The encoding of its values.
    pub(crate) encoding: Encoding,
    pub(crate) event: JobEvent,
}

/// What is known about an attempt that another one follows.
#[derive(Debug)]
pub(crate) struct Retried {
    /// The delay before the next attempt.
    pub(crate) delay: Duration,
    pub(crate) stderr_tail: String,
    pub(crate) captured: Option<Captured>,
}

/// Which events are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EventDetail {
    FinishedOnly,
    All,
}

/// Receives each event with its job's number; returns `Break` if no further job may start.
pub(super) type EventHandler<'a> = dyn FnMut(usize, JobEvent) -> ControlFlow<()> + 'a;
