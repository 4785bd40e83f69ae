//! `JobSpec`: a job as the supervisor is given it, with its arguments and limits.

use std::sync::Arc;
use std::time::Duration;

use super::queue::QueueKey;
use super::warden::new_mark;
use crate::checkpoint::Checkpoint;
use crate::launcher;
use crate::options::Options;
use crate::process::{CgroupHome, ChildStdio, Orphans, RunMarker};
use crate::registry::Entry;
use crate::wire::message::{AfterRun, Request};

/// What is to be run.
#[derive(Clone, Debug)]
pub(crate) struct JobSpec {
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

impl JobSpec {
    /// Returns what a warden is told of it, and its job: their streams lead to these ends.
    pub(super) fn request(&self, ends: &ChildStdio, next: AfterRun, run_marker: &RunMarker) -> Request {
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
            cgroup: self.cgroups.as_ref().map(|home| home.group(run_marker)),
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
    pub(crate) fn key(&self, number: usize) -> QueueKey {
        QueueKey { priority: self.options.priority.unwrap_or_default(), number, line: self.line }
    }
}
