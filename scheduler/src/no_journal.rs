//! Journals, without the feature `journal`: there are none, and no job has an entry in one.

#![allow(dead_code, reason = "nothing makes a journal")]
#![allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "these are the methods of journals")]

use std::ops::ControlFlow;

use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::outcome::Attempt;
use crate::record::{Continuation, OwedFollowUp, RunReport};

/// Never made.
#[derive(Clone, Debug)]
pub(crate) struct Journal;

/// Never made.
#[derive(Clone, Debug)]
pub(crate) struct JournalEntry;

pub(crate) struct JournalOrder<'a> {
    pub(crate) job_id: &'a str,
    pub(crate) job: &'a str,
    pub(crate) part: u32,
    pub(crate) signature: u64,
    pub(crate) arguments: &'a [u8],
}

pub(crate) struct Ordered {
    pub(crate) entry: JournalEntry,
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) checkpoint: Option<Checkpoint>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FollowUps {
    OfTimeouts,
    Never,
}

pub(crate) enum Replay {
    Finished(Box<ReplayedJob>),
    Pending,
    Stop,
}

pub(crate) struct ReplayedJob {
    pub(crate) report: RunReport,
    pub(crate) follow_up: Option<ReplayedFollowUp>,
}

pub(crate) enum ReplayedFollowUp {
    Owed(OwedFollowUp),
    Done { job: String, signature: u64, report: Box<RunReport> },
}

impl Journal {
    pub(crate) fn order(&self, _: &[JournalOrder<'_>], _: FollowUps) -> Result<Vec<Ordered>, Error> {
        Ok(Vec::new())
    }

    pub(crate) fn fatal_error(&self) -> Option<Error> {
        None
    }
}

impl JournalEntry {
    pub(crate) fn replay(&self, _: impl FnOnce(&[u8]) -> bool) -> Replay {
        Replay::Pending
    }

    pub(crate) fn start(&self, _: u32) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    pub(crate) fn save(&self, _: &Checkpoint) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    pub(crate) fn end_attempt(&self, _: &Attempt) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    pub(crate) fn finish(&self, _: &RunReport, _: Option<&OwedFollowUp>, _: Continuation) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    pub(crate) fn finish_follow_up(&self, _: &str, _: u64, _: &RunReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    pub(crate) fn next_part(&self) -> u32 {
        0
    }

    pub(crate) fn set_next(&self, _: &Self) {}

    pub(crate) fn next(&self) -> Option<&Self> {
        None
    }

    pub(crate) fn follow_ups(&self) -> FollowUps {
        FollowUps::Never
    }

    pub(crate) fn fatal_failure(&self) -> Option<Error> {
        None
    }

    pub(crate) fn is_followed_up(&self) -> bool {
        false
    }

    pub(crate) fn follow_up_done(&self) {}
}
