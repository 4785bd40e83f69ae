//! `Order` and `Finished`: what a supervisor is given to run, and what it gives back.

use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::queue::Ticket;
use super::warden::new_mark;
use crate::attempt::Attempt;
use crate::captured::Captured;
use crate::checkpoint::Checkpoint;
use crate::evidence::{Sweep, SweptBy, Usage};
use crate::failure::{Failure, Panic};
use crate::launcher;
use crate::options::Options;
use crate::outcome::{Late, Outcome};
use crate::process::{CgroupHome, Cookie, Ends, Orphans};
use crate::registry::Entry;
use crate::wire::message::{Next, Request};

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// What the caller calls this run; the job's name, if he doesn't.
    pub(crate) id: Arc<str>,
    /// From 1.
    pub(crate) attempt: u32,
    /// What an earlier attempt has saved.
    pub(crate) checkpoint: Option<Checkpoint>,
    pub(crate) entry: &'static Entry,
    pub(crate) arguments: Arc<Vec<u8>>,
    /// Why there are no arguments to send: the job never starts.
    pub(crate) unserializable: Option<Arc<str>>,
    /// What the job was told, by whoever could.
    pub(crate) options: Arc<Options>,
    /// The line in which it waits: that of its group, as [`Rules`](super::Rules) count them from 1, or 0.
    pub(crate) line: usize,
    /// How long the function may run.
    pub(crate) limit: Duration,
    /// How long all the orders may take together that were given with it.
    pub(crate) list_limit: Duration,
    /// How long it may take until the function is called.
    pub(crate) start_limit: Duration,
    /// How long it may take until what the function has returned is here.
    pub(crate) delivery_limit: Duration,
    /// Where orphans go, should the warden be lost.
    pub(crate) orphans: Orphans,
    /// Where its cgroup is made, if it gets one.
    pub(crate) cgroups: Option<Arc<CgroupHome>>,
}

impl Order {
    /// Returns what a warden is told of it, and its job: their streams lead to these ends.
    pub(super) fn request(&self, ends: &Ends, next: Next, cookie: &Cookie) -> Request {
        Request {
            id: self.id.to_string(),
            attempt: self.attempt,
            timeout: (self.limit != Duration::MAX).then_some(self.limit),
            grace: self.grace(),
            delivery: self.delivery_limit,
            job: self.entry.name().to_owned(),
            stamp: launcher::stamp(),
            signature: self.entry.signature(),
            mark: new_mark(),
            next,
            limits: self.options.limits.any(),
            environment: self.options.environment.any(),
            cgroup: self.cgroups.as_ref().map(|home| home.group(cookie)),
            stdout: ends.stdout.leads.clone(),
            stderr: ends.stderr.leads.clone(),
            inherited: ends.inherited.numbers(),
        }
    }

    /// Returns how long the job may go on after it was asked to end; zero if it isn't asked.
    pub(super) fn grace(&self) -> Duration {
        self.options.grace.unwrap_or_default()
    }

    /// Returns by what the order is known while it waits.
    pub(crate) fn ticket(&self, number: usize) -> Ticket {
        Ticket { priority: self.options.priority.unwrap_or_default(), number, line: self.line }
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Finished {
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

impl Finished {
    /// Returns what comes of an order for which no process could be made.
    pub(super) fn without_a_process(error: &io::Error) -> Self {
        let reason = format!("its process could not be made: {error}");
        Self::not_begun(Failure::NeverStarted { reason })
    }

    /// Returns what comes of an order whose arguments can't be sent.
    pub(super) fn without_arguments(reason: &str) -> Self {
        Self::not_begun(Failure::NeverStarted { reason: reason.to_owned() })
    }

    /// Returns what comes of an order for which no process was made, for this reason.
    pub(super) fn not_begun(failure: Failure) -> Self {
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
