//! `RunReport`: everything the supervisor reports about a finished run.

use std::io;
use std::time::{Duration, SystemTime};

use crate::checkpoint::Checkpoint;
use crate::outcome::{Attempt, Captured, Failure, Late, Outcome, Panic, Sweep, SweptBy, Usage};

/// A finished run, before its result is decoded.
#[derive(Debug)]
pub(crate) struct RunReport {
    pub(crate) outcome: Outcome<Vec<u8>>,
    /// How the function ended in its grace period, where it was cancelled.
    pub(crate) late: Option<Late<Vec<u8>>>,
    /// When the function was called, by the wall clock.
    pub(crate) started_at: Option<SystemTime>,
    pub(crate) duration: Duration,
    pub(crate) usage: Usage,
    pub(crate) sweep: Sweep,
    /// Nothing where no process was made.
    pub(crate) swept_by: Option<SweptBy>,
    pub(crate) stderr_tail: String,
    /// How the process failed after the outcome was complete, if it did.
    pub(crate) exit_failure: Option<Box<Failure>>,
    /// The first panics of any thread, but for the one that is the outcome.
    pub(crate) panics: Box<[Panic]>,
    /// What was captured of what the job wrote.
    pub(crate) captured: Option<Captured>,
    /// Every attempt, where there was more than one.
    pub(crate) attempts: Box<[Attempt]>,
    /// What this attempt, or an earlier one, has saved last.
    pub(crate) checkpoint: Option<Checkpoint>,
}

impl RunReport {
    /// Returns what comes of an order for which no process could be made.
    pub(crate) fn without_a_process(error: &io::Error) -> Self {
        let reason = format!("its process could not be made: {error}");
        Self::not_begun(Failure::NeverStarted { reason })
    }

    /// Returns what comes of an order whose arguments can't be sent.
    pub(crate) fn without_arguments(reason: &str) -> Self {
        Self::not_begun(Failure::NeverStarted { reason: reason.to_owned() })
    }

    /// Returns what comes of an order for which no process was made, for this reason.
    pub(crate) fn not_begun(failure: Failure) -> Self {
        Self {
            outcome: Outcome::Error(failure),
            late: None,
            started_at: None,
            duration: Duration::ZERO,
            usage: Usage::default(),
            sweep: Sweep::Clean,
            swept_by: None,
            stderr_tail: String::new(),
            exit_failure: None,
            panics: Box::default(),
            captured: None,
            attempts: Box::default(),
            checkpoint: None,
        }
    }
}
